//! What a story asks of its namespace.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Kubernetes, Namespace, Watch};
use crate::clients::Target;
use crate::{programs, until};

/// How long it may take until pods are there and everything is in force, on a busy machine.
pub const SETTLING: Duration = Duration::from_secs(90);

/// How long a status may take to follow an edit when every pod is there, on a busy machine.
pub const FOLLOWING: Duration = Duration::from_secs(30);

impl Namespace<'_> {
    /// The Kubernetes that it is in.
    #[must_use]
    pub fn kubernetes(&self) -> &Kubernetes {
        self.kubernetes
    }

    /// Runs kubectl in the namespace and gives its standard output.
    ///
    /// # Errors
    ///
    /// When it fails; the message holds its output.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubernetes.kubectl(&[&["-n", self], arguments].concat())
    }

    /// As [`Self::kubectl`], with something on its standard input, for `-f -`.
    ///
    /// # Errors
    ///
    /// As [`Self::kubectl`].
    pub fn kubectl_stdin(&self, arguments: &[&str], input: &str) -> Result<String> {
        self.kubernetes.kubectl_stdin(&[&["-n", self], arguments].concat(), input)
    }

    /// Applies a folder of `config/samples` as it is, with `kubectl apply -f`.
    ///
    /// # Errors
    ///
    /// When the API server refuses any of it.
    pub fn sample(&self, name: &str) -> Result<String> {
        let folder = programs::repository().join("config/samples").join(name);
        self.kubectl(&["apply", "-f", &folder.to_string_lossy()])
    }

    /// Waits until every resource of Moat's is ready: enforced on all pods, as it is now.
    ///
    /// # Errors
    ///
    /// When one does not become ready; the message holds what all say, and the operator's last words.
    pub fn ready(&self) -> Result<()> {
        let timeout = format!("--timeout={}s", SETTLING.as_secs());
        let wait = self.kubectl(&["wait", "--for=condition=Ready", "moat", "--all", &timeout]);
        wait.map(drop).with_context(|| self.explain())
    }

    /// What there is in the namespace and what the operator says, for an error's message.
    fn explain(&self) -> String {
        let get = |what: &str| self.kubectl(&["get", what]).unwrap_or_else(|error| format!("{error:#}"));
        let log = self.kubernetes.operator_log();
        format!("{}\n{}\n{}\n{log}", get("moat"), get("pods,pvc"), get("events"))
    }

    /// Follows an object.
    ///
    /// # Errors
    ///
    /// As [`Kubernetes::watch`].
    pub fn watch(&self, kind: &str, name: &str) -> Result<Watch> {
        self.kubernetes.watch(kind, name, self)
    }

    /// An object that must be there.
    ///
    /// # Errors
    ///
    /// As [`Kubernetes::get`].
    pub fn get(&self, kind: &str, name: &str) -> Result<Value> {
        self.kubernetes.get(kind, name, self)
    }

    /// Waits until an object is gone.
    ///
    /// # Errors
    ///
    /// When it stays.
    pub fn gone(&self, kind: &str, name: &str) -> Result<()> {
        let timeout = format!("--timeout={}s", FOLLOWING.as_secs());
        let wait = self.kubectl(&["wait", "--for=delete", &format!("{kind}/{name}"), &timeout]);
        wait.map(drop).with_context(|| self.explain())
    }

    /// Waits until a condition of an object is as wanted and is about the object as it is, and gives the condition.
    ///
    /// # Errors
    ///
    /// When it never is; the message holds the last status and the operator's last words.
    pub fn condition(
        &self,
        kind: &str,
        name: &str,
        type_: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let found =
            |object: &Value| condition(object, type_).filter(|it| current(object, it) && wanted(it)).cloned();
        let object = self.watch(kind, name)?.until(FOLLOWING, |object| found(object).is_some());
        let object =
            object.with_context(|| format!("{type_} is not as wanted")).with_context(|| self.explain())?;
        found(&object).context("the condition vanished")
    }

    /// Waits until an object is ready: enforced on all pods, as it is now.
    ///
    /// # Errors
    ///
    /// As [`Self::condition`].
    pub fn enforced(&self, kind: &str, name: &str) -> Result<()> {
        self.condition(kind, name, "Ready", |ready| ready["status"] == "True").map(drop)
    }

    /// Waits until an object is neither accepted nor ready for this reason, and gives the message for a person.
    ///
    /// # Errors
    ///
    /// As [`Self::condition`].
    pub fn refused(&self, kind: &str, name: &str, reason: &str) -> Result<String> {
        let wanted = |it: &Value| it["status"] == "False" && it["reason"] == reason;
        self.condition(kind, name, "Ready", wanted)?;
        let accepted = self.condition(kind, name, "Accepted", wanted)?;
        Ok(accepted["message"].as_str().unwrap_or_default().to_owned())
    }

    /// A listener through its Service, once the Service leads to a pod.
    ///
    /// # Errors
    ///
    /// When no such Service comes, or it leads nowhere.
    pub fn listener(&self, cluster: &str, listener: &str) -> Result<Target> {
        let service = self.watch("service", &format!("{cluster}-{listener}"))?.until(SETTLING, |_| true)?;
        let address = service["spec"]["clusterIP"].as_str().context("the Service has an address")?;
        let port = service["spec"]["ports"][0]["port"].as_u64().context("the Service has a port")?;
        let port = u16::try_from(port)?;
        until::some(&format!("the Service {cluster}-{listener} to lead to a pod"), || {
            Ok(self.kubernetes.connect(address, port).ok())
        })?;
        Ok(self.kubernetes.target(address, port))
    }

    /// Events about an object.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn events(&self, about: &Value) -> Result<Vec<Value>> {
        let mut events = self.kubernetes.list("events.events.k8s.io", self)?;
        events.retain(|event| event["regarding"]["uid"] == about["metadata"]["uid"]);
        Ok(events)
    }
}

/// A condition of an object.
#[must_use]
pub fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)
}

/// Whether a condition is about the object as it is now.
fn current(object: &Value, condition: &Value) -> bool {
    let generation = &object["metadata"]["generation"];
    condition["observedGeneration"] == *generation && object["status"]["observedGeneration"] == *generation
}
