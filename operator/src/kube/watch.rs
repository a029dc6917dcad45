//! What the API server shows, as inputs of the engine.
//!
//! Each kind has a watch of its own. A list that is begun anew (after an outage, or because the API server forgot
//! too much) is passed on between [`Input::Listing`] and [`Input::Listed`], so that what is missing from it is known
//! to be gone; until then nothing is.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Resource, ResourceExt};
use moat_crds::compile::{
    Change, Kind, Problem, Reason, Rejected, Resource as Content, ResourceKey, Version,
};
use moat_crds::delivery::names::CLUSTER_LABEL;
use moat_crds::{Credential, MqttCluster, Permission, Pipeline, Realm, Role, USE_LABEL};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::worker::apply::{Mark, OwnedKind, OwnedObject, Touched};

/// Pauses between attempts grow from the first to the second.
const BACKOFF_MIN: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(3);

/// Objects in one page of a list: what is read at once is held at once.
const PAGE: u32 = 250;

/// An object of one of the kinds that are compiled.
pub(crate) struct Seen {
    pub(crate) key: ResourceKey,
    pub(crate) change: Change,
    pub(crate) resource_version: Option<String>,
    pub(crate) observed_generation: Option<i64>,
    pub(crate) conditions: Vec<Condition>,
    /// The object itself, if it is an MqttCluster.
    pub(crate) cluster: Option<Box<MqttCluster>>,
}

/// What happens.
pub(crate) enum Input {
    /// A list of a kind begins.
    Listing(Kind),
    /// An object was made or changed, or stands in the list.
    Seen(Box<Seen>),
    /// An object is gone.
    Gone(ResourceKey),
    /// The list is complete.
    Listed(Kind),
    /// A kind cannot be read now.
    Unreadable(Kind, String),
    /// A pod of a cluster, in a namespace; `None` when it is gone.
    Pod(String, String, Option<Box<Pod>>),
    /// The list of pods is complete: others than these (namespace, name) are gone.
    Pods(Vec<(String, String)>),
    /// A StatefulSet of a cluster.
    Workload(String, String, Option<Box<StatefulSet>>),
    /// An object of ours was changed or deleted: namespace, cluster, what.
    Touched(String, String, Touched),
    /// These (namespace, name) are all objects of ours of a kind.
    OwnedListed(OwnedKind, Arc<HashSet<(String, String)>>),
}

/// A kind that is compiled.
trait Watched:
    Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static
{
    const KIND: Kind;
    fn content(self) -> Content;
    fn observed(&mut self) -> (Option<i64>, Vec<Condition>);
    fn cluster(&self) -> Option<Box<MqttCluster>> {
        None
    }
}

macro_rules! watched {
    ($($kind:ident),*) => {
        $(impl Watched for $kind {
            const KIND: Kind = Kind::$kind;
            fn content(self) -> Content {
                Content::$kind(self)
            }
            fn observed(&mut self) -> (Option<i64>, Vec<Condition>) {
                self.status.take().map(|status| (status.observed_generation, status.conditions)).unwrap_or_default()
            }
        })*
    };
}

watched!(Realm, Pipeline, Role, Permission, Credential);

impl Watched for MqttCluster {
    const KIND: Kind = Kind::MqttCluster;

    fn content(self) -> Content {
        Content::MqttCluster(self)
    }

    fn observed(&mut self) -> (Option<i64>, Vec<Condition>) {
        self.status.clone().map(|status| (status.observed_generation, status.conditions)).unwrap_or_default()
    }

    fn cluster(&self) -> Option<Box<MqttCluster>> {
        Some(Box::new(self.clone()))
    }
}

impl Watched for Secret {
    const KIND: Kind = Kind::Secret;

    fn content(self) -> Content {
        Content::Secret(self)
    }

    fn observed(&mut self) -> (Option<i64>, Vec<Condition>) {
        (None, Vec::new())
    }
}

