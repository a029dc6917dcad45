//! The process that keeps an instance: it starts every part of it in order, obeys words on its standard input, and
//! ends with it.
//!
//! Each line is one order, each answer one line: `ok`, or `error` and the reason as a JSON string.
//!
//! ```text
//! kill PART | freeze PART | thaw PART | start PART | load FILE | cut NODE | heal NODE
//! ```

pub(super) mod cgroups;
mod control_plane;
mod network;
mod node;
mod parts;
mod pki;

use std::io::{self, BufRead, Write};
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::plan::{Plan, inside};
use crate::programs::run;
use parts::Parts;
use pki::Pki;

/// What the supervisor says when every node is ready.
pub(super) const READY: &str = "ready";

/// What it says, with the reason behind it, when the instance could not be started.
pub(super) const FAILED: &str = "failed ";

/// What it says, with the reason behind it, when it could not obey.
pub(super) const REFUSED: &str = "error ";

/// Time between two looks at whether a part has ended by itself.
const LOOK: Duration = Duration::from_millis(200);

/// Starts the instance and keeps it until standard input ends. `plan` is JSON.
///
/// # Errors
///
/// When standard output is closed. A failed start is told there instead.
pub fn main(plan: &str) -> Result<()> {
    let plan: Plan = serde_json::from_str(plan)?;
    let mut supervisor = Supervisor { parts: Parts::new(), plan };
    match supervisor.start() {
        Ok(()) => say(READY)?,
        Err(error) => return say(&format!("{FAILED}{}", serde_json::to_string(&format!("{error:#}"))?)),
    }
    let (sender, orders) = mpsc::channel();
    thread::spawn(move || io::stdin().lock().lines().map_while(Result::ok).try_for_each(|l| sender.send(l)));
    loop {
        match orders.recv_timeout(LOOK) {
            Ok(order) => match supervisor.obey(&order) {
                Ok(()) => say("ok")?,
                Err(error) => say(&format!("{REFUSED}{}", serde_json::to_string(&format!("{error:#}"))?))?,
            },
            Err(RecvTimeoutError::Timeout) => supervisor.parts.look_after(),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn say(line: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

struct Supervisor {
    plan: Plan,
    parts: Parts,
}

impl Supervisor {
    fn start(&mut self) -> Result<()> {
        let nodes = self.plan.options.nodes;
        if !(1..=9).contains(&nodes) {
            bail!("an instance has 1 to 9 nodes, not {nodes}");
        }
        for node in 0..nodes {
            network::add(node).with_context(|| format!("failed to make the network of node {node}"))?;
        }
        let pki = Pki::new()?;
        control_plane::start(&mut self.parts, &pki, &self.plan.options)?;
        for node in 0..nodes {
            node::start_runtime(&mut self.parts, node)?;
        }
        control_plane::wait_until_ready(&mut self.parts)?;
        control_plane::start_controllers(&mut self.parts, &pki)?;
        for node in 0..nodes {
            node::start(&mut self.parts, &pki, &self.plan, node)?;
        }
        for node in 0..nodes {
            node::wait_until_ready(&mut self.parts, node)?;
        }
        Ok(())
    }

    fn obey(&mut self, order: &str) -> Result<()> {
        let (verb, object) = order.trim().split_once(' ').unwrap_or((order.trim(), ""));
        match verb {
            "kill" => self.parts.kill(object)?,
            "freeze" => self.parts.signal(object, "STOP")?,
            "thaw" => self.parts.signal(object, "CONT")?,
            "start" => self.start_again(object)?,
            "load" => self.load(object)?,
            "cut" => network::cut(number(object)?)?,
            "heal" => network::heal(number(object)?)?,
            _ => bail!("unknown order {verb:?}: kill, freeze, thaw, start, load, cut or heal"),
        }
        Ok(())
    }

    fn start_again(&mut self, part: &str) -> Result<()> {
        self.parts.start_again(part)?;
        if part == "apiserver" || part == "etcd" {
            control_plane::wait_until_ready(&mut self.parts)?;
        }
        Ok(())
    }

    fn load(&self, file: &str) -> Result<()> {
        for node in 0..self.plan.options.nodes {
            node::import(node, &inside(file))?;
        }
        Ok(())
    }
}

fn number(node: &str) -> Result<u8> {
    node.trim_start_matches("node-").parse().with_context(|| format!("{node:?} is no node"))
}

/// `kubectl` with the administrator's rights.
fn kubectl(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(super::plan::tool("kube"));
    command.args(["kubectl", "--kubeconfig"]).arg(inside("admin.conf")).arg("--request-timeout=5s");
    run(command.args(arguments))
}
