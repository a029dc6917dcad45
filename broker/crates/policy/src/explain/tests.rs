//! Explanations, in the words that people read.

use std::sync::Arc;

use super::*;
use crate::bundle::{Activities, PermissionEntry, QosSet, RetainRule, SharedSubscriptionRule};

fn permission(source: &str, topic_filter: &str, activity: Activities) -> PermissionEntry {
    PermissionEntry {
        source: source.to_owned(),
        topic_filter: topic_filter.to_owned(),
        activity,
        qos: QosSet::ALL,
        retain: RetainRule::Never,
        shared_subscription: SharedSubscriptionRule::Never,
        shared_group: None,
    }
}

fn grants(permissions: &[PermissionEntry], client_id: &str) -> Grants {
    let rules = RuleSet::new("Role/frontend", permissions);
    let variables = Variables::new().with(&Variable::ClientId, Some(client_id.into()));
    Grants::new(vec![Arc::new(rules)], Arc::new(variables), SubscriptionMatching::Containment)
}

fn own_status() -> PermissionEntry {
    permission("Permission/own-status", "topic/${mqtt-clientid}/status", Activities::PUBLISH)
}

#[test]
fn an_allowed_request_names_its_permission() {
    let grants = grants(&[own_status()], "x");
    let decision = grants.explain_publish("topic/x/status", 1, false);
    insta::assert_snapshot!(decision, @"allowed: publish to `topic/x/status` with QoS 1. Permission/own-status of Role/frontend (topic filter `topic/${mqtt-clientid}/status`, here `topic/x/status`) covers it.");
    assert_eq!(decision.by.as_ref().map(|by| by.expanded.as_deref()), Some(Some("topic/x/status")));
    let inline = [permission("Role/frontend permissions[1]", "news/#", Activities::SUBSCRIBE)];
    insta::assert_snapshot!(self::grants(&inline, "x").explain_subscribe("news/+", None, 0), @"allowed: subscribe to `news/+` with QoS 0. Role/frontend permissions[1] (topic filter `news/#`) covers it.");
}

#[test]
fn a_denied_publish_names_the_nearest_permission_and_the_field() {
    let mut limited = permission("Permission/limited", "limited", Activities::ALL);
    limited.qos = [0].into_iter().collect();
    let grants =
        grants(&[own_status(), permission("Permission/news", "news/#", Activities::SUBSCRIBE), limited], "x");
    insta::assert_snapshot!(grants.explain_publish("topic/y/status", 0, false), @"denied: publish to `topic/y/status` with QoS 0. No permission covers it. The nearest is Permission/own-status of Role/frontend (topic filter `topic/${mqtt-clientid}/status`, here `topic/x/status`): its topic filter does not match the topic.");
    insta::assert_snapshot!(grants.explain_publish("topic/x/status", 0, true), @"denied: publish to `topic/x/status` with QoS 0, retained. No permission covers it. The nearest is Permission/own-status of Role/frontend (topic filter `topic/${mqtt-clientid}/status`, here `topic/x/status`): it allows messages without the retain flag only (retain: never).");
    insta::assert_snapshot!(grants.explain_publish("news/today", 0, false), @"denied: publish to `news/today` with QoS 0. No permission covers it. The nearest is Permission/news of Role/frontend (topic filter `news/#`): it allows subscribe only.");
    insta::assert_snapshot!(grants.explain_publish("limited", 2, true), @"denied: publish to `limited` with QoS 2, retained. No permission covers it. The nearest is Permission/limited of Role/frontend (topic filter `limited`): it allows messages without the retain flag only (retain: never); it allows QoS 0 only.");
    let everything = self::grants(&[permission("Permission/all", "#", Activities::ALL)], "x");
    insta::assert_snapshot!(everything.explain_publish("$SYS/x", 0, false), @"denied: publish to `$SYS/x` with QoS 0. No permission covers it. The nearest is Permission/all of Role/frontend (topic filter `#`): topics that begin with `$` need a topic filter that spells out the first level.");
}

#[test]
fn a_denied_subscribe_names_the_nearest_permission_and_the_field() {
    let mut shared = permission("Permission/shared", "jobs/#", Activities::SUBSCRIBE);
    shared.shared_subscription = SharedSubscriptionRule::Only;
    shared.shared_group = Some("workers".to_owned());
    let all = permission("Permission/all", "a/+", Activities::ALL);
    let grants = grants(&[own_status(), shared, all], "x");
    insta::assert_snapshot!(grants.explain_subscribe("topic/x/status", None, 0), @"denied: subscribe to `topic/x/status` with QoS 0. No permission covers it. The nearest is Permission/own-status of Role/frontend (topic filter `topic/${mqtt-clientid}/status`, here `topic/x/status`): it allows publish only.");
    insta::assert_snapshot!(grants.explain_subscribe("a/#", None, 0), @"denied: subscribe to `a/#` with QoS 0. No permission covers it. The nearest is Permission/all of Role/frontend (topic filter `a/+`): its topic filter does not contain every topic of the requested filter.");
    insta::assert_snapshot!(grants.explain_subscribe("a/b", Some("g"), 0), @"denied: subscribe to `$share/g/a/b` with QoS 0. No permission covers it. The nearest is Permission/all of Role/frontend (topic filter `a/+`): it allows plain subscriptions only (sharedSubscription: never).");
    insta::assert_snapshot!(grants.explain_subscribe("jobs/1", None, 0), @"denied: subscribe to `jobs/1` with QoS 0. No permission covers it. The nearest is Permission/shared of Role/frontend (topic filter `jobs/#`): it allows shared subscriptions only (sharedSubscription: only).");
    insta::assert_snapshot!(grants.explain_subscribe("jobs/1", Some("other"), 1), @"denied: subscribe to `$share/other/jobs/1` with QoS 1. No permission covers it. The nearest is Permission/shared of Role/frontend (topic filter `jobs/#`): it allows the share group `workers` only.");
}

