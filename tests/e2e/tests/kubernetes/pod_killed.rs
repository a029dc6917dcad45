//! A broker is killed as the kernel kills for want of memory, and a pod is taken away by force: the next one has the
//! policy at once, and everyone gets in again.

use anyhow::{Result, ensure};
use moat_e2e::kube::Kubernetes;

use crate::fleet::{Fleet, POD, SECONDS, comes_in, stays_out};
use crate::processes;

#[test]
fn a_killed_broker_is_back_with_its_policy_at_once() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    // The broker's process is one of this machine.
    let Some(_) = kubernetes.instance() else { return Ok(()) };
    let fleet = Fleet::found(kubernetes, "killed")?;
    let resident = fleet.resident()?;
    let generation = fleet.generation()?;

    let pod = fleet.pod()?;
    processes::kill_broker(&pod)?;
    resident.ends()?;
    let mut resident = comes_in(&fleet.pod_listener()?, "resident")?;
    stays_out(&fleet.pod_listener()?)?;
    fleet.edit_is_enforced(&mut resident, SECONDS)?;
    ensure!(fleet.pod()?["metadata"]["uid"] == pod["metadata"]["uid"], "it is the same pod");

    fleet.kubectl(&["delete", "pod", POD, "--force", "--grace-period=0"])?;
    resident.ends()?;
    fleet.next_pod(&pod)?;
    let mut resident = comes_in(&fleet.service()?, "resident")?;
    fleet.edit_is_enforced(&mut resident, SECONDS)?;
    // One manifest for each edit: that pods came and went is no reason to write another.
    ensure!(fleet.generation()? == generation + 2, "generation {} after {generation}", fleet.generation()?);
    fleet.ready()
}
