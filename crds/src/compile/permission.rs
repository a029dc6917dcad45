//! One permission: its rules, by the parser that enforces it, and its form in the bundle.

use moat_policy::{
    Activity as PolicyActivity, GroupTemplate, PermissionEntry, RetainRule, SharedSubscriptionRule,
    TopicTemplate,
};

use super::diagnostic::{Problem, Reason};
use crate::{Activity, PermissionSpec, Tristate};

/// What is wrong with a permission whose fields stand under `at`.
pub(super) fn check(spec: &PermissionSpec, at: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut invalid = |field: &str, message: String| {
        problems.push(Problem::error(format!("{at}.{field}"), Reason::Invalid, message));
    };
    if let Err(error) = TopicTemplate::parse(&spec.topic_filter) {
        invalid("topicFilter", error.to_string());
    }
    if let Some(Err(error)) = spec.shared_group.as_deref().map(GroupTemplate::parse) {
        invalid("sharedGroup", error.to_string());
    }
    if spec.activity.is_empty() {
        invalid("activity", "an activity is needed: add publish, subscribe or both".to_owned());
    }
    if spec.qos.is_empty() {
        invalid(
            "qos",
            "a quality of service is needed: add some of 0, 1 and 2, or leave the field out".to_owned(),
        );
    }
    problems
}

/// The permission as it stands in the bundle; `source` names where it was written.
pub(super) fn entry(spec: &PermissionSpec, source: String) -> PermissionEntry {
    let PermissionSpec { topic_filter, activity, qos, retain, shared_subscription, shared_group } = spec;
    PermissionEntry {
        source,
        topic_filter: topic_filter.clone(),
        activity: activity.iter().copied().map(activity_entry).collect(),
        qos: qos.iter().copied().map(u8::from).collect(),
        retain: match retain {
            Tristate::Any => RetainRule::Any,
            Tristate::Only => RetainRule::Only,
            Tristate::Never => RetainRule::Never,
        },
        shared_subscription: match shared_subscription {
            Tristate::Any => SharedSubscriptionRule::Any,
            Tristate::Only => SharedSubscriptionRule::Only,
            Tristate::Never => SharedSubscriptionRule::Never,
        },
        shared_group: shared_group.clone().filter(|group| !group.is_empty() && group != "#"),
    }
}

fn activity_entry(activity: Activity) -> PolicyActivity {
    match activity {
        Activity::Publish => PolicyActivity::Publish,
        Activity::Subscribe => PolicyActivity::Subscribe,
    }
}
