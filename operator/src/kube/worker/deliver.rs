//! Brings a bundle to where the pods read it: the right to read it, shards, then the manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{FutureExt, StreamExt as _, TryStreamExt as _};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use moat_crds::MqttCluster;
use moat_crds::compile::Kind;
use moat_crds::delivery::{Manifest, ShardName, Slot, names, pack, unpack};
use moat_policy::Digest;
use moat_policy::bundle::{Family, Shard};

use super::super::error::{Cause, Problem};
use super::super::metrics::Metrics;
use super::apply::{Applier, Done, FIELD_MANAGER, Mark, OwnedKind, OwnedObject};
use super::objects;
use crate::build::{POLICY, metadata};
use crate::bundle::{Plan, Readable, Wanted, plan};

/// On the manifest: the uids of the definitions under which it was compiled. Under others, what seems deleted may have
/// gone with its definition.
pub(crate) const DEFINITIONS: &str = "moat.dev/definitions";

/// Shards that are read or written at a time.
const AT_ONCE: usize = 4;

/// What is known of the manifest in the API server.
enum Live {
    /// Nothing: it has to be read.
    Unknown,
    /// It is not there, or no manifest.
    None,
    /// It is this.
    Known { manifest: Manifest, mark: Mark },
}

/// The delivery of one cluster's policy.
pub(super) struct Delivery {
    cluster: Arc<MqttCluster>,
    name: String,
    live: Live,
    /// The highest generation that the API server or a pod has shown.
    floor: u64,
    /// What the pods may read.
    readable: Readable,
    /// The uids of the definitions, as the manifest shall name them, and as it does.
    definitions: String,
    written_definitions: String,
    /// Someone changed manifest or shards by hand.
    disturbed: BTreeSet<String>,
    metrics: Metrics,
}

/// What is in force, as far as the API server is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) generation: u64,
    pub(crate) digest: Digest,
}

impl Delivery {
    pub(super) fn new(cluster: Arc<MqttCluster>, metrics: Metrics) -> Self {
        let name = cluster.metadata.name.clone().unwrap_or_default();
        let readable = Readable::of(&name, []);
        Self {
            cluster,
            name,
            live: Live::Unknown,
            floor: 0,
            readable,
            definitions: String::new(),
            written_definitions: String::new(),
            disturbed: BTreeSet::new(),
            metrics,
        }
    }

    /// The cluster's resource may have changed, or a definition by whose uid deletions are believed.
    pub(super) fn of(&mut self, cluster: &Arc<MqttCluster>, definitions: &BTreeMap<Kind, String>) {
        self.cluster = Arc::clone(cluster);
        let text = |(kind, uid): (&Kind, &String)| format!("{kind}={uid}");
        self.definitions = definitions.iter().map(text).collect::<Vec<_>>().join(",");
    }

    /// A pod has shown this generation.
    pub(super) fn raise_floor(&mut self, generation: u64) {
        self.floor = self.floor.max(generation);
    }

    /// What the pods may read now.
    pub(super) fn readable(&self) -> &Readable {
        &self.readable
    }

    /// The manifest in force, once it was read or written.
    pub(super) fn manifest(&self) -> Option<&Manifest> {
        match &self.live {
            Live::Known { manifest, .. } => Some(manifest),
            Live::Unknown | Live::None => None,
        }
    }

    /// Someone changed an object: true if it is the manifest or a live shard.
    pub(super) fn touched(&mut self, kind: OwnedKind, name: &str) -> bool {
        if !matches!(kind, OwnedKind::ConfigMap | OwnedKind::Secret) {
            return false;
        }
        let live = self.manifest().is_some_and(|manifest| {
            name == names::manifest(&self.name)
                || manifest.shards.iter().any(|(shard, at)| names::shard(&self.name, shard, at.slot) == name)
        });
        if live {
            self.disturbed.insert(name.to_owned());
        }
        live
    }

