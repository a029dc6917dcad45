//! Work is counted by an observer, never timed; waits are for events.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::Poll;

use parking_lot::Mutex;

use super::*;
use crate::clock::ManualClock;
use crate::hash::DEFAULT_SCHEME;

/// MD5("salt" + "password"), ten times.
const CHEAP: &str = "ese:MD5:10:c2FsdA==:FEZXLgoeDSdbbR7FHWHVsQ==";
const CHEAP_SCHEME: Scheme = Scheme::Md5 { iterations: 10 };
const OTHER: &str = "ese:PKCS5S2:10:c2FsdA==:3tX9NqzigBkQgHCstazJ24kusEIw9x7Np3wNv5fjio0=";
const BOMB: &str = "ese:MD5:4294967295:c2FsdA==:FEZXLgoeDSdbbR7FHWHVsQ==";

#[derive(Default)]
struct Work(Mutex<Vec<Scheme>>);

impl WorkObserver for Work {
    fn hashed(&self, scheme: &Scheme, _: Duration) {
        self.0.lock().push(*scheme);
    }
}

struct Bench {
    verifier: Verifier,
    work: Arc<Work>,
    clock: ManualClock,
}

impl Bench {
    fn new(pool: PoolConfig) -> Self {
        let (work, clock) = (Arc::new(Work::default()), ManualClock::start());
        let config = VerifierConfig { pool, ..VerifierConfig::default() };
        let verifier = Verifier::start_with(config, Arc::new(clock.clone()), work.clone()).unwrap();
        Self { verifier, work, clock }
    }

    /// One thread, so that what is queued runs in order.
    fn single() -> Self {
        Self::new(PoolConfig { threads: 1, ..PoolConfig::default() })
    }

    fn work(&self) -> Vec<Scheme> {
        std::mem::take(&mut *self.work.0.lock())
    }

    /// Keeps the hashing thread busy until the returned sender is used or dropped.
    fn occupy(&self) -> mpsc::Sender<()> {
        let (begin, begun) = mpsc::channel();
        let (open, opened) = mpsc::channel::<()>();
        self.verifier
            .pool
            .submit(Duration::ZERO, move |_| {
                begin.send(()).unwrap();
                let _ = opened.recv();
                Ran::Done
            })
            .unwrap();
        begun.recv().unwrap();
        open
    }
}

fn request<'a>(verifier: Option<&'a str>, password: &'a str) -> Request<'a> {
    Request { realm: "devices", credential: "car-17", verifier, password: password.as_bytes() }
}

async fn poll_once<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut future = future;
    std::future::poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn right_and_wrong_passwords_are_told_apart() {
    let bench = Bench::single();
    for verifier in [CHEAP, OTHER] {
        assert_eq!(bench.verifier.verify(request(Some(verifier), "password")).await, Outcome::Match);
        for wrong in ["passwore", "", "password "] {
            assert_eq!(bench.verifier.verify(request(Some(verifier), wrong)).await, Outcome::Mismatch);
        }
    }
}

#[tokio::test]
async fn a_verified_password_needs_no_hashing_until_its_time_is_over() {
    let bench = Bench::single();
    let good = request(Some(CHEAP), "password");
    assert!(!bench.verifier.is_cached(&good));
    assert_eq!(bench.verifier.verify(good).await, Outcome::Match);
    assert!(bench.verifier.is_cached(&good));
    assert_eq!(bench.verifier.verify(good).await, Outcome::Match);
    assert_eq!(bench.work().len(), 1);
    bench.clock.advance(Duration::from_secs(60));
    assert!(!bench.verifier.is_cached(&good));
    assert_eq!(bench.verifier.verify(good).await, Outcome::Match);
    bench.verifier.clear_cache();
    assert_eq!(bench.verifier.verify(good).await, Outcome::Match);
    assert_eq!(bench.work().len(), 2);
}

