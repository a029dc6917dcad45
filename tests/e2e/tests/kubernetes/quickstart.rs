//! The first steps of the user guide: apply the quickstart, look, publish and subscribe as its users, take a right away
//! from a client that is connected.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use moat_e2e::clients::{Paho, mosquitto};
use moat_e2e::kube::Kubernetes;

use crate::people::{connect, may_publish};

/// How long a right may live on after the command that took it away has returned.
const A_SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_quickstart_is_applied_used_and_a_right_is_taken_away() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("quickstart")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    the_table_says_so(&namespace.kubectl(&["get", "moat"])?)?;

    let listener = namespace.listener("quickstart", "plain")?;
    let everything = ["-u", "superuser", "-P", "superuser", "-t", "#"];
    let everything = mosquitto::Subscriber::start(listener.clone(), &everything)?;
    let online =
        ["-u", "frontendclient", "-P", "frontendclient", "-i", "x", "-t", "topic/x/status", "-m", "online"];
    let published = mosquitto::publish(listener.clone(), &online)?;
    ensure!(published.status.success(), "{}", published.output);
    ensure!(everything.message()? == ("topic/x/status".to_owned(), "online".to_owned()));

    let mut client = connect(&listener, "y", "frontendclient")?;
    ensure!(may_publish(&mut client, "topic/y/status", "connected")?, "the right is there");
    ensure!(everything.message()?.1 == "connected");
    namespace.kubectl(&["delete", "mperm", "own-status"])?;
    loses_the_right(&mut client, "topic/y/status")?;
    let why = namespace.refused("mrole", "frontend", "RefNotFound")?;
    ensure!(why.contains("`own-status`") && why.contains("create it"), "the Role says what it lacks: {why}");

    namespace.sample("quickstart")?;
    namespace.ready()?;
    let mut client = connect(&listener, "y", "frontendclient")?;
    ensure!(may_publish(&mut client, "topic/y/status", "again")?, "the right is back");
    // What was published while the right was being taken away comes first.
    while everything.message()?.1 != "again" {}
    Ok(())
}

/// Every row of what `kubectl get moat` prints is ready, and the cluster's row tells which policy is in force where.
fn the_table_says_so(table: &str) -> Result<()> {
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|row: &Vec<_>| !row.is_empty())
        .collect();
    let (heads, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row[0] == "NAME");
    ensure!(
        heads.len() == 6 && heads.iter().all(|head| head[1] == "READY"),
        "a table for each kind: {table}"
    );
    ensure!(rows.len() == 10, "a row for each resource: {table}");
    ensure!(rows.iter().all(|row| row[1] == "True"), "everything is ready: {table}");
    let cluster =
        rows.iter().find(|row| row[0].starts_with("mqttcluster")).context("the cluster has a row")?;
    let cluster = cluster.join(" ");
    ensure!(cluster.contains(" 1/1 pods at sha256:"), "the cluster tells the policy in force: {cluster}");
    Ok(())
}

/// The client goes on publishing on its connection until it is told to stop, which is soon.
fn loses_the_right(client: &mut Paho, topic: &str) -> Result<()> {
    let begin = Instant::now();
    while may_publish(client, topic, "is it over?")? {
        let waited = begin.elapsed();
        ensure!(waited < A_SECOND, "the right lives on {waited:?} after the command");
    }
    Ok(())
}
