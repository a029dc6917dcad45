//! What one session may do: shared rule sets and the session's own variables.

use std::sync::Arc;

use crate::bundle::{
    Activities, PermissionEntry, QosSet, RetainRule, SharedSubscriptionRule, SubscriptionMatching,
};
use crate::explain::{self, Decision, Request};
use crate::rights::PublishRights;
use crate::rules::RuleSet;
use crate::variables::Variables;

/// A session's resolved rights. Clones are cheap; nothing in here changes.
///
/// Permissions only allow: what none of them covers is denied, so an empty set denies everything.
#[derive(Debug, Clone)]
pub struct Grants {
    sets: Arc<[Arc<RuleSet>]>,
    variables: Arc<Variables>,
    matching: SubscriptionMatching,
}

impl Grants {
    /// The rights of a session that holds these rule sets.
    #[must_use]
    pub fn new(sets: Vec<Arc<RuleSet>>, variables: Arc<Variables>, matching: SubscriptionMatching) -> Self {
        Self { sets: sets.into(), variables, matching }
    }

    /// No rights at all.
    #[must_use]
    pub fn none() -> Self {
        Self::new(Vec::new(), Arc::default(), SubscriptionMatching::default())
    }

    /// Everything but topics that begin with `$`, in the name of a resource.
    #[must_use]
    pub fn allow_all(resource: &str) -> Self {
        Self::new(vec![Arc::new(allow_all(resource))], Arc::default(), SubscriptionMatching::default())
    }

    /// The same rights seen with other variables (`can-i --var`).
    #[must_use]
    pub fn with_variables(&self, variables: Variables) -> Self {
        Self { variables: Arc::new(variables), ..self.clone() }
    }

    /// The session's variables.
    #[must_use]
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// The rule sets, in the order in which explanations look at them.
    #[must_use]
    pub fn rule_sets(&self) -> &[Arc<RuleSet>] {
        &self.sets
    }

    /// How requested filters are held against permissions.
    #[must_use]
    pub const fn matching(&self) -> SubscriptionMatching {
        self.matching
    }

    /// Whether a message may be published. `topic` is a topic name, without wildcards. On the packet path: it
    /// allocates nothing and takes time by the levels of the topic, hardly by the number of permissions.
    #[inline]
    #[must_use]
    pub fn may_publish(&self, topic: &str, qos: u8, retain: bool) -> bool {
        !topic.is_empty() && self.sets.iter().any(|set| set.may_publish(topic, qos, retain, &self.variables))
    }

    /// All that may be done with a topic, in one look-up; what a connection memoizes.
    #[inline]
    #[must_use]
    pub fn publish_rights(&self, topic: &str) -> PublishRights {
        if topic.is_empty() {
            return PublishRights::NONE;
        }
        PublishRights::from_bits(
            self.sets.iter().fold(0, |bits, set| bits | set.publish_cases(topic, &self.variables)),
        )
    }

    /// Whether a subscription may be made. `filter` is the topic filter without `$share/group/`, `share` the group.
    /// The quality of service must be allowed as it is requested; there is no downgrade.
    #[must_use]
    pub fn may_subscribe(&self, filter: &str, share: Option<&str>, qos: u8) -> bool {
        if filter.is_empty() {
            return false;
        }
        match self.matching {
            SubscriptionMatching::Containment => {
                self.sets.iter().any(|set| set.contains(filter, share, qos, &self.variables))
            }
            SubscriptionMatching::LevelByLevel => explain::allows_level_by_level(self, filter, share, qos),
        }
    }

    /// Why a publish is allowed or denied.
    #[must_use]
    pub fn explain_publish(&self, topic: &str, qos: u8, retain: bool) -> Decision {
        explain::decide(self, &Request::Publish { topic: topic.to_owned(), qos, retain })
    }

    /// Why a subscription is allowed or denied.
    #[must_use]
    pub fn explain_subscribe(&self, filter: &str, share: Option<&str>, qos: u8) -> Decision {
        let (filter, share) = (filter.to_owned(), share.map(str::to_owned));
        explain::decide(self, &Request::Subscribe { filter, share, qos })
    }

    /// Whether both hold the very same rule sets and equal variables, so that no answer can differ.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.matching == other.matching
            && self.sets.len() == other.sets.len()
            && self.sets.iter().zip(&*other.sets).all(|(a, b)| Arc::ptr_eq(a, b))
            && (Arc::ptr_eq(&self.variables, &other.variables) || self.variables == other.variables)
    }
}

/// The rule set of an authorization manager that allows all.
pub(crate) fn allow_all(resource: &str) -> RuleSet {
    let everything = PermissionEntry {
        source: format!("{resource} allowAll"),
        topic_filter: "#".to_owned(),
        activity: Activities::ALL,
        qos: QosSet::ALL,
        retain: RetainRule::Any,
        shared_subscription: SharedSubscriptionRule::Any,
        shared_group: None,
    };
    RuleSet::new(resource, &[everything])
}
