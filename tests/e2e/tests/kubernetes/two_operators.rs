//! Two operators: one writes, the other is ready. The one that writes is deleted, and later stopped in its tracks and
//! woken up: the other goes on, edits act all the while, and generations only ever rise.

use std::cell::RefCell;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use moat_e2e::until;

use crate::breakable;
use crate::fleet::{FLEET, Fleet, SECONDS, manifest_in};
use crate::operator::{self, NAMESPACE, Operator};
use crate::processes;

/// A leader that says nothing loses the Lease after 15 s.
const LEASE: Duration = Duration::from_secs(15);

#[test]
fn of_two_operators_one_writes_and_the_other_goes_on_when_it_is_gone() -> Result<()> {
    breakable::story(|kubernetes, operator| {
        operator.scale(2)?;
        let fleet = Fleet::found(kubernetes, "two")?;
        let mut manifests = fleet.watch("configmap", &format!("{FLEET}-policy"))?;
        let mut resident = fleet.resident()?;
        let (leader, follower) = roles(operator)?;
        ensure!(operator.metric(&leader, "moat_operator_leading")? == 1.0, "{leader} leads");
        ensure!(operator.metric(&follower, "moat_operator_leading")? == 0.0, "{follower} does not");
        ensure!(writes(operator, &leader)? > 0.0, "{leader} has written");
        ensure!(writes(operator, &follower)? == 0.0, "{follower} has written nothing");

        let begin = Instant::now();
        kubernetes.kubectl(&["delete", "pod", &leader, "-n", NAMESPACE, "--wait=false"])?;
        fleet.edit_is_enforced(&mut resident, SECONDS)?;
        until::holds("the Lease to be taken over", || Ok(operator.leader()? == follower))?;
        println!(
            "{:?} after its deletion, the leader had a successor and an edit was enforced",
            begin.elapsed()
        );
        operator.scale(2)?;

        // A leader that hangs does not know that it has lost the Lease, and must not write when it wakes up.
        let (leader, follower) = roles(operator)?;
        let process = processes::of_pod(&kubernetes.get("pod", &leader, NAMESPACE)?, "/moat-operator")?;
        processes::signal(process, "STOP")?;
        let enforced = fleet.edit_is_enforced(&mut resident, LEASE + SECONDS);
        // What it wakes up to is an edit that it has not written.
        fleet.open_room()?;
        processes::signal(process, "CONT")?;
        println!("with a leader that hangs, an edit was enforced after {:?}", enforced?);
        ensure!(operator.leader()? == follower, "{follower} leads");
        fleet.edit_is_enforced(&mut resident, SECONDS)?;
        until::holds("the old leader's process to end", || {
            Ok(!Path::new(&format!("/proc/{process}")).exists())
        })?;
        resident.lives_on()?;
        operator.scale(2)?;
        fleet.edit_is_enforced(&mut resident, SECONDS)?;
        fleet.ready()?;

        let (last, seen) = (fleet.generation()?, RefCell::new(Vec::new()));
        manifests.until(SECONDS, |object| {
            let generation = manifest_in(object).ok().and_then(|it| it["generation"].as_u64()).unwrap_or(0);
            seen.borrow_mut().push(generation);
            generation >= last
        })?;
        let seen = seen.into_inner();
        ensure!(seen.len() > 4, "every edit had a generation: {seen:?}");
        ensure!(seen.is_sorted_by(|a, b| a < b), "generations only rise: {seen:?}");
        operator.scale(1)
    })
}

/// The pod that leads and the one that does not.
fn roles(operator: Operator<'_>) -> Result<(String, String)> {
    let leader = until::some("one of the operators to lead", || {
        let leader = operator.leader()?;
        Ok(operator.pods()?.iter().any(|pod| operator::name(pod) == leader).then_some(leader))
    })?;
    let pods: Vec<String> = operator.pods()?.iter().map(operator::name).collect();
    let follower = pods.iter().find(|pod| **pod != leader).context("there are two operators")?;
    Ok((leader.clone(), follower.clone()))
}

/// Objects that an operator has written.
fn writes(operator: Operator<'_>, pod: &str) -> Result<f64> {
    let (_, metrics) = operator::get(operator.0, &operator.0.get("pod", pod, NAMESPACE)?, "/metrics")?;
    let samples = metrics.lines().filter(|line| line.starts_with("moat_operator_api_writes_total{"));
    Ok(samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
}
