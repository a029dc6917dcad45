//! What a login costs: each scheme at its usual work factors, and the cached way.

#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use criterion::{Criterion, criterion_group, criterion_main};
use moat_realms::hash::{DEFAULT_SCHEME, Limits, Scheme, Scratch, StoredHash};
use moat_realms::verifier::{Request, Verifier, VerifierConfig};

fn schemes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(20);
    let schemes = [
        ("plain", Scheme::Plain),
        ("md5 100", Scheme::Md5 { iterations: 100 }),
        ("sha512 100", Scheme::Sha512 { iterations: 100 }),
        ("pkcs5s2 100", Scheme::Pkcs5s2 { iterations: 100 }),
        ("bcrypt 10", Scheme::Bcrypt { cost: 10 }),
        ("argon2id 19456 KiB 2", DEFAULT_SCHEME),
        ("argon2id_47104KB 1", Scheme::EseArgon2id { memory_kib: 47_104, passes: 1 }),
    ];
    let (limits, mut scratch) = (Limits::default(), Scratch::default());
    for (name, scheme) in schemes {
        let Ok(stored) = StoredHash::create(scheme, b"a password", &limits) else { continue };
        group.bench_function(name, |bencher| {
            bencher.iter(|| stored.verify(b"a passworD", &limits, &mut scratch));
        });
    }
    let short = StoredHash::create_with_salt(DEFAULT_SCHEME, b"salt".to_vec(), b"a password", &limits);
    if let Ok(stored) = short {
        group.bench_function("argon2id 19456 KiB 2, short salt", |bencher| {
            bencher.iter(|| stored.verify(b"a passworD", &limits, &mut scratch));
        });
    }
    group.finish();
}

fn cached(criterion: &mut Criterion) {
    let verifier = Verifier::start(VerifierConfig::default()).expect("the system has threads and entropy");
    let text = StoredHash::create(DEFAULT_SCHEME, b"a password", &Limits::default())
        .expect("the default scheme is within the default limits")
        .to_text();
    let request =
        Request { realm: "devices", credential: "car-17", verifier: Some(&text), password: b"a password" };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers");
    runtime.block_on(verifier.verify(request));
    criterion.bench_function("cached login", |bencher| bencher.iter(|| verifier.is_cached(&request)));
}

fn parse(criterion: &mut Criterion) {
    let text =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    criterion.bench_function("parse", |bencher| bencher.iter(|| StoredHash::parse(text)));
}

criterion_group!(benches, schemes, cached, parse);
criterion_main!(benches);
