//! Objects that belong to a cluster: applied when they differ from what was applied last, healed when someone else
//! changed them, never taken over from someone else.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};
use moat_crds::MqttCluster;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::super::error::{Cause, Problem};
use super::super::metrics::Metrics;

/// Objects that are applied at a time.
const AT_ONCE: usize = 8;

/// The operator's name as a manager of fields. It is part of every object, and never changes.
pub(crate) const FIELD_MANAGER: &str = "moat-operator";

/// The name under which lists are put right, for a moment.
const HEALING_MANAGER: &str = "moat-operator-heal";

/// The kinds of objects that the operator keeps for a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum OwnedKind {
    ConfigMap,
    Secret,
    ServiceAccount,
    Role,
    RoleBinding,
    Service,
    PodDisruptionBudget,
    NetworkPolicy,
    StatefulSet,
}

impl OwnedKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::StatefulSet => "StatefulSet",
        }
    }
}

/// A type of such an object.
pub(crate) trait OwnedObject:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Serialize
    + DeserializeOwned
    + Clone
    + fmt::Debug
    + Send
    + Sync
    + 'static
{
    const KIND: OwnedKind;
}

macro_rules! owned {
    ($($type:ty => $kind:ident),* $(,)?) => {
        $(impl OwnedObject for $type {
            const KIND: OwnedKind = OwnedKind::$kind;
        })*
    };
}

owned! {
    k8s_openapi::api::core::v1::ConfigMap => ConfigMap,
    k8s_openapi::api::core::v1::Secret => Secret,
    k8s_openapi::api::core::v1::ServiceAccount => ServiceAccount,
    k8s_openapi::api::rbac::v1::Role => Role,
    k8s_openapi::api::rbac::v1::RoleBinding => RoleBinding,
    k8s_openapi::api::core::v1::Service => Service,
    k8s_openapi::api::policy::v1::PodDisruptionBudget => PodDisruptionBudget,
    k8s_openapi::api::networking::v1::NetworkPolicy => NetworkPolicy,
    k8s_openapi::api::apps::v1::StatefulSet => StatefulSet,
}

/// Which version of an object the API server holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) resource_version: String,
    pub(crate) generation: Option<i64>,
}

impl Mark {
    pub(crate) fn of(meta: &ObjectMeta) -> Self {
        Self {
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            generation: meta.generation,
        }
    }

    /// Whether this is older than, or the same as, `other`. Versions of one object rise.
    fn is_known_to(&self, other: &Self) -> bool {
        let number = |mark: &Self| mark.resource_version.parse::<u64>().ok();
        self == other || number(self).zip(number(other)).is_some_and(|(a, b)| a <= b)
    }
}

/// What a watch shows of objects of ours.
#[derive(Debug, Clone)]
pub(crate) enum Notice {
    /// One was changed or deleted.
    Touched(Touched),
    /// These (namespace, name) are all of a kind that there are.
    Listed(OwnedKind, Arc<HashSet<(String, String)>>),
}

/// An object of ours as a watch shows it.
#[derive(Debug, Clone)]
pub(crate) struct Touched {
    pub(crate) kind: OwnedKind,
    pub(crate) name: String,
    /// None when it was deleted.
    pub(crate) mark: Option<Mark>,
}

struct Known {
    desired: u64,
    mark: Mark,
    /// Someone else changed it since, into this (none: deleted it).
    drifted: Option<Option<Mark>>,
}

/// What came of an attempt to apply an object: nothing if it was as wanted; else what is known of it now, and whether
/// someone else had changed it.
struct Attempt {
    name: String,
    written: Option<(Known, bool)>,
}

/// What an apply did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// It was as wanted already.
    Nothing,
    /// It was made or changed because something else is wanted now, or nobody knew.
    Applied,
    /// Someone else had changed it.
    Healed,
}

