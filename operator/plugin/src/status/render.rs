//! The answer for people. One line per finding, so that it can be searched.

use std::fmt::Write as _;

use super::facts::Fault;
use super::report::{ClusterReport, Namespace, Report, Verdict};
use crate::text::{Table, amount, plain};

/// Writes the answer.
pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    for namespace in &report.namespaces {
        for found in &namespace.clusters {
            cluster(&mut out, namespace, found);
        }
        resources(&mut out, namespace);
    }
    if !report.unread.is_empty() {
        out.push_str("Not read:\n");
        report.unread.iter().for_each(|note| line(&mut out, &format!("  {}", plain(note))));
        out.push('\n');
    }
    out.push_str(&sum(report));
    out
}

fn cluster(out: &mut String, namespace: &Namespace, cluster: &ClusterReport) {
    let ready = if cluster.ready { "ready" } else { "not ready" };
    line(out, &format!("MqttCluster {} in namespace {}: {ready}", cluster.name, namespace.name));
    for fault in &cluster.faults {
        line(out, &format!("  {}", words(fault)));
    }
    if let Some(held) = &cluster.held {
        line(out, &format!("  held: {}: {}", held.reason, plain(&held.message)));
    }
    line(out, &format!("  version  {}", plain(cluster.version.as_deref().unwrap_or("not known yet"))));
    line(out, &format!("  policy   {}", plain(&policy(cluster))));
    if let Some(pods) = &cluster.pods {
        let ready = pods.iter().filter(|pod| pod.ready).count();
        let wanted = cluster.replicas.map_or_else(|| pods.len().to_string(), |wanted| wanted.to_string());
        line(out, &format!("  pods     {ready}/{wanted} ready"));
        let mut table = Table::new(["POD", "STATE", "READY", "RESTARTS", "NODE"]);
        for pod in pods {
            let ready = if pod.ready { "yes" } else { "no" };
            let node = pod.node.as_deref().unwrap_or("-");
            table.row([&pod.name, &pod.state, ready, &pod.restarts.to_string(), node]);
        }
        table.write(out, "  ");
    }
    let mut table = Table::new(["LISTENER", "PROTOCOL", "SERVICE", "CLUSTER-IP"]);
    for listener in &cluster.listeners {
        let address = listener.cluster_ip.as_deref().unwrap_or("-");
        table.row([&listener.name, &listener.protocol, &listener.address, address]);
    }
    table.write(out, "  ");
    out.push('\n');
}

/// The generation, and how many pods enforce which digest.
fn policy(cluster: &ClusterReport) -> String {
    let policy = &cluster.policy;
    let pods = policy.pods.as_deref().unwrap_or("not known yet on which pods");
    match (policy.generation, policy.digest) {
        (Some(generation), Some(digest)) if pods.contains(&digest.to_string()) => {
            format!("generation {generation}, {pods}")
        }
        (Some(generation), Some(digest)) => format!("generation {generation} is {digest}; {pods}"),
        _ => pods.to_owned(),
    }
}

fn resources(out: &mut String, namespace: &Namespace) {
    if namespace.kinds.iter().all(|count| count.ready + count.not_ready == 0) {
        return;
    }
    line(out, &format!("Resources in namespace {}", namespace.name));
    let mut table = Table::new(["KIND", "READY", "NOT READY"]);
    for count in &namespace.kinds {
        table.row([count.kind, &count.ready.to_string(), &count.not_ready.to_string()]);
    }
    table.write(out, "  ");
    if !namespace.not_ready.is_empty() {
        out.push('\n');
    }
    for finding in &namespace.not_ready {
        line(out, &format!("  {}/{}: {}", finding.kind, finding.name, words(&finding.fault)));
    }
    if !namespace.remarks.is_empty() {
        out.push_str("\n  In force, but:\n");
    }
    for remark in &namespace.remarks {
        line(out, &format!("  {}/{}: {}", remark.kind, remark.name, plain(&remark.message)));
    }
    out.push('\n');
}

fn words(fault: &Fault) -> String {
    plain(&format!("{}={}, {}: {}", fault.condition, fault.status, fault.reason, fault.message))
}

fn sum(report: &Report) -> String {
    let counts = || report.namespaces.iter().flat_map(|namespace| &namespace.kinds);
    let (ready, not_ready): (usize, usize) =
        (counts().map(|count| count.ready).sum(), counts().map(|count| count.not_ready).sum());
    let place = match report.namespaces.as_slice() {
        [] => "in any namespace".to_owned(),
        [one] => format!("in namespace {}", one.name),
        many => format!("in {}", amount(many.len(), "namespace")),
    };
    let all = amount(ready + not_ready, "resource");
    match report.verdict {
        Verdict::Ready => format!("ready: {all} {place}\n"),
        Verdict::Unknown => format!("unknown: {all} {place} are ready, but not all may be read\n"),
        Verdict::NotReady if report.namespaces.iter().all(|namespace| namespace.clusters.is_empty()) => {
            format!("not ready: there is no MqttCluster {place}\n")
        }
        Verdict::NotReady if not_ready == 0 => {
            format!("not ready: {all} {place} are ready, but a kind is gone\n")
        }
        Verdict::NotReady => format!("not ready: {not_ready} of {all} {place}\n"),
    }
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
