//! From changes to wishes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use moat_crds::compile::{Kind, Wanted};
use moat_crds::delivery::{names, unpack_bounded};
use moat_realms::hash::Limits;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::space::Frozen;
use super::{Engine, News};
use crate::kube::error::Problem;
use crate::kube::salt;
use crate::kube::worker::DEFINITIONS;
use crate::passwords::{InForce, verify};
use crate::policy::Kept;

/// What is held is not larger: it has to fit into one ConfigMap when packed.
const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Verifiers that are handed back at a time.
const CHUNK: usize = 16;

/// For so long a policy waits for verifiers that are being computed; what else changed must not wait longer.
const HASHING: Duration = Duration::from_millis(700);

impl Engine {
    /// Compiles what was taken, once everything was listed.
    pub(super) async fn compile(&mut self) {
        self.waiting = None;
        if self.missing().next().is_some() {
            return;
        }
        self.believe().await;
        if !self.compiled {
            if let Err(problem) = self.restore().await {
                warn!(reason = problem.cause.reason(), "{}", problem.message());
                self.wait();
                return;
            }
            self.compiled = true;
        }
        let began = Instant::now();
        let now = jiff::Timestamp::now();
        let changed = std::mem::take(&mut self.changed);
        for namespace in &changed {
            let Some(space) = self.spaces.get_mut(namespace) else { continue };
            space.compile(&self.context, &self.tell, now, self.definitions.uids());
        }
        self.context.metrics.compiled(began.elapsed());
        debug!(namespaces = changed.len(), took_ms = began.elapsed().as_millis(), "compiled");
        if self.leading {
            self.hash().await;
        }
        self.spaces.retain(|_, space| !space.is_empty());
    }

    /// Takes over what an earlier operator wrote down. Without it nothing is compiled: what is held would be lost.
    async fn restore(&mut self) -> Result<(), Problem> {
        let uids = self.definitions.uids().clone();
        for (namespace, space) in &mut self.spaces {
            let api = Api::<ConfigMap>::namespaced(self.context.client.clone(), namespace);
            let read = async |name: String| {
                let found = api.get_opt(&name).await;
                found.map_err(|error| Problem::of(format!("read ConfigMap {namespace}/{name}"), &error))
            };
            for cluster in space.cluster_names() {
                let held = read(names::held(&cluster)).await?;
                let packed = held.and_then(|held| held.binary_data?.remove(names::HELD_KEY));
                let kept = packed.map(|packed| read_kept(&packed.0));
                if matches!(kept, Some(None)) {
                    space.freeze(&cluster, Frozen::kept(&cluster));
                }
                let kept = kept.flatten().unwrap_or_default();
                let manifest = read(names::manifest(&cluster)).await?;
                let known = manifest.and_then(|manifest| manifest.metadata.annotations?.remove(DEFINITIONS));
                for kind in replaced(known.as_deref().unwrap_or_default(), &uids) {
                    // What was held with it is known; what was not is lost, and must not be taken from anyone.
                    if !kept.held.iter().any(|held| held.key.kind == kind) {
                        space.freeze(&cluster, Frozen::definition(kind, &cluster, namespace));
                    }
                }
                space.policy.restore(kept);
            }
        }
        Ok(())
    }

    /// Has passwords hashed that no one hashes yet. Only who writes needs them.
    pub(super) async fn hash(&mut self) {
        if !self.compiled || self.spaces.values().all(|space| space.unhashed().is_empty()) {
            return;
        }
        if self.salt.is_none() {
            match salt::key(&self.context.client, &self.context.settings.namespace).await {
                Ok(key) => self.salt = Some(Arc::new(key)),
                Err(problem) if self.no_salt.as_ref() == Some(&problem) => return,
                Err(problem) => {
                    warn!(
                        reason = problem.cause.reason(),
                        "{}; no password is hashed until then",
                        problem.message()
                    );
                    self.no_salt = Some(problem);
                    return;
                }
            }
        }
        let Some(key) = self.salt.clone() else { return };
        for (namespace, space) in &mut self.spaces {
            let wanted = space.unhashed();
            if wanted.is_empty() {
                continue;
            }
            space.hashing(&wanted, HASHING);
            let clusters = space.cluster_names();
            let (client, tell) = (self.context.client.clone(), self.tell.clone());
            let (namespace, key) = (Arc::clone(namespace), Arc::clone(&key));
            tokio::spawn(async move {
                // Many at once are a new fleet or a new operator: the latter knows most of them already.
                let mut known = InForce::default();
                if wanted.len() > 1 {
                    for cluster in &clusters {
                        known.extend(salt::in_force(&client, &namespace, cluster).await);
                    }
                }
                let _ =
                    tokio::task::spawn_blocking(move || hash_all(&namespace, &wanted, (&key, &known), &tell))
                        .await;
            });
        }
    }
}

fn hash_all(
    namespace: &Arc<str>,
    wanted: &[Wanted],
    (key, known): (&crate::passwords::SaltKey, &InForce),
    tell: &tokio::sync::mpsc::UnboundedSender<News>,
) {
    for chunk in wanted.chunks(CHUNK) {
        let (mut verified, mut failed) = (Vec::with_capacity(CHUNK), Vec::new());
        for wanted in chunk {
            match verify(wanted, key, known, &Limits::default()) {
                Ok(change) => verified.push(change),
                Err(error) => {
                    warn!(credential = %wanted.key.credential, %error, "a password could not be hashed");
                    failed.push(wanted.key.credential.clone());
                }
            }
        }
        if tell.send(News::Verified(Arc::clone(namespace), verified, failed)).is_err() {
            return;
        }
    }
}

fn read_kept(packed: &[u8]) -> Option<Kept> {
    let json = unpack_bounded(packed, KEPT_BYTES_MAX).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The kinds whose definition is another than the one that a manifest names.
fn replaced(known: &str, uids: &BTreeMap<Kind, String>) -> Vec<Kind> {
    let known = known.split(',').filter_map(|pair| pair.split_once('='));
    let known = known.filter_map(|(kind, uid)| Some((Kind::parse(kind)?, uid)));
    known.filter(|(kind, uid)| uids.get(kind).is_some_and(|now| now != uid)).map(|(kind, _)| kind).collect()
}
