//! One permission: its rules, by the parser that enforces it, and its form in the bundle.

use moat_policy::{
    Activity as PolicyActivity, GroupTemplate, PermissionEntry, RetainRule, SharedSubscriptionRule,
    TopicTemplate,
};

use super::diagnostic::{Problem, Reason};
use crate::{Activity, PermissionItem, PermissionSpec, Qos, Tristate};

/// What a permission says, wherever it stands. Borrowed: there are many, and each is looked at twice.
pub(super) struct Body<'a> {
    pub(super) topic_filter: &'a str,
    pub(super) activity: &'a [Activity],
    pub(super) qos: &'a [Qos],
    pub(super) retain: Tristate,
    pub(super) shared_subscription: Tristate,
    pub(super) shared_group: Option<&'a str>,
}

impl<'a> From<&'a PermissionSpec> for Body<'a> {
    fn from(spec: &'a PermissionSpec) -> Self {
        let PermissionSpec { topic_filter, activity, qos, retain, shared_subscription, shared_group } = spec;
        Self {
            topic_filter,
            activity,
            qos,
            retain: *retain,
            shared_subscription: *shared_subscription,
            shared_group: shared_group.as_deref(),
        }
    }
}

/// The two forms of an item.
pub(super) enum Form<'a> {
    /// The name of a Permission.
    Reference(&'a str),
    /// A permission in place.
    Inline(Body<'a>),
}

/// The form that an item has; `None` if it has none or both. As [`PermissionItem::form`], without copying.
pub(super) fn form(item: &PermissionItem) -> Option<Form<'_>> {
    const EVERY_QOS: &[Qos] = &[Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
    match (&item.reference, &item.topic_filter) {
        (Some(name), None) => Some(Form::Reference(name)),
        (None, Some(topic_filter)) => Some(Form::Inline(Body {
            topic_filter,
            activity: item.activity.as_deref()?,
            qos: item.qos.as_deref().unwrap_or(EVERY_QOS),
            retain: item.retain.unwrap_or_default(),
            shared_subscription: item.shared_subscription.unwrap_or_default(),
            shared_group: item.shared_group.as_deref(),
        })),
        _ => None,
    }
}

/// What is wrong with a permission; the fields are without what stands before them.
pub(super) fn check(body: &Body<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut invalid = |field: &str, message: String| {
        problems.push(Problem::error(field, Reason::Invalid, message));
    };
    if let Err(error) = TopicTemplate::parse(body.topic_filter) {
        invalid("topicFilter", error.to_string());
    }
    if let Some(Err(error)) = body.shared_group.map(GroupTemplate::parse) {
        invalid("sharedGroup", error.to_string());
    }
    if body.activity.is_empty() {
        invalid("activity", "an activity is needed: add publish, subscribe or both".to_owned());
    }
    if body.qos.is_empty() {
        invalid(
            "qos",
            "a quality of service is needed: add some of 0, 1 and 2, or leave the field out".to_owned(),
        );
    }
    problems
}

/// The permission as it stands in the bundle; `source` names where it was written.
pub(super) fn entry(body: &Body<'_>, source: String) -> PermissionEntry {
    let Body { topic_filter, activity, qos, retain, shared_subscription, shared_group } = body;
    PermissionEntry {
        source,
        topic_filter: (*topic_filter).to_owned(),
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
        shared_group: shared_group.filter(|group| !matches!(*group, "" | "#")).map(str::to_owned),
    }
}

fn activity_entry(activity: Activity) -> PolicyActivity {
    match activity {
        Activity::Publish => PolicyActivity::Publish,
        Activity::Subscribe => PolicyActivity::Subscribe,
    }
}
