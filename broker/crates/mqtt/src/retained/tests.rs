//! The store against a sorted list that is searched by the specification's words.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::codec::topic;

const WIDE: Bounds = Bounds { messages: usize::MAX, bytes: usize::MAX };

/// All matching values, read in pages.
fn collect_all<M: Clone>(store: &Retained<M>, filter: &str, limit: usize, now: u64) -> Vec<M> {
    let mut all = Vec::new();
    let mut from = None;
    loop {
        let page = store.collect(filter, from.as_ref(), limit, now);
        assert!(page.messages.len() <= limit);
        all.extend(page.messages);
        match page.next {
            Some(next) => from = Some(next),
            None => return all,
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Set { topic: String, value: u32, expires_at: Option<u64> },
    Clear { topic: String },
    Expire { now: u64 },
}

fn topic_name() -> impl Strategy<Value = String> {
    let level = prop_oneof![
        8 => (0..20u8).prop_map(|word| format!("w{word}")),
        4 => Just("w0".to_owned()),
        1 => Just(String::new()),
        1 => Just("$s".to_owned()),
        1 => Just("w0!".to_owned()),
    ];
    vec(level, 1..4).prop_map(|levels| levels.join("/"))
}

fn filter() -> impl Strategy<Value = String> {
    (topic_name(), vec(any::<bool>(), 3), any::<bool>()).prop_map(|(name, plus, rest)| {
        let mut levels: Vec<&str> =
            name.split('/').zip(plus).map(|(word, plus)| if plus { "+" } else { word }).collect();
        if rest {
            levels.push("#");
        }
        levels.join("/")
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (topic_name(), any::<u32>(), proptest::option::of(0..100u64))
            .prop_map(|(topic, value, expires_at)| Step::Set { topic, value, expires_at }),
        4 => topic_name().prop_map(|topic| Step::Clear { topic }),
        1 => (0..100u64).prop_map(|now| Step::Expire { now }),
    ]
}

/// In the order of the trie: level by level.
type Known = BTreeMap<Vec<String>, (u32, Option<u64>)>;

fn levels(topic: &str) -> Vec<String> {
    topic.split('/').map(str::to_owned).collect()
}

fn apply(store: &Retained<u32>, known: &mut Known, step: Step) {
    let lives = |expires_at: Option<u64>, now| expires_at.is_none_or(|deadline| deadline > now);
    match step {
        Step::Set { topic, value, expires_at } => {
            let outcome = store.set(&topic, value, topic.len() + 1, expires_at);
            let expected = match known.insert(levels(&topic), (value, expires_at)) {
                None => Outcome::Stored,
                Some(_) => Outcome::Replaced,
            };
            assert_eq!(outcome, expected);
        }
        Step::Clear { topic } => assert_eq!(store.clear(&topic), known.remove(&levels(&topic)).is_some()),
        Step::Expire { now } => {
            let before = known.len();
            known.retain(|_, (_, expires_at)| lives(*expires_at, now));
            assert_eq!(store.expire(now, usize::MAX), before - known.len());
        }
    }
    let bytes = known.keys().map(|levels| levels.join("/").len() + 1).sum();
    assert_eq!(store.usage(), Usage { messages: known.len(), bytes });
    assert_eq!(store.next_expiry(), known.values().filter_map(|(_, expires_at)| *expires_at).min());
}

proptest! {
    #[test]
    fn look_ups_find_what_the_specification_says(
        steps in vec(step(), 1..200),
        filters in vec(filter(), 1..8),
        limit in 1..5usize,
        now in 0..100u64,
    ) {
        let store = Retained::new(WIDE);
        let mut known = Known::new();
        for step in steps {
            apply(&store, &mut known, step);
        }
        let living = |expires_at: &Option<u64>| expires_at.is_none_or(|deadline| deadline > now);
        for filter in filters.iter().map(String::as_str).chain(["#", "+", "+/#", "w0/#"]) {
            let matching = known.iter().filter(|(levels, (_, expires_at))| {
                topic::matches(filter, &levels.join("/")) && living(expires_at)
            });
            let expected: Vec<u32> = matching.map(|(_, (value, _))| *value).collect();
            prop_assert_eq!(collect_all(&store, filter, limit, now), expected.clone(), "{} in pages", filter);
            prop_assert_eq!(store.collect(filter, None, usize::MAX, now).messages, expected, "{}", filter);
        }
        for (levels, (value, expires_at)) in &known {
            prop_assert_eq!(store.get(&levels.join("/"), now), living(expires_at).then_some(*value));
        }
        let topics: Vec<String> = known.keys().map(|levels| levels.join("/")).collect();
        for topic in topics {
            apply(&store, &mut known, Step::Clear { topic });
        }
        prop_assert_eq!(store.state.read().tree.nodes(), 0, "nodes are left without messages");
        prop_assert!(store.state.read().deadlines.is_empty());
    }

    /// Whatever is stored or cleared between two pages: what was there all the time is given out exactly once.
    #[test]
    fn paging_is_exact_for_what_does_not_change(
        kept in vec(topic_name(), 1..40),
        between in vec(step(), 0..40),
        limit in 1..4usize,
    ) {
        let store = Retained::new(WIDE);
        for topic in &kept {
            store.set(topic, topic.clone(), 1, None);
        }
        let mut found = Vec::new();
        let (mut from, mut changes) = (None, between.into_iter());
        loop {
            let page = store.collect("+/#", from.as_ref(), limit, 0);
            found.extend(page.messages.into_iter().filter(|topic| kept.contains(topic)));
            match changes.next() {
                Some(Step::Set { topic, .. }) if !kept.contains(&topic) => drop(store.set(&topic, topic.clone(), 1, None)),
                Some(Step::Clear { topic }) if !kept.contains(&topic) => drop(store.clear(&topic)),
                _ => {}
            }
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        let mut expected: Vec<String> = kept.iter().filter(|topic| !topic.starts_with('$')).cloned().collect();
        expected.sort_unstable();
        expected.dedup();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn the_bounds_hold_and_a_refused_replacement_takes_the_outdated_message_away() {
    let store = Retained::new(Bounds { messages: 2, bytes: 100 });
    assert_eq!(store.set("a", 1, 60, None), Outcome::Stored);
    assert_eq!(store.set("b", 2, 41, None), Outcome::Refused(Refusal::TooManyBytes));
    assert_eq!(store.set("b", 2, 40, Some(9)), Outcome::Stored);
    assert_eq!(store.set("c", 3, 0, None), Outcome::Refused(Refusal::TooManyMessages));
    assert_eq!(store.set("a", 4, 59, None), Outcome::Replaced, "a replacement counts only once");
    assert_eq!(store.usage(), Usage { messages: 2, bytes: 99 });
    assert_eq!(store.set("b", 5, 42, Some(9)), Outcome::Refused(Refusal::TooManyBytes));
    assert_eq!(store.get("b", 0), None);
    assert_eq!(store.next_expiry(), None);
    assert_eq!(store.usage(), Usage { messages: 1, bytes: 59 });
    assert_eq!(store.set("c", 3, usize::MAX, None).refusal(), Some("TooManyBytes"));
}

impl Outcome {
    fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason()),
            Self::Stored | Self::Replaced => None,
        }
    }
}

#[test]
fn a_topic_with_too_many_levels_is_refused() {
    let store = Retained::new(WIDE);
    let deepest = "/".repeat(MAX_RETAINED_LEVELS - 1);
    assert_eq!(store.set(&deepest, 1, 1, None), Outcome::Stored);
    assert_eq!(store.set(&format!("{deepest}/"), 1, 1, None), Outcome::Refused(Refusal::TooManyLevels));
    assert_eq!(store.collect("#", None, 10, 0).messages, [1]);
    assert!(!store.clear(&"a/".repeat(32_000)));
}

#[test]
fn topics_that_begin_with_a_dollar_sign_need_a_filter_that_names_it() {
    let store = Retained::new(WIDE);
    store.set("$SYS/a", "system", 1, None);
    store.set("x/$SYS", "other", 1, None);
    let found = |filter| store.collect(filter, None, 10, 0).messages;
    assert_eq!(found("#"), ["other"]);
    assert_eq!(found("+/a"), [""; 0]);
    assert_eq!(found("+/+"), ["other"]);
    assert_eq!(found("$SYS/#"), ["system"]);
    assert_eq!(found("$SYS/+"), ["system"]);
}

#[test]
fn expiry_removes_in_steps_and_never_gives_out_what_has_expired() {
    let store = Retained::new(WIDE);
    for topic in 0..10u64 {
        store.set(&format!("t/{topic}"), topic, 1, Some(topic));
    }
    store.set("t/3", 3, 1, Some(50));
    assert_eq!(store.collect("t/+", None, 100, 7).messages, [3, 8, 9]);
    assert_eq!(store.get("t/7", 7), None);
    assert_eq!(store.usage().messages, 10);
    assert_eq!(store.expire(7, 4), 4);
    assert_eq!(store.next_expiry(), Some(5));
    assert_eq!(store.expire(7, 100), 3);
    assert_eq!((store.usage().messages, store.next_expiry()), (3, Some(8)));
}

#[test]
fn a_page_looks_at_a_bounded_number_of_nodes_and_the_next_one_goes_on() {
    let store = Retained::new(WIDE);
    for topic in 0..2 * VISITS_PER_PAGE {
        store.set(&format!("t/{topic}"), topic, 1, None);
    }
    store.set("t/z/needle", 7, 1, None);
    let page = store.collect("+/+/needle", None, 10, 0);
    assert!(page.messages.is_empty() && page.next.is_some());
    assert_eq!(collect_all(&store, "+/+/needle", 10, 0), [7]);
    assert_eq!(store.collect("t/z/needle", None, 10, 0).messages, [7], "named levels are not searched for");
}

#[test]
fn a_limit_of_zero_still_makes_progress() {
    let store = Retained::new(WIDE);
    store.set("a", 1, 1, None);
    store.set("b", 2, 1, None);
    let page = store.collect("#", None, 0, 0);
    assert_eq!(page.messages, [1]);
    assert_eq!(store.collect("#", page.next.as_ref(), 0, 0).messages, [2]);
}

#[test]
fn readers_beside_a_writer_see_whole_versions() {
    let store = Retained::new(WIDE);
    let done = AtomicBool::new(false);
    let publish = |round: u32| {
        for topic in 0..50 {
            store.set(&format!("t/{topic}"), Arc::new(round), 1, None);
        }
    };
    publish(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                let rounds: Vec<u32> =
                    store.collect("t/+", None, 100, 0).messages.iter().map(|round| **round).collect();
                assert_eq!(rounds.len(), 50);
                let (min, max) = (rounds.iter().min().unwrap(), rounds.iter().max().unwrap());
                assert!(max - min <= 1, "a look-up mixes versions {min} and {max}");
            }
        });
        (1..200).for_each(publish);
        done.store(true, SeqCst);
    });
}
