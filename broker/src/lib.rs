//! The pod's process: wires listeners, policy, sessions and observability together.
//!
//! A publish goes socket → `net` → `moat_mqtt::core` (codec, session, guard, router) → `net` → socket. A change
//! goes folder → `source` → `moat_crds::compile` (`standalone`), or API server → manifest → shards → bundle (`pod`), and
//! then → `supervisor` → `policy` → every core's sessions.

mod auth;
mod health;
pub mod logging;
mod metrics;
mod net;
pub mod pod;
mod policy;
mod process;
mod source;
pub mod standalone;
mod status;
mod supervisor;
