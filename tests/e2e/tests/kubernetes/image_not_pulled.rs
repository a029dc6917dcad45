//! A version that does not exist is asked for: the status says so and what to do, and a version that exists heals it.

use anyhow::{Result, ensure};
use moat_e2e::kube::Kubernetes;
use serde_json::json;

use crate::fleet::{FLEET, Fleet, HEALING, comes_in};

#[test]
fn a_version_that_cannot_be_pulled_is_told_and_replaced_by_one_that_can() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let fleet = Fleet::found(kubernetes, "image")?;
    let resident = fleet.resident()?;
    let good = fleet.get("mqc", FLEET)?["status"]["version"].clone();
    ensure!(good.is_string(), "the version that was found first is recorded: {good}");

    set_version(&fleet, &json!("nosuch"))?;
    // There is one replica, and its owner wants another version of it.
    resident.ends()?;
    let message = fleet.unready("ImagePullFailed")?;
    ensure!(message.contains("nosuch") && message.contains("spec.version"), "the way out is told: {message}");
    let room = fleet.open_room()?;

    set_version(&fleet, &good)?;
    let mut resident = comes_in(&fleet.service()?, "resident")?;
    resident.gets_into(&room, HEALING)?;
    fleet.ready()?;

    // To say nothing is to want what there is.
    let pod = fleet.pod()?;
    set_version(&fleet, &json!(null))?;
    fleet.edit_is_enforced(&mut resident, HEALING)?;
    ensure!(fleet.get("mqc", FLEET)?["status"]["version"] == good, "the version stays recorded");
    ensure!(fleet.pod()?["metadata"]["uid"] == pod["metadata"]["uid"], "the pod stays");
    resident.lives_on()
}

fn set_version(fleet: &Fleet<'_>, version: &serde_json::Value) -> Result<()> {
    let patch = json!({ "spec": { "version": version } }).to_string();
    fleet.kubectl(&["patch", "mqc", FLEET, "--type=merge", "-p", &patch]).map(drop)
}
