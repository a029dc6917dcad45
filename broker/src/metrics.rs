//! Prometheus metrics, gathered when they are asked for. No label takes a value that a client can choose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moat_mqtt::core::Stats;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, CounterVec, Gauge, GaugeVec, Opts, Registry, TextEncoder};

use crate::net::worker::Hub;
use crate::pod::error::REASONS;
use crate::status::Status;

/// All metrics of the process.
pub(crate) struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// # Errors
    /// If two metrics had the same name.
    pub(crate) fn new(hub: Arc<Hub>, status: Arc<Status>) -> prometheus::Result<Self> {
        let registry = Registry::new();
        registry.register(Box::new(Broker { hub, status }))?;
        Ok(Self { registry })
    }

    /// The text that Prometheus scrapes.
    pub(crate) fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Reads the counters where they live.
struct Broker {
    hub: Arc<Hub>,
    status: Arc<Status>,
}

/// Gathers metric families; a metric that cannot be made is left out, which the test of all names notices.
#[derive(Default)]
struct Families(Vec<MetricFamily>);

impl Families {
    fn counter(&mut self, name: &str, help: &str, value: u64) {
        if let Ok(counter) = Counter::new(name, help) {
            counter.inc_by(value as f64);
            self.0.extend(counter.collect());
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        if let Ok(gauge) = Gauge::new(name, help) {
            gauge.set(value);
            self.0.extend(gauge.collect());
        }
    }

    fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) {
        if let Ok(counters) = CounterVec::new(Opts::new(name, help), &[label]) {
            for (value, count) in values {
                counters.with_label_values(&[value]).inc_by(count as f64);
            }
            self.0.extend(counters.collect());
        }
    }
}

impl Collector for Broker {
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut stats = Stats::default();
        for worker in &self.hub.workers {
            stats.add(&worker.stats.lock());
        }
        let mut families = Families::default();
        self.traffic(&mut families, &stats);
        self.connections(&mut families, &stats);
        self.logins(&mut families);
        self.policy(&mut families);
        self.delivery(&mut families);
        families.0
    }
}

impl Broker {
    fn traffic(&self, families: &mut Families, stats: &Stats) {
        let by_qos = |counts: [u64; 3]| ["0", "1", "2"].into_iter().zip(counts).collect::<Vec<_>>();
        let retained = self.hub.shared.retained.usage();
        families.gauge("moat_retained_messages", "Retained messages.", retained.messages as f64);
        families.gauge("moat_retained_bytes", "Bytes of retained messages.", retained.bytes as f64);
        families.counters(
            "moat_messages_received_total",
            "PUBLISH packets received.",
            "qos",
            by_qos(stats.received),
        );
        families.counters("moat_messages_sent_total", "PUBLISH packets sent.", "qos", by_qos(stats.sent));
        families.counters(
            "moat_messages_dropped_total",
            "Messages that were not delivered, by reason.",
            "reason",
            [
                ("output_full", stats.dropped_output_full),
                ("queue_full", stats.dropped_queue_full),
                ("expired", stats.dropped_expired),
                ("too_large", stats.dropped_too_large),
                ("revoked", stats.dropped_revoked),
                ("retained_full", stats.dropped_retained_full),
            ],
        );
        families.counters(
            "moat_denied_total",
            "PUBLISH packets, wills and topic filters that the policy refused.",
            "activity",
            [("publish", stats.denied_publish), ("subscribe", stats.denied_subscribe)],
        );
    }

