//! Someone deletes the CustomResourceDefinition of one kind by mistake, and with it every Role of every namespace:
//! nobody loses a right, whatever restarts meanwhile, until definition and resources are applied again.

use anyhow::{Result, ensure};
use moat_e2e::kube::Kubernetes;
use moat_e2e::programs::repository;
use moat_e2e::{resources, until};
use serde_json::Value;

use crate::breakable;
use crate::fleet::{FLEET, Fleet, HEALING, Resident, SECONDS, comes_in, room};

const DEFINITION: &str = "roles.moat.dev";

#[test]
fn nobody_loses_a_right_when_a_definition_is_deleted() -> Result<()> {
    breakable::story(|kubernetes, operator| {
        let fleet = Fleet::found(kubernetes, "definition")?;
        let mut resident = fleet.resident()?;
        let open = fleet.open_room()?;
        resident.gets_into(&open, SECONDS)?;

        kubernetes.kubectl(&["delete", "crd", DEFINITION])?;
        let held = fleet.condition("mqc", FLEET, "PolicyHeld", |held| held["status"] == "True")?;
        ensure!(says(&held, "Role") && says(&held, "apply"), "it says what is held and what to do: {held}");
        nothing_is_lost(&fleet, &mut resident, &open)?;
        newcomer_gets_in(&fleet, "newcomer")?;
        nothing_is_lost(&fleet, &mut resident, &open)?;

        // The next operator cannot see a single Role, and says so instead of believing that there is none.
        operator.restart()?;
        until::holds_within(HEALING, "the operator to say what it waits for", || {
            let Ok(pod) = operator.pod() else { return Ok(false) };
            Ok(operator.readyz(&pod).is_ok_and(|(status, words)| status == 503 && words.contains("Role")))
        })?;
        nothing_is_lost(&fleet, &mut resident, &open)?;

        // The definition is there again, and empty.
        apply_definition(kubernetes)?;
        operator.ready()?;
        newcomer_gets_in(&fleet, "latecomer")?;
        nothing_is_lost(&fleet, &mut resident, &open)?;
        operator.restart()?;
        operator.ready()?;
        newcomer_gets_in(&fleet, "straggler")?;
        nothing_is_lost(&fleet, &mut resident, &open)?;
        fleet.condition("mqc", FLEET, "PolicyHeld", |held| held["status"] == "True")?;

        // What is applied again is no longer held; the rest is let go on request.
        let again = Fleet::yaml("").replace(&room("0"), "");
        fleet.apply(&again)?;
        let held = fleet.condition("mqc", FLEET, "PolicyHeld", |held| says(held, "1 "))?;
        ensure!(says(&held, "release-held"), "it says how to let go: {held}");
        nothing_is_lost(&fleet, &mut resident, &open)?;
        fleet.kubectl(&["annotate", "mqc", FLEET, "moat.dev/release-held=Role"])?;
        fleet.watch("mqc", FLEET)?.until(HEALING, nothing_is_held)?;
        until::holds_within(SECONDS, "the room to be closed", || Ok(!resident.may_enter(&open)?))?;
        resident.lives_on()?;

        // From now on all is as ever: edits act, and what is deleted is gone.
        fleet.edit_is_enforced(&mut resident, SECONDS)?;
        let open = fleet.open_room()?;
        resident.gets_into(&open, SECONDS)?;
        fleet.kubectl(&["delete", "mrole", "rooms"])?;
        until::holds_within(SECONDS, "the room to be closed", || Ok(!resident.may_enter(&open)?))?;
        resident.lives_on()
    })
}

#[test]
fn nobody_loses_a_right_when_a_definition_is_replaced_while_no_operator_runs() -> Result<()> {
    breakable::story(|kubernetes, operator| {
        let fleet = Fleet::found(kubernetes, "replaced")?;
        let mut resident = fleet.resident()?;
        let open = fleet.open_room()?;
        resident.gets_into(&open, SECONDS)?;
        fleet.ready()?;
        operator.scale(0)?;
        kubernetes.kubectl(&["delete", "crd", DEFINITION])?;
        apply_definition(kubernetes)?;

        // Nobody has seen what was there, and so nobody can tell what was deleted on purpose.
        operator.scale(1)?;
        let replaced = |held: &Value| held["status"] == "True" && held["reason"] == "DefinitionReplaced";
        let held = fleet.condition("mqc", FLEET, "PolicyHeld", replaced)?;
        ensure!(says(&held, "Role") && says(&held, "release-held"), "it says what to do: {held}");
        nothing_is_lost(&fleet, &mut resident, &open)?;

        fleet.apply(&Fleet::yaml("").replace(&room("0"), &room(&open)))?;
        nothing_is_lost(&fleet, &mut resident, &open)?;
        fleet.kubectl(&["annotate", "mqc", FLEET, "moat.dev/release-held=Role"])?;
        fleet.watch("mqc", FLEET)?.until(HEALING, nothing_is_held)?;
        nothing_is_lost(&fleet, &mut resident, &open)?;
        fleet.edit_is_enforced(&mut resident, SECONDS)?;
        fleet.ready()
    })
}

fn apply_definition(kubernetes: &Kubernetes) -> Result<()> {
    let file = repository().join("crds/roles.yaml");
    kubernetes.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()])?;
    let definition = format!("crd/{DEFINITION}");
    kubernetes.kubectl(&["wait", "--for=condition=Established", &definition, "--timeout=30s"]).map(drop)
}

/// Who is connected has every right, and so has who connects.
fn nothing_is_lost(fleet: &Fleet<'_>, resident: &mut Resident, open: &str) -> Result<()> {
    resident.lives_on()?;
    ensure!(resident.may_enter(open)?, "the resident may enter room {open}");
    let mut guest = comes_in(&fleet.service()?, "guest")?;
    ensure!(guest.may_enter(open)?, "a guest may enter room {open}");
    Ok(())
}

/// A new user, with a right of a Role that is held: shows that the operator at work has compiled what is held.
fn newcomer_gets_in(fleet: &Fleet<'_>, name: &str) -> Result<()> {
    fleet.apply(&resources::user(name, name, &["home"]))?;
    let listener = fleet.service()?;
    until::holds_within(HEALING, &format!("{name} to get in"), || {
        Ok(Resident::on(&listener, name, name).is_ok())
    })
}

fn says(condition: &Value, words: &str) -> bool {
    condition["message"].as_str().is_some_and(|message| message.contains(words))
}

fn nothing_is_held(cluster: &Value) -> bool {
    let conditions = cluster["status"]["conditions"].as_array().into_iter().flatten();
    !conditions.into_iter().any(|it| it["type"] == "PolicyHeld" && it["status"] == "True")
}
