//! What Moat knows of a namespace, and what its clusters' policies are: changes in, bundles and verdicts out. No I/O,
//! no clock.
//!
//! [`Namespace`] holds one compile for all clusters of a namespace. [`Namespace::verdict`] says of any resource what
//! its status is made of; [`Held`] and [`Kept`] are about resources that stay in force although they cannot be seen.

mod held;
mod namespace;
mod verdict;

#[cfg(test)]
mod tests;

pub use held::{Held, HeldResource, Kept};
pub use moat_crds::compile::CompiledCluster;
pub use namespace::{Applied, Namespace};
pub use verdict::{Accepted, Serving, Verdict};
