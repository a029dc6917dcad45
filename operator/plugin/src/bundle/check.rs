//! Holds manifest and shards against each other, as the pods do. Pure.

use std::collections::BTreeMap;

use moat_crds::delivery::names::{self, MANIFEST_KEY, SHARD_KEY};
use moat_crds::delivery::{DeliveredListener, Manifest, ManifestError, ShardName, ShardRef, unpack};
use moat_policy::bundle::Family;
use moat_policy::{Bundle, Digest};
use serde::Serialize;

use super::entries::Entries;
use crate::connection::Refusal;

/// Whose bundle it is.
pub(super) struct Subject {
    pub(super) namespace: String,
    pub(super) cluster: String,
    /// None: the caller may not read the MqttCluster.
    pub(super) uid: Option<String>,
}

/// What became of reading a shard's object.
pub(super) enum Fetched {
    Packed(Vec<u8>),
    /// The object lacks the key.
    Empty,
    Missing,
    Refused(Refusal),
}

/// The answer. Its JSON is what programs read. Holds no secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    pub(super) namespace: String,
    pub(super) cluster: String,
    /// None: there is no manifest, or it cannot be read.
    #[serde(flatten)]
    pub(super) manifest: Option<ManifestReport>,
    /// What the pods would refuse.
    pub(super) wrong: Vec<Wrong>,
    /// Why shards are left out that the caller may not read.
    pub(super) unread: Option<String>,
    /// Of the shards that are right, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entries: Option<Entries>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManifestReport {
    pub(super) schema: u32,
    pub(super) generation: u64,
    pub(super) digest: Digest,
    pub(super) digest_state: State,
    /// `metadata.uid` of the MqttCluster that it was written for.
    pub(super) cluster_uid: String,
    pub(super) listeners: Vec<DeliveredListener>,
    pub(super) shards: Vec<ShardReport>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShardReport {
    pub(super) name: ShardName,
    pub(super) slot: String,
    /// `Kind/name` of its object.
    pub(super) object: String,
    pub(super) digest: Digest,
    pub(super) state: State,
    /// How many entries it holds; none: it was not read.
    pub(super) entries: Option<usize>,
    /// Its size before it was packed.
    pub(super) bytes: Option<usize>,
    pub(super) packed_bytes: Option<usize>,
}

/// What is known of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum State {
    Ok,
    Wrong,
    /// The caller may not read what it is over.
    Unread,
}

/// Something that the pods would refuse.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Wrong {
    /// `Kind/name` of the object.
    pub(super) object: String,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What heals every fault of an object that the operator keeps.
const WAY_OUT: &str = "the operator writes it again, unless it is not running or is refused (kubectl moat status); \
                       the pods keep what they have";

/// The answer when there is no manifest, or one that cannot be read.
pub(super) fn without_manifest(subject: &Subject, error: Option<&ManifestError>) -> Report {
    let object = format!("ConfigMap/{}", names::manifest(&subject.cluster));
    let wrong = match error {
        None => Wrong {
            object,
            reason: "ManifestMissing",
            message: "no policy was written yet, or it was deleted: see kubectl moat status".to_owned(),
        },
        Some(error) => {
            Wrong { object, reason: error.reason(), message: format!("{error} (key {MANIFEST_KEY})") }
        }
    };
    Report {
        namespace: subject.namespace.clone(),
        cluster: subject.cluster.clone(),
        manifest: None,
        wrong: vec![wrong],
        unread: None,
        entries: None,
    }
}

