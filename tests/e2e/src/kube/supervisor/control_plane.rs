//! etcd, the API server, the controllers and the scheduler; all on node 0.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::kubectl;
use super::parts::{Parts, tail};
use super::pki::{Pki, Subject, file};
use crate::kube::plan::{API_PORT, CONTROL_PLANE, Options, inside, tool};
use crate::until;

/// Where the API server finds etcd.
const ETCD: &str = "http://127.0.0.1:2379";

/// Addresses of Services.
const SERVICES: &str = "10.96.0.0/16";

/// The API server's own Service.
const KUBERNETES: &str = "10.96.0.1";

/// The API server is started with a full disk cache or none, beside other builds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Writes with who, what and how it ended, without their bodies; reads and secrets' contents are of no interest.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- { level: None, verbs: [get, list, watch] }
- { level: Metadata }
";

fn words(program: &str, part: &str, flags: &[String]) -> Vec<String> {
    let mut words = vec![tool(program).to_string_lossy().into_owned(), part.to_owned()];
    words.extend_from_slice(flags);
    words
}

fn path(name: &str) -> String {
    inside(name).to_string_lossy().into_owned()
}

/// Starts etcd and the API server.
pub(super) fn start(parts: &mut Parts, pki: &Pki, options: &Options) -> Result<()> {
    let names = [
        "127.0.0.1",
        CONTROL_PLANE,
        KUBERNETES,
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    pki.sign(&Subject { file: "apiserver", user: "kube-apiserver", names: &names, ..Subject::default() })?;
    let admin = Subject { file: "admin", user: "admin", group: Some("system:masters"), ..Subject::default() };
    pki.kubeconfig(&admin)?;
    parts.start("etcd", 0, etcd(options))?;
    parts.start("apiserver", 0, api_server(options)?)
}

fn etcd(options: &Options) -> Vec<String> {
    let mut flags = vec![
        format!("--data-dir={}", path("etcd")),
        format!("--listen-client-urls={ETCD}"),
        format!("--advertise-client-urls={ETCD}"),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    if !options.fsync {
        flags.push("--unsafe-no-fsync".to_owned());
    }
    words("kube", "etcd", &flags)
}

fn api_server(options: &Options) -> Result<Vec<String>> {
    let mut flags = vec![
        format!("--etcd-servers={ETCD}"),
        format!("--secure-port={API_PORT}"),
        format!("--advertise-address={CONTROL_PLANE}"),
        format!("--service-cluster-ip-range={SERVICES}"),
        format!("--client-ca-file={}", file("ca.crt")),
        format!("--tls-cert-file={}", file("apiserver.crt")),
        format!("--tls-private-key-file={}", file("apiserver.key")),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--kubelet-client-certificate={}", file("admin.crt")),
        format!("--kubelet-client-key={}", file("admin.key")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
    ];
    if options.audit {
        fs::write(inside("audit-policy.yaml"), AUDIT_POLICY)?;
        flags.push(format!("--audit-policy-file={}", path("audit-policy.yaml")));
        flags.push(format!("--audit-log-path={}", path("audit.log")));
        // Never rotated: an instance lives for minutes.
        flags.push("--audit-log-maxsize=4096".to_owned());
    }
    Ok(words("kube", "apiserver", &flags))
}

/// Waits until the API server calls itself ready.
pub(super) fn wait_until_ready(parts: &mut Parts) -> Result<()> {
    until::holds_within(PATIENCE, "the API server to become ready", || {
        parts.alive("etcd")?;
        parts.alive("apiserver")?;
        Ok(kubectl(&["get", "--raw", "/readyz"]).is_ok())
    })
    .with_context(|| format!("the API server's last words:\n{}", tail("apiserver")))
}

/// Starts the controllers and the scheduler.
pub(super) fn start_controllers(parts: &mut Parts, pki: &Pki) -> Result<()> {
    for (file, user) in
        [("controllers", "system:kube-controller-manager"), ("scheduler", "system:kube-scheduler")]
    {
        pki.kubeconfig(&Subject { file, user, ..Subject::default() })?;
    }
    let controllers = [
        format!("--kubeconfig={}", path("controllers.conf")),
        format!("--service-account-private-key-file={}", file("sa.key")),
        format!("--root-ca-file={}", file("ca.crt")),
        format!("--cluster-signing-cert-file={}", file("ca.crt")),
        format!("--cluster-signing-key-file={}", file("ca.key")),
        "--use-service-account-credentials".to_owned(),
        "--leader-elect=false".to_owned(),
    ];
    parts.start("controllers", 0, words("kube", "controller-manager", &controllers))?;
    let scheduler = [format!("--kubeconfig={}", path("scheduler.conf")), "--leader-elect=false".to_owned()];
    parts.start("scheduler", 0, words("kube", "scheduler", &scheduler))
}
