//! The operator as its installation runs it, to be taken away, doubled and asked.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context, Result};
use moat_e2e::kube::Kubernetes;
use moat_e2e::until;
use moat_e2e::until::PATIENCE;
use serde_json::Value;

use crate::fleet::{HEALING, is_ready};

/// The release's namespace.
pub(crate) const NAMESPACE: &str = "moat-system";

/// The Deployment, the ServiceAccount, the ClusterRole and its binding, and the Lease.
pub(crate) const NAME: &str = "moat-operator";

/// Who it is for the API server.
pub(crate) const USER: &str = "system:serviceaccount:moat-system:moat-operator";

const HEALTH_PORT: u16 = 9400;

/// The operator of an instance.
#[derive(Clone, Copy)]
pub(crate) struct Operator<'a>(pub(crate) &'a Kubernetes);

impl Operator<'_> {
    /// Sets the number of its pods and waits until exactly so many are there and ready.
    pub(crate) fn scale(self, replicas: usize) -> Result<()> {
        let replicas_word = format!("--replicas={replicas}");
        self.0.kubectl(&["scale", "deployment", NAME, "-n", NAMESPACE, &replicas_word])?;
        until::holds_within(HEALING, &format!("{replicas} operators"), || {
            let pods = self.pods()?;
            Ok(pods.len() == replicas && pods.iter().all(is_ready))
        })
    }

    /// Its pods.
    pub(crate) fn pods(self) -> Result<Vec<Value>> {
        let pods = self.0.list("pods", NAMESPACE)?;
        let ours = |pod: &Value| pod["metadata"]["labels"]["app.kubernetes.io/component"] == "operator";
        Ok(pods.into_iter().filter(ours).collect())
    }

    /// The name of its only pod.
    pub(crate) fn pod(self) -> Result<String> {
        let pods = self.pods()?;
        let [pod] = pods.as_slice() else { anyhow::bail!("there are {} operators", pods.len()) };
        Ok(name(pod))
    }

    /// Replaces all its pods, and waits until the old ones are gone; see [`Self::ready`] for the new.
    pub(crate) fn restart(self) -> Result<()> {
        let selector = "app.kubernetes.io/component=operator";
        self.0.kubectl(&["delete", "pods", "-l", selector, "-n", NAMESPACE, "--wait=true"]).map(drop)
    }

    /// Waits until its Deployment has as many ready pods as it shall have.
    pub(crate) fn ready(self) -> Result<()> {
        self.0
            .wait_for(("deployment", NAME, NAMESPACE), HEALING, |it| {
                it["status"]["readyReplicas"] == it["spec"]["replicas"]
                    && it["status"]["replicas"] == it["spec"]["replicas"]
            })
            .map(drop)
    }

    /// Who holds the Lease; nobody if the text is empty.
    pub(crate) fn leader(self) -> Result<String> {
        let lease = self.0.find("lease", NAME, NAMESPACE)?.unwrap_or_default();
        Ok(lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    }

    /// What a pod has logged since it started.
    pub(crate) fn log(self, pod: &str) -> Result<String> {
        self.0.kubectl(&["logs", pod, "-n", NAMESPACE])
    }

    /// Waits until a pod has logged a line that holds all these words.
    pub(crate) fn says(self, pod: &str, words: &[&str]) -> Result<()> {
        until::holds(&format!("the operator's log to hold {words:?}"), || {
            Ok(self.log(pod)?.lines().any(|line| words.iter().all(|word| line.contains(word))))
        })
    }

    /// A sample of a pod's metrics, by its name with labels; zero if it is not there.
    pub(crate) fn metric(self, pod: &str, sample: &str) -> Result<f64> {
        let pod = self.0.get("pod", pod, NAMESPACE)?;
        let (_, text) = get(self.0, &pod, "/metrics")?;
        Ok(value(&text, sample).unwrap_or(0.0))
    }

    /// What `/readyz` of a pod says: the status and the words.
    pub(crate) fn readyz(self, pod: &str) -> Result<(u16, String)> {
        get(self.0, &self.0.get("pod", pod, NAMESPACE)?, "/readyz")
    }
}

/// The name of an object.
pub(crate) fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// The value of a sample in the text of Prometheus.
pub(crate) fn value(metrics: &str, sample: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok())
}

/// A GET on the health port of a pod, the operator's or a broker's.
pub(crate) fn get(kubernetes: &Kubernetes, pod: &Value, path: &str) -> Result<(u16, String)> {
    let address = pod["status"]["podIP"].as_str().context("the pod has an address")?;
    let mut stream: TcpStream = kubernetes.connect(address, HEALTH_PORT)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("the answer has no end of headers")?;
    let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Ok((status.context("the answer has no status")?, body.to_owned()))
}