    /// Reads what is there, before anything is written.
    pub(super) async fn read(&mut self, applier: &mut Applier) -> Result<(), Problem> {
        if !matches!(self.live, Live::Unknown) {
            return Ok(());
        }
        let name = names::manifest(&self.name);
        let found = applier.api::<ConfigMap>().get_opt(&name).await;
        let found = found.map_err(|error| Problem::of(applier.action::<ConfigMap>("read", &name), &error))?;
        self.live = match found {
            None => Live::None,
            Some(found) if !applier.owns(&found.metadata) => {
                return Err(applier.not_ours::<ConfigMap>(&name, &found.metadata));
            }
            Some(found) => {
                self.written_definitions = found.annotations().get(DEFINITIONS).cloned().unwrap_or_default();
                let text = found.data.as_ref().and_then(|data| data.get(names::MANIFEST_KEY));
                let uid = self.cluster.metadata.uid.as_deref();
                let mark = Mark::of(&found.metadata);
                match text.map(|text| Manifest::read(text.as_str())) {
                    Some(Ok(manifest)) if Some(manifest.cluster.as_str()) == uid => {
                        self.floor = self.floor.max(manifest.generation);
                        Live::Known { manifest, mark }
                    }
                    _ => Live::None,
                }
            }
        };
        self.readable = Readable::of(&self.name, self.manifest());
        self.check_shards(applier).await
    }

    /// Looks at the content of every live shard: one that someone altered while no operator ran is written again.
    async fn check_shards(&mut self, applier: &mut Applier) -> Result<(), Problem> {
        let Live::Known { manifest, mark } = &self.live else { return Ok(()) };
        applier.saw(OwnedKind::ConfigMap, names::manifest(&self.name), mark.clone());
        let checks: Vec<_> = {
            let applier = &*applier;
            let checks = manifest.shards.iter().map(|(shard, at)| {
                let name = names::shard(&self.name, shard, at.slot);
                let (shard, expected) = (*shard, at.digest);
                async move {
                    let found = read_shard(applier, &shard, &name).await?;
                    let intact = found.filter(|(packed, _)| unpack(packed, expected).is_ok());
                    Ok::<_, Problem>((kind_of(shard.family), name, intact.map(|(_, mark)| mark)))
                }
                .boxed()
            });
            let checks: Vec<_> = checks.collect();
            futures::stream::iter(checks).buffer_unordered(AT_ONCE).try_collect().await?
        };
        for (kind, name, intact) in checks {
            match intact {
                Some(mark) => applier.saw(kind, name, mark),
                None => {
                    self.disturbed.insert(name);
                }
            }
        }
        Ok(())
    }

    /// Writes what leads to what is wanted. The pods' right to read is widened before anything new is written.
    pub(super) async fn deliver(
        &mut self,
        applier: &mut Applier,
        wanted: &Wanted,
        inputs: &objects::Inputs<'_>,
    ) -> Result<Delivered, Problem> {
        self.read(applier).await?;
        self.mend(applier, wanted).await?;
        let began = std::time::Instant::now();
        if self.definitions != self.written_definitions {
            self.floor = self.floor.max(self.manifest().map_or(0, |manifest| manifest.generation) + 1);
        }
        if let Some(plan) = plan(self.manifest(), self.floor, wanted) {
            let needed = Readable::of(&self.name, self.manifest().into_iter().chain([&plan.manifest]));
            if !self.readable.covers(&needed) {
                objects::grant(applier, inputs, &needed).await?;
                self.readable = needed;
            }
            let shards_began = began.elapsed();
            self.write_shards(applier, wanted, &plan.writes).await?;
            let manifest_began = began.elapsed();
            let (generation, shards) = (plan.manifest.generation, plan.writes.len());
            self.write_manifest(applier, plan).await?;
            self.metrics.delivered(began.elapsed());
            tracing::debug!(
                cluster = self.name,
                generation,
                shards,
                grant_ms = shards_began.as_millis(),
                shards_ms = (manifest_began - shards_began).as_millis(),
                manifest_ms = (began.elapsed() - manifest_began).as_millis(),
                "delivered"
            );
        }
        let manifest =
            self.manifest().ok_or_else(|| Problem::internal("deliver", &"no manifest is known"))?;
        Ok(Delivered { generation: manifest.generation, digest: manifest.digest })
    }