/// Applies the objects of one cluster.
pub(crate) struct Applier {
    client: kube::Client,
    namespace: String,
    cluster: String,
    owner_uid: String,
    metrics: Metrics,
    known: HashMap<(OwnedKind, String), Known>,
    healed: Vec<(OwnedKind, String)>,
    /// The Services that there are, as far as this operator has seen to it.
    services: Option<BTreeSet<String>>,
}

impl Applier {
    pub(crate) fn new(client: kube::Client, owner: &MqttCluster, metrics: Metrics) -> Self {
        Self {
            client,
            namespace: owner.namespace().unwrap_or_default(),
            cluster: owner.name_any(),
            owner_uid: owner.uid().unwrap_or_default(),
            metrics,
            known: HashMap::new(),
            healed: Vec::new(),
            services: None,
        }
    }

    pub(crate) fn api<K: OwnedObject>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Events of the cluster's namespace.
    pub(crate) fn events(&self) -> Api<Event> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Notices that an object is not what was applied; true if something is to be done about it.
    pub(crate) fn touched(&mut self, touched: &Touched) -> bool {
        let Some(known) = self.known.get_mut(&(touched.kind, touched.name.clone())) else { return false };
        let foreign = match &touched.mark {
            None => true,
            // What has a generation changes its version also when only its status does.
            Some(mark) if mark.generation.is_some() => mark.generation != known.mark.generation,
            Some(mark) => !mark.is_known_to(&known.mark),
        };
        if foreign {
            known.drifted = Some(touched.mark.clone());
        }
        foreign
    }

    /// The known objects of a kind that a whole list does not show.
    pub(crate) fn missing(&self, kind: OwnedKind, there: &HashSet<(String, String)>) -> Vec<Touched> {
        let known = self.known.keys().filter(|(known, _)| *known == kind).map(|(_, name)| name);
        let gone = known.filter(|name| !there.contains(&(self.namespace.clone(), (*name).clone())));
        gone.map(|name| Touched { kind, name: name.clone(), mark: None }).collect()
    }

    /// Whether an object is as it was applied.
    pub(crate) fn is_settled(&self, kind: OwnedKind, name: &str) -> bool {
        self.known.get(&(kind, name.to_owned())).is_some_and(|known| known.drifted.is_none())
    }

    /// Whether there may be other Services than these.
    pub(crate) fn services_changed(&self, names: &BTreeSet<String>) -> bool {
        self.services.as_ref() != Some(names)
    }

    /// There are exactly these Services.
    pub(crate) fn services_are(&mut self, names: BTreeSet<String>) {
        self.services = Some(names);
    }

    /// Something that was altered while nobody looked was put right.
    pub(crate) fn note_healed(&mut self, kind: OwnedKind, name: &str) {
        self.healed.push((kind, name.to_owned()));
    }

    /// What was healed since the last call.
    pub(crate) fn take_healed(&mut self) -> Vec<(OwnedKind, String)> {
        std::mem::take(&mut self.healed)
    }

    /// Takes an object that was read as one that needs no write.
    pub(crate) fn trust<K: OwnedObject>(&mut self, object: &K, desired: &K) {
        let known = Known { desired: digest(desired), mark: Mark::of(object.meta()), drifted: None };
        self.known.insert((K::KIND, object.name_any()), known);
    }

    /// Takes note of an object that was read and is as it should be: whoever changes it from now on is noticed.
    pub(crate) fn saw(&mut self, kind: OwnedKind, name: String, mark: Mark) {
        self.known.entry((kind, name)).or_insert(Known { desired: 0, mark, drifted: None });
    }

    /// Whether an object of this cluster's has the name, with its metadata. None if nothing has.
    pub(crate) async fn look<K: OwnedObject>(
        &self,
        name: &str,
    ) -> Result<Option<PartialObjectMeta<K>>, Problem> {
        let found = self.api::<K>().get_metadata_opt(name).await;
        let found = found.map_err(|error| Problem::of(self.action::<K>("read", name), &error))?;
        match found {
            Some(found) if !self.owns(&found.metadata) => Err(self.not_ours::<K>(name, &found.metadata)),
            found => Ok(found),
        }
    }

