//! The one task that knows: takes inputs one after the other, asks the pure steps what follows, and wishes.

mod cluster;
mod compile;
mod due;
mod hear;
mod space;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use moat_crds::compile::{Change, Kind, ResourceKey};
use moat_crds::delivery::Report;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

use self::space::Space;
use super::Context;
use super::definitions::{Definitions, State};
use super::error::Problem;
use super::statuses::{Statuses, Written};
use super::watch::Input;
use super::worker::Outcome;
use crate::health::Readiness;
use crate::passwords::SaltKey;

/// Changes are compiled when it was quiet for so long …
const QUIET: Duration = Duration::from_millis(10);
/// … or when the first has waited for so long.
const PATIENCE: Duration = Duration::from_millis(100);
/// Inputs taken before anything else is looked at.
const BATCH: usize = 1024;
/// A kind that cannot be read for so long is told of.
const UNREADABLE_AFTER: Duration = Duration::from_secs(10);
/// How often is looked at what only time changes.
const TICK: Duration = Duration::from_millis(500);

/// The kinds that are compiled.
const KINDS: [Kind; 7] = [
    Kind::MqttCluster,
    Kind::Realm,
    Kind::Pipeline,
    Kind::Role,
    Kind::Permission,
    Kind::Credential,
    Kind::Secret,
];

/// What the engine's own helpers tell it.
pub(super) enum News {
    /// Of the worker of a cluster: namespace, name, uid.
    Outcome((Arc<str>, String, String), Box<Outcome>),
    /// Of a pod: namespace, name, uid.
    Report((Arc<str>, String, String), Result<Box<Report>, String>),
    /// Passwords were hashed, and these could not be.
    Verified(Arc<str>, Vec<Change>, Vec<ResourceKey>),
    /// A status was written, or not.
    Written(ResourceKey, Written),
}

/// How the list of a kind stands.
#[derive(Default)]
struct Listing {
    /// What the list that is being read has shown.
    seen: Option<HashSet<ResourceKey>>,
    /// Whether there was a whole list once.
    listed: bool,
    /// Since when, and why, it cannot be read.
    unreadable: Option<(Instant, String)>,
    /// Whether namespaces were told to hold it.
    held: bool,
}

pub(super) struct Engine {
    context: Arc<Context>,
    readiness: Readiness,
    statuses: Statuses,
    definitions: Definitions,
    spaces: HashMap<Arc<str>, Space>,
    listings: BTreeMap<Kind, Listing>,
    /// Gone, if their kind's definition is still there.
    doubted: Vec<ResourceKey>,
    /// Since when changes wait to be compiled, and when the last one came.
    waiting: Option<(Instant, Instant)>,
    /// Namespaces with changes that were not compiled.
    changed: BTreeSet<Arc<str>>,
    salt: Option<Arc<SaltKey>>,
    /// Why there is no key of the salts, as it was told last.
    no_salt: Option<Problem>,
    tell: mpsc::UnboundedSender<News>,
    news: Option<mpsc::UnboundedReceiver<News>>,
    leading: bool,
    /// Whether the first compile was done.
    compiled: bool,
}

impl Engine {
    pub(super) fn new(context: Arc<Context>, readiness: Readiness) -> Self {
        let (tell, news) = mpsc::unbounded_channel();
        Self {
            statuses: Statuses::new(context.client.clone(), context.metrics.clone()),
            definitions: Definitions::new(context.client.clone()),
            context,
            readiness,
            spaces: HashMap::new(),
            listings: KINDS.map(|kind| (kind, Listing::default())).into(),
            doubted: Vec::new(),
            waiting: None,
            changed: BTreeSet::new(),
            salt: None,
            no_salt: None,
            tell,
            news: Some(news),
            leading: false,
            compiled: false,
        }
    }

