//! The cluster through its foreign clients: kubectl, helm and kstatus.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Kubernetes;
use crate::programs::run;
use crate::until;

/// What kstatus says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `Current`, `InProgress`, `Failed`, `Terminating` or `Unknown`.
    pub status: String,
    /// Why.
    pub message: String,
}

impl Kubernetes {
    /// Runs kubectl as the administrator and gives its standard output.
    ///
    /// # Errors
    ///
    /// When it fails; the message holds its output.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        run(self.command(self.tools.program("kubectl")).args(arguments).stdin(Stdio::null()))
    }

    /// As [`Self::kubectl`], with something on its standard input, for `-f -`.
    ///
    /// # Errors
    ///
    /// As [`Self::kubectl`].
    pub fn kubectl_stdin(&self, arguments: &[&str], input: &str) -> Result<String> {
        feed(self.command(self.tools.program("kubectl")).args(arguments), input)
    }

    /// Applies YAML as a user does, with `kubectl apply --server-side`.
    ///
    /// # Errors
    ///
    /// When the API server refuses any of it; the message holds its words.
    pub fn apply(&self, yaml: &str) -> Result<String> {
        self.kubectl_stdin(&["apply", "--server-side", "-f", "-"], yaml)
    }

    /// As [`Self::apply`], for objects that name no namespace.
    ///
    /// # Errors
    ///
    /// As [`Self::apply`].
    pub fn apply_in(&self, namespace: &str, yaml: &str) -> Result<String> {
        self.kubectl_stdin(&["apply", "--server-side", "-n", namespace, "-f", "-"], yaml)
    }

    /// An object, or none if it is not there. `kind` as kubectl takes it, such as `sts` or `mcred`; an empty
    /// namespace for objects that have none.
    ///
    /// # Errors
    ///
    /// When the kind is unknown or the API server does not answer.
    pub fn find(&self, kind: &str, name: &str, namespace: &str) -> Result<Option<Value>> {
        let mut arguments = vec!["get", kind, name, "-o", "json", "--ignore-not-found"];
        if !namespace.is_empty() {
            arguments.extend(["-n", namespace]);
        }
        let text = self.kubectl(&arguments)?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&text)?))
    }

    /// As [`Self::find`], for an object that must be there.
    ///
    /// # Errors
    ///
    /// As [`Self::find`], and when it is not there.
    pub fn get(&self, kind: &str, name: &str, namespace: &str) -> Result<Value> {
        self.find(kind, name, namespace)?.with_context(|| format!("there is no {kind} {namespace}/{name}"))
    }

    /// All objects of a kind in a namespace.
    ///
    /// # Errors
    ///
    /// When the kind is unknown or the API server does not answer.
    pub fn list(&self, kind: &str, namespace: &str) -> Result<Vec<Value>> {
        let text = self.kubectl(&["get", kind, "-n", namespace, "-o", "json"])?;
        match serde_json::from_str::<Value>(&text)?["items"].take() {
            Value::Array(items) => Ok(items),
            _ => bail!("kubectl gave no list of {kind}"),
        }
    }

    /// Waits until an object is as wanted, at most for `patience`, and gives it.
    ///
    /// # Errors
    ///
    /// When it never is; the message holds its last status.
    pub fn wait_for(
        &self,
        object: (&str, &str, &str),
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let (kind, name, namespace) = object;
        let mut last = Value::Null;
        until::some_within(patience, &format!("{kind} {namespace}/{name}"), || {
            last = self.find(kind, name, namespace)?.unwrap_or_default();
            Ok((!last.is_null() && wanted(&last)).then(|| last.clone()))
        })
        .with_context(|| format!("the last status was {:#}", last["status"]))
    }

    /// Runs helm as the administrator and gives its standard output.
    ///
    /// # Errors
    ///
    /// When it fails; the message holds its output.
    pub fn helm(&self, arguments: &[&str]) -> Result<String> {
        let scratch = self.tools.scratch("helm");
        let mut helm = self.command(self.tools.program("helm"));
        for (variable, folder) in
            [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")]
        {
            helm.env(variable, scratch.join(folder));
        }
        run(helm.args(arguments).stdin(Stdio::null()))
    }

    /// What Flux, Argo and others make of objects: the verdict of the kstatus library on each.
    ///
    /// # Errors
    ///
    /// When one is no object.
    pub fn kstatus(&self, objects: &[Value]) -> Result<Vec<Verdict>> {
        let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
        let output = feed(&mut Command::new(self.tools.program("kstatus")), &lines)?;
        let verdicts: Vec<Verdict> = output
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(status, message)| Verdict { status: status.to_owned(), message: message.to_owned() })
            .collect();
        ensure!(verdicts.len() == objects.len(), "kstatus did not judge every object: {output}");
        Ok(verdicts)
    }

    /// Makes the image of a docker archive known to every node. A cluster that was there already has it, or can
    /// pull it.
    ///
    /// # Errors
    ///
    /// When it is no image.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        match &self.instance {
            Some(instance) => instance.load_image(archive),
            None => Ok(()),
        }
    }
}

/// Runs a command to its end with this on its standard input, and gives its standard output.
fn feed(command: &mut Command, input: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to run {:?}", command.get_program()))?;
    let mut stdin = child.stdin.take().context("a piped standard input is there")?;
    let input = input.to_owned();
    // Beside reading the output, or both sides could wait for each other; a program that ended early says why.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    let _ = writer.join();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{command:?} ended with {}:\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}