    /// Why an object may not be written to.
    pub(crate) fn not_ours<K: OwnedObject>(&self, name: &str, meta: &ObjectMeta) -> Problem {
        let earlier = meta.owner_references.iter().flatten().any(|owner| owner.kind == "MqttCluster");
        if earlier && self.was_same_name(meta) {
            let detail = "it belongs to an earlier MqttCluster of this name, and is being deleted".to_owned();
            return Problem { cause: Cause::Outdated, action: self.action::<K>("apply", name), detail };
        }
        Problem::name_conflict(K::KIND.as_str(), name)
    }

    fn was_same_name(&self, meta: &ObjectMeta) -> bool {
        meta.owner_references.iter().flatten().any(|owner| owner.name == self.cluster)
    }

    /// Whether an object belongs to this cluster.
    pub(crate) fn owns(&self, meta: &ObjectMeta) -> bool {
        meta.owner_references.iter().flatten().any(|owner| owner.uid == self.owner_uid)
    }

    /// Makes an object what it should be.
    pub(crate) async fn apply<K: OwnedObject>(&mut self, object: &K) -> Result<Done, Problem> {
        let attempt = self.attempt(object).await?;
        Ok(self.accept::<K>(attempt))
    }

    /// Makes many objects what they should be, some at a time. What worked before something failed is done.
    pub(crate) async fn apply_all<K: OwnedObject>(
        &mut self,
        objects: Vec<K>,
    ) -> Result<Vec<(String, Done)>, Problem> {
        let attempts: Vec<_> = objects.iter().map(|object| self.attempt(object).boxed()).collect();
        let attempts: Vec<_> = futures::stream::iter(attempts).buffer_unordered(AT_ONCE).collect().await;
        let mut outcomes = Vec::with_capacity(attempts.len());
        let mut failure = None;
        for attempt in attempts {
            match attempt {
                Ok(attempt) => {
                    let name = attempt.name.clone();
                    outcomes.push((name, self.accept::<K>(attempt)));
                }
                Err(problem) => failure = Some(problem),
            }
        }
        failure.map_or(Ok(outcomes), Err)
    }

    async fn attempt<K: OwnedObject>(&self, object: &K) -> Result<Attempt, Problem> {
        let name = object.name_any();
        let desired = digest(object);
        let known = self.known.get(&(K::KIND, name.clone()));
        let drifted = match known {
            Some(known) if known.desired == desired && known.drifted.is_none() => {
                return Ok(Attempt { name, written: None });
            }
            Some(known) => known.drifted.clone(),
            None => None,
        };
        if known.is_none() || matches!(drifted, Some(None)) {
            // A name that we did not write to may be someone else's; one that was deleted may be someone else's now.
            self.look::<K>(&name).await?;
        }
        if matches!(drifted, Some(Some(_))) && !matches!(K::KIND, OwnedKind::ConfigMap | OwnedKind::Secret) {
            self.overwrite(object, &name).await?;
        }
        let mark = self.patch(object, &name).await?;
        let healed = drifted.is_some_and(|seen| seen.as_ref() != Some(&mark));
        Ok(Attempt { name, written: Some((Known { desired, mark, drifted: None }, healed)) })
    }

    fn accept<K: OwnedObject>(&mut self, attempt: Attempt) -> Done {
        let Some((known, healed)) = attempt.written else { return Done::Nothing };
        self.known.insert((K::KIND, attempt.name.clone()), known);
        if healed {
            self.healed.push((K::KIND, attempt.name));
        }
        if healed { Done::Healed } else { Done::Applied }
    }

