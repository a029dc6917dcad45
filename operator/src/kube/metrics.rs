//! What the operator counts, in Prometheus' words.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use serde::Serialize;

/// Counters of the whole process; clones share them.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    leading: IntGauge,
    writes: IntCounterVec,
    bytes: IntCounterVec,
    problems: IntCounterVec,
    compile: Histogram,
    delivery: Histogram,
}

impl Metrics {
    /// Fresh counters.
    ///
    /// # Errors
    /// When a name is taken, which is a mistake in this file.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, label: &str| {
            let vector = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(vector.clone()))?;
            Ok::<_, prometheus::Error>(vector)
        };
        let seconds = |name: &str, help: &str| {
            let buckets = vec![0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
            let histogram = Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets))?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        let leading =
            IntGauge::new("moat_operator_leading", "1 while this operator holds the Lease and writes")?;
        registry.register(Box::new(leading.clone()))?;
        let writes = counters("moat_operator_api_writes_total", "Objects written to the API server", "kind")?;
        let bytes = counters("moat_operator_api_write_bytes_total", "Bytes of objects written", "kind")?;
        let problems = counters("moat_operator_problems_total", "Reads and writes that failed", "reason")?;
        let compile = seconds("moat_operator_compile_seconds", "Time from changes taken to policy compiled")?;
        let delivery = seconds("moat_operator_delivery_seconds", "Time to write shards and manifest")?;
        Ok(Self(Arc::new(Inner { registry, leading, writes, bytes, problems, compile, delivery })))
    }

    pub(crate) fn leading(&self, leading: bool) {
        self.0.leading.set(i64::from(leading));
    }

    pub(crate) fn wrote(&self, kind: &str, object: &impl Serialize) {
        let bytes = serde_json::to_vec(object).map_or(0, |json| json.len());
        self.0.writes.with_label_values(&[kind]).inc();
        self.0.bytes.with_label_values(&[kind]).inc_by(bytes as u64);
    }

    pub(crate) fn problem(&self, reason: &str) {
        self.0.problems.with_label_values(&[reason]).inc();
    }

    pub(crate) fn compiled(&self, took: Duration) {
        self.0.compile.observe(took.as_secs_f64());
    }

    pub(crate) fn delivered(&self, took: Duration) {
        self.0.delivery.observe(took.as_secs_f64());
    }

    /// Everything in Prometheus' text format.
    pub(crate) fn render(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.0.registry.gather(), &mut text)?;
        Ok(text)
    }
}
