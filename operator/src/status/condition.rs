//! Conditions: what they shall be, held against what they are.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Longer messages are cut, on a character boundary.
pub const MESSAGE_BYTES_MAX: usize = 1024;

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

/// The types of conditions that Moat writes.
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

impl Draft {
    /// A condition.
    pub fn new(
        type_: &'static str,
        status: bool,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self { type_, status, reason: reason.into(), message: message.into() }
    }

    /// The message as it is written.
    pub(super) fn text(&self) -> &str {
        let ends = (0..=MESSAGE_BYTES_MAX.min(self.message.len())).rev();
        let end = ends.into_iter().find(|end| self.message.is_char_boundary(*end));
        &self.message[..end.unwrap_or_default()]
    }

    /// `True` or `False`.
    pub(super) const fn word(&self) -> &'static str {
        if self.status { "True" } else { "False" }
    }

    /// The condition as it is written; `since` is when it began to be so.
    pub(super) fn condition(&self, since: Timestamp, generation: Option<i64>) -> Condition {
        Condition {
            type_: self.type_.to_owned(),
            status: self.word().to_owned(),
            reason: self.reason.to_string(),
            message: self.text().to_owned(),
            observed_generation: generation,
            last_transition_time: Time(since),
        }
    }
}

/// A time as the API writes it, in whole seconds.
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
    let now = whole_seconds(now);
    let known = |type_: &str| observed.iter().find(|condition| condition.type_ == type_);
    let mut merged: Vec<_> = drafts
        .iter()
        .map(|draft| {
            let since = known(draft.type_).filter(|known| known.status == draft.word());
            draft.condition(since.map_or(now, |known| known.last_transition_time.0), generation)
        })
        .collect();
    merged.sort_by(|a, b| a.type_.cmp(&b.type_));
    let ours = observed.iter().filter(|condition| OURS.contains(&condition.type_.as_str())).count();
    let same =
        ours == merged.len() && merged.iter().all(|condition| known(&condition.type_) == Some(condition));
    (!same).then_some(merged)
}

/// The conditions among these that Moat writes, sorted by type.
pub(super) fn ours(observed: &[Condition]) -> Vec<Condition> {
    let ours = observed.iter().filter(|condition| OURS.contains(&condition.type_.as_str()));
    let mut ours: Vec<_> = ours.cloned().collect();
    ours.sort_by(|a, b| a.type_.cmp(&b.type_));
    ours
}
