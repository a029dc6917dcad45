//! Moat in a Kubernetes, installed as its users install it.

use anyhow::{Context, Result};

use super::Kubernetes;
use crate::programs;

/// The namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "moat-system";

/// The operator's Deployment.
const OPERATOR: &str = "moat-operator";

/// Volumes on each node. Claims outlive their clusters, so each cluster of a story takes one for good.
const VOLUMES: u32 = 60;

impl Kubernetes {
    /// The shared instance with Moat in it; see [`Self::shared`] and [`Self::install`].
    ///
    /// # Errors
    ///
    /// When it should start and does not, or when Moat cannot be installed.
    pub fn with_moat() -> Result<Option<&'static Self>> {
        let Some(kubernetes) = Self::shared()? else { return Ok(None) };
        kubernetes.install()?;
        Ok(Some(kubernetes))
    }

    /// Installs disks, the CRDs, the image and the operator, one pod of it, by the commands of the user guide, and
    /// waits until the operator is ready. Once; later calls wait for the first.
    ///
    /// # Errors
    ///
    /// When something of it is refused, or the operator does not become ready.
    pub fn install(&self) -> Result<()> {
        let install = || self.install_now().map_err(|error| format!("{error:#}"));
        self.installed
            .get_or_init(install)
            .clone()
            .map_err(anyhow::Error::msg)
            .context("failed to install Moat")
    }

    fn install_now(&self) -> Result<()> {
        let image = self.moat()?;
        self.volumes(VOLUMES)?;
        self.crds()?;
        // As strict as namespaces can be: the operator must not need more.
        self.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {OPERATOR_NAMESPACE}\n  labels:\n    \
             pod-security.kubernetes.io/enforce: restricted\n"
        ))?;
        let chart = programs::repository().join("charts/moat");
        let (repository, tag) =
            (format!("image.repository={}", image.repository), format!("image.tag={}", image.tag));
        // `--install`: a cluster that was there already may have it from the last run.
        self.helm(&[
            "upgrade",
            "--install",
            "moat",
            &chart.to_string_lossy(),
            "--namespace",
            OPERATOR_NAMESPACE,
            "--set",
            &repository,
            // A version may look like a number.
            "--set-string",
            &tag,
            "--set",
            "replicas=1",
        ])?;
        let rollout =
            ["rollout", "status", "deployment", OPERATOR, "-n", OPERATOR_NAMESPACE, "--timeout=120s"];
        self.kubectl(&rollout).map(drop).with_context(|| self.operator_log())
    }

    /// The last lines that the operator's pods wrote, for an error's message; what is known of the pods, if there are
    /// none.
    #[must_use]
    pub fn operator_log(&self) -> String {
        let log = ["logs", "-n", OPERATOR_NAMESPACE, "deployment/moat-operator", "--tail=30"];
        let pods = ["get", "pods", "-n", OPERATOR_NAMESPACE, "-o", "wide"];
        let read = self.kubectl(&log).or_else(|_| self.kubectl(&pods));
        read.unwrap_or_else(|error| format!("the operator's log cannot be read: {error:#}"))
    }
}
