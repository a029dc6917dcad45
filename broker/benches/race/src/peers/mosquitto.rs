//! Mosquitto as Debian ships it, without authentication and with every limit lifted: its fastest form.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Setup, Started, existing, open_endpoint, version_in};
use crate::process::{self, Running};

/// What the table says of its configuration.
pub(super) const SETTINGS: &str =
    "anonymous, no ACL, no persistence, no log, no queue or in-flight limits, TCP_NODELAY";

const PLACE: &str = "/usr/sbin/mosquitto";

pub(super) fn prepare() -> Result<(PathBuf, String)> {
    let binary = match existing(Path::new(PLACE)) {
        Some(binary) => binary,
        None => {
            process::run(Command::new("apt-get").args([
                "install",
                "-y",
                "--no-install-recommends",
                "mosquitto",
            ]))
            .context("mosquitto is missing and could not be installed: install Debian's package, as root")?;
            PathBuf::from(PLACE)
        }
    };
    // It tells its version in its help, which it ends with status 3.
    let help = Command::new(&binary).arg("-h").output().context("failed to run mosquitto")?;
    let version = version_in(&String::from_utf8_lossy(&help.stdout));
    Ok((binary, version))
}

pub(super) fn start(binary: &Path, setup: &Setup) -> Result<Started> {
    let port = process::free_port()?;
    let config = format!(
        "listener {port} 127.0.0.1\n\
         allow_anonymous true\n\
         persistence false\n\
         log_dest none\n\
         sys_interval 0\n\
         max_inflight_messages 0\n\
         max_queued_messages 0\n\
         max_queued_bytes 0\n\
         set_tcp_nodelay true\n"
    );
    let file = setup.work.join("mosquitto.conf");
    fs::write(&file, config).context("failed to write mosquitto's configuration")?;
    let log = setup.work.join("mosquitto.log");
    let running = Running::start(Command::new(binary).arg("-c").arg(&file), port, &log)?;
    Ok(Started { running, endpoint: open_endpoint(port, setup) })
}