/// The answer, from a manifest and what became of reading the shards that it names.
pub(super) fn report(
    subject: &Subject,
    manifest: Manifest,
    fetched: &BTreeMap<ShardName, Fetched>,
    entries: bool,
) -> Report {
    let mut check = Check { cluster: &subject.cluster, right: Vec::new(), wrong: Vec::new(), unread: None };
    let shards: Vec<ShardReport> = manifest
        .shards
        .iter()
        .map(|(name, reference)| check.shard(name, reference, fetched.get(name).unwrap_or(&Fetched::Missing)))
        .collect();
    let Check { right, mut wrong, unread, .. } = check;
    let object = || format!("ConfigMap/{}", names::manifest(&subject.cluster));
    if subject.uid.as_ref().is_some_and(|uid| *uid != manifest.cluster) {
        wrong.push(Wrong {
            object: object(),
            reason: "OtherCluster",
            message: format!(
                "it was written for an earlier MqttCluster of this name ({}): {WAY_OUT}",
                manifest.cluster
            ),
        });
    }
    // Each of them was read on its own before.
    let bundle = Bundle::from_shards(right.iter().map(Vec::as_slice)).unwrap_or_default();
    let digest_state = if right.len() < shards.len() {
        if wrong.is_empty() { State::Unread } else { State::Wrong }
    } else if bundle.digest() == manifest.digest {
        State::Ok
    } else {
        wrong.push(Wrong {
            object: object(),
            reason: "DigestMismatch",
            message: format!(
                "its shards make a policy with the digest {} instead of {}: the manifest was altered; {WAY_OUT}",
                bundle.digest(),
                manifest.digest
            ),
        });
        State::Wrong
    };
    Report {
        namespace: subject.namespace.clone(),
        cluster: subject.cluster.clone(),
        entries: entries.then(|| Entries::of(&bundle)),
        manifest: Some(ManifestReport {
            schema: manifest.schema,
            generation: manifest.generation,
            digest: manifest.digest,
            digest_state,
            cluster_uid: manifest.cluster,
            listeners: manifest.listeners,
            shards,
        }),
        wrong,
        unread,
    }
}

struct Check<'a> {
    cluster: &'a str,
    /// The content of the shards that are as the manifest says.
    right: Vec<Vec<u8>>,
    wrong: Vec<Wrong>,
    unread: Option<String>,
}

impl Check<'_> {
    fn shard(&mut self, name: &ShardName, reference: &ShardRef, fetched: &Fetched) -> ShardReport {
        let kind = match name.family {
            Family::Plain => "ConfigMap",
            Family::Secret => "Secret",
        };
        let mut report = ShardReport {
            name: *name,
            slot: reference.slot.to_string(),
            object: format!("{kind}/{}", names::shard(self.cluster, name, reference.slot)),
            digest: reference.digest,
            state: State::Wrong,
            entries: None,
            bytes: None,
            packed_bytes: None,
        };
        let fault = match fetched {
            Fetched::Packed(packed) => {
                report.packed_bytes = Some(packed.len());
                match self.content(packed, reference, &mut report) {
                    Ok(()) => return report,
                    Err(fault) => fault,
                }
            }
            Fetched::Empty => ("ShardMissing", format!("it has no key {SHARD_KEY}; {WAY_OUT}")),
            Fetched::Missing => ("ShardMissing", format!("it does not exist; {WAY_OUT}")),
            Fetched::Refused(refusal) => {
                self.unread.get_or_insert_with(|| refusal.to_string());
                report.state = State::Unread;
                return report;
            }
        };
        let (reason, message) = fault;
        self.wrong.push(Wrong { object: report.object.clone(), reason, message });
        report
    }

    fn content(
        &mut self,
        packed: &[u8],
        reference: &ShardRef,
        report: &mut ShardReport,
    ) -> Result<(), (&'static str, String)> {
        let json = unpack(packed, reference.digest)
            .map_err(|error| (error.reason(), format!("{error}; {WAY_OUT}")))?;
        report.bytes = Some(json.len());
        // It is what the operator wrote, so that it is this program that does not understand it.
        let bundle = Bundle::from_shards([json.as_slice()]).map_err(|error| {
            (error.reason(), format!("{error}: use the kubectl-moat of the operator's version"))
        })?;
        report.entries = Some(bundle.len());
        report.state = State::Ok;
        self.right.push(json);
        Ok(())
    }
}
