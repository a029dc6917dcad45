//! rumqttd, built once from its released crate into a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Setup, Started, existing, open_endpoint, version_in};
use crate::frames::Protocol;
use crate::process::{self, Running};

/// The released version that is raced.
///
/// It is built outside this workspace and without its own lock file: that one names `metrics` 0.22.1, which
/// the pinned compiler refuses (rust-lang/rust#141402).
const VERSION: &str = "0.20.0";

/// What the table says of its configuration.
pub(super) const SETTINGS: &str =
    "no auth, no console or metrics, link buffer and packets per read raised to 1000, log segments of 10 MiB";

pub(super) fn prepare(peers: &Path) -> Result<(PathBuf, String)> {
    let binary = match existing(&peers.join("bin/rumqttd")) {
        Some(binary) => binary,
        None => build(peers)?,
    };
    let version = version_in(&process::run(Command::new(&binary).arg("--version"))?);
    Ok((binary, version))
}

fn build(peers: &Path) -> Result<PathBuf> {
    eprintln!("building rumqttd {VERSION} into {}; this takes some minutes, once", peers.display());
    let mut command = Command::new("cargo");
    command.args(["install", "rumqttd", "--version", VERSION, "--root"]).arg(peers);
    command.env("CARGO_TARGET_DIR", peers.join("build"));
    process::run(&mut command).context("failed to build rumqttd")?;
    Ok(peers.join("bin/rumqttd"))
}

pub(super) fn start(binary: &Path, setup: &Setup) -> Result<Started> {
    let port = process::free_port()?;
    let section = match setup.protocol {
        Protocol::V4 => "v4.1",
        Protocol::V5 => "v5.1",
    };
    let config = format!(
        "id = 0\n\
         [router]\n\
         id = 0\n\
         max_connections = 10010\n\
         max_outgoing_packet_count = 1000\n\
         max_segment_size = 10485760\n\
         max_segment_count = 10\n\
         [{section}]\n\
         name = \"race\"\n\
         listen = \"127.0.0.1:{port}\"\n\
         next_connection_delay_ms = 0\n\
         [{section}.connections]\n\
         connection_timeout_ms = 60000\n\
         max_payload_size = 1048576\n\
         max_inflight_count = 1000\n\
         dynamic_filters = true\n"
    );
    let file = setup.work.join("rumqttd.toml");
    fs::write(&file, config).context("failed to write rumqttd's configuration")?;
    let log = setup.work.join("rumqttd.log");
    let running = Running::start(Command::new(binary).arg("--quiet").arg("-c").arg(&file), port, &log)?;
    Ok(Started { running, endpoint: open_endpoint(port, setup) })
}
