//! Someone edits what belongs to the operator: each object is what it was within seconds, an event tells whom to ask
//! instead, and who is connected notices nothing.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::Kubernetes;
use moat_e2e::until;
use serde_json::{Value, json};

use crate::fleet::{FLEET, Fleet, HEALING, POD, PORT, Resident, SECONDS, comes_in};

/// The manifest's object.
const MANIFEST: &str = "story-policy";

/// A cluster whose objects are edited, and who must not notice.
struct Scene<'a> {
    fleet: Fleet<'a>,
    resident: Resident,
    pod: Value,
}

impl<'a> Scene<'a> {
    fn set(kubernetes: &'a Kubernetes) -> Result<Self> {
        let fleet = Fleet::found(kubernetes, "edited")?;
        // Not through a Service: one of them is deleted.
        let mut resident = Resident::on(&fleet.pod_listener()?, "resident", "resident")?;
        fleet.edit_is_enforced(&mut resident, SECONDS)?;
        let pod = fleet.pod()?;
        Ok(Self { fleet, resident, pod })
    }

    /// Edits or deletes an object, and waits until it says what it said and an event tells of it.
    fn heals(&mut self, kind: &str, name: &str, order: &[&str]) -> Result<()> {
        let told = self.fleet.told("Healed", name)?;
        let mut object = self.fleet.watch(kind, name)?;
        let before = object.until(SECONDS, |_| true)?;
        let wanted = content(&before);
        let begin = Instant::now();
        self.fleet.kubectl(order)?;
        let healed = |now: &Value| {
            now["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
                && content(now) == wanted
        };
        object.until(HEALING, healed).with_context(|| {
            let now = self.fleet.get(kind, name).map_or(Value::Null, |object| content(&object));
            format!("after {order:?} it is {now:#}\nand was {wanted:#}")
        })?;
        println!("{kind} {name} was healed after {:?}", begin.elapsed());
        self.fleet.tells("Healed", name, told)?;
        self.nobody_noticed()
    }

    fn patches(&mut self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        self.heals(kind, name, &["patch", kind, name, "--type=json", "-p", &patch.to_string()])
    }

    fn deletes(&mut self, kind: &str, name: &str) -> Result<()> {
        self.heals(kind, name, &["delete", kind, name, "--wait=false"])
    }

    fn nobody_noticed(&mut self) -> Result<()> {
        self.resident.lives_on()?;
        let pod = self.fleet.pod()?;
        ensure!(pod["metadata"]["uid"] == self.pod["metadata"]["uid"], "the pod is the same");
        ensure!(pod["metadata"]["deletionTimestamp"].is_null(), "the pod stays");
        Ok(())
    }
}

/// What an object says: not when it was written, how often, and what became of it. Two packings of one shard are the
/// same to those who read it, but there is one packer only.
fn content(object: &Value) -> Value {
    let mut content = object.clone();
    content["status"] = Value::Null;
    for added in ["resourceVersion", "generation", "uid", "creationTimestamp", "managedFields"] {
        content["metadata"][added] = Value::Null;
    }
    // A Service that is made anew has another address.
    for added in ["clusterIP", "clusterIPs"] {
        content["spec"][added] = Value::Null;
    }
    content
}

/// The objects of the shards that count.
fn live_shards(fleet: &Fleet<'_>) -> Result<Vec<(&'static str, String)>> {
    let manifest = fleet.manifest()?;
    let shards = manifest["shards"].as_object().context("a manifest names shards")?;
    let object = |(shard, at): (&String, &Value)| {
        let (family, place) = shard.split_once('-')?;
        let (slot, _) = at.as_str()?.split_once('@')?;
        Some(match family {
            "plain" => ("configmap", format!("{FLEET}-policy-{place}-{slot}")),
            _ => ("secret", format!("{FLEET}-credentials-{place}-{slot}")),
        })
    };
    let shards: Vec<_> = shards.iter().filter_map(object).collect();
    ensure!(shards.len() >= 2, "there are plain and secret shards: {manifest}");
    Ok(shards)
}

#[test]
fn an_edited_or_deleted_shard_is_put_back() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut scene = Scene::set(kubernetes)?;
    for (kind, name) in live_shards(&scene.fleet)? {
        let field = if kind == "secret" { "/data/shard.zst" } else { "/binaryData/shard.zst" };
        scene.patches(kind, &name, &json!([{ "op": "replace", "path": field, "value": "bm90aGluZw==" }]))?;
        scene.patches(kind, &name, &json!([{ "op": "remove", "path": field }]))?;
        scene.deletes(kind, &name)?;
    }
    // What is there now is what a new pod starts from.
    comes_in(&scene.fleet.service()?, "guest")?;
    scene.fleet.edit_is_enforced(&mut scene.resident, SECONDS)?;
    scene.fleet.ready()
}

#[test]
fn an_edited_manifest_is_outbid() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut scene = Scene::set(kubernetes)?;
    let old = scene.fleet.manifest()?;
    scene.fleet.edit_is_enforced(&mut scene.resident, SECONDS)?;
    let good = scene.fleet.manifest()?;

    let mut other_port = good.clone();
    other_port["listeners"][0]["port"] = (PORT + 1).into();
    manifest_is_outbid(&mut scene, &other_port.to_string())?;
    // One that pods take, because its generation is higher.
    other_port["generation"] = (scene.fleet.generation()? + 5).into();
    manifest_is_outbid(&mut scene, &other_port.to_string())?;
    manifest_is_outbid(&mut scene, &old.to_string())?;
    let half = good.to_string();
    manifest_is_outbid(&mut scene, &half[..half.len() / 2])?;
    manifest_is_outbid(&mut scene, "")?;

    let (before, told) = (scene.fleet.generation()?, scene.fleet.told("Healed", MANIFEST)?);
    scene.fleet.kubectl(&["delete", "configmap", MANIFEST])?;
    is_outbid(&mut scene, before, told)?;
    scene.fleet.edit_is_enforced(&mut scene.resident, SECONDS)?;
    scene.fleet.ready()
}

