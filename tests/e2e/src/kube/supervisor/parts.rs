//! The processes of an instance, by name.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::network;
use crate::kube::plan::inside;
use crate::programs::run;

/// Lines of a part's log that an error shows.
const TAIL: usize = 15;

struct Part {
    node: u8,
    command: Vec<String>,
    /// Gone while it is meant to be gone.
    child: Option<Child>,
}

/// Every process that the supervisor has started and not yet been told to kill.
pub(super) struct Parts {
    all: BTreeMap<String, Part>,
}

impl Parts {
    pub(super) fn new() -> Self {
        Self { all: BTreeMap::new() }
    }

    /// Starts a part in a node's network; its output goes to `log/NAME.log`.
    pub(super) fn start(&mut self, name: &str, node: u8, command: Vec<String>) -> Result<()> {
        let child = spawn(name, node, &command)?;
        self.all.insert(name.to_owned(), Part { node, command, child: Some(child) });
        Ok(())
    }

    /// Starts a part again that was killed.
    pub(super) fn start_again(&mut self, name: &str) -> Result<()> {
        let part = self.part(name)?;
        if part.child.is_some() {
            bail!("{name} is running");
        }
        part.child = Some(spawn(name, part.node, &part.command)?);
        Ok(())
    }

    /// Kills a part at once and waits until it is gone; it stays away until [`Self::start_again`].
    pub(super) fn kill(&mut self, name: &str) -> Result<()> {
        let mut child = self.part(name)?.child.take().with_context(|| format!("{name} is not running"))?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Sends a signal to a part.
    pub(super) fn signal(&mut self, name: &str, signal: &str) -> Result<()> {
        let child = self.part(name)?.child.as_ref().with_context(|| format!("{name} is not running"))?;
        run(Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()])).map(drop)
    }

    /// Starts every part again that ended though nobody asked it to: a controller gives up after some time without
    /// the API server, for example.
    pub(super) fn look_after(&mut self) {
        for (name, part) in &mut self.all {
            let ended = part.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if let Some(status) = ended {
                eprintln!("{name} ended by itself with {status}; its last words:\n{}", tail(name));
                part.child = spawn(name, part.node, &part.command).ok();
            }
        }
    }

    /// An error if the part has ended, with its last words.
    pub(super) fn alive(&mut self, name: &str) -> Result<()> {
        let child = self.part(name)?.child.as_mut().with_context(|| format!("{name} is not running"))?;
        if let Some(status) = child.try_wait()? {
            bail!("{name} ended with {status}; its last words:\n{}", tail(name));
        }
        Ok(())
    }

    fn part(&mut self, name: &str) -> Result<&mut Part> {
        let names = self.all.keys().cloned().collect::<Vec<_>>().join(", ");
        self.all.get_mut(name).with_context(|| format!("there is no part {name:?}, only {names}"))
    }
}

/// The last lines of a part's log.
pub(super) fn tail(name: &str) -> String {
    let log = fs::read(inside(&format!("log/{name}.log"))).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}

fn spawn(name: &str, node: u8, command: &[String]) -> Result<Child> {
    fs::create_dir_all(inside("log"))?;
    let log: File = OpenOptions::new().create(true).append(true).open(inside(&format!("log/{name}.log")))?;
    network::enter(node)
        .args(command)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("failed to start {name}"))
}
