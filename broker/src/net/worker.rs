//! One core's runtime: its listening sockets, its connections, its share of the sessions.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use moat_mqtt::core::{Closed, ConnectionRef, Core, Mail, Shared, Stats};
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};

use super::accept::{Acceptor, Handoff};
use super::flush;
use super::listener::Listener;
use super::socket::Socket;
use crate::auth::Authenticator;

/// Bytes taken from a socket by one read.
pub(crate) const READ_BUFFER: usize = 128 << 10;
/// Sessions judged again before other work has its turn.
const SWEEP_SLICE: u32 = 128;
/// How often time is told to the core while nothing else happens.
const TICK: Duration = Duration::from_millis(50);
/// How often silent connections are looked for.
const KEEP_ALIVE_CHECK: Duration = Duration::from_millis(500);

/// How often expired entries of the password cache are removed.
const CACHE_SWEEP: Duration = Duration::from_secs(60);

/// What a worker is told.
pub(crate) enum Command {
    /// A connection whose client identifier this core owns.
    Adopt(Box<Handoff>),
    /// The listeners to serve from now on.
    Listen(Vec<Arc<Listener>>),
    /// The policy epoch moved: judge all sessions again.
    Judge,
    /// Stop accepting, end all connections, then return.
    Stop,
}

/// What all workers and the supervisor share.
pub(crate) struct Hub {
    pub(crate) shared: Arc<Shared>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) workers: Vec<WorkerHandle>,
    pub(crate) started: Instant,
    /// No new connections: the process is about to stop.
    pub(crate) draining: AtomicBool,
    pub(crate) io: IoStats,
    /// Notified whenever a core has judged all its sessions by a newer policy.
    pub(crate) judged: Notify,
}

impl Hub {
    /// At most how many sessions were not judged yet by the newest policy; 0 only when all were.
    pub(crate) fn unjudged(&self) -> u64 {
        let epoch = self.shared.policy_epoch();
        let behind = self.workers.iter().filter(|worker| worker.swept.load(Ordering::Acquire) < epoch);
        // The counters are some milliseconds old: a core that is behind never counts as done.
        behind.map(|worker| worker.stats.lock().sessions.max(1)).sum()
    }
}

/// Counters of the network side that are not a core's.
#[derive(Default)]
pub(crate) struct IoStats {
    pub(crate) accepted: AtomicU64,
    pub(crate) handshakes_failed: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// A worker as others see it.
pub(crate) struct WorkerHandle {
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) stats: Mutex<Stats>,
    /// Newest policy epoch that this worker's sweep has completed.
    pub(crate) swept: AtomicU64,
}

/// A place for the socket of one session's connection.
type Place = Option<(ConnectionRef, Rc<Socket>)>;

/// A worker from inside, on its own thread.
pub(crate) struct Worker {
    pub(crate) id: u16,
    pub(crate) hub: Arc<Hub>,
    pub(crate) core: RefCell<Core>,
    /// By the session's place; a connection's socket is in the place of its session.
    pub(crate) sockets: RefCell<Vec<Place>>,
    pub(crate) read_buffer: RefCell<Vec<u8>>,
    pub(crate) plaintext: RefCell<Vec<u8>>,
    pub(crate) flusher: Notify,
    flush_due: Cell<bool>,
}

impl Worker {
    /// Milliseconds since the broker started.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.hub.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Has the flusher run after the tasks that are ready now.
    pub(crate) fn flush_soon(&self) {
        if !self.flush_due.replace(true) {
            self.flusher.notify_one();
        }
    }

    pub(crate) fn flush_begins(&self) {
        self.flush_due.set(false);
    }

    pub(crate) fn socket(&self, connection: ConnectionRef) -> Option<Rc<Socket>> {
        let sockets = self.sockets.borrow();
        let (owner, socket) = sockets.get(connection.session.slot as usize)?.as_ref()?;
        (*owner == connection).then(|| Rc::clone(socket))
    }

    pub(crate) fn install(&self, connection: ConnectionRef, socket: Rc<Socket>) {
        let mut sockets = self.sockets.borrow_mut();
        let place = connection.session.slot as usize;
        if sockets.len() <= place {
            sockets.resize_with(place + 1, || None);
        }
        sockets[place] = Some((connection, socket));
    }

    /// Takes a connection's socket out of the table.
    pub(crate) fn uninstall(&self, connection: ConnectionRef) -> Option<Rc<Socket>> {
        let mut sockets = self.sockets.borrow_mut();
        let place = sockets.get_mut(connection.session.slot as usize)?;
        match place {
            Some((owner, _)) if *owner == connection => place.take().map(|(_, socket)| socket),
            _ => None,
        }
    }
}

