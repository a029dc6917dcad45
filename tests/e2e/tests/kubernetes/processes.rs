//! Behind the API: the broker's process and its volume, as the machine that carries the nodes sees them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::Kubernetes;
use moat_e2e::{programs, until};
use serde_json::Value;

use crate::fleet::{FLEET, HEALING};

/// The process of the container `broker` in a pod, or of any other program.
pub(crate) fn of_pod(pod: &Value, program: &str) -> Result<u32> {
    let uid = pod["metadata"]["uid"].as_str().context("a pod has a uid")?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while it is looked at.
        let read = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let group = String::from_utf8_lossy(&read("cgroup")).into_owned();
        if group.contains(uid) && read("cmdline").starts_with(program.as_bytes()) {
            return Ok(id);
        }
    }
    anyhow::bail!("no process {program} runs in the pod {uid}")
}

/// Sends a signal to a process.
pub(crate) fn signal(process: u32, signal: &str) -> Result<()> {
    programs::run(Command::new("kill").args([&format!("-{signal}"), &process.to_string()])).map(drop)
}

/// Kills the broker of a pod as the kernel does when memory runs out, and waits until another process is in its place.
/// Works without the API server.
pub(crate) fn kill_broker(pod: &Value) -> Result<()> {
    let process = of_pod(pod, "/moat-broker")?;
    signal(process, "KILL")?;
    until::holds_within(HEALING, "the broker's container to be started again", || {
        Ok(of_pod(pod, "/moat-broker").is_ok_and(|next| next != process))
    })
}

/// The folder of the volume of the first pod.
pub(crate) fn volume(kubernetes: &Kubernetes, namespace: &str) -> Result<PathBuf> {
    let claim = kubernetes.get("pvc", &format!("data-{FLEET}-0"), namespace)?;
    let volume = claim["spec"]["volumeName"].as_str().context("the claim is bound")?;
    let volume = kubernetes.get("pv", volume, "")?;
    let path = volume["spec"]["local"]["path"].as_str().context("the volume is a folder of its node")?;
    // The last three parts are the node's, `volumes` and the volume's own; before them stands the instance's folder as
    // it is called inside.
    let parts: Vec<&str> = path.rsplitn(4, '/').take(3).collect();
    let instance = kubernetes.instance().context("the volume lies in an instance of ours")?;
    let folder = parts.iter().rev().fold(instance.folder().to_owned(), |folder, part| folder.join(part));
    ensure!(folder.is_dir(), "{} is a folder", folder.display());
    Ok(folder)
}