#[test]
fn permissions_without_effect_are_told() {
    let invalid = permission("Role/frontend permissions[2]", "a/#/b", Activities::ALL);
    let grants = grants(&[permission("Permission/b", "b", Activities::ALL), own_status(), invalid], "a/b");
    insta::assert_snapshot!(grants.explain_publish("topic/z/status", 0, false), @"denied: publish to `topic/z/status` with QoS 0. No permission covers it. The nearest is Permission/own-status of Role/frontend (topic filter `topic/${mqtt-clientid}/status`): it is dropped, because `mqtt-clientid` holds a `/`. Without effect for this client: Role/frontend permissions[2]: `#` must be the whole last level (at character 3).");
    insta::assert_snapshot!(grants.explain_publish("b/c", 0, false), @"denied: publish to `b/c` with QoS 0. No permission covers it. The nearest is Permission/b of Role/frontend (topic filter `b`): its topic filter does not match the topic. Without effect for this client: Permission/own-status of Role/frontend (topic filter `topic/${mqtt-clientid}/status`): `mqtt-clientid` holds a `/`, and 1 more.");
}

#[test]
fn no_permissions_at_all_is_said_plainly() {
    insta::assert_snapshot!(Grants::none().explain_publish("a", 0, false), @"denied: publish to `a` with QoS 0. The client holds no permission.");
}

#[test]
fn a_variable_that_was_not_given_makes_the_answer_undecidable_only_if_it_matters() {
    let grants = grants(&[own_status()], "x").with_variables(Variables::not_given());
    let decision = grants.explain_publish("topic/y/status", 0, false);
    insta::assert_snapshot!(decision, @"undecidable: publish to `topic/y/status` with QoS 0. It depends on what was not given: Permission/own-status of Role/frontend (topic filter `topic/${mqtt-clientid}/status`) allows it if `mqtt-clientid` is `y`.");
    assert_eq!(decision.verdict, Verdict::Undecidable);
    assert!(!grants.may_publish("topic/y/status", 0, false));
    // No value of the client identifier makes these fit.
    assert_eq!(grants.explain_publish("topic/y/other", 0, false).verdict, Verdict::Denied);
    assert_eq!(grants.explain_publish("topic//status", 0, false).verdict, Verdict::Denied);
    assert_eq!(grants.explain_subscribe("topic/y/status", None, 0).verdict, Verdict::Denied);
}

#[test]
fn one_value_must_serve_every_place_of_a_variable() {
    let twice = permission(
        "Permission/p",
        "${mqtt-clientid}/x-${mqtt-clientid}${mqtt-username}",
        Activities::PUBLISH,
    );
    let grants = grants(&[twice], "x").with_variables(Variables::not_given());
    let verdict = |topic: &str| grants.explain_publish(topic, 0, false).verdict;
    assert_eq!(verdict("a/x-b"), Verdict::Denied);
    assert_eq!(verdict("a/x-a"), Verdict::Denied, "the username must not be empty");
    assert_eq!(verdict("$a/x-$ab"), Verdict::Denied);
    insta::assert_snapshot!(grants.explain_publish("ab/x-abc", 0, false), @"undecidable: publish to `ab/x-abc` with QoS 0. It depends on what was not given: Permission/p of Role/frontend (topic filter `${mqtt-clientid}/x-${mqtt-clientid}${mqtt-username}`) allows it if `mqtt-clientid` is `ab` and `mqtt-username` is `c`.");
}

#[test]
fn a_share_group_can_decide_what_a_variable_would_have_to_be() {
    let mut shared = permission("Permission/p", "jobs/#", Activities::SUBSCRIBE);
    shared.shared_subscription = SharedSubscriptionRule::Any;
    shared.shared_group = Some("g-${mqtt-username}".to_owned());
    let grants = grants(&[shared], "x").with_variables(Variables::not_given());
    insta::assert_snapshot!(grants.explain_subscribe("jobs/1", Some("g-bob"), 0), @"undecidable: subscribe to `$share/g-bob/jobs/1` with QoS 0. It depends on what was not given: Permission/p of Role/frontend (topic filter `jobs/#`) allows it if `mqtt-username` is `bob`.");
    insta::assert_snapshot!(grants.explain_subscribe("jobs/1", None, 0), @"undecidable: subscribe to `jobs/1` with QoS 0. It depends on what was not given: Permission/p of Role/frontend (topic filter `jobs/#`) allows it if `mqtt-username` has a usable value.");
    assert_eq!(grants.explain_subscribe("jobs/1", Some("h-bob"), 0).verdict, Verdict::Denied);
}