#[tokio::test]
async fn a_wrong_password_is_never_cached_and_a_changed_verifier_never_hits() {
    let bench = Bench::single();
    for _ in 0..2 {
        assert_eq!(bench.verifier.verify(request(Some(CHEAP), "wrong")).await, Outcome::Mismatch);
    }
    assert_eq!(bench.work().len(), 2);
    assert_eq!(bench.verifier.verify(request(Some(CHEAP), "password")).await, Outcome::Match);
    let changed = "ese:MD5:11:c2FsdA==:FEZXLgoeDSdbbR7FHWHVsQ==";
    assert_eq!(bench.verifier.verify(request(Some(changed), "password")).await, Outcome::Mismatch);
    assert_eq!(bench.verifier.verify(request(None, "password")).await, Outcome::Mismatch);
}

#[tokio::test]
async fn an_unknown_user_costs_what_a_wrong_password_does() {
    let bench = Bench::single();
    let mut census = Census::default();
    for verifier in [CHEAP, CHEAP, OTHER] {
        census.add("devices", verifier);
    }
    bench.verifier.set_census(&census).unwrap();
    assert_eq!(bench.verifier.verify(request(Some(CHEAP), "guess")).await, Outcome::Mismatch);
    let wrong_password = bench.work();
    assert_eq!(bench.verifier.verify(request(None, "guess")).await, Outcome::Mismatch);
    let unknown_user = bench.work();
    assert_eq!(wrong_password, [CHEAP_SCHEME]);
    assert_eq!(unknown_user, wrong_password);
    // Neither is remembered: the second guess costs as much as the first.
    assert_eq!(bench.verifier.verify(request(None, "guess")).await, Outcome::Mismatch);
    assert_eq!(bench.work(), [CHEAP_SCHEME]);
}

#[tokio::test]
async fn a_realm_without_credentials_answers_with_the_default_work() {
    let bench = Bench::single();
    let elsewhere = Request { realm: "empty", ..request(None, "guess") };
    assert_eq!(bench.verifier.verify(elsewhere).await, Outcome::Mismatch);
    assert_eq!(bench.work(), [DEFAULT_SCHEME]);
}

#[tokio::test]
async fn a_verifier_that_cannot_be_used_costs_the_same_and_names_its_reason() {
    let bench = Bench::single();
    let mut census = Census::default();
    census.add("devices", CHEAP);
    bench.verifier.set_census(&census).unwrap();
    for (verifier, reason) in [(BOMB, "HashTooExpensive"), ("hunter2", "HashMalformed")] {
        let outcome = bench.verifier.verify(request(Some(verifier), "password")).await;
        let Outcome::Unusable(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.reason(), reason);
        assert_eq!(bench.work(), [CHEAP_SCHEME]);
    }
}

#[tokio::test]
async fn identical_requests_share_one_computation() {
    let bench = Bench::single();
    for (password, outcome) in [("password", Outcome::Match), ("wrong", Outcome::Mismatch)] {
        let open = bench.occupy();
        let same = request(Some(CHEAP), password);
        let mut all: Vec<_> = (0..10).map(|_| Box::pin(bench.verifier.verify(same))).collect();
        for one in &mut all {
            assert_eq!(poll_once(one.as_mut()).await, None);
        }
        assert_eq!(bench.verifier.metrics().pool.queued, 1);
        open.send(()).unwrap();
        for one in all {
            assert_eq!(one.await, outcome);
        }
        assert_eq!(bench.work(), [CHEAP_SCHEME]);
    }
    assert_eq!(bench.verifier.metrics().joined, 18);
}

#[tokio::test]
async fn different_requests_never_share() {
    let bench = Bench::single();
    let open = bench.occupy();
    let (right, wrong) = (request(Some(CHEAP), "password"), request(Some(CHEAP), "wrong"));
    let elsewhere = Request { realm: "people", ..right };
    let (mut one, mut two, mut three) = (
        pin!(bench.verifier.verify(right)),
        pin!(bench.verifier.verify(wrong)),
        pin!(bench.verifier.verify(elsewhere)),
    );
    assert!(poll_once(one.as_mut()).await.is_none());
    assert!(poll_once(two.as_mut()).await.is_none());
    assert!(poll_once(three.as_mut()).await.is_none());
    assert_eq!(bench.verifier.metrics().pool.queued, 3);
    open.send(()).unwrap();
    assert_eq!(one.await, Outcome::Match);
    assert_eq!(two.await, Outcome::Mismatch);
    assert_eq!(three.await, Outcome::Match);
}

