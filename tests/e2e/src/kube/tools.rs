//! The programs that an instance is made of, and those that talk to it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::programs;

/// Debian's packages, each with a program that proves it is there. The same list as in `.ci/prerequisites`.
const PACKAGES: &[(&str, &str)] = &[
    ("containerd", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("nft", "nftables"),
    ("ethtool", "ethtool"),
    ("socat", "socat"),
    ("ip", "iproute2"),
    ("sysctl", "procps"),
    ("buildah", "buildah"),
];

/// Programs built from `tests/e2e/kubernetes`, once for each state of it, below cargo's target folder.
#[derive(Clone, Debug)]
pub(super) struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Installs and builds what an instance is made of, as far as it is missing.
    ///
    /// # Errors
    ///
    /// When something cannot be had; the message says what to install.
    pub(super) fn all() -> Result<Self> {
        for (program, package) in PACKAGES {
            programs::debian(program, package)?;
        }
        Self::build(&[])
    }

    /// Builds what talks to a cluster that is there already, as far as it is missing.
    ///
    /// # Errors
    ///
    /// As [`Self::all`].
    pub(super) fn clients() -> Result<Self> {
        Self::build(&["clients"])
    }

    fn build(arguments: &[&str]) -> Result<Self> {
        let sources = programs::repository().join("tests/e2e/kubernetes");
        let output = Command::new(sources.join("build"))
            .arg(programs::cache()?.join("kubernetes"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .context("failed to run tests/e2e/kubernetes/build")?;
        ensure!(
            output.status.success(),
            "failed to build Kubernetes for the tests:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(Self { folder: PathBuf::from(String::from_utf8(output.stdout)?.trim()) })
    }

    /// Where they lie.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of them.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder of all instances.
    pub(super) fn instances(&self) -> PathBuf {
        self.folder.with_file_name("instances")
    }

    /// A folder for what clients keep between calls.
    pub(super) fn scratch(&self, client: &str) -> PathBuf {
        self.folder.with_file_name("scratch").join(client)
    }
}
