//! Large tables: right after many changes, and no larger than what is left in them.

use super::*;

const FILTERS: u32 = 100_000;

/// Exact filters, wildcards below a wide node, wildcards in the middle: a third each.
fn filter(index: u32) -> String {
    match index % 3 {
        0 => format!("site/line/machine-{index}/state"),
        1 => format!("site/machine-{index}/#"),
        _ => format!("site/+/machine-{index}/+"),
    }
}

fn name(index: u32) -> String {
    match index % 3 {
        0 => filter(index),
        1 => format!("site/machine-{index}/a/b"),
        _ => format!("site/x/machine-{index}/y"),
    }
}

fn subscribe_all(router: &Router, indices: impl Iterator<Item = u32>) {
    router.edit(|edit| {
        for index in indices {
            let new =
                NewSubscription { filter: &filter(index), share: None, options: with_identifier(index + 1) };
            assert_eq!(edit.subscribe(session(index), new), Ok(Subscribed::New));
        }
    });
}

fn remove_all(router: &Router, indices: impl Iterator<Item = u32>) {
    router.edit(|edit| {
        indices.for_each(|index| assert!(edit.unsubscribe(session(index), &filter(index), None)))
    });
}

#[test]
fn a_large_table_is_right_after_churn_and_empty_after_its_last_unsubscribe() {
    let router = Router::new();
    subscribe_all(&router, 0..FILTERS);
    remove_all(&router, (0..FILTERS).filter(|index| index.is_multiple_of(2)));
    subscribe_all(&router, (0..FILTERS).filter(|index| index.is_multiple_of(4)));
    let present = |index: u32| index % 2 == 1 || index.is_multiple_of(4);
    for index in 0..FILTERS {
        let route = router.route(&name(index));
        let expected: &[u32] = if present(index) { &[index] } else { &[] };
        assert_eq!(slots(&route), expected, "{}", name(index));
    }
    let left = (0..FILTERS).filter(|&index| present(index)).count();
    let counts = router.counts();
    assert_eq!(counts.exact_filters + counts.wildcard_filters, left);
    assert_eq!(counts.subscriptions, left);
    assert!(!router.is_bare());
    remove_all(&router, (0..FILTERS).filter(|&index| present(index)));
    assert_eq!(router.counts(), Counts::default());
    assert!(router.is_bare(), "nodes are left without subscriptions");
}

#[test]
fn single_changes_of_a_large_table_keep_it_right() {
    let router = Router::new();
    subscribe_all(&router, 0..20_000);
    for index in (0..20_000).step_by(7) {
        assert!(router.unsubscribe(session(index), &filter(index), None));
        assert!(router.route(&name(index)).is_empty());
    }
    for index in (0..20_000).step_by(7) {
        router.subscribe(session(index + 1), &filter(index), None, options(QoS::AtLeastOnce)).unwrap();
        assert_eq!(slots(&router.route(&name(index))), [index + 1]);
    }
    assert_eq!(router.counts().subscriptions, 20_000);
}

#[test]
fn a_filter_with_many_subscribers_shrinks_back() {
    let router = Router::new();
    let member = MemberState::new(true);
    let share = Some(Share { group: "g", member: &member });
    router.edit(|edit| {
        for slot in 0..20_000 {
            for share in [None, share] {
                edit.subscribe(
                    session(slot),
                    NewSubscription { filter: "t", share, options: with_identifier(1) },
                )
                .unwrap();
            }
        }
    });
    let route = router.route("t");
    assert_eq!((route.sessions(), route.shared.len(), route.shared[0].len()), (20_000, 1, 20_000));
    for slot in 0..19_999 {
        assert_eq!(router.remove_many(session(slot), [("t", None), ("t", Some("g"))]), [true, true]);
    }
    let last = router.route("t");
    assert_eq!(only_target(&last).session, session(19_999));
    assert_eq!(last.shared[0].pick().unwrap().session, session(19_999));
    assert_eq!(route.sessions(), 20_000, "a route that is held does not change");
    assert!(router.unsubscribe(session(19_999), "t", Some("g")));
    assert!(router.shared_group("g", "t").is_none());
    assert!(router.unsubscribe(session(19_999), "t", None));
    assert!(router.is_bare());
}
