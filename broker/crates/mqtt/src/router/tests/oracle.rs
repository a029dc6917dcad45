//! Random histories, compared with a list of subscriptions that is searched by the specification's words.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use std::num::NonZeroU32;

use super::super::*;
use super::session;
use crate::codec::{QoS, topic};

#[derive(Debug, Clone)]
enum Step {
    Subscribe { slot: u32, filter: String, group: Option<String>, options: SubscribeOptions },
    Unsubscribe { slot: u32, filter: String, group: Option<String> },
    End { slot: u32 },
}

/// What the oracle knows: by session, filter and group.
type Subscriptions = BTreeMap<(SessionRef, String, Option<String>), SubscribeOptions>;

/// `words` bounds the alphabet: few words make overlaps, many make wide nodes.
fn filter(words: u32) -> impl Strategy<Value = String> {
    let level = prop_oneof![
        6 => (0..words).prop_map(|word| format!("w{word}")),
        2 => Just("+".to_owned()),
        1 => Just(String::new()),
        1 => Just("$s".to_owned()),
        1 => Just("a level that is longer than fits in place".to_owned()),
    ];
    (vec(level, 1..5), 0..4u8).prop_map(|(mut levels, rest)| {
        if rest == 0 {
            levels.push("#".to_owned());
        } else if rest == 1 && levels.len() == 1 {
            levels = vec!["#".to_owned()];
        }
        levels.join("/")
    })
}

fn topic_name(words: u32) -> impl Strategy<Value = String> {
    filter(words).prop_map(|filter| filter.replace('+', "w0").replace("/#", "/w1").replace('#', "w1"))
}

fn options() -> impl Strategy<Value = SubscribeOptions> {
    (0..3u8, any::<bool>(), any::<bool>(), 0..5u32).prop_map(
        |(qos, no_local, retain_as_published, identifier)| {
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(qos)];
            SubscribeOptions { qos, no_local, retain_as_published, identifier: NonZeroU32::new(identifier) }
        },
    )
}

fn step(sessions: u32, words: u32) -> impl Strategy<Value = Step> {
    let group = || prop_oneof![3 => Just(None), 1 => (0..3u8).prop_map(|group| Some(format!("g{group}")))];
    prop_oneof![
        8 => (0..sessions, filter(words), group(), options()).prop_map(|(slot, filter, group, options)| {
            Step::Subscribe { slot, filter, group, options }
        }),
        6 => (0..sessions, filter(words), group())
            .prop_map(|(slot, filter, group)| Step::Unsubscribe { slot, filter, group }),
        1 => (0..sessions).prop_map(|slot| Step::End { slot }),
    ]
}

fn apply(router: &Router, known: &mut Subscriptions, step: Step) {
    match step {
        Step::Subscribe { slot, filter, group, options } => {
            let member = MemberState::new(true);
            let share = group.as_deref().map(|group| Share { group, member: &member });
            let subscribed = router.subscribe(session(slot), &filter, share, options);
            let expected = match known.insert((session(slot), filter, group), options) {
                None => Subscribed::New,
                Some(_) => Subscribed::Replaced,
            };
            assert_eq!(subscribed, Ok(expected));
        }
        Step::Unsubscribe { slot, filter, group } => {
            let removed = router.unsubscribe(session(slot), &filter, group.as_deref());
            assert_eq!(removed, known.remove(&(session(slot), filter, group)).is_some());
        }
        Step::End { slot } => {
            let (gone, kept) =
                std::mem::take(known).into_iter().partition(|((owner, ..), _)| *owner == session(slot));
            *known = kept;
            let gone: Subscriptions = gone;
            let filters = gone.keys().map(|(_, filter, group)| (filter.as_str(), group.as_deref()));
            assert!(router.remove_many(session(slot), filters).into_iter().all(|removed| removed));
        }
    }
}

/// A target in comparable form: options merged, identifiers sorted.
type Merged = (QoS, bool, bool, Vec<u32>);

fn expected_targets(known: &Subscriptions, name: &str) -> BTreeMap<SessionRef, Merged> {
    let mut targets: BTreeMap<SessionRef, Merged> = BTreeMap::new();
    for ((session, filter, group), options) in known {
        if group.is_some() || !topic::matches(filter, name) {
            continue;
        }
        let merged = targets.entry(*session).or_insert((QoS::AtMostOnce, true, false, Vec::new()));
        merged.0 = merged.0.max(options.qos);
        merged.1 &= options.no_local;
        merged.2 |= options.retain_as_published;
        merged.3.extend(options.identifier.map(NonZeroU32::get));
        merged.3.sort_unstable();
    }
    targets
}

