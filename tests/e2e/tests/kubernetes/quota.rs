//! A quota of the namespace is used up: the status says which and what to do, what was good stays in force, and
//! everything goes on by itself once there is room again.

use anyhow::{Result, ensure};
use moat_e2e::kube::Kubernetes;

use crate::fleet::{FLEET, Fleet, HEALING, SECONDS};

#[test]
fn a_quota_stops_what_is_new_and_nothing_else() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let fleet = Fleet::found(kubernetes, "quota")?;
    let mut resident = fleet.resident()?;
    let before = fleet.open_room()?;
    resident.gets_into(&before, SECONDS)?;

    // The slot that the next edit is written to has to be made anew.
    fleet.kubectl(&["delete", "configmap", &idle_slot(&fleet)?, "--ignore-not-found"])?;
    let used = kubernetes.list("configmaps", &fleet)?.len();
    limit(&fleet, "configmaps", used)?;
    let room = fleet.open_room()?;
    let message = fleet.unready("QuotaExceeded")?;
    ensure!(message.contains("ConfigMap") && message.contains("raise"), "the way out is told: {message}");
    fleet.tells("QuotaExceeded", "ConfigMap", 0)?;
    resident.lives_on()?;
    ensure!(resident.may_enter(&before)?, "the last good policy is in force");
    ensure!(!resident.may_enter(&room)?, "what cannot be written is not in force");

    limit(&fleet, "configmaps", used + 10)?;
    resident.gets_into(&room, HEALING)?;
    resident.lives_on()?;
    fleet.ready()
}

#[test]
fn a_new_cluster_says_which_quota_it_waits_for() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let fleet = Fleet::prepare(kubernetes, "quota")?;
    // Room for the passwords of the two users.
    limit(&fleet, "secrets", 2)?;
    limit(&fleet, "pods", 0)?;
    fleet.apply(&Fleet::yaml(""))?;
    let message = fleet.unready("QuotaExceeded")?;
    ensure!(message.contains("Secret") && message.contains("raise"), "the way out is told: {message}");
    limit(&fleet, "secrets", 20)?;
    fleet.unready_for("QuotaExceeded", |message| message.contains("pods") && message.contains("raise"))?;
    limit(&fleet, "pods", 1)?;
    fleet.ready()?;
    fleet.resident()?.lives_on()
}

/// Applies a quota of the namespace and waits until it is in force.
fn limit(fleet: &Fleet<'_>, resource: &str, count: usize) -> Result<()> {
    fleet.apply(&format!(
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{ name: {resource} }}\n\
         spec: {{ hard: {{ {resource}: \"{count}\" }} }}\n"
    ))?;
    let count = count.to_string();
    let mut quota = fleet.watch("resourcequota", resource)?;
    quota.until(HEALING, |quota| quota["status"]["hard"][resource] == *count).map(drop)
}

/// The object of the plain shard that the manifest does not name.
fn idle_slot(fleet: &Fleet<'_>) -> Result<String> {
    let manifest = fleet.manifest()?;
    let live = manifest["shards"]["plain-root"].as_str().unwrap_or_default();
    let idle = match live.split_once('@') {
        Some(("a", _)) => "b",
        Some(("b", _)) => "a",
        _ => anyhow::bail!("the manifest names the only plain shard: {manifest}"),
    };
    Ok(format!("{FLEET}-policy-root-{idle}"))
}
