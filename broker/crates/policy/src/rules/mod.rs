//! A rule set: the permissions of one role or credential, compiled once and shared by all sessions that hold them.

mod block;
mod index;
mod token;

#[cfg(test)]
mod tests;

use crate::bundle::{Activities, Activity, PermissionEntry, QosSet, RetainRule, SharedSubscriptionRule};
use crate::template::{GroupTemplate, TemplateError, TopicTemplate, Unresolved};
use crate::variables::{Variable, Variables};

use block::Indexed;
use index::Index;

/// One compiled permission.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) source: Box<str>,
    pub(crate) template: TopicTemplate,
    pub(crate) activity: Activities,
    pub(crate) qos: QosSet,
    pub(crate) retain: RetainRule,
    pub(crate) shared: SharedSubscriptionRule,
    pub(crate) group: GroupTemplate,
}

impl Rule {
    /// Checks what can be checked without variables.
    ///
    /// # Errors
    /// When the topic filter or share group is invalid.
    fn new(permission: &PermissionEntry) -> Result<Self, TemplateError> {
        let PermissionEntry {
            source,
            topic_filter,
            activity,
            qos,
            retain,
            shared_subscription,
            shared_group,
        } = permission;
        Ok(Self {
            source: source.as_str().into(),
            template: TopicTemplate::parse(topic_filter)?,
            activity: *activity,
            qos: *qos,
            retain: *retain,
            shared: *shared_subscription,
            group: GroupTemplate::parse(shared_group.as_deref().unwrap_or_default())?,
        })
    }

    /// The first variable that drops this permission, else the first that is not given.
    pub(crate) fn unresolved<'a>(&'a self, variables: &Variables) -> Option<(&'a Variable, Unresolved)> {
        match (self.template.unresolved(variables), self.group.unresolved(variables)) {
            (Some((_, Unresolved::NotGiven)) | None, Some(group)) => Some(group),
            (filter, _) => filter,
        }
    }

    fn indexed(&self, number: usize, activity: Activity) -> Option<Indexed<'_>> {
        if !self.activity.contains(activity) {
            return None;
        }
        let mut covers = [false; 6];
        for qos in self.qos.iter() {
            for flag in [false, true] {
                let covered = match activity {
                    Activity::Publish => self.retain.covers(flag),
                    Activity::Subscribe => self.shared.covers(flag),
                };
                covers[usize::from(qos) * 2 + usize::from(flag)] = covered;
            }
        }
        Some(Indexed { number: number as u32, template: &self.template, group: &self.group, covers })
    }
}

/// A permission that could not be compiled. It grants nothing and shows in explanations.
#[derive(Debug, Clone)]
pub struct InvalidPermission {
    /// Where the permission comes from.
    pub source: String,
    /// What is wrong with it.
    pub error: TemplateError,
}

/// The compiled permissions of one role or credential.
///
/// It holds nothing of a session: placeholders are compared against the session's variables when a question is asked,
/// so a million devices with one role share one rule set.
#[derive(Debug, Clone)]
pub struct RuleSet {
    resource: Box<str>,
    rules: Box<[Rule]>,
    invalid: Box<[InvalidPermission]>,
    publish: Index,
    subscribe: Index,
}

impl RuleSet {
    /// Compiles the permissions of a resource (`Role/frontend`). One that is invalid is left out and reported.
    #[must_use]
    pub fn new(resource: &str, permissions: &[PermissionEntry]) -> Self {
        let (mut rules, mut invalid) = (Vec::with_capacity(permissions.len()), Vec::new());
        for permission in permissions {
            match Rule::new(permission) {
                Ok(rule) => rules.push(rule),
                Err(error) => invalid.push(InvalidPermission { source: permission.source.clone(), error }),
            }
        }
        let index = |activity| {
            Index::new(rules.iter().enumerate().filter_map(|(i, rule)| rule.indexed(i, activity)).collect())
        };
        Self {
            publish: index(Activity::Publish),
            subscribe: index(Activity::Subscribe),
            resource: resource.into(),
            rules: rules.into(),
            invalid: invalid.into(),
        }
    }

    /// The resource whose permissions these are.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// How many permissions there are, without the invalid ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The permissions that were left out.
    #[must_use]
    pub fn invalid(&self) -> &[InvalidPermission] {
        &self.invalid
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    #[inline]
    pub(crate) fn may_publish(&self, topic: &str, qos: u8, retain: bool, variables: &Variables) -> bool {
        self.publish.may_publish(topic, qos, retain, variables)
    }

    #[inline]
    pub(crate) fn publish_cases(&self, topic: &str, variables: &Variables) -> u8 {
        self.publish.publish_cases(topic, variables)
    }

    /// Whether one permission contains the requested filter.
    pub(crate) fn contains(&self, filter: &str, share: Option<&str>, qos: u8, variables: &Variables) -> bool {
        self.subscribe.contains(filter, (qos, share.is_some()), variables, |number| {
            share.is_none_or(|group| {
                self.rules.get(number as usize).is_some_and(|rule| rule.group.covers(group, variables))
            })
        })
    }
}
