//! What a connection remembers of the last topic that it published to.
//!
//! Most clients publish to one topic. The permission and the route of that topic stand here, so that a repeated
//! PUBLISH costs one comparison; policy and subscription changes are seen by their epochs.

use std::sync::Arc;

use crate::guard::PublishRights;
use crate::router::Route;

#[derive(Debug, Default)]
pub(crate) struct Memo {
    topic: Vec<u8>,
    policy_epoch: u64,
    pub(crate) rights: PublishRights,
    /// None only before the first PUBLISH.
    pub(crate) route: Option<Arc<Route>>,
}

impl Memo {
    /// Whether rights and route of `topic` stand here and are up to date.
    #[inline]
    pub(crate) fn holds(&self, topic: &str, policy_epoch: u64, router_epoch: u64) -> bool {
        self.policy_epoch == policy_epoch
            && self.route.as_ref().is_some_and(|route| route.epoch == router_epoch)
            && self.topic == topic.as_bytes()
    }

    /// Whether the rights of `topic` stand here, whatever the route.
    pub(crate) fn holds_rights(&self, topic: &str, policy_epoch: u64) -> bool {
        self.route.is_some() && self.policy_epoch == policy_epoch && self.topic == topic.as_bytes()
    }

    pub(crate) fn remember(
        &mut self,
        topic: &str,
        policy_epoch: u64,
        rights: PublishRights,
        route: Arc<Route>,
    ) {
        if self.topic != topic.as_bytes() {
            self.topic.clear();
            self.topic.extend_from_slice(topic.as_bytes());
        }
        self.policy_epoch = policy_epoch;
        self.rights = rights;
        self.route = Some(route);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memo_holds_for_its_topic_and_both_epochs_only() {
        let mut memo = Memo::default();
        assert!(!memo.holds("", 0, 0), "an empty memo holds nothing");
        memo.remember("a/b", 3, PublishRights::ALL, Arc::new(Route::nobody(7)));
        assert!(memo.holds("a/b", 3, 7));
        assert!(!memo.holds("a/c", 3, 7));
        assert!(!memo.holds("a/b", 4, 7));
        assert!(!memo.holds("a/b", 3, 8));
        assert!(memo.holds_rights("a/b", 3));
    }
}
