//! Writes statuses: a bounded number at a time, each once, in the background.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use moat_crds::compile::ResourceKey;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::error::Problem;
use super::metrics::Metrics;

/// The name under which statuses are written: another manager than that of the objects that are Moat's own.
const FIELD_MANAGER: &str = "moat-operator-status";

/// Statuses that are written at a time.
const AT_ONCE: usize = 8;

/// What came of a write.
pub(crate) enum Written {
    /// The object as it is now.
    Done { resource_version: Option<String>, observed_generation: Option<i64>, conditions: Vec<Condition> },
    /// The object is gone, or is another one of the same name: its own events say the rest.
    Gone,
    /// It did not work.
    Failed(Problem),
}

/// Writes statuses; clones share the bound.
#[derive(Clone)]
pub(crate) struct Statuses {
    client: kube::Client,
    metrics: Metrics,
    turns: Arc<Semaphore>,
}

impl Statuses {
    pub(crate) fn new(client: kube::Client, metrics: Metrics) -> Self {
        Self { client, metrics, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Writes one status of the object with this uid, in the background.
    pub(crate) fn write(
        &self,
        key: &ResourceKey,
        uid: Option<&str>,
        status: &impl Serialize,
        tell: impl FnOnce(Written) + Send + 'static,
    ) {
        let object = json!({
            "apiVersion": moat_crds::API_VERSION,
            "kind": key.kind.as_str(),
            // Another object of the same name is refused as a conflict.
            "metadata": { "name": &*key.name, "namespace": &*key.namespace, "uid": uid },
            "status": status,
        });
        let (this, key) = (self.clone(), key.clone());
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _turn = this.turns.acquire().await;
            tell(this.patch(&key, &object).await);
        });
    }

    async fn patch(&self, key: &ResourceKey, object: &Value) -> Written {
        let kind = GroupVersionKind::gvk(moat_crds::GROUP, moat_crds::VERSION, key.kind.as_str());
        let resource = ApiResource::from_gvk(&kind);
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &key.namespace, &resource);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match api.patch_status(&key.name, &params, &Patch::Apply(object)).await {
            Ok(written) => {
                self.metrics.wrote("Status", object);
                let status = &written.data["status"];
                Written::Done {
                    observed_generation: status["observedGeneration"].as_i64(),
                    conditions: serde_json::from_value(status["conditions"].clone()).unwrap_or_default(),
                    resource_version: written.metadata.resource_version,
                }
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Written::Gone,
            Err(error) => Written::Failed(Problem::of(format!("write the status of {key}"), &error)),
        }
    }
}
