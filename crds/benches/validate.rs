//! What it costs to read and judge resources from files.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use moat_crds::file;
use moat_crds::schema::check;

const HEAD: &str = "apiVersion: moat.dev/v1alpha1\nkind: ";

fn credential(number: usize) -> String {
    format!(
        "---\n{HEAD}Credential\nmetadata: {{ name: car-{number} }}\nspec:\n  realmRef: {{ name: devices }}\n  username: \
         car-{number}\n  passwordSecretRef: {{ name: car-{number} }}\n  roles: [role-{}]\n",
        number % 100
    )
}

fn role(number: usize) -> String {
    let mut text = format!(
        "---\n{HEAD}Role\nmetadata: {{ name: role-{number} }}\nspec:\n  realmRef: {{ name: devices }}\n  permissions:\n"
    );
    for permission in 0..10 {
        let _ = writeln!(
            text,
            "    - {{ topicFilter: \"fleet/{number}/${{mqtt-clientid}}/{permission}/#\", activity: [publish], qos: [0, 1] }}"
        );
    }
    text
}

fn judge(c: &mut Criterion) {
    let mut group = c.benchmark_group("judge one");
    for (kind, text) in [("Credential", credential(7)), ("Role", role(7))] {
        let object = file::parse(text.as_bytes()).expect("a valid document").remove(0).value;
        group.bench_function(kind, |b| b.iter(|| check(kind, &mut black_box(object.clone()))));
    }
    group.finish();
}

fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read and judge");
    group.sample_size(10);
    let credentials: String = (0..5_000).map(credential).collect();
    let roles: String = (0..1_000).map(role).collect();
    for (name, objects, text) in
        [("5000 credentials", 5_000, credentials), ("1000 roles of 10", 1_000, roles)]
    {
        group.throughput(Throughput::Elements(objects));
        group.bench_function(name, |b| b.iter(|| file::read("bench.yaml", black_box(text.as_bytes()))));
        let parse = format!("{name}, YAML alone");
        group.bench_function(parse, |b| b.iter(|| file::parse(black_box(text.as_bytes()))));
    }
    group.finish();
}

criterion_group!(benches, judge, read);
criterion_main!(benches);
