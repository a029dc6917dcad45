//! What lies in the API is not what an operator writes, and no operator is there to put it right: the broker refuses it,
//! says why in its report, its log and its metrics, and keeps what is good. Then the operator is back, and all is well.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use moat_e2e::{programs, until};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::breakable;
use crate::fleet::{FLEET, Fleet, HEALING, POD, Resident, SECONDS, comes_in};
use crate::operator::{get, name, value};

/// No shard is larger.
const SHARD_BYTES_MAX: usize = 512 * 1024;

#[test]
fn a_broker_refuses_what_no_operator_wrote_and_says_why() -> Result<()> {
    breakable::story(|kubernetes, operator| {
        let fleet = Fleet::found(kubernetes, "bundle")?;
        let mut resident = fleet.resident()?;
        let room = fleet.open_room()?;
        resident.gets_into(&room, SECONDS)?;
        let old = {
            let old = fleet.manifest()?;
            fleet.edit_is_enforced(&mut resident, SECONDS)?;
            old
        };
        fleet.ready()?;
        let good = fleet.manifest()?;
        operator.scale(0)?;
        let spare = fleet.get("configmap", &format!("{FLEET}-policy-root-{}", idle(&good)))?;
        let mut scene = Scene { fleet, resident, good, spare };

        let text = scene.good.to_string();
        scene.is_refused(&text[..text.len() / 2], "ManifestMalformed")?;
        scene.is_refused("", "ManifestMalformed")?;
        scene.is_refused(&old.to_string(), "OlderGeneration")?;
        let newer = scene.next(|manifest| {
            manifest["schema"] = 2.into();
            manifest["novelty"] = "unheard of".into();
        });
        scene.is_refused(&newer, "SchemaTooNew")?;
        let mut same = scene.good.clone();
        same["listeners"][0]["port"] = 1884.into();
        scene.is_refused(&same.to_string(), "GenerationReused")?;
        let other = scene.next(|manifest| manifest["cluster"] = "another-cluster".into());
        scene.is_refused(&other, "ForeignCluster")?;
        let mixed = scene.next(|manifest| manifest["digest"] = digest(b"another bundle").into());
        scene.is_refused(&mixed, "BundleMismatch")?;

        let missing = scene.next(|manifest| {
            manifest["shards"]["plain-root"] = format!("{}@{}", idle(manifest), digest(b"nothing")).into();
        });
        let spare = name(&scene.spare);
        scene.fleet.kubectl(&["delete", "configmap", &spare])?;
        scene.is_refused(&missing, "ShardMissing")?;
        scene.shard_is_refused(b"altered", &digest(b"intact"), "ShardMismatch")?;
        scene.shard_is_refused(&vec![0; SHARD_BYTES_MAX + 1], &digest(b"large"), "ShardTooLarge")?;
        // A shard as a later version may write it: whole, well packed, and of a form that is not known here.
        let shard = br#"[{"key":{"kind":"quota","realm":"","name":"later"},"entry":{"limit":1}}]"#;
        scene.shard_is_refused(&frame(shard), &digest(shard), "MalformedShard")?;

        // A pod that starts now has nothing but what it kept.
        let before = scene.fleet.pod()?;
        scene.fleet.kubectl(&["delete", "pod", POD])?;
        scene.fleet.next_pod(&before)?;
        scene.resident = comes_in(&scene.fleet.service()?, "resident")?;
        scene.reports("MalformedShard")?;
        scene.resident.lives_on()?;

        operator.scale(1)?;
        let took = scene.fleet.edit_is_enforced(&mut scene.resident, HEALING)?;
        println!("an edit was enforced {took:?} after the operator was back");
        scene.fleet.ready()?;
        until::holds_within(SECONDS, "the report to name no problem", || {
            Ok(report(&scene.fleet)?["problem"].is_null())
        })?;
        scene.resident.lives_on()
    })
}

/// A cluster without an operator, whose broker is given what no operator wrote.
struct Scene<'a> {
    fleet: Fleet<'a>,
    resident: Resident,
    good: Value,
    /// The object of the slot that the good manifest does not name.
    spare: Value,
}

