//! The compiled form against a naive oracle that works on expanded text, topic by topic.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::bundle::SubscriptionMatching;
use crate::explain::Verdict;
use crate::grants::Grants;

const VALUES: [Option<&str>; 9] =
    [None, Some(""), Some("a"), Some("b"), Some("$s"), Some("+"), Some("a/b"), Some("#"), Some("a\0")];

/// Levels of topics: short ones, the empty one, `$` ones, and long ones that differ in their middle only.
const TEXTS: [&str; 8] = ["a", "b", "z", "", "$s", "xa", "abcdefgh-1-ijklmnop", "abcdefgh-2-ijklmnop"];

/// Textual expansion, after the check of the values; `None` drops the permission.
fn expand(text: &str, client: Option<&str>, user: Option<&str>, filter: bool) -> Option<String> {
    let mut expanded = text.to_owned();
    for (placeholder, value) in [("${mqtt-clientid}", client), ("${mqtt-username}", user)] {
        if text.contains(placeholder) {
            let value = value.filter(|value| !value.is_empty() && !value.contains(['+', '#', '/', '\0']))?;
            if filter && text.starts_with(placeholder) && value.starts_with('$') {
                return None;
            }
            expanded = expanded.replace(placeholder, value);
        }
    }
    Some(expanded)
}

/// [MQTT-4.7.1] and [MQTT-4.7.2-1], level by level.
fn matches(filter: &str, topic: &str) -> bool {
    fn levels(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) | ([], []) => true,
            (["+", filter @ ..], [_, topic @ ..]) => levels(filter, topic),
            ([literal, filter @ ..], [level, topic @ ..]) => literal == level && levels(filter, topic),
            _ => false,
        }
    }
    let (filter, topic): (Vec<_>, Vec<_>) = (filter.split('/').collect(), topic.split('/').collect());
    let dollar = topic[0].starts_with('$') && matches!(filter[0], "+" | "#");
    !dollar && levels(&filter, &topic)
}

/// All topics of up to four levels over a small alphabet, `z` standing for every text that no filter names.
fn universe() -> Vec<String> {
    let alphabet = ["a", "b", "z", "", "$s"];
    let mut all: Vec<String> = Vec::new();
    let mut of_length: Vec<String> = alphabet.map(str::to_owned).to_vec();
    for _ in 0..4 {
        all.extend(of_length.iter().cloned());
        of_length =
            of_length.iter().flat_map(|head| alphabet.map(|level| format!("{head}/{level}"))).collect();
    }
    all.retain(|topic| !topic.is_empty());
    all
}

/// The session that a case is about.
#[derive(Debug, Clone, Copy)]
struct Session {
    client: Option<&'static str>,
    user: Option<&'static str>,
}

impl Session {
    fn grants(self, permissions: &[PermissionEntry]) -> Grants {
        let variables = Variables::new()
            .with(&Variable::ClientId, self.client.map(Arc::from))
            .with(&Variable::Username, self.user.map(Arc::from));
        // Two rule sets, so that the answer has to look at both.
        let (one, two) = permissions.split_at(permissions.len() / 2);
        let sets = [one, two].map(|half| Arc::new(RuleSet::new("Role/r", half)));
        Grants::new(sets.to_vec(), Arc::new(variables), SubscriptionMatching::Containment)
    }

    /// The permission's filter and group for this session, unless it is dropped.
    fn expanded(self, permission: &PermissionEntry) -> Option<(String, String)> {
        let group = expand(permission.shared_group.as_deref().unwrap_or(""), self.client, self.user, false)?;
        Some((expand(&permission.topic_filter, self.client, self.user, true)?, group))
    }

    fn may_publish(self, permissions: &[PermissionEntry], topic: &str, qos: u8, retain: bool) -> bool {
        permissions.iter().any(|permission| {
            self.expanded(permission).is_some_and(|(filter, _)| matches(&filter, topic))
                && permission.activity.contains(Activity::Publish)
                && permission.qos.contains(qos)
                && match permission.retain {
                    RetainRule::Any => true,
                    RetainRule::Only => retain,
                    RetainRule::Never => !retain,
                }
        })
    }

