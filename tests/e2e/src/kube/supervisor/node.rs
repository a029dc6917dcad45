//! A node: containerd, kubelet and kube-proxy.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::cgroups;
use super::kubectl;
use super::parts::{Parts, tail};
use super::pki::{Pki, Subject, file};
use crate::kube::plan::{HOME, PAUSE, Plan, address, tool};
use crate::programs::run;
use crate::until;

/// The node is started beside other builds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where Debian puts the network plugins.
const PLUGINS: &str = "/usr/lib/cni";

/// Starts a node's containerd, which needs nothing of the control plane.
pub(super) fn start_runtime(parts: &mut Parts, node: u8) -> Result<()> {
    let home = home(node);
    fs::create_dir_all(format!("{home}/cni"))?;
    let config = format!(
        r#"version = 2
root = "{home}/containerd"
state = "{home}/run"
[grpc]
  address = "{home}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  # Without CAP_SYS_RESOURCE every sandbox fails otherwise.
  restrict_oom_score_adj = true
  sandbox_image = "{PAUSE}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{home}/cni"
"#
    );
    fs::write(format!("{home}/containerd.toml"), config)?;
    let network = format!(
        r#"{{ "cniVersion": "0.4.0", "name": "pods", "plugins": [
  {{ "type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": false, "hairpinMode": true,
     "ipam": {{ "type": "host-local", "dataDir": "{home}/ipam", "ranges": [[{{ "subnet": "10.244.{node}.0/24" }}]],
               "routes": [{{ "dst": "0.0.0.0/0" }}] }} }},
  {{ "type": "portmap", "capabilities": {{ "portMappings": true }} }} ] }}
"#
    );
    fs::write(format!("{home}/cni/10.conflist"), network)?;
    let command = ["containerd", "--config", &format!("{home}/containerd.toml")].map(str::to_owned);
    parts.start(&format!("containerd-{node}"), node, command.to_vec())
}

/// Starts a node's kubelet and kube-proxy.
pub(super) fn start(parts: &mut Parts, pki: &Pki, plan: &Plan, node: u8) -> Result<()> {
    let (home, name, address) = (home(node), format!("node-{node}"), address(node));
    pki.kubeconfig(&Subject {
        file: &name,
        user: &format!("system:node:{name}"),
        group: Some("system:nodes"),
        names: &[&name, &address],
    })?;
    let group = cgroups::add(&plan.control_group(), &name)?;
    fs::write(format!("{home}/resolv.conf"), "nameserver 127.0.0.1\n")?;
    fs::write(format!("{home}/kubelet.yaml"), kubelet(&home, &name, &group))?;
    fs::write(format!("{home}/proxy.yaml"), proxy(&name))?;
    let runtime = format!("containerd-{node}");
    until::holds_within(PATIENCE, "containerd", || {
        parts.alive(&runtime)?;
        Ok(ctr(node, &["version"]).is_ok())
    })
    .with_context(|| format!("the last words of {runtime}:\n{}", tail(&runtime)))?;
    import(node, &tool("pause.tar"))?;
    let kube = tool("kube").to_string_lossy().into_owned();
    let command = [
        kube.clone(),
        "kubelet".to_owned(),
        format!("--config={home}/kubelet.yaml"),
        format!("--kubeconfig={HOME}/{name}.conf"),
        format!("--hostname-override={name}"),
        format!("--node-ip={address}"),
        format!("--root-dir={home}/kubelet"),
    ];
    parts.start(&format!("kubelet-{node}"), node, command.to_vec())?;
    let command = [kube, "proxy".to_owned(), format!("--config={home}/proxy.yaml")];
    parts.start(&format!("proxy-{node}"), node, command.to_vec())
}

fn home(node: u8) -> String {
    format!("{HOME}/node-{node}")
}

fn kubelet(home: &str, name: &str, group: &str) -> String {
    let (authority, certificate, key) =
        (file("ca.crt"), file(&format!("{name}.crt")), file(&format!("{name}.key")));
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://{home}/containerd.sock
podLogsDir: {home}/pods
resolvConf: {home}/resolv.conf
cgroupDriver: cgroupfs
cgroupRoot: {group}
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
imageGCHighThresholdPercent: 100
evictionHard: {{ memory.available: 100Mi }}
authentication: {{ anonymous: {{ enabled: false }}, webhook: {{ enabled: true }}, x509: {{ clientCAFile: {authority} }} }}
authorization: {{ mode: Webhook }}
tlsCertFile: {certificate}
tlsPrivateKeyFile: {key}
"
    )
}

fn proxy(name: &str) -> String {
    format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {{ kubeconfig: {HOME}/admin.conf }}
mode: iptables
clusterCIDR: 10.244.0.0/16
hostnameOverride: {name}
conntrack: {{ maxPerCore: 0 }}
"
    )
}

fn ctr(node: u8, arguments: &[&str]) -> Result<String> {
    let socket = format!("{}/containerd.sock", home(node));
    run(Command::new("ctr").args(["-a", &socket, "-n", "k8s.io"]).args(arguments))
}

/// Imports an image of a docker archive.
pub(super) fn import(node: u8, archive: &Path) -> Result<()> {
    ctr(node, &["images", "import", &archive.to_string_lossy()]).map(drop)
}

/// Waits until a node calls itself ready.
pub(super) fn wait_until_ready(parts: &mut Parts, node: u8) -> Result<()> {
    let (name, part) = (format!("node-{node}"), format!("kubelet-{node}"));
    let condition = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
    until::holds_within(PATIENCE, &format!("{name} to become ready"), || {
        parts.alive(&part)?;
        Ok(kubectl(&["get", "node", &name, "-o", condition]).is_ok_and(|status| status == "True"))
    })
    .with_context(|| format!("the last words of {part}:\n{}", tail(&part)))
}