    fn connections(&self, families: &mut Families, stats: &Stats) {
        let io = &self.hub.io;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        families.gauge("moat_connections", "MQTT connections.", stats.connections as f64);
        families.gauge("moat_sessions", "Sessions, connected or not.", stats.sessions as f64);
        families.gauge("moat_subscriptions", "Subscriptions of all sessions.", stats.subscriptions as f64);
        families.gauge(
            "moat_subscriptions_suspended",
            "Subscriptions that the policy does not allow at present.",
            stats.suspended as f64,
        );
        families.counters(
            "moat_connections_closed_total",
            "Connections that the broker ended, by reason.",
            "reason",
            [
                ("protocol_error", stats.protocol_errors),
                ("taken_over", stats.taken_over),
                ("keep_alive", stats.keep_alive_timeouts),
                ("revoked", stats.revoked),
            ],
        );
        families.counter("moat_connections_accepted_total", "Sockets accepted.", read(&io.accepted));
        families.counter(
            "moat_handshakes_failed_total",
            "Connections that ended before a complete and valid CONNECT.",
            read(&io.handshakes_failed),
        );
        families.counter(
            "moat_connections_refused_total",
            "Connections refused for want of room, or by the session's identity.",
            read(&io.refused),
        );
    }

    fn logins(&self, families: &mut Families) {
        let authenticator = &self.hub.authenticator;
        families.counter(
            "moat_authentications_succeeded_total",
            "Clients let in.",
            authenticator.succeeded.load(Ordering::Relaxed),
        );
        families.counters(
            "moat_authentications_failed_total",
            "Clients refused, by reason.",
            "reason",
            authenticator.refusals.iter(),
        );
        let verifier = authenticator.verifier.metrics();
        families.gauge(
            "moat_password_hashing_queued",
            "Logins that wait for a thread.",
            verifier.pool.queued as f64,
        );
        families.gauge("moat_password_hashing_busy", "Threads that hash.", verifier.pool.busy as f64);
        families.counter(
            "moat_password_hashing_rejected_total",
            "Logins refused because too many waited.",
            verifier.pool.rejected,
        );
        families.counter(
            "moat_password_cache_hits_total",
            "Logins answered from the cache.",
            verifier.cache.hits,
        );
        families.counter(
            "moat_password_cache_misses_total",
            "Logins not in the cache.",
            verifier.cache.misses,
        );
    }

    fn policy(&self, families: &mut Families) {
        let figures = self.status.figures();
        let swept = self.hub.workers.iter().map(|worker| worker.swept.load(Ordering::Relaxed)).min();
        families.gauge(
            "moat_listeners_open",
            "Listeners that accept connections.",
            figures.listeners_open as f64,
        );
        families.gauge("moat_resource_errors", "Resources and files with errors.", figures.errors as f64);
        families.counter("moat_policies_total", "Policies that were put in force.", figures.policies);
        families.gauge(
            "moat_policy_epoch",
            "Number of the newest policy.",
            self.hub.shared.policy_epoch() as f64,
        );
        families.gauge(
            "moat_policy_epoch_swept",
            "Number of the newest policy that all sessions were judged by.",
            swept.unwrap_or(0) as f64,
        );
        let digest = GaugeVec::new(Opts::new("moat_policy_info", "The policy in force."), &["digest"]);
        if let (Ok(info), Some(digest)) = (digest, figures.digest) {
            info.with_label_values(&[digest.as_str()]).set(1.0);
            families.0.extend(info.collect());
        }
    }

    /// What only a pod has, whose policy is delivered to it.
    fn delivery(&self, families: &mut Families) {
        let Some(delivery) = self.status.figures().delivery else { return };
        families.gauge(
            "moat_policy_generation",
            "Generation of the manifest in force.",
            delivery.generation.unwrap_or(0) as f64,
        );
        families.gauge(
            "moat_policy_generation_saved",
            "Generation of the manifest on the volume.",
            delivery.saved.unwrap_or(0) as f64,
        );
        let failures = |reason: &&'static str| (*reason, delivery.failures.get(reason).copied().unwrap_or(0));
        families.counters(
            "moat_policy_load_failures_total",
            "Attempts to take newer policy that failed, by reason.",
            "reason",
            REASONS.iter().map(failures),
        );
        if let Some(silence) = delivery.silence() {
            families.gauge(
                "moat_api_server_silence_seconds",
                "Seconds since the API server last said something about the policy.",
                silence.as_secs_f64(),
            );
        }
    }
}