    fn may_subscribe(
        self,
        permissions: &[PermissionEntry],
        filter: &str,
        share: Option<&str>,
        qos: u8,
    ) -> bool {
        let asked: Vec<String> = universe().into_iter().filter(|topic| matches(filter, topic)).collect();
        assert!(!asked.is_empty(), "the universe must hold topics of every requested filter");
        permissions.iter().any(|permission| {
            let Some((own, group)) = self.expanded(permission) else { return false };
            let shared = match permission.shared_subscription {
                SharedSubscriptionRule::Any => true,
                SharedSubscriptionRule::Only => share.is_some(),
                SharedSubscriptionRule::Never => share.is_none(),
            };
            shared
                && permission.activity.contains(Activity::Subscribe)
                && permission.qos.contains(qos)
                && share.is_none_or(|share| ["", "#", share].contains(&&*group))
                && asked.iter().all(|topic| matches(&own, topic))
        })
    }
}

fn session() -> impl Strategy<Value = Session> {
    (prop::sample::select(&VALUES), prop::sample::select(&VALUES))
        .prop_map(|(client, user)| Session { client, user })
}

/// Joins levels to a filter and puts `#` behind some.
fn filter(levels: Vec<&'static str>, max: usize) -> impl Strategy<Value = String> {
    (prop::collection::vec(prop::sample::select(levels), 0..=max), any::<bool>()).prop_filter_map(
        "a filter has a character",
        |(mut levels, multi)| {
            if multi || levels.is_empty() {
                levels.push("#");
            }
            Some(levels.join("/")).filter(|text| TopicTemplate::parse(text).is_ok())
        },
    )
}

fn permission(levels: &'static [&'static str]) -> impl Strategy<Value = PermissionEntry> {
    let fields = (
        filter(levels.to_vec(), 3),
        prop::sample::select(vec![Activities::ALL, Activities::PUBLISH, Activities::SUBSCRIBE]),
        prop::collection::vec(0..=2_u8, 0..3),
        prop::sample::select(vec![RetainRule::Any, RetainRule::Only, RetainRule::Never]),
        prop::sample::select(vec![
            SharedSubscriptionRule::Any,
            SharedSubscriptionRule::Only,
            SharedSubscriptionRule::Never,
        ]),
        prop::sample::select(vec![None, Some(""), Some("#"), Some("a"), Some("g-${mqtt-username}")]),
    );
    fields.prop_map(|(topic_filter, activity, qos, retain, shared_subscription, group)| PermissionEntry {
        source: format!("Permission/{topic_filter}"),
        topic_filter,
        activity,
        qos: qos.into_iter().collect(),
        retain,
        shared_subscription,
        shared_group: group.map(str::to_owned),
    })
}

const PUBLISH_LEVELS: &[&str] = &[
    "a",
    "b",
    "",
    "$s",
    "+",
    "+",
    "abcdefgh-1-ijklmnop",
    "abcdefgh-3-ijklmnop",
    "${mqtt-clientid}",
    "${mqtt-username}",
    "x${mqtt-clientid}",
    "${mqtt-clientid}${mqtt-username}",
];

const SUBSCRIBE_LEVELS: &[&str] = &["a", "b", "", "$s", "+", "+", "${mqtt-clientid}", "${mqtt-username}"];

fn check_publish(
    session: Session,
    permissions: &[PermissionEntry],
    topic: &str,
) -> Result<(), TestCaseError> {
    let grants = session.grants(permissions);
    let rights = grants.publish_rights(topic);
    for qos in 0..=2 {
        for retain in [false, true] {
            let expected = session.may_publish(permissions, topic, qos, retain);
            prop_assert_eq!(grants.may_publish(topic, qos, retain), expected, "{} {} {}", topic, qos, retain);
            prop_assert_eq!(rights.allows(qos, retain), expected);
            let decision = grants.explain_publish(topic, qos, retain);
            let verdict = if expected { Verdict::Allowed } else { Verdict::Denied };
            prop_assert_eq!(decision.verdict, verdict, "{}", decision);
        }
    }
    prop_assert!(!grants.may_publish(topic, 3, false) && !rights.allows(3, false));
    Ok(())
}

fn topic() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&TEXTS), 1..5)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("a topic has a character", |topic| !topic.is_empty())
}

