//! Tests of the statuses, and the makers that they share.

mod cluster;
mod condition;
mod enforcement;
mod kstatus;
mod ledger;
mod resource;
mod trouble;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use moat_crds::compile::{Kind, Reason, ResourceKey, Version};

use super::*;
use crate::policy::{Accepted, Serving, Verdict};

/// A time so many seconds after some day in 2026.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + seconds).unwrap()
}

pub(super) fn key(name: &str) -> ResourceKey {
    ResourceKey::new(Kind::Role, "iot", name)
}

pub(super) fn version(generation: i64) -> Version {
    Version { uid: Some("uid".into()), generation: Some(generation), created: None }
}

/// What a sound Role of a cluster is told.
pub(super) fn sound(generation: i64) -> Verdict {
    Verdict {
        version: version(generation),
        accepted: Accepted::Yes,
        warning: None,
        serving: Serving::Clusters(vec![Arc::from("fleet")]),
    }
}

pub(super) fn refused(generation: i64, reason: Reason, terminal: bool) -> Verdict {
    let accepted = Accepted::No { reason, message: "mend it".to_owned(), terminal };
    Verdict { accepted, ..sound(generation) }
}

pub(super) fn condition(type_: &str, status: &str, reason: &str, since: i64) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: String::new(),
        last_transition_time: Time(at(since)),
        observed_generation: Some(1),
    }
}

/// A condition of a status, as `True Enforced`; `-` when it is not there.
pub(super) fn says(conditions: &[Condition], type_: &str) -> String {
    let found = conditions.iter().find(|condition| condition.type_ == type_);
    found.map_or("-".to_owned(), |found| format!("{} {}", found.status, found.reason))
}

/// What kstatus (kubernetes-sigs/cli-utils, `pkg/kstatus/status`) says of an object that has these. Written down here
/// once more, as an oracle.
pub(super) fn kstatus(
    generation: Option<i64>,
    observed: Option<i64>,
    conditions: &[Condition],
) -> &'static str {
    let is = |type_: &str, status: &str| {
        conditions.iter().any(|condition| condition.type_ == type_ && condition.status == status)
    };
    let is_old = observed.is_some() && observed != generation;
    if is_old || is("Reconciling", "True") {
        "InProgress"
    } else if is("Stalled", "True") {
        "Failed"
    } else if is("Ready", "False") || is("Ready", "Unknown") {
        "InProgress"
    } else {
        "Current"
    }
}

pub(super) const DEADLINE: SignedDuration = SignedDuration::from_secs(5);
