//! A namespace of a story's own.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use super::Kubernetes;
use crate::until;

/// The controllers make it when they get to it.
const ACCOUNT: Duration = Duration::from_secs(180);

/// A namespace in which pods must obey the restricted standard; dropping it asks for its deletion and waits for
/// nothing.
pub struct Namespace<'a> {
    pub(super) kubernetes: &'a Kubernetes,
    name: String,
}

impl Kubernetes {
    /// Makes a namespace whose name begins with `prefix`.
    ///
    /// # Errors
    ///
    /// When the API server refuses it.
    pub fn namespace(&self, prefix: &str) -> Result<Namespace<'_>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // The process's id: a cluster that was there already may serve several tests.
        let name = format!("{prefix}-{}-{count}", std::process::id());
        self.apply(&format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n  labels:\n    \
             pod-security.kubernetes.io/enforce: restricted\n    \
             pod-security.kubernetes.io/enforce-version: latest\n"
        ))
        .with_context(|| format!("failed to make the namespace {name}"))?;
        let namespace = Namespace { kubernetes: self, name };
        // Pods are refused before it is there.
        until::some_within(ACCOUNT, "the namespace's service account", || {
            self.find("serviceaccount", "default", &namespace)
        })?;
        Ok(namespace)
    }
}

impl Namespace<'_> {
    /// Applies YAML whose objects name no namespace.
    ///
    /// # Errors
    ///
    /// When the API server refuses any of it.
    pub fn apply(&self, yaml: &str) -> Result<String> {
        self.kubernetes.apply_in(&self.name, yaml)
    }
}

impl Deref for Namespace<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        // An instance goes with its test anyway; a cluster that was there already keeps what it cannot delete.
        let _ = self.kubernetes.kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
