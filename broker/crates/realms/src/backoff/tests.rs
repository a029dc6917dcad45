//! The four rules and the bounds, with a clock that only the test moves.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
const SECOND: Duration = Duration::from_secs(1);

fn address(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(number))
}

fn fail(backoff: &Backoff, source: IpAddr, username: &str, times: u32, now: Instant) {
    for _ in 0..times {
        backoff.failed(source, Some(username), now);
    }
}

fn waits(backoff: &Backoff, source: IpAddr, username: &str, now: Instant) -> Duration {
    match backoff.check(source, Some(username), now) {
        Admission::Allowed => Duration::ZERO,
        Admission::Wait(time) => time,
    }
}

#[test]
fn a_username_waits_after_its_free_failures_doubling_up_to_the_maximum() {
    let (backoff, now) = (Backoff::new(BackoffConfig::default()), Instant::now());
    fail(&backoff, HOME, "bob", 5, now);
    assert_eq!(backoff.check(HOME, Some("bob"), now), Admission::Allowed);
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        fail(&backoff, HOME, "bob", 1, now);
        assert_eq!(waits(&backoff, HOME, "bob", now), seconds * SECOND);
    }
    assert_eq!(backoff.metrics().refused_by_username, 9);
    assert_eq!(backoff.check(HOME, Some("bob"), now + 61 * SECOND), Admission::Allowed);
}

#[test]
fn an_attacker_cannot_lock_out_a_victim_at_another_address() {
    let (backoff, now) = (Backoff::new(BackoffConfig::default()), Instant::now());
    fail(&backoff, ATTACKER, "victim", 1000, now);
    assert!(waits(&backoff, ATTACKER, "victim", now) > Duration::ZERO);
    assert_eq!(backoff.check(HOME, Some("victim"), now), Admission::Allowed);
}

#[test]
fn one_who_mistyped_during_an_attack_waits_at_most_the_maximum_after_his_own_failure() {
    let (backoff, start) = (Backoff::new(BackoffConfig::default()), Instant::now());
    fail(&backoff, ATTACKER, "victim", 1000, start);
    fail(&backoff, HOME, "victim", 1, start);
    for second in 1..60 {
        fail(&backoff, ATTACKER, "victim", 10, start + second * SECOND);
        assert_eq!(waits(&backoff, HOME, "victim", start + second * SECOND), (60 - second) * SECOND);
    }
    assert_eq!(backoff.check(HOME, Some("victim"), start + 60 * SECOND), Admission::Allowed);
}

#[test]
fn guessing_one_password_from_many_addresses_does_not_start_afresh_at_each() {
    let (backoff, now) = (Backoff::new(BackoffConfig::default()), Instant::now());
    for number in 0..100 {
        fail(&backoff, address(number), "victim", 1, now);
    }
    // Each address had one guess; its second one waits as long as a hundredth from one address would.
    for number in 0..100 {
        assert_eq!(waits(&backoff, address(number), "victim", now), 60 * SECOND);
    }
}

#[test]
fn success_forgives_its_own_pair_and_nobody_else() {
    let (backoff, now) = (Backoff::new(BackoffConfig::default()), Instant::now());
    fail(&backoff, HOME, "bob", 7, now);
    fail(&backoff, ATTACKER, "bob", 7, now);
    backoff.succeeded(HOME, Some("bob"), now);
    assert_eq!(backoff.check(HOME, Some("bob"), now), Admission::Allowed);
    assert_eq!(waits(&backoff, ATTACKER, "bob", now), 2 * SECOND, "seven failures of its own are left");
    fail(&backoff, HOME, "bob", 1, now);
    assert_eq!(
        waits(&backoff, HOME, "bob", now),
        4 * SECOND,
        "the attacker's failures still count for a new one"
    );
}

#[test]
fn an_attackers_own_account_does_not_reset_the_victims_count() {
    let (backoff, now) = (Backoff::new(BackoffConfig::default()), Instant::now());
    for _ in 0..20 {
        fail(&backoff, ATTACKER, "victim", 1, now);
        backoff.succeeded(ATTACKER, Some("mallory"), now);
    }
    assert_eq!(waits(&backoff, ATTACKER, "victim", now), 60 * SECOND);
}

