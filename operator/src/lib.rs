//! The operator: resources in, a cluster of broker pods and their policy out.
//!
//! The pure steps: [`policy`] compiles what a namespace holds, [`bundle`] says which shards and which manifest follow,
//! [`mod@build`] makes the objects of a cluster, [`roll`] says which pod is replaced next, [`status`] what there is to
//! tell. `kube` talks to the API server, and is the only part that does.

pub mod build;
pub mod bundle;
pub mod certificates;
mod health;
mod kube;
pub mod passwords;
pub mod policy;
pub mod process;
pub mod roll;
pub mod status;
