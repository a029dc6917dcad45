//! The router against the specification's rules, a naive oracle, churn, and concurrent readers.

mod churn;
mod concurrency;
mod oracle;
mod shared;

use std::num::NonZeroU32;

use super::*;
use crate::codec::QoS;

fn session(slot: u32) -> SessionRef {
    // Three cores, so that every test also exercises the grouping.
    SessionRef { core: (slot % 3) as u16, slot, generation: 1 }
}

fn options(qos: QoS) -> SubscribeOptions {
    SubscribeOptions { qos, no_local: false, retain_as_published: false, identifier: None }
}

fn with_identifier(identifier: u32) -> SubscribeOptions {
    SubscribeOptions { identifier: NonZeroU32::new(identifier), ..options(QoS::AtMostOnce) }
}

fn slots(route: &Route) -> Vec<u32> {
    let mut slots: Vec<u32> =
        route.cores.iter().flat_map(|core| core.targets.iter().map(|target| target.session.slot)).collect();
    slots.sort_unstable();
    slots
}

fn only_target(route: &Route) -> Target {
    assert_eq!(route.sessions(), 1, "{route:?}");
    route.cores[0].targets[0]
}

fn matches(filter: &str, topic: &str) -> bool {
    let router = Router::new();
    assert_eq!(router.subscribe(session(1), filter, None, options(QoS::AtMostOnce)), Ok(Subscribed::New));
    !router.route(topic).is_empty()
}

#[test]
fn the_examples_of_the_specification_match_as_it_says() {
    for (filter, topic) in [
        ("sport/tennis/player1/#", "sport/tennis/player1"),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking"),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
        ("sport/#", "sport"),
        ("#", "sport"),
        ("#", "/"),
        ("sport/tennis/+", "sport/tennis/player1"),
        ("sport/+", "sport/"),
        ("+/+", "/finance"),
        ("/+", "/finance"),
        ("$SYS/#", "$SYS/monitor/Clients"),
        ("$SYS/#", "$SYS"),
        ("$SYS/monitor/+", "$SYS/monitor/Clients"),
        ("a//b", "a//b"),
        ("a/+/b", "a//b"),
        ("+/#", "a"),
        ("+/#", "/"),
        ("a/+/#", "a/b"),
    ] {
        assert!(matches(filter, topic), "{filter} must match {topic}");
    }
}

#[test]
fn what_the_specification_excludes_does_not_match() {
    for (filter, topic) in [
        ("sport/tennis/+", "sport/tennis/player1/ranking"),
        ("sport/+", "sport"),
        ("+", "/finance"),
        ("#", "$SYS/monitor/Clients"),
        ("+/monitor/Clients", "$SYS/monitor/Clients"),
        ("+/#", "$SYS"),
        ("a/+/#", "a"),
        ("ACCOUNTS", "Accounts"),
        ("/finance", "finance"),
        ("a/b", "a/b/"),
        ("$SYS/+", "$SYS"),
    ] {
        assert!(!matches(filter, topic), "{filter} must not match {topic}");
    }
}

#[test]
fn overlapping_subscriptions_of_a_session_become_one_target() {
    let router = Router::new();
    let me = session(7);
    for (filter, qos, no_local, retain_as_published, identifier) in [
        ("a/b", QoS::AtMostOnce, true, false, 3),
        ("a/+", QoS::ExactlyOnce, true, true, 1),
        ("a/#", QoS::AtLeastOnce, true, false, 2),
    ] {
        let identifier = NonZeroU32::new(identifier);
        let options = SubscribeOptions { qos, no_local, retain_as_published, identifier };
        router.subscribe(me, filter, None, options).unwrap();
    }
    let route = router.route("a/b");
    let target = only_target(&route);
    assert_eq!((target.qos, target.no_local, target.retain_as_published), (QoS::ExactlyOnce, true, true));
    let mut identifiers: Vec<u32> = route.identifiers(&target).iter().map(|id| id.get()).collect();
    identifiers.sort_unstable();
    assert_eq!(identifiers, [1, 2, 3]);

    router.subscribe(me, "#", None, options(QoS::AtMostOnce)).unwrap();
    let target = only_target(&router.route("a/b"));
    assert!(!target.no_local, "one matching subscription wants the session's own messages");
}

#[test]
fn a_single_identifier_is_read_without_a_list() {
    let router = Router::new();
    router.subscribe(session(1), "a", None, with_identifier(9)).unwrap();
    router.subscribe(session(1), "+", None, options(QoS::AtLeastOnce)).unwrap();
    router.subscribe(session(2), "+", None, options(QoS::AtLeastOnce)).unwrap();
    let route = router.route("a");
    let of = |slot| {
        let target =
            route.on(session(slot).core).iter().find(|target| target.session == session(slot)).unwrap();
        (target.identifier().map(NonZeroU32::get), route.identifiers(target).len())
    };
    assert_eq!(of(1), (Some(9), 1));
    assert_eq!(of(2), (None, 0));
}

