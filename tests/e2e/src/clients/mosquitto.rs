//! Mosquitto's command-line clients.

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context, Result};

use super::Target;
use crate::programs;
use crate::until::PATIENCE;

const PACKAGE: &str = "mosquitto-clients";

/// How one of the tools ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output and standard error.
    pub output: String,
}

/// Runs `mosquitto_pub` on a listener to its end, with further arguments as one would type them.
///
/// # Errors
///
/// When the tool is missing and cannot be installed. A refusal is no error but an exit status.
pub fn publish(target: impl Into<Target>, arguments: &[&str]) -> Result<Ended> {
    run("mosquitto_pub", &target.into(), arguments)
}

/// Runs `mosquitto_sub` to its end: with `-C 1` after a message, with `-E` after the SUBACK.
///
/// # Errors
///
/// As [`publish`].
pub fn subscribe_once(target: impl Into<Target>, arguments: &[&str]) -> Result<Ended> {
    run("mosquitto_sub", &target.into(), arguments)
}

fn run(tool: &str, target: &Target, arguments: &[&str]) -> Result<Ended> {
    let output = target
        .command(&programs::debian(tool, PACKAGE)?)
        .args(["-h", &target.host, "-p", &target.port.to_string()])
        .args(arguments)
        .output()
        .with_context(|| format!("failed to run {tool}"))?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Ended { status: output.status, output: String::from_utf8_lossy(&text).into_owned() })
}

/// A `mosquitto_sub` that keeps listening; dropping it ends the process.
pub struct Subscriber {
    child: Child,
    lines: Receiver<String>,
}

impl Subscriber {
    /// Starts `mosquitto_sub -v -d` on a listener and waits until its subscription is answered.
    ///
    /// # Errors
    ///
    /// When the tool cannot be had, or ends before a SUBACK.
    pub fn start(target: impl Into<Target>, arguments: &[&str]) -> Result<Self> {
        let target = target.into();
        // Its output is a pipe, so it has to be told to write line by line.
        let mut child = target
            .command(&programs::debian("stdbuf", "coreutils")?)
            .arg("-oL")
            .arg(programs::debian("mosquitto_sub", PACKAGE)?)
            .args(["-h", &target.host, "-p", &target.port.to_string(), "-v", "-d"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start mosquitto_sub")?;
        let output = child.stdout.take().context("mosquitto_sub has no standard output")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let subscriber = Self { child, lines };
        subscriber.line("a SUBACK", |line| line.starts_with("Subscribed (mid"))?;
        Ok(subscriber)
    }

    /// The next message, as topic and payload.
    ///
    /// # Errors
    ///
    /// When none comes, or the tool ends.
    pub fn message(&self) -> Result<(String, String)> {
        // With `-d` and `-v`, a message is a line of its own after one that tells of the packet.
        self.line("a message", |line| line.starts_with("Client ") && line.contains(" received PUBLISH "))?;
        let line = self.line("a message's text", |line| !line.starts_with("Client "))?;
        let (topic, payload) = line.split_once(' ').unwrap_or((&line, ""));
        Ok((topic.to_owned(), payload.to_owned()))
    }

    /// Reads on to the next line that `wanted` accepts.
    fn line(&self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.with_context(|| format!("mosquitto_sub ended or went silent before {what}"))?;
            if wanted(&line) {
                return Ok(line);
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // Nothing is left to do if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
