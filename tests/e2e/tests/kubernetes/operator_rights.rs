//! The operator's rights are taken away, all of them or one: it says which, what was good stays in force, and nobody
//! has to restart anything when they are given back.

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::Kubernetes;
use moat_e2e::until;
use serde_json::{Value, json};

use crate::breakable;
use crate::fleet::{FLEET, Fleet, HEALING, Resident, SECONDS, comes_in};
use crate::operator::NAME;

#[test]
fn an_operator_without_its_rights_says_so_and_goes_on_when_it_has_them_again() -> Result<()> {
    breakable::story(|kubernetes, operator| {
        let fleet = Fleet::found(kubernetes, "rights")?;
        let mut resident = Resident::on(&fleet.pod_listener()?, "resident", "resident")?;

        // All of them, while it is at work.
        let binding = take_away(kubernetes, "clusterrolebinding")?;
        let room = fleet.open_room()?;
        operator.says(&operator.pod()?, &["Forbidden", "moat-operator", "ClusterRoleBinding"])?;
        ensure!(!resident.may_enter(&room)?, "what cannot be written is not in force");
        nothing_is_lost(&fleet, &mut resident)?;
        give_back(kubernetes, &binding)?;
        resident.gets_into(&room, HEALING)?;

        // All of them, before it starts.
        take_away(kubernetes, "clusterrolebinding")?;
        operator.restart()?;
        let pod = until::some_within(HEALING, "the next operator to say what it waits for", || {
            let Ok(pod) = operator.pod() else { return Ok(None) };
            let answer = operator.readyz(&pod);
            Ok(answer
                .is_ok_and(|(status, words)| status == 503 && words.contains("MqttCluster"))
                .then_some(pod))
        })?;
        operator.says(&pod, &["mqttclusters", "forbidden"])?;
        nothing_is_lost(&fleet, &mut resident)?;
        give_back(kubernetes, &binding)?;
        operator.ready()?;
        fleet.edit_is_enforced(&mut resident, HEALING)?;

        // One of them: the status names it, and all that does not need it goes on.
        let role = kubernetes.get("clusterrole", NAME, "")?;
        kubernetes.kubectl_stdin(&["replace", "-f", "-"], &without_services(&role)?.to_string())?;
        fleet.kubectl(&["delete", "service", &format!("{FLEET}-plain")])?;
        let message = fleet.unready("Forbidden")?;
        ensure!(message.contains("Service") && message.contains("ClusterRole"), "{message}");
        fleet.tells("Forbidden", "Service", 0)?;
        fleet.edit_is_enforced(&mut resident, SECONDS)?;
        kubernetes.kubectl_stdin(&["replace", "-f", "-"], &plain(&role).to_string())?;
        fleet.ready()?;
        comes_in(&fleet.service()?, "guest")?;
        nothing_is_lost(&fleet, &mut resident)
    })
}

fn nothing_is_lost(fleet: &Fleet<'_>, resident: &mut Resident) -> Result<()> {
    resident.lives_on()?;
    comes_in(&fleet.pod_listener()?, "guest").map(drop)
}

/// Deletes one of the operator's objects and gives what it takes to make it anew.
fn take_away(kubernetes: &Kubernetes, kind: &str) -> Result<Value> {
    let object = plain(&kubernetes.get(kind, NAME, "")?);
    kubernetes.kubectl(&["delete", kind, NAME])?;
    Ok(object)
}

fn give_back(kubernetes: &Kubernetes, object: &Value) -> Result<()> {
    kubernetes.apply(&object.to_string()).map(drop)
}

/// An object without what the API server has added to it.
fn plain(object: &Value) -> Value {
    let mut plain = object.clone();
    let metadata = &object["metadata"];
    plain["metadata"] = json!({
        "name": metadata["name"], "labels": metadata["labels"], "annotations": metadata["annotations"],
    });
    plain
}

/// A ClusterRole that says nothing about Services.
fn without_services(role: &Value) -> Result<Value> {
    let mut less = plain(role);
    let rules = less["rules"].as_array_mut().context("a ClusterRole has rules")?;
    let before = rules.len();
    rules.retain(|rule| rule["resources"] != json!(["services"]));
    ensure!(rules.len() + 1 == before, "one rule is about Services alone: {rules:?}");
    Ok(less)
}
