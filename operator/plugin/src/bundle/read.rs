//! Asks the API server for a cluster's manifest and shards, with the caller's rights.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use moat_crds::MqttCluster;
use moat_crds::delivery::names::{self, MANIFEST_KEY, SHARD_KEY};
use moat_crds::delivery::{Manifest, ShardName, ShardRef};
use moat_policy::bundle::Family;

use super::check::{self, Fetched, Report, Subject};
use crate::connection::{Connection, Refusal};

/// Shards that are asked for at a time.
const AT_ONCE: usize = 8;

/// So often the manifest is read again when something does not fit it. One edit after the other may be written
/// meanwhile, so that what was read first is gone.
const ATTEMPTS: usize = 5;

/// Reads and checks the bundle of a cluster.
///
/// # Errors
/// When the API server does not answer, has no such cluster, or does not show its manifest to the caller.
pub(super) async fn checked(
    connection: &Connection,
    cluster: Option<&str>,
    entries: bool,
) -> anyhow::Result<Report> {
    let reader = Reader { connection, subject: subject(connection, cluster).await? };
    let mut text = reader.manifest().await?;
    for _ in 1..ATTEMPTS {
        let report = reader.check(text.as_deref(), entries).await?;
        if report.wrong.is_empty() {
            return Ok(report);
        }
        let again = reader.manifest().await?;
        if again == text {
            return Ok(report);
        }
        text = again;
    }
    reader.check(text.as_deref(), entries).await
}

/// Which cluster is meant.
async fn subject(connection: &Connection, cluster: Option<&str>) -> anyhow::Result<Subject> {
    let Connection { client, namespace } = connection;
    let api = Api::<MqttCluster>::namespaced(client.clone(), namespace);
    let subject = |name: &str, uid| Subject { namespace: namespace.clone(), cluster: name.to_owned(), uid };
    if let Some(name) = cluster {
        return match api.get_metadata_opt(name).await.map_err(Refusal::from) {
            Ok(Some(found)) => Ok(subject(name, found.uid())),
            Ok(None) => bail!("there is no MqttCluster {name} in namespace {namespace}"),
            // Whoever may read the manifest may see it.
            Err(refusal) if refusal.is_forbidden() => Ok(subject(name, None)),
            Err(refusal) => Err(anyhow!(refusal)),
        };
    }
    let found = match api.list_metadata(&ListParams::default()).await.map_err(Refusal::from) {
        Err(refusal) if refusal.is_absent() => {
            bail!("the API server does not know MqttClusters: install Moat's kinds first")
        }
        found => found?.items,
    };
    match found.as_slice() {
        [] => bail!("there is no MqttCluster in namespace {namespace}"),
        [one] => Ok(subject(&one.name_any(), one.uid())),
        several => {
            let names: Vec<String> = several.iter().map(|one| one.name_any()).collect();
            bail!("namespace {namespace} has several MqttClusters: name one of {}", names.join(", "))
        }
    }
}

struct Reader<'a> {
    connection: &'a Connection,
    subject: Subject,
}

impl Reader<'_> {
    /// The text of the manifest; none when there is none.
    async fn manifest(&self) -> Result<Option<String>, Refusal> {
        let api = self.api::<ConfigMap>();
        let object = api.get_opt(&names::manifest(&self.subject.cluster)).await?;
        Ok(object.map(|object| object.data.unwrap_or_default().remove(MANIFEST_KEY).unwrap_or_default()))
    }

    async fn check(&self, manifest: Option<&str>, entries: bool) -> anyhow::Result<Report> {
        let manifest = match manifest.map(Manifest::read) {
            None => return Ok(check::without_manifest(&self.subject, None)),
            Some(Err(error)) => return Ok(check::without_manifest(&self.subject, Some(&error))),
            Some(Ok(manifest)) => manifest,
        };
        let fetches = manifest
            .shards
            .iter()
            .map(|(name, reference)| async move { (*name, self.shard(name, reference).await) });
        let fetched: BTreeMap<ShardName, Fetched> =
            stream::iter(fetches).buffer_unordered(AT_ONCE).collect().await;
        let lost = fetched.values().find_map(|fetched| match fetched {
            Fetched::Refused(refusal) if !refusal.is_forbidden() => Some(refusal.clone()),
            _ => None,
        });
        match lost {
            Some(refusal) => Err(anyhow!(refusal)),
            None => Ok(check::report(&self.subject, manifest, &fetched, entries)),
        }
    }

    async fn shard(&self, shard: &ShardName, reference: &ShardRef) -> Fetched {
        let name = names::shard(&self.subject.cluster, shard, reference.slot);
        let content =
            match shard.family {
                Family::Plain => self.api::<ConfigMap>().get_opt(&name).await.map(|object| {
                    object.map(|object| object.binary_data.unwrap_or_default().remove(SHARD_KEY))
                }),
                Family::Secret => self
                    .api::<Secret>()
                    .get_opt(&name)
                    .await
                    .map(|object| object.map(|object| object.data.unwrap_or_default().remove(SHARD_KEY))),
            };
        match content {
            Ok(Some(Some(content))) => Fetched::Packed(content.0),
            Ok(Some(None)) => Fetched::Empty,
            Ok(None) => Fetched::Missing,
            Err(error) => Fetched::Refused(error.into()),
        }
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.connection.client.clone(), &self.subject.namespace)
    }
}