#[test]
fn targets_are_grouped_by_core_and_each_session_is_there_once() {
    let router = Router::new();
    for slot in 0..100 {
        router.subscribe(session(slot), "t", None, options(QoS::AtMostOnce)).unwrap();
        router.subscribe(session(slot), "#", None, options(QoS::AtMostOnce)).unwrap();
    }
    let route = router.route("t");
    assert_eq!(route.cores.iter().map(|core| core.core).collect::<Vec<_>>(), [0, 1, 2]);
    for core in &route.cores {
        assert!(core.targets.iter().all(|target| target.session.core == core.core));
        assert_eq!(route.on(core.core), &core.targets[..]);
    }
    assert_eq!(slots(&route), (0..100).collect::<Vec<_>>());
    assert!(route.on(3).is_empty());
}

#[test]
fn subscribing_again_replaces_the_options() {
    let router = Router::new();
    for filter in ["t", "+"] {
        let of = |qos| router.subscribe(session(1), filter, None, options(qos));
        assert_eq!(of(QoS::AtMostOnce), Ok(Subscribed::New));
        assert_eq!(of(QoS::ExactlyOnce), Ok(Subscribed::Replaced));
    }
    assert_eq!(only_target(&router.route("t")).qos, QoS::ExactlyOnce);
    assert_eq!(router.counts().subscriptions, 2);
}

#[test]
fn another_generation_of_a_slot_is_another_session() {
    let router = Router::new();
    let (old, new) = (session(1), SessionRef { generation: 2, ..session(1) });
    router.subscribe(old, "t", None, options(QoS::AtMostOnce)).unwrap();
    router.subscribe(new, "t", None, options(QoS::AtMostOnce)).unwrap();
    assert!(router.unsubscribe(old, "t", None));
    assert_eq!(only_target(&router.route("t")).session, new);
}

#[test]
fn a_call_of_many_changes_publishes_once() {
    let router = Router::new();
    let filters = ["a", "b/+", "c/#"];
    let new =
        filters.map(|filter| NewSubscription { filter, share: None, options: options(QoS::AtMostOnce) });
    assert_eq!(router.subscribe_many(session(1), new), [Ok(Subscribed::New); 3]);
    assert_eq!(router.epoch(), 1);
    assert_eq!(
        router.remove_many(session(1), [("a", None), ("nowhere", None), ("b/+", None)]),
        [true, false, true]
    );
    assert_eq!(router.epoch(), 2);
    assert!(!router.unsubscribe(session(1), "a", None));
    assert!(!router.unsubscribe(session(1), "c/#", Some("group")));
    assert!(!router.unsubscribe(session(2), "c/#", None));
    assert_eq!(router.epoch(), 2, "what changes nothing makes no route stale");
}

#[test]
fn deep_filters_are_refused_only_if_they_cost_a_node_per_level() {
    let router = Router::new();
    let deepest = format!("{}+", "/".repeat(MAX_WILDCARD_LEVELS - 1));
    let too_deep = format!("{}+", "/".repeat(MAX_WILDCARD_LEVELS));
    let exact = "/".repeat(65_535);
    let subscribe = |filter: &str| router.subscribe(session(1), filter, None, options(QoS::AtMostOnce));
    assert_eq!(subscribe(&deepest), Ok(Subscribed::New));
    assert_eq!(subscribe(&too_deep), Err(FilterError::TooManyLevels));
    assert_eq!(FilterError::TooManyLevels.reason(), "TooManyLevels");
    assert_eq!(subscribe(&exact), Ok(Subscribed::New));
    assert_eq!(router.epoch(), 2);
    assert_eq!(router.route(&exact).sessions(), 1);
    subscribe("#").unwrap();
    subscribe(&format!("{}#", "+/".repeat(MAX_WILDCARD_LEVELS - 1))).unwrap();
    assert_eq!(router.route(&"a/".repeat(32_000)).sessions(), 1, "a topic may be deeper than any filter");
    assert!(!router.unsubscribe(session(1), &too_deep, None));
}

#[test]
fn targets_stay_small() {
    assert!(size_of::<Target>() <= 24, "{}", size_of::<Target>());
    assert!(size_of::<subscribers::Subscribers>() <= 24);
    assert!(size_of::<Level>() <= 24);
}
