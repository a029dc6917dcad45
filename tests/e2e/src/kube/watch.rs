//! One object over time, as `kubectl get --watch` tells it: waiting costs nothing, and no state between is missed.

use std::io::BufReader;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Deserializer, Value};

use super::Kubernetes;

/// A running watch; dropping it ends the process.
pub struct Watch {
    child: Child,
    events: Receiver<Event>,
    what: String,
    last: Option<Value>,
}

/// What kubectl prints for each change.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

impl Kubernetes {
    /// Follows an object from its present state on. It need not be there yet. `kind` as kubectl takes it.
    ///
    /// # Errors
    ///
    /// When kubectl cannot be started.
    pub fn watch(&self, kind: &str, name: &str, namespace: &str) -> Result<Watch> {
        let mut kubectl = self.command(self.programs().join("kubectl"));
        kubectl.args(["get", kind, "--field-selector", &format!("metadata.name={name}")]);
        kubectl.args(["-o", "json", "--watch", "--output-watch-events"]);
        if !namespace.is_empty() {
            kubectl.args(["-n", namespace]);
        }
        let mut child = kubectl
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start kubectl get --watch")?;
        let output = child.stdout.take().context("kubectl has no standard output")?;
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            let events = Deserializer::from_reader(BufReader::new(output)).into_iter();
            events.map_while(Result::ok).try_for_each(|event| sender.send(event))
        });
        Ok(Watch { child, events, what: format!("{kind} {namespace}/{name}"), last: None })
    }
}

impl Watch {
    /// The first state from now on, the present one included, that is as wanted.
    ///
    /// # Errors
    ///
    /// When none comes within `patience`; the message holds the last status.
    pub fn until(&mut self, patience: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(found) = self.last.as_ref().filter(|last| wanted(last)) {
                return Ok(found.clone());
            }
            if !self.next(deadline)? {
                let last = self.last.as_ref().map_or(&Value::Null, |last| &last["status"]);
                bail!("waited {patience:?} in vain for {}; its last status was {last:#}", self.what);
            }
        }
    }

    /// Takes one change; false if none came in time.
    fn next(&mut self, deadline: Instant) -> Result<bool> {
        match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event { kind, object }) => {
                ensure!(kind != "ERROR", "{} cannot be watched: {object}", self.what);
                self.last = (kind != "DELETED").then_some(object);
                Ok(true)
            }
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(false),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("kubectl stopped watching {}", self.what),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Nothing is left to do if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
