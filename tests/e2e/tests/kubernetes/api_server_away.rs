//! The API server is away for half a minute, once without a trace and once in its tracks: traffic goes on, a broker
//! that starts meanwhile has its policy from its volume, and afterwards edits act within seconds.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use moat_e2e::kube::Part;
use moat_e2e::until;

use crate::breakable;
use crate::fleet::{Fleet, Resident, SECONDS, comes_in, stays_out};
use crate::processes;

const AWAY: Duration = Duration::from_secs(30);

#[test]
fn traffic_goes_on_while_the_api_server_is_away() -> Result<()> {
    breakable::story(|kubernetes, _| {
        let instance = kubernetes.instance().context("it is an instance of ours")?;
        let fleet = Fleet::found(kubernetes, "outage")?;
        let mut resident = fleet.resident()?;
        fleet.edit_is_enforced(&mut resident, SECONDS)?;

        let begin = Instant::now();
        let (listener, pod) = (fleet.service()?, fleet.pod()?);
        instance.kill(Part::ApiServer)?;
        resident.lives_on()?;
        // The container is started again by the kubelet alone.
        processes::kill_broker(&pod)?;
        resident.ends()?;
        let mut resident = comes_in(&listener, "resident")?;
        comes_in(&listener, "guest")?;
        stays_out(&listener)?;
        println!("everyone was back {:?} after the API server and the broker were killed", begin.elapsed());
        lives_on_until(begin + AWAY, &mut resident)?;
        instance.bring_back(Part::ApiServer)?;
        everything_is_in_order(&fleet, &mut resident)?;

        // It keeps all connections and answers none of them.
        let begin = Instant::now();
        instance.freeze(Part::ApiServer)?;
        lives_on_until(begin + AWAY, &mut resident)?;
        comes_in(&listener, "guest")?;
        instance.thaw(Part::ApiServer)?;
        everything_is_in_order(&fleet, &mut resident)
    })
}

fn lives_on_until(end: Instant, resident: &mut Resident) -> Result<()> {
    until::holds_within(AWAY * 2, "the end of the outage", || {
        resident.lives_on()?;
        Ok(Instant::now() > end)
    })
}

fn everything_is_in_order(fleet: &Fleet<'_>, resident: &mut Resident) -> Result<()> {
    let took = fleet.edit_is_enforced(resident, SECONDS)?;
    println!("an edit was enforced {took:?} after the API server answered again");
    resident.lives_on()?;
    fleet.ready()
}
