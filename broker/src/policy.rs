//! The policy in force, for all cores.

use std::sync::Arc;

use arc_swap::ArcSwap;
use moat_mqtt::core::Shared;
use moat_policy::Policy;

/// Holds the newest policy; swapped as a whole.
pub(crate) struct PolicyStore {
    current: ArcSwap<Policy>,
}

impl PolicyStore {
    pub(crate) fn new(policy: Policy) -> Self {
        Self { current: ArcSwap::from_pointee(policy) }
    }

    /// The newest policy.
    pub(crate) fn load(&self) -> arc_swap::Guard<Arc<Policy>> {
        self.current.load()
    }

    /// Puts a newer policy in force: who reads the new epoch reads this policy or a newer one.
    pub(crate) fn swap(&self, policy: Policy, shared: &Shared) {
        self.current.store(Arc::new(policy));
        shared.policy_changed();
    }
}
