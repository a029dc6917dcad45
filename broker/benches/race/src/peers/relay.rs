//! The raw relay as a participant: this same program, in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Setup, Started};
use crate::endpoint::Endpoint;
use crate::process::{self, Running};

/// What the table says of its configuration.
pub(super) const SETTINGS: &str = "no MQTT: one thread copies bytes between sockets, 256 KiB a read";

pub(super) fn prepare() -> Result<(PathBuf, String)> {
    let binary = std::env::current_exe().context("failed to find this program")?;
    Ok((binary, env!("CARGO_PKG_VERSION").to_owned()))
}

pub(super) fn start(binary: &Path, setup: &Setup) -> Result<Started> {
    let port = process::free_port()?;
    let mut command = Command::new(binary);
    command.args(["relay", "--port", &port.to_string()]);
    let log = setup.work.join("relay.log");
    let running = Running::start(&mut command, port, &log)?;
    Ok(Started { running, endpoint: Endpoint { port, protocol: setup.protocol, login: None, raw: true } })
}
