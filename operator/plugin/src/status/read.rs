//! Asks the API server, with the caller's rights.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicResourceScope};
use moat_crds::compile::Kind;
use moat_crds::delivery::Manifest;
use moat_crds::delivery::names::{self, CLUSTER_LABEL};
use moat_crds::{Credential, MqttCluster, Permission, Pipeline, Realm, Role};

use super::facts::{Cluster, Facts, ManifestFact, PolicyObject, Resource};
use crate::connection::{Connection, Refusal, each};

/// Reads what there is. What the caller may not read is told of and left out, but for the clusters themselves.
///
/// # Errors
/// When the API server does not answer, does not know MqttClusters, does not show them to the caller, or has no such
/// cluster.
pub(super) async fn facts(
    connection: &Connection,
    everywhere: bool,
    cluster: Option<&str>,
) -> anyhow::Result<Facts> {
    let namespace = (!everywhere).then(|| connection.namespace.clone());
    let reader = Reader { connection, namespace: namespace.as_deref() };
    let clusters = reader.clusters(cluster).await?;
    let mut manifests = BTreeMap::new();
    for cluster in &clusters {
        let key = (cluster.namespace().unwrap_or_default(), cluster.name_any());
        let manifest = reader.manifest(&key.0, &key.1).await;
        manifests.insert(key, manifest);
    }
    let resources = vec![
        (Kind::Realm, reader.resources::<Realm>().await),
        (Kind::Pipeline, reader.resources::<Pipeline>().await),
        (Kind::Role, reader.resources::<Role>().await),
        (Kind::Permission, reader.resources::<Permission>().await),
        (Kind::Credential, reader.resources::<Credential>().await),
    ];
    let pods = reader.labelled::<Pod>().await;
    let services = reader.labelled::<Service>().await;
    // A server that went away meanwhile is no right that is missing.
    let refusals = resources.iter().filter_map(|(_, read)| read.as_ref().err());
    let refusals = refusals.chain(pods.as_ref().err()).chain(services.as_ref().err());
    if let Some(gone) = refusals.into_iter().find(|refusal| refusal.code == 0) {
        return Err(anyhow!(gone.clone()));
    }
    let cluster = cluster.map(str::to_owned);
    Ok(Facts { namespace, cluster, clusters, resources, pods, services, manifests })
}

struct Reader<'a> {
    connection: &'a Connection,
    /// None: all of them.
    namespace: Option<&'a str>,
}

impl Reader<'_> {
    async fn clusters(&self, only: Option<&str>) -> anyhow::Result<Vec<Cluster>> {
        let mut clusters: Vec<Cluster> = Vec::new();
        let api = self.objects::<_, MqttCluster>();
        match each(&api, ListParams::default(), |cluster| clusters.push(cluster)).await {
            Err(refusal) if refusal.is_absent() => bail!(
                "the API server does not know MqttClusters: install Moat's kinds first (helm install moat-crds \
                 charts/moat-crds, or kubectl apply --server-side -f crds/)"
            ),
            listed => listed?,
        }
        let Some(name) = only else { return Ok(clusters) };
        let names: Vec<String> = clusters.iter().map(Cluster::name_any).collect();
        clusters.retain(|cluster| cluster.name_any() == name);
        let namespace = &self.connection.namespace;
        match (clusters.is_empty(), names.is_empty()) {
            (true, true) => bail!("there is no MqttCluster {name} in namespace {namespace}, nor any other"),
            (true, false) => {
                bail!("there is no MqttCluster {name} in namespace {namespace}: it has {}", names.join(", "))
            }
            (false, _) => Ok(clusters),
        }
    }

    async fn resources<T: kube::Resource<DynamicType = ()>>(&self) -> Result<Vec<Resource>, Refusal> {
        let mut resources = Vec::new();
        let reduce = |object: PolicyObject| resources.push(Resource::of(&object));
        each(&self.objects::<_, T>(), ListParams::default(), reduce).await?;
        Ok(resources)
    }

    /// What the operator keeps for any cluster.
    async fn labelled<K>(&self) -> Result<Vec<K>, Refusal>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let client = self.connection.client.clone();
        let api = match self.namespace {
            Some(namespace) => Api::<K>::namespaced(client, namespace),
            None => Api::all(client),
        };
        let mut objects = Vec::new();
        each(&api, ListParams::default().labels(CLUSTER_LABEL), |object| objects.push(object)).await?;
        Ok(objects)
    }

    async fn manifest(&self, namespace: &str, cluster: &str) -> ManifestFact {
        let api = Api::<ConfigMap>::namespaced(self.connection.client.clone(), namespace);
        let object = match api.get_opt(&names::manifest(cluster)).await {
            Ok(Some(object)) => object,
            Ok(None) => return ManifestFact::Absent,
            Err(error) => return ManifestFact::Refused(error.into()),
        };
        let text = object.data.unwrap_or_default().remove(names::MANIFEST_KEY).unwrap_or_default();
        match Manifest::read(&text) {
            Ok(manifest) => ManifestFact::Read(manifest),
            Err(error) => ManifestFact::Broken(error),
        }
    }

    /// Objects of kind `T`, read as `K`.
    fn objects<K, T>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = ApiResource, Scope = DynamicResourceScope>,
        T: kube::Resource<DynamicType = ()>,
    {
        let (client, resource) = (self.connection.client.clone(), ApiResource::erase::<T>(&()));
        match self.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        }
    }
}