impl Scene<'_> {
    /// The manifest of the next generation, altered.
    fn next(&self, alter: impl FnOnce(&mut Value)) -> String {
        let mut next = self.good.clone();
        let generation = next["generation"].as_u64().unwrap_or(0);
        next["generation"] = (generation + 1).into();
        alter(&mut next);
        next.to_string()
    }

    /// Writes a manifest; the broker refuses it for a reason, says so, and goes on. Then the good one is put back.
    fn is_refused(&mut self, manifest: &str, reason: &str) -> Result<()> {
        let failures = self.failures(reason)?;
        self.fleet.write_manifest(manifest)?;
        self.reports(reason)?;
        ensure!(self.failures(reason)? > failures, "the metrics count {reason}");
        let log = self.fleet.kubectl(&["logs", POD])?;
        ensure!(log.lines().any(|line| line.contains(reason) && line.contains("stays in force")), "{log}");
        self.resident.lives_on()?;
        comes_in(&self.fleet.service()?, "guest")?;
        let good = self.good.to_string();
        self.fleet.write_manifest(&good)?;
        until::holds(&format!("the report to be content again after {reason}"), || {
            Ok(report(&self.fleet)?["problem"].is_null())
        })
    }

    /// As [`Self::is_refused`], for a manifest whose only fault is a shard.
    fn shard_is_refused(&mut self, content: &[u8], digest: &str, reason: &str) -> Result<()> {
        let metadata = &self.spare["metadata"];
        let shard = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": metadata["name"], "labels": metadata["labels"], "ownerReferences": metadata["ownerReferences"],
            },
            "binaryData": { "shard.zst": BASE64_STANDARD.encode(content) },
        });
        self.fleet.apply(&shard.to_string())?;
        let manifest = self.next(|manifest| {
            manifest["shards"]["plain-root"] = format!("{}@{digest}", idle(manifest)).into();
        });
        if reason == "MalformedShard" {
            self.fleet.write_manifest(&manifest)?;
            return self.reports(reason);
        }
        self.is_refused(&manifest, reason)
    }

    /// Waits until the broker's report names this problem.
    fn reports(&self, reason: &str) -> Result<()> {
        let mut last = Value::Null;
        until::holds(&format!("a report of {reason}"), || {
            last = report(&self.fleet)?;
            Ok(last["problem"]["reason"] == reason)
        })
        .with_context(|| format!("the last report was {last}"))?;
        ensure!(last["generation"] == self.good["generation"], "the last good policy is in force: {last}");
        ensure!(last["digest"] == self.good["digest"], "the last good policy is in force: {last}");
        Ok(())
    }

    fn failures(&self, reason: &str) -> Result<f64> {
        let (_, metrics) = get(self.fleet.kubernetes(), &self.fleet.pod()?, "/metrics")?;
        let sample = format!("moat_policy_load_failures_total{{reason=\"{reason}\"}}");
        value(&metrics, &sample).with_context(|| format!("the metrics know {sample}"))
    }
}

/// The slot of the plain shard that a manifest does not name.
fn idle(manifest: &Value) -> &'static str {
    let live = manifest["shards"]["plain-root"].as_str().unwrap_or_default();
    if live.starts_with("a@") { "b" } else { "a" }
}

fn digest(content: &[u8]) -> String {
    let bytes = Sha256::digest(content);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A frame of zstd around content of less than 256 bytes, not compressed.
fn frame(content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("the content is short");
    let block = (u32::from(length) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, length], &block[..3], content].concat()
}

/// The broker's report, asked for with the operator's own certificate by a foreign client.
fn report(fleet: &Fleet<'_>) -> Result<Value> {
    let pod = fleet.pod()?;
    let address = pod["status"]["podIP"].as_str().context("the pod has an address")?;
    let secret = fleet.get("secret", &format!("{FLEET}-operator"))?;
    let folder = tempfile::tempdir()?;
    for key in ["ca.crt", "tls.crt", "tls.key"] {
        let text = secret["data"][key].as_str().context("the Secret holds certificates and a key")?;
        fs::write(folder.path().join(key), BASE64_STANDARD.decode(text)?)?;
    }
    let host = format!("{FLEET}.{}.pods.moat.dev", &***fleet);
    let mut curl: Command = fleet.kubernetes().command(programs::debian("curl", "curl")?);
    curl.current_dir(folder.path())
        .args(["--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "10"])
        .args(["--cacert", "ca.crt", "--cert", "tls.crt", "--key", "tls.key"])
        .args(["--resolve", &format!("{host}:9401:{address}"), &format!("https://{host}:9401/report")]);
    Ok(serde_json::from_str(&programs::run(&mut curl)?)?)
}
