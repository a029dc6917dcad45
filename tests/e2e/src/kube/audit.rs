//! What was written to the API server: by whom, from its audit log; how much, from its metrics.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Kubernetes;
use super::instance::Instance;

/// A write request that the API server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// When it was answered, as RFC 3339 with microseconds.
    pub at: String,
    /// Who, in the API server's terms, such as `system:serviceaccount:moat:moat-operator`.
    pub user: String,
    /// The program, as it calls itself.
    pub agent: String,
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// Resource with its subresource, such as `configmaps` or `credentials/status`.
    pub resource: String,
    /// Namespace; empty if the object has none.
    pub namespace: String,
    /// Name; empty when the API server chose it.
    pub name: String,
    /// HTTP status of the answer.
    pub code: u64,
}

impl Write {
    fn read(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &event["objectRef"];
        let (resource, below) = (text(&object["resource"]), text(&object["subresource"]));
        Self {
            at: text(&event["stageTimestamp"]),
            user: text(&event["user"]["username"]),
            agent: text(&event["userAgent"]),
            verb: text(&event["verb"]),
            resource: if below.is_empty() { resource } else { format!("{resource}/{below}") },
            namespace: text(&object["namespace"]),
            name: text(&object["name"]),
            code: event["responseStatus"]["code"].as_u64().unwrap_or(0),
        }
    }
}

/// A place in the audit log, to read on from.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

impl Instance {
    /// The end of the audit log at this moment.
    ///
    /// # Errors
    ///
    /// When the instance was started without an audit log.
    pub fn mark(&self) -> Result<Mark> {
        Ok(Mark(self.audit_log()?.metadata()?.len()))
    }

    /// Every write since a mark, in the order of their answers.
    ///
    /// # Errors
    ///
    /// When the instance was started without an audit log.
    pub fn writes_since(&self, mark: Mark) -> Result<Vec<Write>> {
        let mut log = self.audit_log()?;
        log.seek(SeekFrom::Start(mark.0))?;
        let mut writes = Vec::new();
        for line in BufReader::new(log).lines() {
            // The last line may be half written: it is of a request that has not been answered.
            if let Ok(event) = serde_json::from_str(&line?) {
                writes.push(Write::read(&event));
            }
        }
        Ok(writes)
    }

    fn audit_log(&self) -> Result<File> {
        File::open(self.folder().join("audit.log")).context("the API server writes no audit log")
    }
}

/// How much was written, since the API server was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Requests.
    pub requests: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

impl Kubernetes {
    /// What everyone has written so far, by resource and verb, such as `("configmaps", "patch")`. Subresources count
    /// as their resource.
    ///
    /// # Errors
    ///
    /// When the API server does not answer.
    pub fn written(&self) -> Result<BTreeMap<(String, String), Written>> {
        const METRIC: &str = "apiserver_request_body_size_bytes_";
        let metrics = self.kubectl(&["get", "--raw", "/metrics"])?;
        let mut written: BTreeMap<_, Written> = BTreeMap::new();
        for line in metrics.lines().filter_map(|line| line.strip_prefix(METRIC)) {
            let label = |name: &str| {
                line.split_once(&format!("{name}=\""))
                    .and_then(|(_, rest)| rest.split('"').next())
                    .unwrap_or_default()
                    .to_owned()
            };
            // The API server prints large numbers as floats.
            let value =
                line.rsplit(' ').next().and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0) as u64;
            let entry = written.entry((label("resource"), label("verb"))).or_default();
            if line.starts_with("count") {
                entry.requests += value;
            } else if line.starts_with("sum") {
                entry.bytes += value;
            }
        }
        Ok(written)
    }
}