    /// Puts back what someone altered: a live shard in its place, the manifest under a new generation.
    async fn mend(&mut self, applier: &mut Applier, wanted: &Wanted) -> Result<(), Problem> {
        if self.disturbed.is_empty() {
            return Ok(());
        }
        let manifest_name = names::manifest(&self.name);
        let shards: Vec<_> = wanted.bundle.shards().collect();
        for shard in shards {
            let name = ShardName { family: shard.family(), prefix: shard.prefix() };
            let at = self.manifest().and_then(|manifest| manifest.shards.get(&name)).copied();
            let Some(at) = at.filter(|at| at.digest == shard.digest()) else { continue };
            let object = names::shard(&self.name, &name, at.slot);
            if self.disturbed.contains(&object) {
                if self.write_shard(applier, &shard, at.slot).await? == Done::Applied {
                    // It was altered while no operator ran.
                    applier.note_healed(kind_of(shard.family()), &object);
                }
                self.disturbed.remove(&object);
            }
        }
        // The content of others is superseded anyway: the plan names what is wanted.
        self.disturbed.retain(|name| *name == manifest_name);
        if self.disturbed.remove(&manifest_name) {
            self.remember_edited(applier, &manifest_name).await?;
        }
        Ok(())
    }

    /// Takes note of an edited manifest: what it says is outbid. Pods may have taken it.
    async fn remember_edited(&mut self, applier: &mut Applier, name: &str) -> Result<(), Problem> {
        let before = self.floor;
        self.live = Live::Unknown;
        self.read(applier).await?;
        // Nothing that it says is trusted but that its generation is spent.
        let spent = self.manifest().map_or(0, |manifest| manifest.generation);
        self.floor = before.max(spent) + 1;
        applier.note_healed(OwnedKind::ConfigMap, name);
        Ok(())
    }

    async fn write_shards(
        &self,
        applier: &mut Applier,
        wanted: &Wanted,
        writes: &[(ShardName, Slot)],
    ) -> Result<(), Problem> {
        let slots: BTreeMap<_, _> = writes.iter().copied().collect();
        let (mut plain, mut secret) = (Vec::new(), Vec::new());
        for shard in wanted.bundle.shards() {
            let name = ShardName { family: shard.family(), prefix: shard.prefix() };
            let Some(slot) = slots.get(&name) else { continue };
            match shard.family() {
                Family::Plain => plain.push(self.plain_shard(&shard, *slot)?),
                Family::Secret => secret.push(self.secret_shard(&shard, *slot)?),
            }
        }
        applier.apply_all(plain).await?;
        applier.apply_all(secret).await.map(drop)
    }

    async fn write_shard(
        &self,
        applier: &mut Applier,
        shard: &Shard<'_>,
        slot: Slot,
    ) -> Result<Done, Problem> {
        match shard.family() {
            Family::Plain => applier.apply(&self.plain_shard(shard, slot)?).await,
            Family::Secret => applier.apply(&self.secret_shard(shard, slot)?).await,
        }
    }

    fn plain_shard(&self, shard: &Shard<'_>, slot: Slot) -> Result<ConfigMap, Problem> {
        let (metadata, content) = self.packed(shard, slot)?;
        Ok(ConfigMap { metadata, binary_data: Some(content), ..ConfigMap::default() })
    }

    fn secret_shard(&self, shard: &Shard<'_>, slot: Slot) -> Result<Secret, Problem> {
        let (metadata, content) = self.packed(shard, slot)?;
        Ok(Secret { metadata, data: Some(content), ..Secret::default() })
    }

    fn packed(
        &self,
        shard: &Shard<'_>,
        slot: Slot,
    ) -> Result<(ObjectMeta, BTreeMap<String, ByteString>), Problem> {
        let name = ShardName { family: shard.family(), prefix: shard.prefix() };
        let packed = pack(&shard.to_json()).map_err(|error| Problem::internal("pack a shard", &error))?;
        let content = BTreeMap::from([(names::SHARD_KEY.to_owned(), ByteString(packed))]);
        Ok((metadata(&self.cluster, names::shard(&self.name, &name, slot), POLICY), content))
    }

