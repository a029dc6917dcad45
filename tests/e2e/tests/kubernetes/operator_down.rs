//! The operator is away, and broker pods come and go: whoever has rights gets in, from the slots' objects and from the
//! last good policy on the volume.

use std::fs;

use anyhow::{Result, ensure};

use crate::breakable;
use crate::fleet::{FLEET, Fleet, HEALING, POD, Resident, SECONDS, comes_in, stays_out};
use crate::processes;

#[test]
fn pods_come_back_with_their_policy_while_the_operator_is_away() -> Result<()> {
    breakable::story(|kubernetes, operator| {
        let fleet = Fleet::found(kubernetes, "away")?;
        let mut resident = fleet.resident()?;
        let room = fleet.open_room()?;
        resident.gets_into(&room, SECONDS)?;
        let generation = fleet.generation()?;
        operator.scale(0)?;
        resident.lives_on()?;

        // A new pod, whose volume knows the policy.
        replace_pod(&fleet)?;
        ensure!(everyone_comes_in(&fleet)?.may_enter(&room)?, "the newest right is there");

        // The volume is empty: everything comes from the slots' objects.
        let policy = processes::volume(kubernetes, &fleet)?.join("policy");
        ensure!(policy.join("manifest.json").is_file(), "the volume held the last good policy");
        fs::remove_dir_all(&policy)?;
        processes::kill_broker(&fleet.pod()?)?;
        ensure!(everyone_comes_in(&fleet)?.may_enter(&room)?, "the newest right is there");

        // The manifest is gone: everything comes from the volume.
        fleet.kubectl(&["delete", "configmap", &format!("{FLEET}-policy")])?;
        replace_pod(&fleet)?;
        let mut resident = everyone_comes_in(&fleet)?;
        ensure!(resident.may_enter(&room)?, "the newest right is there");

        operator.scale(1)?;
        let took = fleet.edit_is_enforced(&mut resident, HEALING)?;
        println!("an edit was enforced {took:?} after the operator was back");
        resident.lives_on()?;
        ensure!(fleet.generation()? > generation, "generations go on where they were");
        fleet.ready()
    })
}

/// Deletes the broker's pod and waits for the next.
fn replace_pod(fleet: &Fleet<'_>) -> Result<()> {
    let before = fleet.pod()?;
    fleet.kubectl(&["delete", "pod", POD])?;
    fleet.next_pod(&before).map(drop)
}

/// Everyone who has rights gets in, and nobody else.
fn everyone_comes_in(fleet: &Fleet<'_>) -> Result<Resident> {
    let listener = fleet.service()?;
    let resident = comes_in(&listener, "resident")?;
    comes_in(&listener, "guest")?;
    stays_out(&listener)?;
    Ok(resident)
}
