//! One core's share of the broker: its sessions, their connections' output, and what it tells other cores.
//!
//! No sockets and no clock. The network side feeds bytes and the time in, and takes bytes out:
//!
//! 1. [`Core::receive`] handles all complete packets of one read and appends to the outputs of the subscribers.
//! 2. [`Core::next_dirty`] names each connection that has something to send, once; one write each.
//! 3. [`Core::settle`] says whether the publisher should stop reading for a while.
//!
//! A client identifier belongs to the core that [`home_core`] names, so sessions never move and a take-over
//! concerns one core only.

mod connect;
mod connection;
mod control;
mod deliver;
mod delivery;
mod lane;
mod lifecycle;
mod memo;
mod output;
mod pressure;
mod publish;
mod stats;
mod subscribe;
mod sweep;
mod turn;

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::{FixedState, RandomState};

use crate::Millis;
use crate::limits::Limits;
use crate::message::Message;
use crate::retained::{Bounds, Retained};
use crate::router::{Route, Router, SessionRef};
use crate::session::SessionTable;

pub use connect::{Connecting, Refusal};
pub use connection::{Connection, ConnectionRef};
pub use lane::{Batch, Lanes, Mail};
pub use lifecycle::{Closed, Farewell};
pub use output::Output;
pub use pressure::Settled;
pub use stats::Stats;
pub use turn::Received;

/// What all cores of a process share.
#[derive(Debug)]
pub struct Shared {
    /// The subscriptions of all sessions.
    pub router: Router,
    /// The retained messages.
    pub retained: Retained<Arc<Message>>,
    /// The mailboxes between cores.
    pub lanes: Lanes,
    /// The bounds in force.
    pub limits: Limits,
    /// Number of cores.
    pub cores: u16,
    policy_epoch: AtomicU64,
    /// Sessions of all cores, for [`Limits::max_sessions`].
    sessions: AtomicUsize,
}

impl Shared {
    /// An empty broker for `cores` cores.
    #[must_use]
    pub fn new(cores: u16, limits: Limits) -> Self {
        Self {
            router: Router::new(),
            retained: Retained::new(Bounds {
                messages: limits.max_retained_messages,
                bytes: limits.max_retained_bytes,
            }),
            lanes: Lanes::new(cores),
            limits,
            cores,
            policy_epoch: AtomicU64::new(0),
            sessions: AtomicUsize::new(0),
        }
    }

    /// The number of policy changes so far.
    #[inline]
    pub fn policy_epoch(&self) -> u64 {
        // Pairs with the Release below: who sees an epoch sees the policy that was stored before it.
        self.policy_epoch.load(Ordering::Acquire)
    }

    /// Makes all cores judge by a new policy: call after the policy is in place.
    pub fn policy_changed(&self) {
        self.policy_epoch.fetch_add(1, Ordering::Release);
    }
}

/// The core that owns a client identifier. The same for the life of the process, whatever core accepts.
#[must_use]
pub fn home_core(client_id: &str, cores: u16) -> u16 {
    let mut hasher = FixedState::with_seed(0x6d6f_6174).build_hasher();
    hasher.write(client_id.as_bytes());
    // The high half is as good as the low one; a multiplication spreads it over the cores without a division.
    let spread = (hasher.finish() >> 32) * u64::from(cores);
    u16::try_from(spread >> 32).unwrap_or(0)
}

/// Routes of topics that several connections of this core publish to; cleared when it is full or the
/// subscriptions changed.
#[derive(Debug, Default)]
struct RouteCache {
    epoch: u64,
    routes: HashMap<Box<str>, Arc<Route>, RandomState>,
}

/// Topics whose routes one core remembers.
const CACHED_ROUTES: usize = 8192;

impl RouteCache {
    fn get(&mut self, router: &Router, topic: &str) -> Arc<Route> {
        let epoch = router.epoch();
        if self.epoch != epoch || self.routes.len() >= CACHED_ROUTES {
            self.routes.clear();
            self.epoch = epoch;
        }
        if let Some(route) = self.routes.get(topic) {
            return Arc::clone(route);
        }
        let route = Arc::new(router.route(topic));
        if route.epoch == self.epoch {
            self.routes.insert(topic.into(), Arc::clone(&route));
        }
        route
    }
}

