//! Which status each resource has in the API, in little memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use moat_crds::Status;
use moat_crds::compile::{Kind, ResourceKey};

use super::condition::{Draft, whole_seconds};
use super::enforcement::Phase;
use super::resource;
use crate::policy::{Accepted, Verdict};

/// The types that a policy resource's status has; others are other writers'.
const TYPES: [&str; 4] = ["Accepted", "Ready", "Reconciling", "Stalled"];
/// The place of `Ready` among them.
const READY: usize = 1;

/// The status that an object has in the API.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observed<'a> {
    /// `metadata.resourceVersion`, by which what is older than a write of ours is recognised.
    pub resource_version: Option<&'a str>,
    /// `status.observedGeneration`.
    pub observed_generation: Option<i64>,
    /// `status.conditions`.
    pub conditions: &'a [Condition],
}

/// Which status each resource has in the API: about a hundred bytes for each.
#[derive(Default)]
pub struct Ledger {
    /// By kind and namespace, then by name.
    known: HashMap<(Kind, Arc<str>), HashMap<Arc<str>, Known>>,
    hasher: RandomState,
}

/// The status of one object.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The resource version of the object that had it; 0 when that is no number.
    version: u64,
    /// `status.observedGeneration`; `i64::MIN` when there is none.
    generation: i64,
    /// What each of [`TYPES`] says besides its status and time, as a hash.
    says: [u32; TYPES.len()],
    /// Since when each has its status, in seconds since 1970.
    since: [u32; TYPES.len()],
    /// Which status each has.
    is: [Is; TYPES.len()],
}

/// The status of a condition.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Is {
    #[default]
    Absent,
    False,
    True,
    /// None that we write.
    Garbage,
}

impl Known {
    fn says_the_same(&self, other: &Self) -> bool {
        (self.generation, self.says, self.is) == (other.generation, other.says, other.is)
    }
}

impl Is {
    fn of(status: &str) -> Self {
        match status {
            "True" => Self::True,
            "False" => Self::False,
            _ => Self::Garbage,
        }
    }
}

impl Ledger {
    /// Knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of an object as a list or watch showed it; what is older than the last that was noted is passed
    /// over. Tells whether the object was known with another status: someone else wrote it, and what is due must be
    /// asked again.
    pub fn observe(&mut self, key: &ResourceKey, observed: Observed<'_>) -> bool {
        let seen = self.known(observed);
        let known = self.get(key).copied();
        if known.is_some_and(|known| seen.version != 0 && seen.version < known.version) {
            return false;
        }
        self.put(key, seen);
        known.is_some_and(|known| !known.says_the_same(&seen))
    }

    /// Takes note of an object as the answer to a write of its status showed it.
    pub fn written(&mut self, key: &ResourceKey, answer: Observed<'_>) {
        self.observe(key, answer);
    }

    /// The object is gone.
    pub fn forget(&mut self, key: &ResourceKey) {
        let place = (key.kind, Arc::clone(&key.namespace));
        if let Some(names) = self.known.get_mut(&place) {
            names.remove(&*key.name);
            if names.is_empty() {
                self.known.remove(&place);
            }
        }
    }

    /// How many objects are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.values().map(HashMap::len).sum()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The status to apply; `None` when there is nothing to write, or not yet.
    #[must_use]
    pub fn due(&self, key: &ResourceKey, verdict: &Verdict, phase: &Phase, now: Timestamp) -> Option<Status> {
        let drafts = resource::drafts(verdict, phase)?;
        let known = self.get(key).copied().unwrap_or_default();
        let generation = verdict.version.generation;
        // Once this generation was enforced it stays so, even if what it names is on its way anew.
        let is_ready = known.is[READY] == Is::True && known.generation == generation.unwrap_or(i64::MIN);
        let would_be = drafts.iter().any(|draft| draft.type_ == TYPES[READY] && draft.status);
        let waits = verdict.accepted == Accepted::Yes && !verdict.clusters().is_empty() && !would_be;
        if is_ready && waits {
            return None;
        }
        let find = |type_: &str| drafts.iter().find(|draft| draft.type_ == type_);
        let mut same = known.generation == generation.unwrap_or(i64::MIN);
        let mut strays = Vec::new();
        let mut conditions = Vec::with_capacity(TYPES.len());
        for (i, type_) in TYPES.into_iter().enumerate() {
            match (find(type_), known.is[i]) {
                (Some(draft), is) => {
                    let stays = is == Is::of(draft.word());
                    same &= stays && known.says[i] == self.says(&draft.reason, &draft.message, generation);
                    let since = Timestamp::from_second(known.since[i].into()).ok().filter(|_| stays);
                    conditions.push(draft.condition(since.unwrap_or(whole_seconds(now)), generation));
                }
                (None, Is::Absent | Is::False) => {}
                (None, Is::True | Is::Garbage) => strays.push(Draft::overruled(type_)),
            }
        }
        // What is left out goes, if it is ours. If all else is as it shall be, it was left out and is someone else's.
        if same {
            if strays.is_empty() {
                return None;
            }
            conditions.extend(strays.iter().map(|stray| stray.condition(whole_seconds(now), generation)));
            conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        }
        Some(Status { observed_generation: generation, conditions })
    }

    fn known(&self, observed: Observed<'_>) -> Known {
        let Observed { resource_version, observed_generation, conditions } = observed;
        let mut known = Known {
            version: resource_version.and_then(|version| version.parse().ok()).unwrap_or_default(),
            generation: observed_generation.unwrap_or(i64::MIN),
            ..Known::default()
        };
        for condition in conditions {
            let Some(i) = TYPES.iter().position(|type_| *type_ == condition.type_) else { continue };
            known.is[i] = Is::of(&condition.status);
            known.says[i] = self.says(&condition.reason, &condition.message, condition.observed_generation);
            known.since[i] = u32::try_from(condition.last_transition_time.0.as_second()).unwrap_or_default();
        }
        known
    }

    fn says(&self, reason: &str, message: &str, generation: Option<i64>) -> u32 {
        self.hasher.hash_one((reason, message, generation)) as u32
    }

    fn get(&self, key: &ResourceKey) -> Option<&Known> {
        self.known.get(&(key.kind, Arc::clone(&key.namespace)))?.get(&*key.name)
    }

    fn put(&mut self, key: &ResourceKey, known: Known) {
        let place = (key.kind, Arc::clone(&key.namespace));
        let names = self.known.entry(place).or_default();
        match names.get_mut(&*key.name) {
            Some(there) => *there = known,
            None => {
                names.insert(Arc::clone(&key.name), known);
            }
        }
    }
}
