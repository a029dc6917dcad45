//! Moat with what its users have: password authentication and a role of 100 permissions, enforced.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{Setup, Started, version_in};
use crate::endpoint::Endpoint;
use crate::process::{self, Running};
use crate::resources::{self, Door, PASSWORD};

/// Permissions of the role; the one that allows the race's topics stands in the middle.
const PERMISSIONS: usize = 100;

const USER: &str = "racer";

/// What the table says of its configuration.
pub(super) fn settings(workers: Option<u16>) -> String {
    let workers = workers.map_or("default".to_owned(), |count| count.to_string());
    format!("password authentication, role of {PERMISSIONS} permissions enforced, workers: {workers}")
}

/// Finds or builds the broker, and asks for its version.
pub(crate) fn prepare(given: Option<&Path>) -> Result<(PathBuf, String)> {
    let binary = match given {
        Some(path) => path.to_owned(),
        None => build()?,
    };
    let version = process::run(Command::new(&binary).arg("--version"))?;
    Ok((binary, version_in(&version)))
}

fn build() -> Result<PathBuf> {
    eprintln!("building moat-broker with the release profile");
    process::run(Command::new("cargo").args(["build", "--locked", "--release", "-p", "moat-broker"]))?;
    // Cargo puts all binaries of a profile into one folder, but this one may be of another profile.
    let own = std::env::current_exe().context("failed to find this program")?;
    let target =
        own.parent().and_then(Path::parent).context("this program does not stand in a target folder")?;
    Ok(target.join("release/moat-broker"))
}

pub(super) fn start(binary: &Path, setup: &Setup) -> Result<Started> {
    let port = process::free_port()?;
    let health = process::free_port()?;
    let folder = setup.work.join("moat");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("race.yaml"), resources(port)).context("failed to write Moat's resources")?;
    let mut command = command(binary, &folder, health, setup.workers);
    let log = setup.work.join("moat.log");
    let running = Running::start(&mut command, port, &log)?;
    Ok(Started {
        running,
        endpoint: Endpoint { port, protocol: setup.protocol, login: Some((USER, PASSWORD)), raw: false },
    })
}

/// The command that serves a folder on the loopback address.
pub(crate) fn command(binary: &Path, folder: &Path, health: u16, workers: Option<u16>) -> Command {
    let mut command = Command::new(binary);
    command.arg("run").arg(folder).args(["--health", &format!("127.0.0.1:{health}"), "--bind", "127.0.0.1"]);
    if let Some(workers) = workers {
        command.args(["--workers", &workers.to_string()]);
    }
    command
}

/// The folder's only file: the smallest set of resources with a login and a role of realistic size.
fn resources(port: u16) -> String {
    [
        resources::foundation(port, Door::Realm),
        resources::user(USER, resources::ARGON2ID, "racer"),
        resources::role("racer", "publish, subscribe", (0..PERMISSIONS).map(filter)),
    ]
    .concat()
}

/// Filters of the kinds that fleets have: exact, with wildcards, with the client's own name.
fn filter(number: usize) -> String {
    match number {
        n if n == PERMISSIONS / 2 => "race/+".to_owned(),
        n if n % 4 == 0 => format!("fleet/line-{n}/status"),
        n if n % 4 == 1 => format!("fleet/+/line-{n}/commands"),
        n if n % 4 == 2 => format!("devices/${{mqtt-clientid}}/sensor-{n}/#"),
        n => format!("race-{n}/#"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_permission_in_the_middle_of_a_hundred_allows_the_race() {
        let text = resources(1883);
        assert_eq!(text.matches("topicFilter:").count(), PERMISSIONS);
        let allowing: Vec<usize> = (0..PERMISSIONS).filter(|n| filter(*n).starts_with("race/")).collect();
        assert_eq!(allowing, [PERMISSIONS / 2]);
    }
}
