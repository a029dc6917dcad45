//! Lifetime, bounds, what a tag depends on.

use super::*;

const TTL: Duration = Duration::from_secs(60);

fn cache(capacity: usize) -> Cache {
    Cache::new(CacheConfig { ttl: TTL, capacity }).unwrap()
}

fn numbered(cache: &Cache, number: usize) -> Tag {
    cache.tag(["realm", &number.to_string()], Some("verifier"), b"password")
}

#[test]
fn an_entry_lives_for_its_ttl_and_no_longer() {
    let (cache, start) = (cache(100), Instant::now());
    let tag = numbered(&cache, 1);
    assert!(!cache.contains(&tag, start));
    cache.insert(tag, cache.epoch(), start);
    let last = start + TTL - Duration::from_nanos(1);
    assert!(cache.contains(&tag, start) && cache.contains(&tag, last));
    assert!(!cache.contains(&tag, start + TTL));
    assert_eq!(cache.metrics(), CacheMetrics { entries: 1, hits: 2, misses: 2 });
}

#[test]
fn use_does_not_prolong_an_entry_but_a_new_check_does() {
    let (cache, start) = (cache(100), Instant::now());
    let tag = numbered(&cache, 1);
    cache.insert(tag, cache.epoch(), start);
    cache.insert(tag, cache.epoch(), start + TTL / 2);
    assert!(!cache.contains(&tag, start + TTL), "the second insertion hit a live entry");
    cache.insert(tag, cache.epoch(), start + TTL);
    assert!(cache.contains(&tag, start + TTL + TTL / 2));
    assert_eq!(cache.metrics().entries, 1);
}

#[test]
fn every_part_of_a_check_changes_its_tag() {
    let cache = cache(100);
    let tag = |realm, credential, verifier, password: &str| {
        cache.tag([realm, credential], verifier, password.as_bytes())
    };
    let tags = [
        tag("r", "c", Some("v"), "p"),
        tag("s", "c", Some("v"), "p"),
        tag("r", "d", Some("v"), "p"),
        tag("r", "c", Some("w"), "p"),
        tag("r", "c", None, "p"),
        tag("r", "c", Some("v"), "q"),
        tag("rc", "", Some("v"), "p"),
        tag("", "rc", Some("v"), "p"),
        tag("r", "c", Some("v"), ""),
    ];
    for (index, tag) in tags.iter().enumerate() {
        assert!(tags[index + 1..].iter().all(|other| other.0 != tag.0), "tag {index}");
    }
    assert!(tags[0] == tag("r", "c", Some("v"), "p"));
}

#[test]
fn two_processes_never_agree_on_a_tag() {
    let (one, other) = (cache(1), cache(1));
    assert!(numbered(&one, 1) != numbered(&other, 1));
}

#[test]
fn the_number_of_entries_is_bounded_and_the_oldest_go_first() {
    let (cache, start) = (cache(64), Instant::now());
    for number in 0..10_000 {
        cache.insert(numbered(&cache, number), cache.epoch(), start);
        assert!(cache.metrics().entries <= 64);
    }
    assert!(cache.contains(&numbered(&cache, 9_999), start));
    assert!(!cache.contains(&numbered(&cache, 0), start));
    for shard in &cache.shards {
        let shard = shard.lock();
        assert_eq!(shard.order.len(), shard.expiry.len());
    }
}

#[test]
fn clear_forgets_everything_also_checks_that_are_under_way() {
    let (cache, now) = (cache(100), Instant::now());
    let tag = numbered(&cache, 1);
    let before = cache.epoch();
    cache.insert(tag, before, now);
    cache.clear();
    assert!(!cache.contains(&tag, now));
    cache.insert(tag, before, now);
    assert!(!cache.contains(&tag, now), "the check had begun before the cache was cleared");
    cache.insert(tag, cache.epoch(), now);
    assert!(cache.contains(&tag, now));
}

#[test]
fn sweep_removes_what_is_expired_only() {
    let (cache, start) = (cache(100), Instant::now());
    cache.insert(numbered(&cache, 1), cache.epoch(), start);
    cache.insert(numbered(&cache, 2), cache.epoch(), start + TTL / 2);
    cache.sweep(start + TTL);
    assert_eq!(cache.metrics().entries, 1);
    assert!(cache.contains(&numbered(&cache, 2), start + TTL));
}

#[test]
fn a_ttl_or_capacity_of_zero_switches_the_cache_off() {
    for config in [CacheConfig { ttl: Duration::ZERO, capacity: 100 }, CacheConfig { ttl: TTL, capacity: 0 }]
    {
        let (cache, now) = (Cache::new(config).unwrap(), Instant::now());
        cache.insert(numbered(&cache, 1), cache.epoch(), now);
        assert!(!cache.contains(&numbered(&cache, 1), now));
        assert_eq!(cache.metrics().entries, 0);
    }
}