proptest! {
    #[test]
    fn publishing_agrees_with_the_oracle(
        session in session(),
        permissions in prop::collection::vec(permission(PUBLISH_LEVELS), 0..12),
        topic in topic(),
    ) {
        check_publish(session, &permissions, &topic)?;
    }

    #[test]
    fn subscribing_agrees_with_enumerated_topics(
        session in session(),
        permissions in prop::collection::vec(permission(SUBSCRIBE_LEVELS), 0..6),
        requested in filter(vec!["a", "b", "", "$s", "+", "+"], 3),
        share in prop::sample::select(vec![None, Some("a"), Some("b"), Some("g-a")]),
        qos in 0..=2_u8,
    ) {
        let grants = session.grants(&permissions);
        let expected = session.may_subscribe(&permissions, &requested, share, qos);
        prop_assert_eq!(grants.may_subscribe(&requested, share, qos), expected, "{}", requested);
        let decision = grants.explain_subscribe(&requested, share, qos);
        prop_assert_eq!(decision.allowed(), expected, "{}", decision);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn large_rule_sets_agree_with_the_oracle(
        session in session(),
        permissions in prop::collection::vec(permission(PUBLISH_LEVELS), 300..700),
        topics in prop::collection::vec(topic(), 8),
        requested in filter(vec!["a", "b", "", "$s", "+"], 3),
    ) {
        for topic in topics {
            check_publish(session, &permissions, &topic)?;
        }
        let expected = session.may_subscribe(&permissions, &requested, Some("g-a"), 1);
        prop_assert_eq!(session.grants(&permissions).may_subscribe(&requested, Some("g-a"), 1), expected);
    }
}

/// A permission that allows everything with a filter.
fn all(topic_filter: &str) -> PermissionEntry {
    PermissionEntry {
        source: format!("Permission/{topic_filter}"),
        topic_filter: topic_filter.to_owned(),
        activity: Activities::ALL,
        qos: QosSet::ALL,
        retain: RetainRule::Any,
        shared_subscription: SharedSubscriptionRule::Any,
        shared_group: None,
    }
}

fn holding(filter: &str, matching: SubscriptionMatching, variables: Variables) -> Grants {
    Grants::new(vec![Arc::new(RuleSet::new("Role/r", &[all(filter)]))], Arc::new(variables), matching)
}

#[test]
fn both_readings_of_subscriptions_give_the_published_table() {
    use SubscriptionMatching::{Containment, LevelByLevel};
    // Permission, requested filter, allowed by containment, allowed level by level.
    let table = [
        ("a/#", "a/+", true, true),
        ("a/#", "a/#", true, true),
        ("a/#", "a/b/#", true, true),
        ("a/#", "a", true, true),
        ("a/+", "a/+", true, true),
        ("a/+", "a/b", true, true),
        ("a/+", "a/#", false, true),
        ("+", "#", false, true),
        ("a/b", "a/+", false, false),
        ("topic/+/status", "topic/#", false, false),
        ("topic/+/status", "topic/+/status", true, true),
        ("+/#", "#", true, true),
        ("#", "#", true, true),
        ("a", "a/", false, true),
        ("a/", "a", false, true),
        ("/", "/", true, true),
        // Deliberately not as the open evaluator does: `$` topics need a permission that names them, in both readings.
        ("#", "$SYS/x", false, false),
        ("+/x", "$SYS/x", false, false),
        ("$SYS/#", "$SYS/x", true, true),
        ("$SYS/#", "$SYS/#", true, true),
        ("$SYS/+", "$SYS/#", false, true),
    ];
    for (permission, requested, contained, level_by_level) in table {
        for (matching, expected) in [(Containment, contained), (LevelByLevel, level_by_level)] {
            let grants = holding(permission, matching, Variables::new());
            assert_eq!(
                grants.may_subscribe(requested, None, 0),
                expected,
                "{permission} {requested} {matching:?}"
            );
            let decision = grants.explain_subscribe(requested, None, 0);
            assert_eq!(decision.allowed(), expected, "{decision}");
        }
    }
}

#[test]
fn a_client_id_with_wildcards_widens_nothing() {
    for client in ["+", "#", "a/#", "a/b", "", "\0", "x+"] {
        for permission in
            ["t/${mqtt-clientid}/s", "t/${mqtt-clientid}", "t/x${mqtt-clientid}/#", "${mqtt-clientid}/#"]
        {
            let variables = Variables::new().with(&Variable::ClientId, Some(client.into()));
            for matching in [SubscriptionMatching::Containment, SubscriptionMatching::LevelByLevel] {
                let grants = holding(permission, matching, variables.clone());
                let expanded = permission.replace("${mqtt-clientid}", client);
                for topic in ["t/a/s", "t/b/s", "t/a/b", "t/a", "t/xa/s", "a/b", "t//s", expanded.as_str()] {
                    assert!(!grants.may_publish(topic, 0, false), "{permission} {client:?} {topic}");
                    assert!(!grants.may_subscribe(topic, None, 0), "{permission} {client:?} {topic}");
                }
            }
        }
    }
}

#[test]
fn a_placeholder_never_opens_a_dollar_topic() {
    let variables = Variables::new().with(&Variable::ClientId, Some("$SYS".into()));
    let grants = holding("${mqtt-clientid}/#", SubscriptionMatching::Containment, variables.clone());
    assert!(!grants.may_publish("$SYS/x", 0, false) && !grants.may_subscribe("$SYS/#", None, 0));
    let deeper = holding("a/${mqtt-clientid}", SubscriptionMatching::Containment, variables);
    assert!(deeper.may_publish("a/$SYS", 0, false));
}

#[test]
fn requests_that_are_no_filters_are_denied() {
    let grants = holding("#", SubscriptionMatching::Containment, Variables::new());
    for filter in ["", "a/#/b", "a+", "a#", "#/a", "a/b#"] {
        assert!(!grants.may_subscribe(filter, None, 0), "{filter}");
        assert!(!grants.explain_subscribe(filter, None, 0).allowed(), "{filter}");
    }
    assert!(!grants.may_publish("", 0, false) && grants.publish_rights("").is_empty());
    assert!(!grants.explain_publish("", 0, false).allowed());
}

#[test]
fn share_groups_and_retain_decide_as_the_file_realm_does() {
    let with = |change: fn(&mut PermissionEntry)| {
        let mut permission = all("t");
        change(&mut permission);
        Grants::new(
            vec![Arc::new(RuleSet::new("Role/r", &[permission]))],
            Arc::default(),
            SubscriptionMatching::default(),
        )
    };
    let plain =
        with(|p| (p.retain, p.shared_subscription) = (RetainRule::Never, SharedSubscriptionRule::Never));
    assert!(plain.may_publish("t", 0, false) && !plain.may_publish("t", 0, true));
    assert!(plain.may_subscribe("t", None, 0) && !plain.may_subscribe("t", Some("g"), 0));
    let only = with(|p| (p.retain, p.shared_subscription) = (RetainRule::Only, SharedSubscriptionRule::Only));
    assert!(!only.may_publish("t", 0, false) && only.may_publish("t", 0, true));
    assert!(!only.may_subscribe("t", None, 0) && only.may_subscribe("t", Some("g"), 0));
    let group = with(|p| p.shared_group = Some("g1".to_owned()));
    assert!(group.may_subscribe("t", Some("g1"), 0) && !group.may_subscribe("t", Some("g2"), 0));
    let any =
        [with(|p| p.shared_group = Some(String::new())), with(|p| p.shared_group = Some("#".to_owned()))];
    assert!(any.iter().all(|grants| grants.may_subscribe("t", Some("whatever"), 0)));
    assert!(!with(|p| p.qos = QosSet::default()).may_publish("t", 0, false));
    assert!(!with(|p| p.activity = Activities::default()).may_publish("t", 0, false));
}

#[test]
fn an_invalid_permission_grants_nothing_and_spoils_nothing() {
    let rules = RuleSet::new("Role/r", &[all("a/#/b"), all("a")]);
    assert_eq!(
        (rules.len(), rules.invalid().len(), rules.invalid()[0].source.as_str()),
        (1, 1, "Permission/a/#/b")
    );
    let grants = Grants::new(vec![Arc::new(rules)], Arc::default(), SubscriptionMatching::default());
    assert!(grants.may_publish("a", 0, false) && !grants.may_publish("a/b", 0, false));
}