/// One core. Not `Sync`: its runtime owns it.
#[derive(Debug)]
pub struct Core {
    id: u16,
    shared: Arc<Shared>,
    now: Millis,
    sessions: SessionTable,
    serial: u32,
    /// When sessions expire and delayed wills fire. Entries may be out of date; the session says.
    timers: BTreeSet<(Millis, SessionRef)>,
    routes: RouteCache,
    pool: output::BufferPool,
    scratch: Vec<u8>,
    dirty: Vec<ConnectionRef>,
    farewells: Vec<Farewell>,
    /// By core; what this turn produced for it.
    outbound: Vec<Batch>,
    tickets: pressure::Tickets,
    /// Outputs over the high-water mark that the present turn wrote to.
    touched: Vec<ConnectionRef>,
    /// Whether the present turn put a message behind others in a queue over its high-water mark.
    enqueued_behind: bool,
    sweep: sweep::Sweep,
    stats: Stats,
}

impl Core {
    /// The core number `id` of `shared.cores`.
    #[must_use]
    pub fn new(id: u16, shared: Arc<Shared>) -> Self {
        Self {
            id,
            now: 0,
            sessions: SessionTable::new(id),
            serial: 0,
            timers: BTreeSet::new(),
            routes: RouteCache::default(),
            pool: output::BufferPool::default(),
            scratch: Vec::new(),
            dirty: Vec::new(),
            farewells: Vec::new(),
            outbound: (0..shared.cores).map(|_| Batch::default()).collect(),
            tickets: pressure::Tickets::default(),
            touched: Vec::new(),
            enqueued_behind: false,
            sweep: sweep::Sweep::default(),
            stats: Stats::default(),
            shared,
        }
    }

    /// What the cores have in common.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Sets the time. Must not go back.
    pub fn set_now(&mut self, now: Millis) {
        self.now = now;
    }

    /// A copy of the counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { sessions: self.sessions.len() as u64, ..self.stats }
    }

    /// A connection that has something to send, each once per turn.
    pub fn next_dirty(&mut self) -> Option<ConnectionRef> {
        while let Some(reference) = self.dirty.pop() {
            if let Some(connection) = self.connection_mut(reference) {
                connection.dirty = false;
                return Some(reference);
            }
        }
        None
    }

    /// A connection that this core has ended: its last bytes go out, then its socket is closed.
    pub fn next_farewell(&mut self) -> Option<Farewell> {
        self.farewells.pop()
    }

    /// The unsent output of a connection; none if the connection has ended.
    pub fn output(&mut self, reference: ConnectionRef) -> Option<&mut Output> {
        self.connection_mut(reference).map(|connection| &mut connection.output)
    }

    /// Hands this turn's messages for other cores over. Call at the end of each turn.
    pub fn post(&mut self) {
        for (core, batch) in self.outbound.iter_mut().enumerate() {
            if !batch.is_empty() {
                let core = u16::try_from(core).unwrap_or(u16::MAX);
                self.shared.lanes.post(core, Mail::Batch(std::mem::take(batch)));
            }
        }
    }

    #[inline]
    fn connection_mut(&mut self, reference: ConnectionRef) -> Option<&mut Connection> {
        let connection = self.sessions.get_mut(reference.session)?.connection.as_deref_mut()?;
        (connection.serial == reference.serial).then_some(connection)
    }
}

/// Notes that a connection has something to send. Free function, so that a session may be borrowed meanwhile.
#[inline]
fn mark_dirty(
    dirty: &mut Vec<ConnectionRef>,
    pool: &mut output::BufferPool,
    session: SessionRef,
    connection: &mut Connection,
) {
    if !connection.dirty {
        connection.dirty = true;
        connection.output.prepare(pool);
        dirty.push(ConnectionRef { session, serial: connection.serial });
    }
}
