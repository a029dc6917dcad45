//! From facts to statuses: pure, with the time as an argument.
//!
//! [`Enforcement`] knows which resources wait for the pods, [`Ledger`] which status each resource has in the API and
//! therefore which must be written. [`mod@cluster`] makes the status of an MqttCluster, [`trouble`] reads a pod.

pub mod cluster;
mod condition;
mod enforcement;
mod ledger;
mod resource;
mod trouble;

#[cfg(test)]
mod tests;

pub use condition::{Draft, MESSAGE_BYTES_MAX, merge};
pub use enforcement::{Enforcement, Mark, Phase};
pub use ledger::{Ledger, Observed};
pub use trouble::{PodTrouble, TroubleReason, trouble};
