//! Objects of other people have names that a cluster would use: they are never changed, never adopted and never deleted;
//! the status names them, all that does not need them goes on, and it heals when they are gone.

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::Kubernetes;
use serde_json::Value;

use crate::fleet::{FLEET, Fleet, HEALING, POD, Resident, SECONDS, is_ready};

/// An object of someone else's, labelled as if it were the cluster's: a label makes nothing the operator's.
fn foreign(api_version: &str, kind: &str, name: &str, more: &str) -> String {
    format!(
        "apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {name}\n  labels:\n    \
         app.kubernetes.io/managed-by: moat-operator\n    moat.dev/cluster: {FLEET}\n{more}"
    )
}

/// A cluster in whose place something foreign stands.
struct Taken<'a> {
    fleet: Fleet<'a>,
    kind: &'static str,
    name: String,
    before: Value,
}

impl<'a> Taken<'a> {
    fn apply(kubernetes: &'a Kubernetes, kind: &'static str, name: &str, yaml: &str) -> Result<Self> {
        let fleet = Fleet::prepare(kubernetes, "foreign")?;
        fleet.apply(yaml)?;
        let before = Self::content(&fleet.get(kind, name)?);
        fleet.apply(&Fleet::yaml(""))?;
        Ok(Self { fleet, kind, name: name.to_owned(), before })
    }

    /// All but what the controllers of Kubernetes itself write.
    fn content(object: &Value) -> Value {
        let mut content = object.clone();
        content["status"] = Value::Null;
        content["metadata"]["resourceVersion"] = Value::Null;
        content
    }

    /// The status and an event tell of it, and it is what it was.
    fn is_told_and_left_alone(&self) -> Result<()> {
        let message = self.fleet.unready("NameConflict").with_context(|| self.name.clone())?;
        let named = format!("{} {}", self.kind, self.name);
        ensure!(message.contains(&named), "{named} is named: {message}");
        self.fleet.tells("NameConflict", &named, 0)?;
        let now = self.fleet.get(self.kind, &self.name)?;
        ensure!(Self::content(&now) == self.before, "{named} is what it was: {now:#}");
        Ok(())
    }

    /// What may be there is there.
    fn has(&self, kind: &str, name: &str) -> Result<()> {
        self.fleet.watch(kind, name)?.until(HEALING, |_| true).map(drop)
    }

    /// The foreign object goes, and everything is as it should be.
    fn heals(self) -> Result<()> {
        self.fleet.kubectl(&["delete", self.kind, &self.name])?;
        self.fleet.ready().with_context(|| self.name.clone())?;
        let mut resident = self.fleet.resident()?;
        self.fleet.edit_is_enforced(&mut resident, SECONDS).map(drop)
    }
}

#[test]
fn what_is_not_ours_is_left_alone() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let take = |kind, name: &str, yaml: String| Taken::apply(kubernetes, kind, name, &yaml);
    let (policy, plain, pods) =
        (format!("{FLEET}-policy"), format!("{FLEET}-plain"), format!("{FLEET}-pods"));
    let ports = "spec: { ports: [ { port: 80 } ] }\n";
    let workload = "spec: { serviceName: other, replicas: 0, selector: { matchLabels: { a: b } }, template: { metadata: \
                    { labels: { a: b } }, spec: { containers: [ { name: a, image: a } ] } } }\n";
    let manifest = take("ConfigMap", &policy, foreign("v1", "ConfigMap", &policy, "data: { a: b }\n"))?;
    let service = take("Service", &plain, foreign("v1", "Service", &plain, ports))?;
    let certificate = take("Secret", &pods, foreign("v1", "Secret", &pods, "stringData: { a: b }\n"))?;
    let pods = take("StatefulSet", FLEET, foreign("apps/v1", "StatefulSet", FLEET, workload))?;

    for taken in [&manifest, &service, &certificate, &pods] {
        taken.is_told_and_left_alone()?;
    }
    // Pods come without a policy, and let nobody in.
    manifest.has("statefulset", FLEET)?;
    manifest.has("service", &plain)?;
    // Clients come to the pod, if not through the Service.
    service.fleet.watch("pod", POD)?.until(HEALING, is_ready)?;
    let mut resident = Resident::on(&service.fleet.pod_listener()?, "resident", "resident")?;
    service.fleet.edit_is_enforced(&mut resident, SECONDS)?;
    // The operator cannot ask the pod, and the pod has its policy all the same.
    certificate.fleet.watch("pod", POD)?.until(HEALING, is_ready)?;
    let mut resident = Resident::on(&certificate.fleet.pod_listener()?, "resident", "resident")?;
    certificate.fleet.edit_is_enforced(&mut resident, SECONDS)?;
    // The policy is there for when there are pods.
    pods.has("configmap", &policy)?;
    pods.has("service", &plain)?;

    for taken in [manifest, service, certificate, pods] {
        taken.heals()?;
    }
    Ok(())
}
