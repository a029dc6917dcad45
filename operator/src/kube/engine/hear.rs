//! What the engine's own helpers tell it, and the statuses that follow.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::EventType;
use moat_crds::Status;
use moat_crds::compile::{Kind, ResourceKey};

use super::{Engine, News};
use crate::kube::events::Events;
use crate::kube::statuses::Written;

/// Statuses that are being written or wait for their turn.
const STATUSES: usize = 64;

impl Engine {
    pub(super) fn hear(&mut self, news: News) {
        let tell = self.tell.clone();
        match news {
            News::Outcome((namespace, cluster, uid), outcome) => {
                if let Some(space) = self.spaces.get_mut(&namespace) {
                    space.outcome(&cluster, &uid, *outcome, &tell);
                }
            }
            News::Report((namespace, pod, uid), report) => {
                if let Some(space) = self.spaces.get_mut(&namespace) {
                    space.report(&pod, &uid, report.map(|report| *report));
                }
            }
            News::Verified(namespace, changes, failed) => {
                if let Some(space) = self.spaces.get_mut(&namespace) {
                    space.verified(changes, failed);
                    self.note(namespace);
                }
            }
            News::Written(key, written) => {
                if let Written::Failed(problem) = &written {
                    self.context.metrics.problem(problem.cause.reason());
                    tracing::debug!(reason = problem.cause.reason(), "{}", problem.message());
                }
                if let Some(space) = self.spaces.get_mut(&key.namespace) {
                    space.written(&key, written);
                }
            }
        }
    }

    /// Wishes and writes what follows from everything that was taken and heard.
    pub(super) fn settle(&mut self) {
        if !self.compiled {
            return;
        }
        let now = jiff::Timestamp::now();
        let Self { spaces, statuses, tell, leading, context, .. } = self;
        let flying: usize = spaces.values().map(|space| space.flying()).sum();
        let mut budget = STATUSES.saturating_sub(flying);
        for space in spaces.values_mut() {
            space.wish(*leading);
            if !*leading {
                continue;
            }
            for (key, uid, status) in space.due_clusters(now) {
                let tell = tell.clone();
                let told = key.clone();
                statuses.write(&key, uid.as_deref(), &status, move |written| {
                    // The engine outlives its writers, or the process ends.
                    let _ = tell.send(News::Written(told, written));
                });
            }
            for (key, uid, status) in space.due(now, &mut budget) {
                say_refused(&context.events, &key, uid.as_deref(), &status);
                let tell = tell.clone();
                let told = key.clone();
                statuses.write(&key, uid.as_deref(), &status, move |written| {
                    let _ = tell.send(News::Written(told, written));
                });
            }
        }
    }
}

/// The key of a cluster.
pub(super) fn cluster_key(namespace: &Arc<str>, name: &str) -> ResourceKey {
    ResourceKey::new(Kind::MqttCluster, Arc::clone(namespace), name)
}

/// A resource that is not accepted gets an event beside its status.
fn say_refused(events: &Events, key: &ResourceKey, uid: Option<&str>, status: &Status) {
    let refused = status.conditions.iter().find(|condition| condition.type_ == "Accepted");
    let Some(refused) = refused.filter(|condition| condition.status == "False") else { return };
    let about = ObjectReference {
        api_version: Some(moat_crds::API_VERSION.to_owned()),
        kind: Some(key.kind.as_str().to_owned()),
        namespace: Some(key.namespace.to_string()),
        name: Some(key.name.to_string()),
        uid: uid.map(str::to_owned),
        ..ObjectReference::default()
    };
    events.say(about, EventType::Warning, (&refused.reason, "Accept"), &refused.message);
}
