//! Applying everything a second time changes nothing: no generation, and no object of Moat's own.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::resources;
use serde_json::Value;

use crate::people::{connect, is_connected};

/// What users write.
const USERS: &str = "moat,secret";

/// What the operator writes.
const OWNED: &str = "statefulset,service,configmap,secret,serviceaccount,role.rbac.authorization.k8s.io,rolebinding,\
    networkpolicy,poddisruptionbudget";

/// A field of the metadata of every object of some kinds.
fn metadata(namespace: &Namespace<'_>, kinds: &str, field: &str) -> Result<BTreeMap<String, Value>> {
    let all: Value = serde_json::from_str(&namespace.kubectl(&["get", kinds, "-o", "json"])?)?;
    let all = all["items"].as_array().context("a list")?;
    let name = |object: &Value| format!("{}/{}", object["kind"], object["metadata"]["name"]);
    Ok(all.iter().map(|object| (name(object), object["metadata"][field].clone())).collect())
}

/// The entries that differ.
fn different(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differs = |name: &&&String| before.get(**name) != after.get(**name);
    names
        .iter()
        .filter(differs)
        .map(|name| format!("{name}: {:?} → {:?}", before.get(*name), after.get(*name)))
        .collect()
}

#[test]
fn a_second_apply_changes_no_generation() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("again")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let mut client = connect(&namespace.listener("quickstart", "plain")?, "x", "frontendclient")?;
    let generations = metadata(&namespace, USERS, "generation")?;
    let owned = metadata(&namespace, OWNED, "resourceVersion")?;
    let manifest = namespace.get("configmap", "quickstart-policy")?;
    ensure!(generations.len() > 10 && owned.len() > 10, "everything is there: {owned:?}");

    namespace.sample("quickstart")?;
    // Another manager writes the same: its name is written down, and nothing else.
    let folder = moat_e2e::programs::repository().join("config/samples/quickstart");
    let folder = folder.to_string_lossy();
    namespace.kubectl(&[
        "apply",
        "--server-side",
        "--field-manager=another",
        "--force-conflicts",
        "-f",
        &folder,
    ])?;
    // Two edits that change one thing each show that what came before them was seen: the operator takes them in order.
    namespace.apply(&resources::document(
        "Permission",
        "marker",
        "{ topicFilter: a, activity: [publish] }",
    ))?;
    namespace.enforced("mperm", "marker")?;
    namespace.kubectl(&["annotate", "mqc", "quickstart", "looked-at=yes"])?;
    namespace.kubectl(&["delete", "mperm", "marker"])?;
    namespace.ready()?;

    let changed = different(&generations, &metadata(&namespace, USERS, "generation")?);
    ensure!(changed.is_empty(), "generations changed: {changed:#?}");
    let changed = different(&owned, &metadata(&namespace, OWNED, "resourceVersion")?);
    let ours: Vec<_> = changed.iter().filter(|it| it.contains("quickstart")).collect();
    ensure!(ours.is_empty(), "the operator wrote: {ours:#?}");
    ensure!(namespace.get("configmap", "quickstart-policy")? == manifest, "the policy is the very same");
    is_connected(&mut client, "topic/x/status")
}
