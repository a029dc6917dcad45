//! The pod's only door to the API server. It reads, and nothing else: the manifest, the shards that it names, and
//! Secrets by their names.

use std::time::Duration;

use futures::stream::{BoxStream, StreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Client, Config};
use moat_crds::delivery::names;
use moat_policy::bundle::Family;

use super::error::ApiError;
use super::loader::Missing;

/// The longest wait for a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long the API server lets one watch live, in seconds.
const WATCH_SECONDS: u32 = 290;

/// The objects of one cluster.
pub(super) struct Api {
    manifest: String,
    configs: kube::Api<ConfigMap>,
    secrets: kube::Api<Secret>,
}

/// The manifest's object at some moment.
pub(super) struct Listed {
    pub(super) found: Option<Found>,
    /// Where a watch goes on from here.
    pub(super) version: String,
}

/// A manifest's object that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The object's resourceVersion.
    pub(super) version: String,
    /// The manifest, if the object holds one.
    pub(super) json: Option<String>,
}

/// What a watch tells.
pub(super) enum Seen {
    /// The object came or changed.
    Found(Found),
    /// The object is gone.
    Gone,
    /// The watch cannot go on from where it began.
    Expired,
}

impl Api {
    /// The API server of this pod, or the one that `KUBECONFIG` names.
    ///
    /// # Errors
    /// When there is no usable address, certificate or token of one.
    pub(super) async fn connect(cluster: &str, namespace: &str) -> Result<Self, ApiError> {
        let unusable = |error: &dyn std::error::Error| {
            ApiError::Unreachable(format!("{} (outside of a pod, set KUBECONFIG)", chain(error)))
        };
        let mut config = if std::env::var_os("KUBECONFIG").is_some() {
            Config::infer().await.map_err(|error| unusable(&error))?
        } else {
            Config::incluster().map_err(|error| unusable(&error))?
        };
        config.connect_timeout = Some(PATIENCE);
        // Who asks here asks again, and knows how fast.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| unusable(&error))?;
        Ok(Self::new(client, cluster, namespace))
    }

    pub(super) fn new(client: Client, cluster: &str, namespace: &str) -> Self {
        Self {
            manifest: names::manifest(cluster),
            configs: kube::Api::namespaced(client.clone(), namespace),
            secrets: kube::Api::namespaced(client, namespace),
        }
    }

    /// Name of the manifest's ConfigMap.
    pub(super) fn manifest_name(&self) -> &str {
        &self.manifest
    }

    /// The manifest as it is now.
    pub(super) async fn manifest(&self) -> Result<Listed, ApiError> {
        // A list by name: what may be read by name only may be listed so, and it says where a watch goes on.
        let list = in_time(self.configs.list(&ListParams::default().fields(&self.selector()))).await?;
        let version = list.metadata.resource_version.unwrap_or_default();
        Ok(Listed { found: list.items.into_iter().next().map(Found::of), version })
    }

    /// What becomes of the manifest from `version` on.
    pub(super) async fn watch(
        &self,
        version: &str,
    ) -> Result<BoxStream<'static, Result<Seen, ApiError>>, ApiError> {
        let parameters = WatchParams::default().fields(&self.selector()).timeout(WATCH_SECONDS);
        let events = in_time(self.configs.watch(&parameters, version)).await?;
        Ok(events.filter_map(async |event| seen(event).transpose()).boxed())
    }

    /// What an object holds for a shard; none if there is no such object, or nothing in it.
    pub(super) async fn shard(&self, missing: &Missing) -> Result<Option<Vec<u8>>, ApiError> {
        let data = match missing.name.family {
            Family::Plain => {
                found(in_time(self.configs.get(&missing.object)).await)?.and_then(|config| config.binary_data)
            }
            Family::Secret => self.secret(&missing.object).await?.and_then(|secret| secret.data),
        };
        Ok(data.and_then(|mut data| data.remove(names::SHARD_KEY)).map(|bytes| bytes.0))
    }

    /// A Secret; none if it does not exist.
    pub(super) async fn secret(&self, name: &str) -> Result<Option<Secret>, ApiError> {
        found(in_time(self.secrets.get(name)).await)
    }

    fn selector(&self) -> String {
        format!("metadata.name={}", self.manifest)
    }
}

impl Found {
    fn of(config: ConfigMap) -> Self {
        Self {
            version: config.metadata.resource_version.unwrap_or_default(),
            json: config.data.and_then(|mut data| data.remove(names::MANIFEST_KEY)),
        }
    }
}

fn seen(event: kube::Result<WatchEvent<ConfigMap>>) -> Result<Option<Seen>, ApiError> {
    Ok(match event.map_err(ApiError::from)? {
        WatchEvent::Added(config) | WatchEvent::Modified(config) => Some(Seen::Found(Found::of(config))),
        WatchEvent::Deleted(_) => Some(Seen::Gone),
        WatchEvent::Bookmark(_) => None,
        WatchEvent::Error(status) if status.code == 410 => Some(Seen::Expired),
        WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
    })
}

/// An object; none if the API server says that there is none.
fn found<T>(read: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match read {
        Err(ApiError::NotFound(_)) => Ok(None),
        other => other.map(Some),
    }
}

async fn in_time<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
    match tokio::time::timeout(PATIENCE, request).await {
        Ok(answer) => answer.map_err(ApiError::from),
        Err(_) => Err(ApiError::Unreachable(format!("no answer within {} s", PATIENCE.as_secs()))),
    }
}

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => match status.code {
                401 => Self::Unauthorized(status.message),
                403 => Self::Forbidden(status.message),
                404 => Self::NotFound(status.message),
                code => Self::Failed(format!("{code} {}", status.message)),
            },
            other => Self::Unreachable(chain(&other)),
        }
    }
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