#[tokio::test]
async fn a_cancelled_login_is_skipped_unless_another_waits_for_it() {
    let bench = Bench::single();
    let open = bench.occupy();
    let (gone, shared) = (request(Some(CHEAP), "gone"), request(Some(CHEAP), "password"));
    let mut survivor = pin!(bench.verifier.verify(shared));
    {
        let mut leaving = pin!(bench.verifier.verify(gone));
        let mut leaving_too = pin!(bench.verifier.verify(shared));
        assert!(poll_once(leaving.as_mut()).await.is_none());
        assert!(poll_once(leaving_too.as_mut()).await.is_none());
        assert!(poll_once(survivor.as_mut()).await.is_none());
    }
    open.send(()).unwrap();
    assert_eq!(survivor.await, Outcome::Match);
    assert_eq!(bench.work(), [CHEAP_SCHEME], "the login that nobody waits for was not computed");
    assert_eq!(bench.verifier.metrics().pool.skipped, 1);
    // The skipped flight is gone: the same login, tried again, is computed.
    assert_eq!(bench.verifier.verify(gone).await, Outcome::Mismatch);
    assert_eq!(bench.work(), [CHEAP_SCHEME]);
}

#[tokio::test]
async fn a_saturated_pool_answers_busy_to_all_who_wait_and_recovers() {
    let bench = Bench::new(PoolConfig { threads: 1, max_jobs: 1, max_backlog: Duration::from_secs(1) });
    let open = bench.occupy();
    let mut queued = pin!(bench.verifier.verify(request(Some(CHEAP), "password")));
    assert!(poll_once(queued.as_mut()).await.is_none());
    let late = request(Some(CHEAP), "late");
    assert_eq!(bench.verifier.verify(late).await, Outcome::Busy);
    assert_eq!(bench.verifier.verify(late).await, Outcome::Busy, "the refused flight did not stay");
    assert_eq!(bench.verifier.metrics().pool.rejected, 2);
    open.send(()).unwrap();
    assert_eq!(queued.await, Outcome::Match);
    assert_eq!(bench.verifier.verify(late).await, Outcome::Mismatch);
}

#[tokio::test]
async fn a_cached_login_is_served_while_the_pool_is_saturated() {
    let bench = Bench::new(PoolConfig { threads: 1, max_jobs: 1, max_backlog: Duration::ZERO });
    let good = request(Some(CHEAP), "password");
    assert_eq!(bench.verifier.verify(good).await, Outcome::Match);
    let open = bench.occupy();
    let mut queued = pin!(bench.verifier.verify(request(Some(CHEAP), "other")));
    assert!(poll_once(queued.as_mut()).await.is_none());
    assert_eq!(bench.verifier.verify(good).await, Outcome::Match);
    drop(open);
    assert_eq!(queued.await, Outcome::Mismatch);
}

#[tokio::test]
async fn clearing_the_cache_also_covers_a_check_that_is_under_way() {
    let bench = Bench::single();
    let open = bench.occupy();
    let good = request(Some(CHEAP), "password");
    let mut login = pin!(bench.verifier.verify(good));
    assert!(poll_once(login.as_mut()).await.is_none());
    bench.verifier.clear_cache();
    open.send(()).unwrap();
    assert_eq!(login.await, Outcome::Match);
    assert!(!bench.verifier.is_cached(&good));
}

#[tokio::test]
async fn requests_that_come_and_go_do_not_pile_up() {
    let bench = Bench::single();
    let open = bench.occupy();
    let same = request(Some(CHEAP), "password");
    for _ in 0..10_000 {
        let mut leaving = pin!(bench.verifier.verify(same));
        assert!(poll_once(leaving.as_mut()).await.is_none());
    }
    assert!(bench.verifier.shared.flights.waiting() < 16);
    open.send(()).unwrap();
    assert_eq!(bench.verifier.verify(same).await, Outcome::Match);
}
