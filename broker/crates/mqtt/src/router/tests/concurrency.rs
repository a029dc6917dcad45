//! Readers beside a writer: a route may be stale by its epoch, never wrong.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;

use super::*;

const CHANGES: u32 = 20_000;

/// The identifier of the only subscription tells which change a route has seen.
fn seen(route: &Route) -> u32 {
    only_target(route).identifier().unwrap().get()
}

#[test]
fn a_memo_whose_epoch_is_current_has_seen_every_finished_change() {
    for filter in ["t", "+"] {
        let router = Router::new();
        let (begun, finished) = (AtomicU32::new(1), AtomicU32::new(1));
        router.subscribe(session(1), filter, None, with_identifier(1)).unwrap();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut memo = router.route("t");
                    let mut newest = 0;
                    while newest < CHANGES {
                        let before = finished.load(SeqCst);
                        if memo.epoch != router.epoch() {
                            memo = router.route("t");
                        }
                        newest = seen(&memo);
                        let after = begun.load(SeqCst);
                        assert!(before <= newest, "change {before} had finished, the route shows {newest}");
                        assert!(newest <= after, "change {newest} is shown, only {after} had begun");
                    }
                });
            }
            for change in 2..=CHANGES {
                begun.store(change, SeqCst);
                router.subscribe(session(1), filter, None, with_identifier(change)).unwrap();
                finished.store(change, SeqCst);
            }
        });
        assert_eq!(router.epoch(), u64::from(CHANGES));
    }
}

#[test]
fn an_edit_is_seen_as_a_whole() {
    let router = Router::new();
    let done = AtomicBool::new(false);
    router.subscribe(session(0), "a/+", None, with_identifier(1)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(SeqCst) {
                assert_eq!(
                    router.route("a/b").sessions(),
                    1,
                    "the session moves, it is never away or double"
                );
            }
        });
        for change in 0..CHANGES {
            let (from, to) = (session(change % 2), session((change + 1) % 2));
            router.edit(|edit| {
                assert!(edit.unsubscribe(from, "a/+", None));
                let new = NewSubscription { filter: "a/+", share: None, options: with_identifier(1) };
                assert_eq!(edit.subscribe(to, new), Ok(Subscribed::New));
            });
        }
        done.store(true, SeqCst);
    });
}

#[test]
fn writers_of_many_threads_lose_nothing() {
    let router = Router::new();
    thread::scope(|scope| {
        for thread in 0..4u32 {
            let router = &router;
            scope.spawn(move || {
                for index in 0..1_000 {
                    let filter = format!("t/{}/{index}/+", thread % 2);
                    router.subscribe(session(thread), &filter, None, options(QoS::AtMostOnce)).unwrap();
                }
            });
        }
    });
    assert_eq!(router.epoch(), 4_000);
    assert_eq!(router.counts().wildcard_filters, 2_000);
    for index in 0..1_000 {
        assert_eq!(slots(&router.route(&format!("t/1/{index}/x"))), [1, 3]);
    }
}