    /// Writes the manifest, if nobody else wrote it since it was read.
    async fn write_manifest(&mut self, applier: &mut Applier, plan: Plan) -> Result<(), Problem> {
        let name = names::manifest(&self.name);
        let mut metadata = metadata(&self.cluster, name.clone(), POLICY);
        let definitions = (DEFINITIONS.to_owned(), self.definitions.clone());
        metadata.annotations = Some(BTreeMap::from([definitions]));
        match &self.live {
            Live::Known { mark, .. } => metadata.resource_version = Some(mark.resource_version.clone()),
            Live::Unknown | Live::None => {
                applier.look::<ConfigMap>(&name).await?;
            }
        }
        let data = BTreeMap::from([(names::MANIFEST_KEY.to_owned(), plan.manifest.to_json())]);
        let object = ConfigMap { metadata, data: Some(data), ..ConfigMap::default() };
        let params = PatchParams::apply(FIELD_MANAGER).force();
        match applier.api::<ConfigMap>().patch(&name, &params, &Patch::Apply(&object)).await {
            Ok(written) => {
                self.written_definitions.clone_from(&self.definitions);
                self.metrics.wrote(ConfigMap::KIND.as_str(), &object);
                applier.trust(&written, &object);
                let mark = Mark::of(&written.metadata);
                self.live = Live::Known { manifest: plan.manifest, mark };
                Ok(())
            }
            Err(error) => {
                let problem = Problem::of(applier.action::<ConfigMap>("apply", &name), &error);
                if problem.cause == Cause::Outdated {
                    self.live = Live::Unknown;
                }
                Err(problem)
            }
        }
    }

    /// Deletes shards that no manifest names any more, and takes back the right to read them. To be called when every
    /// pod enforces the manifest in force.
    pub(super) async fn sweep(
        &mut self,
        applier: &mut Applier,
        inputs: &objects::Inputs<'_>,
    ) -> Result<(), Problem> {
        let exact = Readable::of(&self.name, self.manifest());
        if self.readable == exact {
            return Ok(());
        }
        objects::grant(applier, inputs, &exact).await?;
        let policy = format!("{}-policy-", self.name);
        let stale = |objects: Vec<String>, prefix: String, kept: &BTreeSet<String>| {
            let stale = objects.into_iter().filter(|name| name.starts_with(&prefix) && !kept.contains(name));
            stale.collect::<Vec<_>>()
        };
        for name in stale(applier.list::<ConfigMap>(&self.name).await?, policy, &exact.config_maps) {
            applier.delete::<ConfigMap>(&name).await?;
        }
        let credentials = format!("{}-credentials-", self.name);
        for name in stale(applier.list::<Secret>(&self.name).await?, credentials, &exact.secrets) {
            applier.delete::<Secret>(&name).await?;
        }
        self.readable = exact;
        Ok(())
    }
}

/// The kind of object that holds shards of a family.
const fn kind_of(family: Family) -> OwnedKind {
    match family {
        Family::Plain => OwnedKind::ConfigMap,
        Family::Secret => OwnedKind::Secret,
    }
}

/// The packed content of a shard's object, and which version it is; none when it is not there or has none.
async fn read_shard(
    applier: &Applier,
    shard: &ShardName,
    name: &str,
) -> Result<Option<(Vec<u8>, Mark)>, Problem> {
    let content = match shard.family {
        Family::Plain => {
            let found = applier.api::<ConfigMap>().get_opt(name).await;
            let found =
                found.map_err(|error| Problem::of(applier.action::<ConfigMap>("read", name), &error))?;
            found.and_then(|found| {
                Some((found.binary_data?.remove(names::SHARD_KEY)?, Mark::of(&found.metadata)))
            })
        }
        Family::Secret => {
            let found = applier.api::<Secret>().get_opt(name).await;
            let found = found.map_err(|error| Problem::of(applier.action::<Secret>("read", name), &error))?;
            found.and_then(|found| Some((found.data?.remove(names::SHARD_KEY)?, Mark::of(&found.metadata))))
        }
    };
    Ok(content.map(|(content, mark)| (content.0, mark)))
}
