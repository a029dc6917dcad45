//! A listener brought to the loopback address, as `kubectl port-forward` does it for people at their desks.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::thread;

use anyhow::{Context, Result};

use super::Namespace;
use crate::clients::Target;

/// A running `kubectl port-forward`; dropping it ends the process.
pub struct Forward {
    child: Child,
    /// What to connect to.
    pub target: Target,
}

impl Namespace<'_> {
    /// Forwards a free port of `localhost` to a Service's, through the API server and the node's kubelet.
    ///
    /// # Errors
    ///
    /// When there is no such Service, or no pod behind it.
    pub fn forward(&self, service: &str, port: u16) -> Result<Forward> {
        let mut child = self
            .kubernetes
            .command(self.kubernetes.programs().join("kubectl"))
            .args(["port-forward", "-n", self, &format!("service/{service}"), &format!(":{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Every connection that a client breaks off is an error to it.
            .stderr(Stdio::null())
            .spawn()
            .context("failed to start kubectl port-forward")?;
        let mut output = BufReader::new(child.stdout.take().context("kubectl has no standard output")?);
        let mut said = String::new();
        output.read_line(&mut said)?;
        // It tells of every connection, and ends when nobody reads that.
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        let port = said.strip_prefix("Forwarding from 127.0.0.1:").and_then(|rest| rest.split(' ').next());
        let port = port.and_then(|port| port.parse().ok());
        // Made first, so that an error ends the process too.
        let forward = Forward { child, target: self.kubernetes.target("localhost", port.unwrap_or(0)) };
        port.with_context(|| format!("kubectl port-forward said no port: {said}"))?;
        Ok(forward)
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // Nothing is left to do if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