/// Starts the thread of worker `id`.
pub(crate) fn spawn(
    id: u16,
    hub: Arc<Hub>,
    commands: mpsc::UnboundedReceiver<Command>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(format!("core-{id}")).spawn(move || {
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, run(id, hub, commands));
    })
}

async fn run(id: u16, hub: Arc<Hub>, mut commands: mpsc::UnboundedReceiver<Command>) {
    let mail = Arc::new(Notify::new());
    let wake = Arc::clone(&mail);
    hub.shared.lanes.on_mail(id, move || wake.notify_one());
    let worker = Rc::new(Worker {
        id,
        core: RefCell::new(Core::new(id, Arc::clone(&hub.shared))),
        hub,
        sockets: RefCell::default(),
        read_buffer: RefCell::new(vec![0; READ_BUFFER]),
        plaintext: RefCell::default(),
        flusher: Notify::new(),
        flush_due: Cell::new(false),
    });
    tokio::task::spawn_local(flush::run(Rc::clone(&worker)));
    tokio::task::spawn_local(take_mail(Rc::clone(&worker), mail));
    tokio::task::spawn_local(keep_time(Rc::clone(&worker)));
    let judge = Rc::new(Notify::new());
    tokio::task::spawn_local(judge_sessions(Rc::clone(&worker), Rc::clone(&judge)));
    let mut acceptor = Acceptor::new(Rc::clone(&worker));
    while let Some(command) = commands.recv().await {
        match command {
            Command::Adopt(handoff) => handoff.adopt(&worker),
            Command::Listen(listeners) => acceptor.serve(&listeners),
            Command::Judge => judge.notify_one(),
            Command::Stop => {
                acceptor.serve(&[]);
                close_all(&worker).await;
                return;
            }
        }
    }
}

/// Takes mail from other cores.
async fn take_mail(worker: Rc<Worker>, mail: Arc<Notify>) {
    let mut box_ = Vec::new();
    loop {
        mail.notified().await;
        worker.hub.shared.lanes.collect(worker.id, &mut box_);
        {
            let mut core = worker.core.borrow_mut();
            core.set_now(worker.now());
            for piece in &box_ {
                match piece {
                    Mail::Batch(batch) => core.take_batch(batch),
                    Mail::Credit(publisher) => core.take_credit(*publisher),
                }
            }
        }
        box_.clear();
        worker.flush_soon();
    }
}

/// Tells the core the time, and others what it does.
async fn keep_time(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut checked = Instant::now();
    let mut cache_swept = checked;
    loop {
        ticks.tick().await;
        {
            let mut core = worker.core.borrow_mut();
            core.set_now(worker.now());
            core.tick();
            if checked.elapsed() >= KEEP_ALIVE_CHECK {
                checked = Instant::now();
                core.check_keep_alive();
                if worker.id == 0 && cache_swept.elapsed() >= CACHE_SWEEP {
                    cache_swept = Instant::now();
                    worker.hub.authenticator.verifier.sweep();
                }
            }
            if let Some(handle) = worker.hub.workers.get(usize::from(worker.id)) {
                *handle.stats.lock() = core.stats();
            }
        }
        worker.flush_soon();
    }
}

/// Judges all sessions again after a change of policy, a slice at a time.
async fn judge_sessions(worker: Rc<Worker>, judge: Rc<Notify>) {
    loop {
        judge.notified().await;
        loop {
            let (more, swept) = {
                let mut core = worker.core.borrow_mut();
                core.set_now(worker.now());
                let more = core.sweep(SWEEP_SLICE);
                (more, core.swept())
            };
            worker.flush_soon();
            if !more {
                if let Some(handle) = worker.hub.workers.get(usize::from(worker.id)) {
                    handle.swept.store(swept, Ordering::Release);
                }
                worker.hub.judged.notify_one();
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Ends all connections in waves, so that their clients do not come back as one storm.
async fn close_all(worker: &Rc<Worker>) {
    const WAVE: usize = 500;
    let connections = worker.core.borrow().connections();
    for wave in connections.chunks(WAVE) {
        {
            let mut core = worker.core.borrow_mut();
            core.set_now(worker.now());
            for connection in wave {
                core.close(*connection, Closed::Shutdown);
            }
        }
        flush::now(worker);
        tokio::task::yield_now().await;
    }
}