/// Starts all watches. They run until the receiver is dropped.
pub(crate) fn start(client: &kube::Client, to: &mpsc::Sender<Input>) {
    let all = Config::default();
    compiled::<MqttCluster>(client, all.clone(), to);
    compiled::<Realm>(client, all.clone(), to);
    compiled::<Pipeline>(client, all.clone(), to);
    compiled::<Role>(client, all.clone(), to);
    compiled::<Permission>(client, all.clone(), to);
    compiled::<Credential>(client, all.clone(), to);
    compiled::<Secret>(client, all.labels(USE_LABEL), to);
    owned::<k8s_openapi::api::core::v1::ConfigMap>(client, to);
    owned::<Secret>(client, to);
    owned::<k8s_openapi::api::core::v1::ServiceAccount>(client, to);
    owned::<k8s_openapi::api::rbac::v1::Role>(client, to);
    owned::<k8s_openapi::api::rbac::v1::RoleBinding>(client, to);
    owned::<k8s_openapi::api::core::v1::Service>(client, to);
    owned::<k8s_openapi::api::policy::v1::PodDisruptionBudget>(client, to);
    owned::<k8s_openapi::api::networking::v1::NetworkPolicy>(client, to);
    workloads(client, to);
    pods(client, to);
}

/// Ours have this label; a Secret of a user that has it too is told apart by its owner.
fn ours() -> Config {
    Config::default().labels(&format!("app.kubernetes.io/managed-by=moat-operator,{CLUSTER_LABEL}"))
}

fn compiled<K: Watched>(client: &kube::Client, config: Config, to: &mpsc::Sender<Input>) {
    let api = Api::<DeserializeGuard<K>>::all(client.clone());
    follow(api, config, to.clone(), K::KIND.as_str(), |event| match event {
        Ok(Event::Init) => Some(Input::Listing(K::KIND)),
        Ok(Event::Apply(object) | Event::InitApply(object)) => Some(Input::Seen(Box::new(seen(object)))),
        Ok(Event::Delete(object)) => Some(Input::Gone(key(K::KIND, object.meta()))),
        Ok(Event::InitDone) => Some(Input::Listed(K::KIND)),
        Err(error) => Some(Input::Unreadable(K::KIND, error)),
    });
}

fn key(kind: Kind, meta: &ObjectMeta) -> ResourceKey {
    ResourceKey::new(
        kind,
        meta.namespace.as_deref().unwrap_or_default(),
        meta.name.as_deref().unwrap_or_default(),
    )
}

fn seen<K: Watched>(object: DeserializeGuard<K>) -> Seen {
    match object.0 {
        Ok(mut object) => {
            let (observed_generation, conditions) = object.observed();
            let meta = object.meta_mut();
            meta.managed_fields = None;
            meta.annotations = meta.annotations.take().filter(|_| K::KIND == Kind::MqttCluster);
            Seen {
                key: key(K::KIND, object.meta()),
                resource_version: object.resource_version(),
                observed_generation,
                conditions,
                cluster: object.cluster(),
                change: Change::Upsert(object.content()),
            }
        }
        // Stored under another schema than ours: the object says what is wrong, and the others go on.
        Err(invalid) => {
            let key = key(K::KIND, &invalid.metadata);
            let message = format!("it cannot be read as a {}: {}; apply it anew", K::KIND, invalid.error);
            let problems = vec![Problem::error("", Reason::Invalid, message)];
            let version = Version::of(&invalid.metadata);
            let rejected = Rejected { key: key.clone(), version, problems, readable: None };
            Seen {
                key,
                resource_version: invalid.metadata.resource_version,
                observed_generation: None,
                conditions: Vec::new(),
                cluster: None,
                change: Change::Reject(rejected),
            }
        }
    }
}

/// Namespace and cluster of an object of ours.
fn whose(meta: &ObjectMeta) -> (String, String) {
    let cluster = meta.labels.as_ref().and_then(|labels| labels.get(CLUSTER_LABEL)).cloned();
    (meta.namespace.clone().unwrap_or_default(), cluster.unwrap_or_default())
}

fn owned<K: OwnedObject>(client: &kube::Client, to: &mpsc::Sender<Input>) {
    let api = Api::<PartialObjectMeta<K>>::all(client.clone());
    let touched = |meta: &ObjectMeta, there: bool| {
        let (namespace, cluster) = whose(meta);
        let name = meta.name.clone().unwrap_or_default();
        let touched = Touched { kind: K::KIND, name, mark: there.then(|| Mark::of(meta)) };
        Some(Input::Touched(namespace, cluster, touched))
    };
    let mut listed = HashSet::new();
    follow(api, ours(), to.clone(), K::KIND.as_str(), move |event| match event {
        Ok(Event::Init) => {
            listed.clear();
            None
        }
        Ok(Event::InitApply(object)) => {
            listed.insert((object.namespace().unwrap_or_default(), object.name_any()));
            touched(&object.metadata, true)
        }
        Ok(Event::Apply(object)) => touched(&object.metadata, true),
        Ok(Event::Delete(object)) => touched(&object.metadata, false),
        Ok(Event::InitDone) => Some(Input::OwnedListed(K::KIND, Arc::new(std::mem::take(&mut listed)))),
        Err(_) => None,
    });
}