#[test]
fn an_address_waits_whatever_usernames_it_tries() {
    let (backoff, now) = (Backoff::new(BackoffConfig::default()), Instant::now());
    for number in 0..52 {
        fail(&backoff, ATTACKER, &format!("user-{number}"), 1, now);
    }
    assert_eq!(waits(&backoff, ATTACKER, "fresh", now), Duration::from_millis(500));
    assert_eq!(waits(&backoff, HOME, "fresh", now), Duration::ZERO);
    backoff.failed(ATTACKER, None, now);
    assert_eq!(backoff.check(ATTACKER, None, now), Admission::Wait(SECOND));
    fail(&backoff, ATTACKER, "x", 100, now);
    assert_eq!(backoff.check(ATTACKER, None, now), Admission::Wait(10 * SECOND));
    assert_eq!(backoff.metrics().refused_by_source, 3);
}

#[test]
fn a_pair_that_logged_in_before_does_not_wait_for_its_neighbours() {
    let (backoff, now) = (Backoff::new(BackoffConfig::default()), Instant::now());
    backoff.succeeded(HOME, Some("good"), now);
    fail(&backoff, HOME, "misconfigured", 500, now);
    assert_eq!(backoff.check(HOME, Some("good"), now), Admission::Allowed);
    assert!(waits(&backoff, HOME, "new", now) > Duration::ZERO);
    let later = now + BackoffConfig::default().trust;
    fail(&backoff, HOME, "misconfigured", 500, later);
    assert!(waits(&backoff, HOME, "good", later) > Duration::ZERO, "trust ends");
}

#[test]
fn successes_take_failures_of_their_address_back() {
    let (backoff, now) = (Backoff::new(BackoffConfig::default()), Instant::now());
    for number in 0..60 {
        fail(&backoff, HOME, &format!("bad-{number}"), 1, now);
    }
    for number in 0..10 {
        backoff.succeeded(HOME, Some(&format!("good-{number}")), now);
    }
    assert_eq!(backoff.check(HOME, Some("new"), now), Admission::Allowed);
}

#[test]
fn counts_decay_also_under_steady_failures() {
    let (backoff, start) = (Backoff::new(BackoffConfig::default()), Instant::now());
    // One device that retries every second for an hour never makes its address wait.
    for second in 0..3600 {
        let now = start + second * SECOND;
        assert_eq!(backoff.check(HOME, Some("other"), now), Admission::Allowed, "second {second}");
        backoff.failed(HOME, Some("misconfigured"), now);
    }
}

#[test]
fn an_ipv6_host_cannot_change_its_address_within_its_64_bits() {
    let (backoff, now) = (Backoff::new(BackoffConfig::default()), Instant::now());
    let host = |low: u16, high: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, high, 0, 0, 0, low));
    for low in 0..100 {
        backoff.failed(host(low, 1), Some("bob"), now);
    }
    assert_eq!(backoff.check(host(999, 1), None, now), Admission::Wait(10 * SECOND));
    assert_eq!(backoff.check(host(999, 2), None, now), Admission::Allowed);
    let mapped = IpAddr::V6(Ipv4Addr::new(203, 0, 113, 9).to_ipv6_mapped());
    fail(&backoff, ATTACKER, "bob", 100, now);
    assert_eq!(
        backoff.check(mapped, None, now),
        Admission::Wait(10 * SECOND),
        "one IPv4 host, two spellings"
    );
}

#[test]
fn no_flood_grows_a_table_beyond_its_capacity_or_hides_a_guesser() {
    let config = BackoffConfig { capacity: 64, ..BackoffConfig::default() };
    let (backoff, now) = (Backoff::new(config), Instant::now());
    fail(&backoff, ATTACKER, "victim", 40, now);
    for number in 0..20_000 {
        backoff.failed(address(number), Some(&format!("user-{number}")), now);
    }
    let metrics = backoff.metrics();
    assert!(metrics.sources <= 64 && metrics.usernames <= 64, "{metrics:?}");
    {
        let tables = backoff.tables.lock();
        assert!(tables.pairs.len() <= 64 && tables.trusted.len() <= 64);
    }
    assert_eq!(
        waits(&backoff, ATTACKER, "victim", now),
        60 * SECOND,
        "single failures do not push out a high count"
    );
    for number in 0..20_000 {
        backoff.succeeded(address(number), Some("shared"), now);
    }
    assert!(backoff.tables.lock().trusted.len() <= 64);
}

#[test]
fn a_rule_that_is_switched_off_never_waits() {
    let config = BackoffConfig { source: None, username: None, ..BackoffConfig::default() };
    let (backoff, now) = (Backoff::new(config), Instant::now());
    fail(&backoff, HOME, "bob", 1000, now);
    assert_eq!(backoff.check(HOME, Some("bob"), now), Admission::Allowed);
    assert_eq!(backoff.metrics(), BackoffMetrics::default());
}
