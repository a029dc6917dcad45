//! What the router costs: a look-up and a change, in small and large tables, and the memory of a filter.
//!
//! Topics are visited in a scattered order, so that a large table is read from memory, not from the cache.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use moat_mqtt::codec::QoS;
use moat_mqtt::router::{MemberState, NewSubscription, Router, SessionRef, Share, SubscribeOptions};

const OPTIONS: SubscribeOptions =
    SubscribeOptions { qos: QoS::AtLeastOnce, no_local: false, retain_as_published: false, identifier: None };

/// A prime step visits every index before it visits one again.
const STEP: u32 = 7_919;

#[derive(Clone, Copy)]
enum Kind {
    /// `fleet/vehicle-000042/status`
    Exact,
    /// `fleet/vehicle-000042/+`, all below one node.
    Plus,
    /// `fleet/vehicle-000042/#`, likewise.
    Rest,
}

fn session(slot: u32) -> SessionRef {
    SessionRef { core: (slot % 2) as u16, slot, generation: 0 }
}

fn filter(kind: Kind, index: u32) -> String {
    let last = match kind {
        Kind::Exact => "status",
        Kind::Plus => "+",
        Kind::Rest => "#",
    };
    format!("fleet/vehicle-{index:06}/{last}")
}

fn new(filter: &str) -> NewSubscription<'_> {
    NewSubscription { filter, share: None, options: OPTIONS }
}

fn table(kinds: &[Kind], filters: u32) -> Router {
    let router = Router::new();
    router.edit(|edit| {
        for &kind in kinds {
            for index in 0..filters {
                let _ = edit.subscribe(session(index), new(&filter(kind, index)));
            }
        }
    });
    router
}

/// All sessions subscribe to `t`.
fn one_filter(sessions: u32) -> Router {
    let router = Router::new();
    router.edit(|edit| {
        for slot in 0..sessions {
            let _ = edit.subscribe(session(slot), new("t"));
        }
    });
    router
}

/// Bytes of the process in memory; 0 where the system does not tell.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

fn memory(_: &mut Criterion) {
    const FILTERS: u32 = 1_000_000;
    // All are kept until the end: freed memory would be used again and hide what the next table takes.
    let mut tables = Vec::new();
    for (name, kind) in [("exact", Kind::Exact), ("plus", Kind::Plus), ("rest", Kind::Rest)] {
        let before = resident();
        tables.push(table(&[kind], FILTERS));
        let bytes = resident().saturating_sub(before) / u64::from(FILTERS);
        println!("memory/{name}/1M: {bytes} bytes a filter with its subscription");
    }
    let before = resident();
    tables.push(one_filter(FILTERS));
    let bytes = resident().saturating_sub(before) / u64::from(FILTERS);
    println!("memory/one-filter/1M: {bytes} bytes a subscriber");
}

fn look_ups(criterion: &mut Criterion) {
    for (size, filters) in [("10k", 10_000), ("1M", 1_000_000)] {
        let router = table(&[Kind::Exact, Kind::Plus], filters / 2);
        let topics: Vec<String> = (0..filters / 2).map(|index| filter(Kind::Exact, index)).collect();
        let wildcard_only: Vec<String> =
            (0..filters / 2).map(|index| format!("fleet/vehicle-{index:06}/speed")).collect();
        for (name, topics) in [("exact-and-wildcard", &topics), ("wildcard", &wildcard_only)] {
            let mut index = 0;
            criterion.bench_function(&format!("route/{name}/{size}"), |bencher| {
                bencher.iter(|| {
                    index = (index + STEP) % (filters / 2);
                    black_box(router.route(&topics[index as usize]))
                });
            });
        }
        criterion.bench_function(&format!("route/nobody/{size}"), |bencher| {
            bencher.iter(|| black_box(router.route("fleet/nobody/here/status")));
        });
        drop(router);
        let router = table(&[Kind::Exact], filters);
        let topics: Vec<String> = (0..filters).map(|index| filter(Kind::Exact, index)).collect();
        let mut index = 0;
        criterion.bench_function(&format!("route/exact/{size}"), |bencher| {
            bencher.iter(|| {
                index = (index + STEP) % filters;
                black_box(router.route(&topics[index as usize]))
            });
        });
    }
}

fn fan_out(criterion: &mut Criterion) {
    for subscribers in [1, 100, 100_000] {
        let router = one_filter(subscribers);
        criterion.bench_function(&format!("route/fan-out/{subscribers}"), |bencher| {
            bencher.iter(|| black_box(router.route("t")));
        });
        let route = Arc::new(router.route("t"));
        criterion.bench_function(&format!("iterate/fan-out/{subscribers}"), |bencher| {
            bencher.iter(|| {
                let route = black_box(&route);
                let targets = route.cores.iter().flat_map(|core| &core.targets);
                targets.map(|target| target.session.slot + target.qos as u32).fold(0, u32::wrapping_add)
            });
        });
    }
}

/// A subscribe and an unsubscribe, each published.
fn changes(criterion: &mut Criterion) {
    for (size, filters) in [("10k", 10_000), ("1M", 1_000_000)] {
        for (name, kind) in [("exact", Kind::Exact), ("wildcard", Kind::Plus)] {
            let router = table(&[kind], filters);
            let mut index = 0;
            criterion.bench_function(&format!("subscribe-unsubscribe/{name}/{size}"), |bencher| {
                bencher.iter_batched(
                    || {
                        index = (index + STEP) % filters;
                        filter(kind, filters + index)
                    },
                    |filter| {
                        let _ = black_box(router.subscribe(session(1), &filter, None, OPTIONS));
                        black_box(router.unsubscribe(session(1), &filter, None))
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    let router = one_filter(100_000);
    let mut slot = 0;
    criterion.bench_function("subscribe-unsubscribe/one-filter/100k-subscribers", |bencher| {
        bencher.iter(|| {
            slot = (slot + STEP) % 100_000;
            let _ = black_box(router.subscribe(session(100_000 + slot), "t", None, OPTIONS));
            black_box(router.unsubscribe(session(100_000 + slot), "t", None))
        });
    });
}

fn memo(criterion: &mut Criterion) {
    let router = table(&[Kind::Exact], 1_000);
    criterion.bench_function("epoch", |bencher| bencher.iter(|| black_box(&router).epoch()));
}

fn shared(criterion: &mut Criterion) {
    for members in [2, 10, 10_000] {
        let router = Router::new();
        let states: Vec<_> = (0..members).map(|_| MemberState::new(true)).collect();
        for (slot, member) in (0..).zip(&states) {
            let _ = router.subscribe(session(slot), "t", Some(Share { group: "g", member }), OPTIONS);
        }
        let Some(group) = router.shared_group("g", "t") else { continue };
        criterion
            .bench_function(&format!("pick/{members}"), |bencher| bencher.iter(|| black_box(group.pick())));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(1));
    targets = memory, look_ups, fan_out, changes, memo, shared
}
criterion_main!(benches);