fn workloads(client: &kube::Client, to: &mpsc::Sender<Input>) {
    let api = Api::<StatefulSet>::all(client.clone());
    let mut listed = HashSet::new();
    let shown = |mut object: StatefulSet| {
        object.metadata.managed_fields = None;
        let (namespace, cluster) = whose(&object.metadata);
        Some(Input::Workload(namespace, cluster, Some(Box::new(object))))
    };
    follow(api, ours(), to.clone(), "StatefulSet", move |event| match event {
        Ok(Event::Init) => {
            listed.clear();
            None
        }
        Ok(Event::InitApply(object)) => {
            listed.insert((object.namespace().unwrap_or_default(), object.name_any()));
            shown(object)
        }
        Ok(Event::Apply(object)) => shown(object),
        Ok(Event::Delete(object)) => {
            let (namespace, cluster) = whose(&object.metadata);
            Some(Input::Workload(namespace, cluster, None))
        }
        Ok(Event::InitDone) => {
            let there = Arc::new(std::mem::take(&mut listed));
            Some(Input::OwnedListed(OwnedKind::StatefulSet, there))
        }
        Err(_) => None,
    });
}

fn pods(client: &kube::Client, to: &mpsc::Sender<Input>) {
    let api = Api::<Pod>::all(client.clone());
    let config = Config::default().labels(&format!("app.kubernetes.io/component=broker,{CLUSTER_LABEL}"));
    let mut listed = Vec::new();
    follow(api, config, to.clone(), "Pod", move |event| match event {
        Ok(Event::Init) => {
            listed.clear();
            None
        }
        Ok(Event::InitApply(mut pod)) => {
            pod.metadata.managed_fields = None;
            let namespace = pod.namespace().unwrap_or_default();
            listed.push((namespace.clone(), pod.name_any()));
            Some(Input::Pod(namespace, pod.name_any(), Some(Box::new(pod))))
        }
        Ok(Event::Apply(mut pod)) => {
            pod.metadata.managed_fields = None;
            Some(Input::Pod(pod.namespace().unwrap_or_default(), pod.name_any(), Some(Box::new(pod))))
        }
        Ok(Event::Delete(pod)) => Some(Input::Pod(pod.namespace().unwrap_or_default(), pod.name_any(), None)),
        Ok(Event::InitDone) => Some(Input::Pods(std::mem::take(&mut listed))),
        Err(_) => None,
    });
}

/// Passes a watch on, and begins it again when it fails.
fn follow<K>(
    api: Api<K>,
    config: Config,
    to: mpsc::Sender<Input>,
    name: &'static str,
    mut input: impl FnMut(Result<Event<K>, String>) -> Option<Input> + Send + 'static,
) where
    K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    tokio::spawn(async move {
        let mut events = std::pin::pin!(watcher(api, config.page_size(PAGE)));
        let mut pause = BACKOFF_MIN;
        let mut said = String::new();
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => {
                    // A list that begins is no success yet.
                    if !matches!(event, Event::Init) {
                        pause = BACKOFF_MIN;
                        said.clear();
                    }
                    Ok(event)
                }
                Err(error) => Err(explain(name, &error, &mut said)),
            };
            let failed = event.is_err();
            if let Some(input) = input(event)
                && to.send(input).await.is_err()
            {
                return;
            }
            if failed {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(BACKOFF_MAX);
            }
        }
    });
}

/// What a failed watch means; logged when it is news. One that merely ran out says nothing.
fn explain(name: &str, error: &watcher::Error, said: &mut String) -> String {
    let text = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.message.clone(),
        error => error.to_string(),
    };
    let ran_out = matches!(error, watcher::Error::WatchError(status) if status.code == 410);
    if ran_out || *said == text {
        debug!(kind = name, error = text, "a watch begins again");
    } else {
        warn!(kind = name, error = text, "a watch failed and is begun again until it works");
        said.clone_from(&text);
    }
    text
}
