//! The conditions of a policy resource.

use super::condition::Draft;
use super::enforcement::Phase;
use crate::policy::{Accepted, Serving, Verdict};

/// The conditions that a resource shall have; `None` while there is no need to say anything: it is valid, and the pods
/// are about to enforce it.
pub(super) fn drafts(verdict: &Verdict, phase: &Phase) -> Option<Vec<Draft>> {
    let mut drafts = Vec::with_capacity(3);
    let (ready, waits) = match &verdict.accepted {
        Accepted::No { reason, message, terminal } => {
            let ready =
                Draft::new("Ready", false, reason.as_str(), "it is not accepted: see the condition Accepted");
            drafts.push(Draft::new("Accepted", false, reason.as_str(), message.clone()));
            if *terminal {
                drafts.push(Draft::new("Stalled", true, reason.as_str(), "it must be changed"));
            }
            (ready, !*terminal)
        }
        Accepted::Yes => {
            let message = verdict.warning.clone();
            let message =
                message.unwrap_or_else(|| "it is valid, and so is everything that it names".to_owned());
            drafts.push(Draft::new("Accepted", true, "Valid", message));
            ready(verdict, phase)?
        }
    };
    if waits {
        drafts.push(Draft::new(
            "Reconciling",
            true,
            ready.reason.clone(),
            "it waits: see the condition Ready",
        ));
    }
    drafts.push(ready);
    Some(drafts)
}

/// The condition `Ready` of a valid resource, and whether it waits for something.
fn ready(verdict: &Verdict, phase: &Phase) -> Option<(Draft, bool)> {
    Some(match (&verdict.serving, phase) {
        (Serving::Clusters(_), Phase::Enforced) => {
            (Draft::new("Ready", true, "Enforced", "all pods enforce it"), false)
        }
        (Serving::Clusters(_), Phase::Waiting) => return None,
        (Serving::Clusters(_), Phase::Overdue(cluster)) => {
            let message = format!(
                "not all pods of MqttCluster {cluster} enforce it yet: see the condition PolicyApplied there"
            );
            (Draft::new("Ready", false, "Pending", message), true)
        }
        (Serving::Unused, _) => (
            Draft::new(
                "Ready",
                true,
                "Unused",
                "no Role or Credential names it: there is nothing to enforce",
            ),
            false,
        ),
        (Serving::Nobody(text), _) => (Draft::new("Ready", false, "NotServed", text.clone()), true),
        (Serving::Hashing, _) => {
            (Draft::new("Ready", false, "Pending", "its password is being hashed"), true)
        }
    })
}
