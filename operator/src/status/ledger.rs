//! Which status each resource has in the API, in little memory.

use std::collections::HashMap;
use std::hash::{Hash as _, Hasher as _};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use moat_crds::Status;
use moat_crds::compile::ResourceKey;

use super::condition::whole_seconds;
use super::enforcement::Phase;
use super::resource::drafts;
use crate::policy::Verdict;

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

/// The types of a resource's conditions, in the order of the ledger.
const TYPES: [&str; 4] = ["Accepted", "Ready", "Reconciling", "Stalled"];

/// Which status each resource has in the API: about a hundred bytes for each.
#[derive(Default)]
pub struct Ledger(HashMap<ResourceKey, Entry>);

/// What is known of one status.
#[derive(Clone, Copy, Default)]
struct Entry {
    /// The version of the object that this was read from.
    resource_version: u64,
    observed_generation: Option<i64>,
    conditions: [Option<Seen>; TYPES.len()],
}

/// One condition, without its words.
#[derive(Clone, Copy)]
struct Seen {
    status: bool,
    /// Of reason, message and generation.
    words: u32,
    /// When it began to be so, in seconds since 1970.
    since: i64,
}

impl Seen {
    fn of(condition: &Condition) -> Option<Self> {
        let status = match condition.status.as_str() {
            "True" => true,
            "False" => false,
            _ => return None,
        };
        let words = words(&condition.reason, &condition.message, condition.observed_generation);
        Some(Self { status, words, since: condition.last_transition_time.0.as_second() })
    }
}

fn words(reason: &str, message: &str, generation: Option<i64>) -> u32 {
    let mut hasher = std::hash::DefaultHasher::new();
    (reason, message, generation).hash(&mut hasher);
    // Half of it tells texts apart well enough: one in four thousand million is written a compile later.
    hasher.finish() as u32
}

impl Ledger {
    /// Knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of an object as a list or watch showed it.
    pub fn observe(&mut self, key: &ResourceKey, observed: Observed<'_>) {
        let entry = Entry::of(observed);
        let known = self.0.entry(key.clone()).or_default();
        if known.resource_version <= entry.resource_version {
            *known = entry;
        }
    }

    /// Takes note of an object as the answer to a write of its status showed it.
    pub fn written(&mut self, key: &ResourceKey, answer: Observed<'_>) {
        self.observe(key, answer);
    }

    /// The object is gone.
    pub fn forget(&mut self, key: &ResourceKey) {
        self.0.remove(key);
    }

    /// The status to apply; `None` when there is nothing to write, or not yet.
    #[must_use]
    pub fn due(&self, key: &ResourceKey, verdict: &Verdict, phase: &Phase, now: Timestamp) -> Option<Status> {
        let drafts = drafts(verdict, phase)?;
        let generation = verdict.version.generation;
        let known = self.0.get(key).copied().unwrap_or_default();
        let mut same = known.observed_generation == generation;
        let mut conditions = Vec::with_capacity(drafts.len());
        for (type_, seen) in TYPES.iter().zip(&known.conditions) {
            let draft = drafts.iter().find(|draft| draft.type_ == *type_);
            let Some(draft) = draft else {
                same &= seen.is_none();
                continue;
            };
            let seen = seen.filter(|seen| seen.status == draft.status);
            same &= seen.is_some_and(|seen| seen.words == words(&draft.reason, draft.text(), generation));
            let since = seen.and_then(|seen| Timestamp::from_second(seen.since).ok());
            conditions.push(draft.condition(since.unwrap_or_else(|| whole_seconds(now)), generation));
        }
        (!same).then_some(Status { observed_generation: generation, conditions })
    }
}

impl Entry {
    fn of(observed: Observed<'_>) -> Self {
        let find = |type_: &str| observed.conditions.iter().find(|condition| condition.type_ == type_);
        Self {
            resource_version: observed
                .resource_version
                .and_then(|text| text.parse().ok())
                .unwrap_or_default(),
            observed_generation: observed.observed_generation,
            conditions: TYPES.map(|type_| find(type_).and_then(Seen::of)),
        }
    }
}
