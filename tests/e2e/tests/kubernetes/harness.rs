//! The harness itself: what every other story relies on.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::{Kubernetes, Options, Part};
use moat_e2e::until;
use serde_json::json;

/// A pod that obeys the restricted standard and does nothing.
const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: idle, labels: { app: idle } }
spec:
  securityContext: { runAsNonRoot: true, runAsUser: 65532, fsGroup: 65532, seccompProfile: { type: RuntimeDefault } }
  terminationGracePeriodSeconds: 0
  containers:
    - name: idle
      image: registry.k8s.io/pause:3.10
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
      volumeMounts: [ { name: data, mountPath: /data } ]
  volumes: [ { name: data, persistentVolumeClaim: { claimName: data } } ]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: data }
spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } }
";

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_pod_runs_with_its_volume() -> Result<()> {
    let Some(kubernetes) = Kubernetes::shared()? else { return Ok(()) };
    kubernetes.volumes(4)?;
    let namespace = kubernetes.namespace("harness")?;
    namespace.apply(POD)?;
    let pod = kubernetes
        .wait_for(("pod", "idle", &namespace), PATIENCE, |pod| pod["status"]["phase"] == "Running")?;
    ensure!(pod["status"]["podIP"].is_string(), "a running pod has an address: {pod:#}");
    let claim = kubernetes.get("pvc", "data", &namespace)?;
    ensure!(claim["status"]["phase"] == "Bound", "the claim is bound: {claim:#}");
    let written = kubernetes.written()?.get(&("pods".to_owned(), "patch".to_owned())).copied();
    let written = written.context("somebody has patched a pod")?;
    ensure!(written.requests >= 1 && written.bytes > 300, "{written:?}");
    Ok(())
}

#[test]
fn a_service_is_reached_from_the_test() -> Result<()> {
    let Some(kubernetes) = Kubernetes::shared()? else { return Ok(()) };
    let service = kubernetes.get("service", "kubernetes", "default")?;
    let address = service["spec"]["clusterIP"].as_str().context("the Service has an address")?;
    // The API server behind its Service: plain HTTP is told so by a TLS server.
    let mut stream =
        until::some("the Service to lead somewhere", || Ok(kubernetes.connect(address, 443).ok()))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.contains("HTTP request to an HTTPS server"), "the API server answers: {answer}");
    Ok(())
}

#[test]
fn a_pod_that_is_not_restricted_is_refused() -> Result<()> {
    let Some(kubernetes) = Kubernetes::shared()? else { return Ok(()) };
    let namespace = kubernetes.namespace("harness")?;
    let refused = namespace.apply(&POD.replace("drop: [ALL]", "add: [SYS_ADMIN]"));
    let words = refused.err().context("a pod that wants SYS_ADMIN must be refused")?.to_string();
    ensure!(words.contains("violates PodSecurity \"restricted:latest\""), "{words}");
    Ok(())
}

#[test]
fn kstatus_and_helm_give_their_verdicts() -> Result<()> {
    let Some(kubernetes) = Kubernetes::shared()? else { return Ok(()) };
    let object = |generation: u32| {
        json!({ "apiVersion": "a.example/v1", "kind": "A", "metadata": { "name": "a", "generation": generation },
                "status": { "observedGeneration": 1 } })
    };
    let verdicts = kubernetes.kstatus(&[object(1), object(2)])?;
    let found: Vec<&str> = verdicts.iter().map(|verdict| verdict.status.as_str()).collect();
    ensure!(found == ["Current", "InProgress"], "{verdicts:?}");
    ensure!(
        kubernetes.helm(&["list", "--namespace", "default", "-o", "json"])?.trim() == "[]",
        "no release is in this namespace"
    );
    Ok(())
}

#[test]
fn parts_are_taken_away_and_brought_back() -> Result<()> {
    let Some(kubernetes) = Kubernetes::start(&Options { nodes: 2, ..Options::default() })? else {
        return Ok(());
    };
    let instance = kubernetes.instance().context("it was started")?;
    let mark = instance.mark()?;
    instance.kill(Part::ApiServer)?;
    ensure!(kubernetes.kubectl(&["get", "nodes", "--request-timeout=1s"]).is_err(), "nobody answers");
    instance.bring_back(Part::ApiServer)?;
    kubernetes.kubectl(&["create", "namespace", "after"])?;
    let writes = instance.writes_since(mark)?;
    let made = writes.iter().find(|write| write.resource == "namespaces" && write.name == "after");
    let made = made.with_context(|| format!("the audit log has the namespace: {writes:?}"))?;
    ensure!(made.verb == "create" && made.user == "admin" && made.code == 201, "{made:?}");

    instance.cut(1)?;
    kubernetes.kubectl(&["get", "node", "node-1"])?;
    ensure!(!pings(&kubernetes, "172.31.255.11")?, "node 1 is cut off");
    instance.heal(1)?;
    until::holds("node 1 to answer again", || pings(&kubernetes, "172.31.255.11"))
}

/// Whether the kubelet of a node answers there.
fn pings(kubernetes: &Kubernetes, address: &str) -> Result<bool> {
    let mut connect = kubernetes.command("timeout");
    connect.args(["1", "bash", "-c", &format!("exec 3<>/dev/tcp/{address}/10250")]);
    Ok(connect.stderr(std::process::Stdio::null()).status()?.success())
}