    async fn patch<K: OwnedObject>(&self, object: &K, name: &str) -> Result<Mark, Problem> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let outcome = self.api::<K>().patch(name, &params, &Patch::Apply(object)).await;
        let outcome = outcome.map_err(|error| Problem::of(self.action::<K>("apply", name), &error))?;
        self.metrics.wrote(K::KIND.as_str(), object);
        Ok(Mark::of(outcome.meta()))
    }

    /// Takes out of lists what someone else put in, which an apply would leave to him, and leaves no trace in the
    /// ownership of fields.
    async fn overwrite<K: OwnedObject>(&self, object: &K, name: &str) -> Result<(), Problem> {
        let problem = |error: kube::Error| Problem::of(self.action::<K>("restore", name), &error);
        let params =
            PatchParams { field_manager: Some(HEALING_MANAGER.to_owned()), ..PatchParams::default() };
        let api = self.api::<K>();
        let written = api.patch(name, &params, &Patch::Merge(object)).await.map_err(problem)?;
        self.metrics.wrote(K::KIND.as_str(), object);
        let managers = written.meta().managed_fields.iter().flatten();
        let others: Vec<_> =
            managers.filter(|entry| entry.manager.as_deref() != Some(HEALING_MANAGER)).collect();
        let version = written.resource_version();
        let owners = json!({ "metadata": { "resourceVersion": version, "managedFields": others } });
        match api.patch(name, &PatchParams::default(), &Patch::Merge(&owners)).await {
            Ok(_) => Ok(()),
            // Someone else wrote meanwhile: the apply that follows decides.
            Err(kube::Error::Api(status)) if matches!(status.code, 409 | 422) => Ok(()),
            Err(error) => Err(problem(error)),
        }
    }

    /// Which version of an object was applied last.
    pub(crate) fn mark(&self, kind: OwnedKind, name: &str) -> Option<&Mark> {
        let known = self.known.get(&(kind, name.to_owned()))?;
        known.drifted.is_none().then_some(&known.mark)
    }

    /// Deletes an object of this cluster's; nothing happens when it is not there or not ours.
    pub(crate) async fn delete<K: OwnedObject>(&mut self, name: &str) -> Result<(), Problem> {
        let found = match self.look::<K>(name).await {
            Ok(found) => found,
            Err(problem) if problem.cause == Cause::NameConflict => None,
            Err(problem) => return Err(problem),
        };
        self.known.remove(&(K::KIND, name.to_owned()));
        let Some(found) = found else { return Ok(()) };
        let precondition = Preconditions { uid: found.metadata.uid, resource_version: None };
        let params = DeleteParams::background().preconditions(precondition);
        match self.api::<K>().delete(name, &params).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(Problem::of(self.action::<K>("delete", name), &error)),
        }
    }

    /// The names of all objects of a kind that are labelled as this cluster's and belong to it.
    pub(crate) async fn list<K: OwnedObject>(&self, cluster: &str) -> Result<Vec<String>, Problem> {
        let selector = format!("{}={cluster}", moat_crds::delivery::names::CLUSTER_LABEL);
        let params = kube::api::ListParams::default().labels(&selector).limit(500);
        let action = || format!("list {}s in namespace {}", K::KIND.as_str(), self.namespace);
        let mut names = Vec::new();
        let mut page = params.clone();
        loop {
            let list = self.api::<K>().list_metadata(&page).await;
            let list = list.map_err(|error| Problem::of(action(), &error))?;
            let ours = list.items.iter().filter(|item| self.owns(&item.metadata));
            names.extend(ours.map(ResourceExt::name_any));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = params.clone().continue_token(&token),
                None => return Ok(names),
            }
        }
    }

    pub(crate) fn action<K: OwnedObject>(&self, verb: &str, name: &str) -> String {
        format!("{verb} {} {}/{name}", K::KIND.as_str(), self.namespace)
    }
}

/// Tells what is wanted from what was wanted before.
fn digest(object: &impl Serialize) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    // Maps in these types are ordered, and serialising them to memory cannot fail.
    serde_json::to_vec(object).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}
