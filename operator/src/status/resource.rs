//! The conditions of a Realm, Pipeline, Role, Permission or Credential. No digests and no counts: an edit must not
//! rewrite the statuses of all that it does not change.

use super::condition::Draft;
use super::enforcement::Phase;
use crate::policy::{Accepted, Serving, Verdict};

/// What a resource's status shall say; `None` when it is better to wait than to say it.
pub(super) fn drafts(verdict: &Verdict, phase: &Phase) -> Option<Vec<Draft>> {
    let accepted = match &verdict.accepted {
        Accepted::No { reason, message, terminal } => {
            let draft = |type_, status| Draft::new(type_, status, reason.as_str(), message.clone());
            let why = if *terminal { "Stalled" } else { "Reconciling" };
            return Some(vec![draft("Accepted", false), draft("Ready", false), draft(why, true)]);
        }
        Accepted::Yes => self::accepted(verdict.warning.as_deref()),
    };
    let mut drafts = vec![accepted];
    let mut not_ready = |reason: &'static str, message: String| {
        drafts.push(Draft::new("Ready", false, reason, message.clone()));
        drafts.push(Draft::new("Reconciling", true, reason, message));
    };
    match (&verdict.serving, phase) {
        (Serving::Nobody(message), _) => not_ready("NotServed", message.clone()),
        (Serving::Unused, _) => {
            let message = "no Role or Credential lists it, so that it grants nothing";
            drafts.push(Draft::new("Ready", true, "Unused", message));
        }
        (_, Phase::Waiting) => return None,
        (Serving::Hashing(_), _) => {
            not_ready("Pending", "its password is being hashed; until then it lets no one in".to_owned());
        }
        (Serving::Clusters(_), Phase::Overdue(cluster)) => not_ready(
            "Pending",
            format!(
                "not all pods of MqttCluster `{cluster}` enforce it yet: that cluster's condition PolicyApplied says why"
            ),
        ),
        (Serving::Clusters(clusters), Phase::Enforced) => {
            let names: Vec<_> = clusters.iter().map(|cluster| format!("`{cluster}`")).collect();
            let message = format!("all pods of MqttCluster {} enforce it", names.join(", "));
            drafts.push(Draft::new("Ready", true, "Enforced", message));
        }
    }
    Some(drafts)
}

pub(super) fn accepted(warning: Option<&str>) -> Draft {
    let message = match warning {
        None => "it is valid, and so is all that it names".to_owned(),
        Some(warning) => format!("it is valid, but: {warning}"),
    };
    Draft::new("Accepted", true, "Valid", message)
}
