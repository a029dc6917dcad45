//! Conditions: what they shall be, held against what they are.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Longer messages are cut, on a character boundary.
pub const MESSAGE_BYTES_MAX: usize = 1024;

/// All types that the operator writes; others are other writers'.
const OURS: [&str; 8] = [
    "Accepted",
    "Available",
    "PolicyApplied",
    "PolicyHeld",
    "Progressing",
    "Ready",
    "Reconciling",
    "Stalled",
];

/// A condition as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its type.
    pub type_: &'static str,
    /// Whether it is `True` or `False`.
    pub status: bool,
    /// Why, in one stable word.
    pub reason: Cow<'static, str>,
    /// The same for a person.
    pub message: String,
}

impl Draft {
    pub(super) fn new(
        type_: &'static str,
        status: bool,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        let mut message = message.into();
        shorten(&mut message);
        Self { type_, status, reason: reason.into(), message }
    }

    /// The status as it stands in a condition.
    pub(super) const fn word(&self) -> &'static str {
        if self.status { "True" } else { "False" }
    }

    pub(super) fn condition(&self, since: Timestamp, generation: Option<i64>) -> Condition {
        Condition {
            type_: self.type_.to_owned(),
            status: self.word().to_owned(),
            reason: self.reason.clone().into_owned(),
            message: self.message.clone(),
            last_transition_time: Time(since),
            observed_generation: generation,
        }
    }

    /// What takes a condition of ours out of force that someone else wrote, and that would not go by being left out.
    pub(super) fn overruled(type_: &'static str) -> Self {
        Self::new(type_, false, "NotSo", "this was written by someone else, and is not so")
    }
}

/// Cuts a message that is longer than [`MESSAGE_BYTES_MAX`].
fn shorten(message: &mut String) {
    const MORE: &str = "…";
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX - MORE.len()));
        message.push_str(MORE);
    }
}

/// Whether times of the API, which are whole seconds, would show this one.
pub(super) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// The conditions to write, sorted by type; `None` when those that there are say the same. The time of a transition
/// stays unless the status changes. Conditions of other types are other writers' and are left to them.
#[must_use]
pub fn merge(
    now: Timestamp,
    observed: &[Condition],
    drafts: &[Draft],
    generation: Option<i64>,
) -> Option<Vec<Condition>> {
    let merged = Merged::new(now, observed, drafts, generation);
    merged.differs.then_some(merged.conditions)
}

/// Drafts held against what there is.
pub(super) struct Merged {
    /// The conditions as they shall be, sorted by type.
    pub(super) conditions: Vec<Condition>,
    /// Whether that is not what there is.
    pub(super) differs: bool,
}

impl Merged {
    pub(super) fn new(
        now: Timestamp,
        observed: &[Condition],
        drafts: &[Draft],
        generation: Option<i64>,
    ) -> Self {
        let find = |type_: &str| observed.iter().find(|condition| condition.type_ == type_);
        let is_drafted = |type_: &str| drafts.iter().any(|draft| draft.type_ == type_);
        let strays = OURS
            .into_iter()
            .filter(|type_| !is_drafted(type_) && find(type_).is_some_and(|stray| stray.status != "False"));
        let strays: Vec<_> = strays.map(Draft::overruled).collect();
        let mut same = true;
        let mut conditions: Vec<_> = drafts
            .iter()
            .map(|draft| {
                let old = find(draft.type_);
                let since = old.filter(|old| old.status == draft.word());
                let since = since.map_or(whole_seconds(now), |old| old.last_transition_time.0);
                let condition = draft.condition(since, generation);
                same &= old == Some(&condition);
                condition
            })
            .collect();
        // What is left out goes, if it is ours. If all else is as it shall be, it was left out and is someone else's.
        if same {
            conditions.extend(strays.iter().map(|stray| stray.condition(whole_seconds(now), generation)));
        }
        conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
        Self { conditions, differs: !same || !strays.is_empty() }
    }
}
