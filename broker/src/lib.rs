//! The pod's process: wires listeners, policy, sessions and observability together.
//!
//! A publish goes socket → `net` → `moat_mqtt::core` (codec, session, guard, router) → `net` → socket. A change
//! goes folder → `source` → `moat_crds::compile` → `supervisor` → `policy` → every core's sessions.

mod auth;
mod health;
pub mod logging;
mod metrics;
mod net;
mod policy;
mod source;
pub mod standalone;
mod status;
mod supervisor;