/// Writes a manifest by hand and waits until another one is in its place.
fn manifest_is_outbid(scene: &mut Scene<'_>, text: &str) -> Result<()> {
    let before = scene.fleet.generation()?;
    let written: Value = serde_json::from_str(text).unwrap_or_default();
    let highest = written["generation"].as_u64().unwrap_or(0).max(before);
    let told = scene.fleet.told("Healed", MANIFEST)?;
    scene.fleet.write_manifest(text)?;
    is_outbid(scene, highest, told)
}

fn is_outbid(scene: &mut Scene<'_>, generation: u64, told: u64) -> Result<()> {
    let begin = Instant::now();
    until::holds_within(HEALING, &format!("a manifest above generation {generation}"), || {
        // It may be none at this moment.
        Ok(scene.fleet.generation().is_ok_and(|now| now > generation))
    })?;
    println!("the manifest was outbid after {:?}", begin.elapsed());
    scene.fleet.tells("Healed", MANIFEST, told)?;
    let manifest = scene.fleet.manifest()?;
    ensure!(manifest["listeners"][0]["port"] == PORT, "the listeners are what they were: {manifest}");
    let digest = manifest["digest"].as_str().unwrap_or_default();
    let applied = |it: &Value| {
        it["status"] == "True" && it["message"].as_str().is_some_and(|message| message.contains(digest))
    };
    scene.fleet.condition("mqc", FLEET, "PolicyApplied", applied)?;
    scene.nobody_noticed()?;
    comes_in(&scene.fleet.pod_listener()?, "guest").map(drop)
}

#[test]
fn edited_or_deleted_objects_are_what_they_were_and_no_session_notices() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut scene = Scene::set(kubernetes)?;
    let broker = format!("{FLEET}-broker");
    let plain = format!("{FLEET}-plain");
    let replace = |path: &str, value: Value| json!([{ "op": "replace", "path": path, "value": value }]);

    let image = "/spec/template/spec/containers/0/image";
    scene.patches("statefulset", FLEET, &replace(image, json!("localhost/other:1")))?;
    scene.patches("service", &plain, &replace("/spec/ports/0/port", json!(PORT + 1)))?;
    scene.patches("service", &plain, &replace("/spec/selector", json!({ "other": "pods" })))?;
    scene.patches("role.rbac.authorization.k8s.io", &broker, &replace("/rules", json!([])))?;
    scene.patches("networkpolicy", FLEET, &replace("/spec/ingress", json!([])))?;
    scene.patches("poddisruptionbudget", FLEET, &replace("/spec/maxUnavailable", json!(0)))?;
    scene.patches("service", FLEET, &replace("/spec/publishNotReadyAddresses", json!(false)))?;
    let owner = json!([{ "op": "remove", "path": "/metadata/labels/moat.dev~1cluster" }]);
    scene.patches("networkpolicy", FLEET, &owner)?;

    scene.deletes("service", &plain)?;
    scene.deletes("rolebinding", &broker)?;
    scene.deletes("role.rbac.authorization.k8s.io", &broker)?;
    scene.deletes("networkpolicy", FLEET)?;
    scene.deletes("poddisruptionbudget", FLEET)?;
    for secret in ["ca", "pods", "operator"] {
        scene.fleet.kubectl(&["delete", "secret", &format!("{FLEET}-{secret}")])?;
        scene.fleet.tells("Healed", &format!("{FLEET}-{secret}"), 0)?;
        scene.nobody_noticed()?;
    }
    // Left to itself, the StatefulSet of before adopts its pod again.
    let workload = ["delete", "statefulset", FLEET, "--cascade=orphan"];
    scene.heals("statefulset", FLEET, &workload)?;

    scene.fleet.edit_is_enforced(&mut scene.resident, HEALING)?;
    scene.fleet.ready()?;
    comes_in(&scene.fleet.service()?, "guest")?;
    scene.nobody_noticed()
}

#[test]
fn who_deletes_the_service_account_is_told_what_it_takes() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut scene = Scene::set(kubernetes)?;
    scene.deletes("serviceaccount", &format!("{FLEET}-broker"))?;
    // The pod's token is that of the account that is gone, as the API server notices when it has forgotten what it knew.
    until::holds_within(HEALING, "the pod to be unknown to the API server", || {
        Ok(scene.fleet.kubectl(&["logs", POD])?.contains("ApiUnauthorized"))
    })?;
    let room = scene.fleet.open_room()?;
    let message = scene.fleet.unready("ApiUnauthorized")?;
    ensure!(message.contains(POD) && message.contains("started again"), "the way out is told: {message}");
    scene.nobody_noticed()?;
    scene.fleet.kubectl(&["delete", "pod", POD])?;
    scene.fleet.next_pod(&scene.pod)?;
    scene.fleet.ready()?;
    comes_in(&scene.fleet.service()?, "guest")?.gets_into(&room, SECONDS)
}
