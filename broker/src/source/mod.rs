//! A folder of YAML files as the source of the policy: what `kubectl apply` would hold, without Kubernetes.
//!
//! [`watch`] notices that something happened, [`FolderSource`] says what: which resources came, changed and went.
//! What cannot be read now (a half-written file, a directory without permission) says what it said before, and a
//! finding says why; nothing counts as gone because it could not be looked at.

mod folder;
mod listing;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use folder::FolderSource;
pub(crate) use watch::watch;