fn actual_targets(route: &Route) -> BTreeMap<SessionRef, Merged> {
    let mut targets = BTreeMap::new();
    for target in route.cores.iter().flat_map(|core| &core.targets) {
        let mut identifiers: Vec<u32> = route.identifiers(target).iter().map(|id| id.get()).collect();
        identifiers.sort_unstable();
        let merged = (target.qos, target.no_local, target.retain_as_published, identifiers);
        assert!(targets.insert(target.session, merged).is_none(), "a session twice");
    }
    targets
}

/// Group name, filter, session: the options.
type Memberships = BTreeMap<(String, String, SessionRef), (QoS, Option<NonZeroU32>)>;

fn expected_members(known: &Subscriptions, name: &str) -> Memberships {
    let shared =
        known.iter().filter(|((_, filter, group), _)| group.is_some() && topic::matches(filter, name));
    shared
        .map(|((session, filter, group), options)| {
            let group = group.clone().unwrap_or_default();
            ((group, filter.clone(), *session), (options.qos, options.identifier))
        })
        .collect()
}

fn actual_members(route: &Route, sessions: u32) -> Memberships {
    let mut members = BTreeMap::new();
    for group in &route.shared {
        let before = members.len();
        for slot in 0..sessions {
            if let Some(target) = group.pick_where(|candidate| candidate == session(slot)) {
                let key = (group.name().to_string(), group.filter().to_string(), session(slot));
                members.insert(key, (target.qos, target.identifier()));
            }
        }
        assert_eq!(members.len() - before, group.len(), "as many members as it says, and no group twice");
    }
    members
}

fn agrees(router: &Router, known: &Subscriptions, sessions: u32, topics: &[String]) {
    for name in topics {
        let route = router.route(name);
        assert!(route.cores.is_sorted_by_key(|core| core.core));
        assert_eq!(actual_targets(&route), expected_targets(known, name), "targets of {name:?}");
        assert_eq!(actual_members(&route, sessions), expected_members(known, name), "members for {name:?}");
    }
    let shared = known.keys().filter(|(.., group)| group.is_some()).count();
    let distinct = |wildcard: bool| {
        let mut filters: Vec<_> = known.keys().map(|(_, filter, _)| filter).collect();
        filters.retain(|filter| filter.contains(['+', '#']) == wildcard);
        filters.sort_unstable();
        filters.dedup();
        filters.len()
    };
    let counts = Counts {
        exact_filters: distinct(false),
        wildcard_filters: distinct(true),
        subscriptions: known.len() - shared,
        shared_subscriptions: shared,
    };
    assert_eq!(router.counts(), counts);
}

fn run(steps: Vec<Step>, topics: &[String], sessions: u32) {
    let router = Router::new();
    let mut known = Subscriptions::new();
    for (index, step) in steps.into_iter().enumerate() {
        apply(&router, &mut known, step);
        if index % 16 == 0 {
            agrees(&router, &known, sessions, topics);
        }
    }
    agrees(&router, &known, sessions, topics);
    for slot in 0..sessions {
        apply(&router, &mut known, Step::End { slot });
    }
    agrees(&router, &known, sessions, topics);
    assert!(router.is_bare(), "nodes are left without subscriptions");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Few words and sessions: nearly everything overlaps.
    #[test]
    fn overlapping_filters_route_as_the_specification_says(
        steps in vec(step(6, 2), 1..120),
        topics in vec(topic_name(2), 1..12),
    ) {
        run(steps, &topics, 6);
    }

    /// Many words and sessions: lists and nodes grow from their small form to the large one and back.
    #[test]
    fn wide_tables_route_as_the_specification_says(
        steps in vec(step(48, 14), 100..400),
        topics in vec(topic_name(14), 8..24),
    ) {
        run(steps, &topics, 48);
    }

    /// Few filters, many sessions: long subscriber lists and large groups.
    #[test]
    fn long_lists_route_as_the_specification_says(
        steps in vec(
            (0..64u32, prop_oneof![Just("t"), Just("+"), Just("#")], 0..4u8, options(), any::<bool>()),
            1..400,
        ),
    ) {
        let steps = steps.into_iter().map(|(slot, filter, group, options, subscribe)| {
            let (filter, group) = (filter.to_owned(), (group == 0).then(|| "g".to_owned()));
            if subscribe {
                Step::Subscribe { slot, filter, group, options }
            } else {
                Step::Unsubscribe { slot, filter, group }
            }
        });
        run(steps.collect(), &["t".to_owned(), "u".to_owned(), "t/u".to_owned()], 64);
    }
}