    /// Runs until the watches end.
    pub(super) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let Some(mut news) = self.news.take() else { return };
        let mut leading = self.context.leading.clone();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let compile_at = self.waiting.map(|(first, last)| (last + QUIET).min(first + PATIENCE));
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => return,
                },
                Some(heard) = news.recv() => self.hear(heard),
                Ok(()) = leading.changed() => self.lead(*leading.borrow_and_update()).await,
                () = sleep_until(compile_at) => {}
                _ = tick.tick() => self.tick().await,
            }
            for _ in 0..BATCH {
                match inputs.try_recv() {
                    Ok(input) => self.take(input).await,
                    Err(_) => break,
                }
            }
            while let Ok(heard) = news.try_recv() {
                self.hear(heard);
            }
            let due = self
                .waiting
                .is_some_and(|(first, last)| last.elapsed() >= QUIET || first.elapsed() >= PATIENCE);
            if due {
                self.compile().await;
            }
            self.settle();
        }
    }

    async fn take(&mut self, input: Input) {
        match input {
            Input::Listing(kind) => {
                self.listing(kind).seen = Some(HashSet::new());
                // Before anything of the kind is taken: the definition of now is the one that it shall stay.
                let _ = self.definitions.look(kind).await;
            }
            Input::Seen(seen) => {
                let listing = self.listing(seen.key.kind);
                listing.unreadable = None;
                if let Some(list) = &mut listing.seen {
                    list.insert(seen.key.clone());
                }
                let namespace = Arc::clone(&seen.key.namespace);
                self.space(&namespace).see(*seen);
                self.note(namespace);
            }
            Input::Gone(key) => {
                self.doubted.push(key);
                self.wait();
            }
            Input::Listed(kind) => self.listed(kind),
            Input::Unreadable(kind, why) => {
                let listing = self.listing(kind);
                let since = listing.unreadable.as_ref().map_or_else(Instant::now, |(since, _)| *since);
                listing.unreadable = Some((since, why));
                self.tell_readiness();
            }
            Input::Pod(namespace, name, pod) => {
                let tell = self.tell.clone();
                self.space(&namespace.into()).pod(name, pod, &tell);
            }
            Input::Pods(there) => {
                let there: HashSet<(String, String)> = there.into_iter().collect();
                for space in self.spaces.values_mut() {
                    space.keep_pods(&there);
                }
            }
            Input::Workload(namespace, cluster, workload) => {
                self.space(&namespace.into()).workload(&cluster, workload);
            }
            Input::Touched(namespace, cluster, touched) => {
                self.space(&namespace.into()).touched(&cluster, touched);
            }
            Input::OwnedListed(kind, there) => {
                self.spaces.values_mut().for_each(|space| space.owned_listed(kind, &there));
            }
        }
    }

    fn listing(&mut self, kind: Kind) -> &mut Listing {
        self.listings.entry(kind).or_default()
    }

    fn space(&mut self, namespace: &Arc<str>) -> &mut Space {
        let Self { spaces, listings, .. } = self;
        spaces.entry(Arc::clone(namespace)).or_insert_with(|| {
            let mut space = Space::new(Arc::clone(namespace));
            for (kind, listing) in listings.iter().filter(|(_, listing)| listing.held) {
                let why = listing.unreadable.as_ref().map_or("", |(_, why)| why.as_str());
                space.policy.hold(*kind, "KindUnreadable", why);
            }
            space
        })
    }

    fn note(&mut self, namespace: Arc<str>) {
        self.changed.insert(namespace);
        self.wait();
    }

    fn wait(&mut self) {
        let now = Instant::now();
        self.waiting = Some((self.waiting.map_or(now, |(first, _)| first), now));
    }

    /// A whole list was read: what it did not show is gone, if it can be believed.
    fn listed(&mut self, kind: Kind) {
        let listing = self.listing(kind);
        let seen = listing.seen.take().unwrap_or_default();
        let was_listed = std::mem::replace(&mut listing.listed, true);
        listing.unreadable = None;
        if was_listed {
            let known = self.spaces.values().flat_map(|space| space.policy.keys(kind));
            let gone: Vec<_> = known.filter(|key| !seen.contains(key)).collect();
            self.doubted.extend(gone);
        }
        self.wait();
        self.tell_readiness();
    }

    /// Says what is waited for, in the API server's words where it said something.
    fn tell_readiness(&self) {
        let missing =
            self.listings.iter().filter(|(_, listing)| !listing.listed).map(|(kind, listing)| match &listing
                .unreadable
            {
                Some((_, why)) => format!("{kind} ({why})"),
                None => kind.to_string(),
            });
        let missing: Vec<_> = missing.collect();
        let waits = (!missing.is_empty())
            .then(|| format!("waiting for the first whole list of {}", missing.join(", ")));
        self.readiness.set(waits);
    }

    /// The kinds of which there was no whole list yet.
    fn missing(&self) -> impl Iterator<Item = Kind> {
        self.listings.iter().filter(|(_, listing)| !listing.listed).map(|(kind, _)| *kind)
    }

    /// Decides about what seems to be gone, and takes it out or holds it.
    async fn believe(&mut self) {
        let doubted = std::mem::take(&mut self.doubted);
        let kinds: BTreeSet<_> = doubted.iter().map(|key| key.kind).collect();
        let mut verdicts = BTreeMap::new();
        for kind in kinds {
            let state = self.definitions.look(kind).await;
            if matches!(state, State::Missing | State::Replaced) {
                self.hold(kind, state);
            }
            verdicts.insert(kind, state);
        }
        for key in doubted {
            if verdicts.get(&key.kind) == Some(&State::Unknown) {
                self.doubted.push(key);
                continue;
            }
            let namespace = Arc::clone(&key.namespace);
            self.space(&namespace).gone(key);
            self.changed.insert(namespace);
        }
        if !self.doubted.is_empty() {
            self.wait();
        }
        for (kind, _) in verdicts.iter().filter(|(_, state)| **state == State::Replaced) {
            self.resume(*kind).await;
        }
    }

    /// The definition of a kind went: what goes with it stays in force.
    fn hold(&mut self, kind: Kind, state: State) {
        let message = match state {
            State::Replaced => format!("the CustomResourceDefinition of {kind} was deleted and made anew"),
            _ => format!("the CustomResourceDefinition of {kind} is missing: apply the CRDs again"),
        };
        warn!(%kind, "{message}; what was deleted with it stays in force");
        self.hold_everywhere(kind, "DefinitionMissing", &message);
    }

    fn hold_everywhere(&mut self, kind: Kind, reason: &str, message: &str) {
        self.listing(kind).held = true;
        for (namespace, space) in &mut self.spaces {
            space.policy.hold(kind, reason, message);
            space.dirty_clusters();
            self.changed.insert(Arc::clone(namespace));
        }
    }

    /// A kind can be read again under a definition that stays: deletions count from now on.
    async fn resume(&mut self, kind: Kind) {
        self.definitions.accept(kind).await;
        self.listing(kind).held = false;
        for (namespace, space) in &mut self.spaces {
            space.policy.resume(kind);
            space.dirty_clusters();
            self.changed.insert(Arc::clone(namespace));
        }
        self.wait();
    }

    async fn lead(&mut self, leading: bool) {
        self.leading = leading;
        if leading {
            for space in self.spaces.values_mut() {
                space.everything_is_due();
            }
            self.hash().await;
        }
    }

    async fn tick(&mut self) {
        let now = Instant::now();
        let lost: Vec<(Kind, String)> = self
            .listings
            .iter()
            .filter(|(_, listing)| listing.listed && !listing.held)
            .filter_map(|(kind, listing)| {
                let (since, why) = listing.unreadable.as_ref()?;
                (now.duration_since(*since) >= UNREADABLE_AFTER).then(|| (*kind, why.clone()))
            })
            .collect();
        for (kind, why) in lost {
            let message = format!("{kind} cannot be read: {why}");
            self.hold_everywhere(kind, "KindUnreadable", &message);
        }
        let readable: Vec<Kind> = self
            .listings
            .iter()
            .filter(|(_, listing)| listing.held && listing.unreadable.is_none() && listing.seen.is_none())
            .map(|(kind, _)| *kind)
            .collect();
        for kind in readable {
            if matches!(self.definitions.look(kind).await, State::Same | State::Replaced) {
                info!(%kind, "can be read again");
                self.resume(kind).await;
            }
        }
        if self.leading && self.salt.is_none() {
            self.hash().await;
        }
        let tell = self.tell.clone();
        let time = jiff::Timestamp::now();
        for space in self.spaces.values_mut() {
            space.tick(time, &tell);
        }
    }
}

/// Completes then; never if there is no then.
async fn sleep_until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}
