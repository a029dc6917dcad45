//! What a client connects to, and where its process runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A listener. A port alone is one on the loopback address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Network namespace that the client's process runs in, as `nsenter --net=` wants it; none is this one.
    pub netns: Option<PathBuf>,
}

impl From<u16> for Target {
    fn from(port: u16) -> Self {
        Self { host: "127.0.0.1".to_owned(), port, netns: None }
    }
}

impl Target {
    /// A command of a program that can reach the listener.
    pub(super) fn command(&self, program: &Path) -> Command {
        command(self.netns.as_deref(), program)
    }
}

/// A command of a program that runs in a network namespace, or in this one.
pub(super) fn command(netns: Option<&Path>, program: &Path) -> Command {
    match netns {
        None => Command::new(program),
        Some(netns) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net={}", netns.display())).arg("--").arg(program);
            command
        }
    }
}
