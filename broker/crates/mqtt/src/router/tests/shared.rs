//! Shared subscriptions: who gets a message of a group.

use std::collections::BTreeMap;
use std::thread;

use super::*;

/// A group on `t` with one member per state.
fn group(states: &[Arc<MemberState>]) -> (Router, Arc<SharedGroup>) {
    let router = Router::new();
    for (slot, member) in states.iter().enumerate() {
        let share = Some(Share { group: "g", member });
        router.subscribe(session(slot as u32), "t", share, options(QoS::AtLeastOnce)).unwrap();
    }
    let group = router.shared_group("g", "t").unwrap();
    (router, group)
}

fn online(members: usize) -> Vec<Arc<MemberState>> {
    (0..members).map(|_| MemberState::new(true)).collect()
}

/// Picks, and says at once that the member is done with the message.
fn pick_idle(group: &SharedGroup, states: &[Arc<MemberState>]) -> u32 {
    let slot = group.pick().unwrap().session.slot;
    states[slot as usize].set_pending(0);
    slot
}

fn shares(group: &SharedGroup, states: &[Arc<MemberState>], picks: usize) -> BTreeMap<u32, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..picks {
        *shares.entry(pick_idle(group, states)).or_default() += 1;
    }
    shares
}

#[test]
fn idle_members_take_turns() {
    let states = online(5);
    let (_, group) = group(&states);
    let shares = shares(&group, &states, 500);
    assert_eq!(shares, (0..5).map(|slot| (slot, 100)).collect());
}

#[test]
fn online_members_share_evenly_whatever_stands_between_them() {
    let states = online(7);
    for away in [1, 2, 3, 5] {
        states[away].set_online(false);
    }
    let (_, group) = group(&states);
    let shares = shares(&group, &states, 300);
    assert_eq!(shares, [(0, 100), (4, 100), (6, 100)].into());
}

#[test]
fn a_burst_spreads_before_any_member_has_reported() {
    let states = online(4);
    let (_, group) = group(&states);
    for _ in 0..40 {
        group.pick().unwrap();
    }
    assert_eq!(states.iter().map(|state| state.pending()).collect::<Vec<_>>(), [10; 4]);
}

#[test]
fn the_less_loaded_member_is_preferred() {
    let states = online(3);
    let (_, group) = group(&states);
    for (state, pending) in states.iter().zip([50, 5, 50]) {
        state.set_pending(pending);
    }
    for _ in 0..45 {
        assert_eq!(group.pick().unwrap().session.slot, 1);
    }
    assert_eq!(states[1].pending(), 50);
}

#[test]
fn a_member_that_is_away_gets_the_message_only_if_nobody_is_online() {
    let states = online(3);
    let (_, group) = group(&states);
    states.iter().for_each(|state| state.set_online(false));
    assert!(group.pick().is_some(), "its session keeps the message");
    states[2].set_online(true);
    states[2].set_pending(1_000);
    assert_eq!(group.pick().unwrap().session.slot, 2);
    assert!(states[2].is_online());
}

#[test]
fn a_message_that_a_member_could_not_take_goes_to_another() {
    let states = online(3);
    let (router, group) = group(&states);
    let first = group.pick().unwrap().session;
    let second = group.pick_where(|candidate| candidate != first).unwrap().session;
    assert_ne!(first, second);
    assert!(group.pick_where(|candidate| candidate != first && candidate != second).is_some());
    assert!(group.pick_where(|_| false).is_none());

    assert!(router.unsubscribe(first, "t", Some("g")));
    let newest = router.shared_group(group.name(), group.filter()).unwrap();
    assert_eq!(
        (newest.len(), group.len()),
        (2, 3),
        "the route's group is as it was, the router's is up to date"
    );
    assert!((0..10).all(|_| newest.pick().unwrap().session != first));
}

#[test]
fn a_pick_in_a_huge_group_of_absent_members_looks_at_a_bounded_number() {
    let states: Vec<_> = (0..10_000).map(|_| MemberState::new(false)).collect();
    let (_, group) = group(&states);
    let looked_at = std::cell::Cell::new(0);
    let count = |_| {
        looked_at.set(looked_at.get() + 1);
        true
    };
    assert!(group.pick_where(count).is_some());
    assert!(looked_at.get() <= 256, "{}", looked_at.get());
}

#[test]
fn a_session_in_a_group_and_with_a_subscription_of_its_own_gets_both() {
    let router = Router::new();
    let member = MemberState::new(true);
    let me = session(1);
    let share = |group| Some(Share { group, member: &member });
    assert_eq!(router.subscribe(me, "t/#", share("g"), with_identifier(1)), Ok(Subscribed::New));
    assert_eq!(router.subscribe(me, "t/#", share("h"), with_identifier(2)), Ok(Subscribed::New));
    assert_eq!(router.subscribe(me, "t/#", None, with_identifier(3)), Ok(Subscribed::New));
    assert_eq!(router.subscribe(me, "t/#", share("g"), with_identifier(4)), Ok(Subscribed::Replaced));
    let route = router.route("t/1");
    assert_eq!(only_target(&route).identifier(), NonZeroU32::new(3));
    let picked: BTreeMap<_, _> = route
        .shared
        .iter()
        .map(|group| {
            let target = group.pick().unwrap();
            assert_eq!(target.session, me);
            (group.name().to_string(), route.identifiers(&target)[0].get())
        })
        .collect();
    assert_eq!(picked, [("g".to_owned(), 4), ("h".to_owned(), 2)].into());
    assert_eq!(router.counts().shared_subscriptions, 2);
    assert!(router.unsubscribe(me, "t/#", Some("g")));
    assert_eq!(
        only_target(&router.route("t/1")).identifier(),
        NonZeroU32::new(3),
        "the others are untouched"
    );
}

#[test]
fn picks_of_many_threads_are_fair() {
    let states = online(5);
    let (_, group) = group(&states);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5_000).for_each(|_| assert!(group.pick().is_some())));
        }
    });
    let assigned: Vec<u32> = states.iter().map(|state| state.pending()).collect();
    assert_eq!(assigned.iter().sum::<u32>(), 20_000);
    assert!(assigned.iter().all(|&messages| messages > 2_000), "{assigned:?}");
}

#[test]
fn the_turn_goes_on_when_members_come_and_go() {
    let states = online(3);
    let (router, group) = group(&states);
    assert_eq!(pick_idle(&group, &states), 0);
    let newcomer = MemberState::new(true);
    let share = Some(Share { group: "g", member: &newcomer });
    router.subscribe(session(9), "t", share, options(QoS::AtMostOnce)).unwrap();
    let newest = router.shared_group("g", "t").unwrap();
    assert_eq!(pick_idle(&newest, &states), 1, "a new version continues the old one's turn");
}
