//! The operator as it runs in the cluster: its pod, its log, its counters, and that there is none.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

use anyhow::{Context, Result};
use moat_e2e::Kubernetes;
use moat_e2e::kube::OPERATOR_NAMESPACE;
use serde_json::Value;

use crate::pace::{COARSE, look};
use crate::processes::Process;

const DEPLOYMENT: &str = "deployment/moat-operator";

/// What is said of each compile and delivery.
const LOG: &str = "MOAT_LOG=info,moat_operator=debug";

/// Port of `/metrics`.
const HEALTH: u16 = 9400;

/// How long a pod may take to come or go.
const PATIENCE: Duration = Duration::from_secs(120);

/// The operator, of which there is one pod or none.
pub(crate) struct Operator<'a> {
    kubernetes: &'a Kubernetes,
}

impl<'a> Operator<'a> {
    /// Installs Moat, and has its operator say what it spends its time with.
    pub(crate) fn install(kubernetes: &'a Kubernetes) -> Result<Self> {
        kubernetes.install()?;
        let operator = Self { kubernetes };
        operator.kubectl(&["set", "env", DEPLOYMENT, LOG])?;
        operator.kubectl(&["rollout", "status", DEPLOYMENT, "--timeout=120s"])?;
        // The old pod may still be there.
        look("one operator", COARSE, PATIENCE, || Ok((operator.pods()?.len() == 1).then_some(())))?;
        Ok(operator)
    }

    /// Ends the operator and waits until its process is gone.
    pub(crate) fn stop(&self) -> Result<()> {
        let process = self.process()?;
        self.kubectl(&["scale", DEPLOYMENT, "--replicas=0"])?;
        look("the operator to end", COARSE, PATIENCE, || {
            Ok((!process.is_there() && self.pods()?.is_empty()).then_some(()))
        })
    }

    /// Starts the operator and waits until its process is there.
    pub(crate) fn start(&self) -> Result<Process> {
        self.kubectl(&["scale", DEPLOYMENT, "--replicas=1"])?;
        look("the operator to start", COARSE, PATIENCE, || Ok(self.process().ok()))
    }

    /// Its process.
    pub(crate) fn process(&self) -> Result<Process> {
        Process::find(self.kubernetes, "/moat-operator").context("the operator does not run")
    }

    /// How often its container was started again by itself, and why the last time; none if it never was.
    pub(crate) fn restarts(&self) -> Result<Option<String>> {
        let pods = self.pods()?;
        let status = pods.first().map(|pod| &pod["status"]["containerStatuses"][0]);
        let status = status.context("the operator has no pod")?;
        let count = status["restartCount"].as_u64().unwrap_or_default();
        let why = &status["lastState"]["terminated"];
        let last = self.kubectl(&["logs", DEPLOYMENT, "--previous", "--tail=1"]).unwrap_or_default();
        let said = last.trim();
        Ok((count > 0)
            .then(|| format!("started again {count} times: {} {}, {said}", why["reason"], why["exitCode"])))
    }

    /// What it has written since it started, as JSON lines.
    pub(crate) fn log(&self) -> Result<String> {
        self.kubectl(&["logs", DEPLOYMENT, "--limit-bytes=500000000"])
    }

    /// Its counters, by name with labels.
    pub(crate) fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let pods = self.pods()?;
        let address = pods.first().and_then(|pod| pod["status"]["podIP"].as_str());
        let mut stream = self.kubernetes.connect(address.context("the operator has no address")?, HEALTH)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (_, body) =
            text.split_once("\r\n\r\n").context("the operator's metrics have no end of headers")?;
        let lines = body.lines().filter(|line| !line.starts_with('#'));
        let pairs = lines.filter_map(|line| line.rsplit_once(' '));
        Ok(pairs.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    fn pods(&self) -> Result<Vec<Value>> {
        self.kubernetes.list("pods", OPERATOR_NAMESPACE)
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.kubernetes.kubectl(&[&["-n", OPERATOR_NAMESPACE], arguments].concat())
    }
}
