//! One run: a fresh broker, warm-up, measurement, and waiting for what is under way.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::generator::Generator;
use crate::peers::{Entrant, Setup};
use crate::process;
use crate::scenario::Scenario;

/// What one run gave.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Messages delivered to subscribers per second of the measured time.
    pub(crate) rate: f64,
    /// Latency percentiles, where the scenario records them.
    pub(crate) p50: Option<Duration>,
    pub(crate) p99: Option<Duration>,
    /// The broker's processor time per delivered message.
    pub(crate) broker_time: Duration,
    /// Share of the measured time that the generator's thread was busy.
    pub(crate) generator_busy: f64,
    /// The broker's largest resident memory, in bytes.
    pub(crate) memory: u64,
    /// Messages given up as lost, out of order or twice, damaged, and packets out of place.
    pub(crate) lost: u64,
    pub(crate) disordered: u64,
    pub(crate) corrupt: u64,
    pub(crate) unexpected: u64,
    /// Whether all sent messages arrived once, in order and whole.
    pub(crate) clean: bool,
}

impl Outcome {
    /// One line for the log.
    pub(crate) fn brief(&self) -> String {
        format!(
            "{:.0} msg/s, {:.3} µs broker time each, generator {:.0} % busy{}",
            self.rate,
            self.broker_time.as_nanos() as f64 / 1e3,
            100.0 * self.generator_busy,
            self.complaints()
        )
    }

    /// What was wrong, or nothing.
    pub(crate) fn complaints(&self) -> String {
        if self.clean {
            return String::new();
        }
        format!(
            " — NOT CLEAN: {} lost, {} disordered, {} damaged, {} unexpected",
            self.lost, self.disordered, self.corrupt, self.unexpected
        )
    }
}

/// Runs `scenario` against a fresh start of `entrant` for `length`.
pub(crate) fn run(
    entrant: &Entrant,
    setup: &Setup,
    scenario: Scenario,
    payload: usize,
    length: Duration,
) -> Result<Outcome> {
    let started = entrant.start(setup)?;
    let words = || format!("the broker's last output: {:?}", started.running.last_words());
    let mut generator =
        Generator::connect(scenario.shape(), &started.endpoint, payload).with_context(words)?;
    generator.run(length / 4, false).with_context(words)?;
    let before = (
        Instant::now(),
        generator.tally().delivered,
        started.running.processor_time(),
        process::own_processor_time(),
    );
    generator.run(length, true).with_context(words)?;
    let elapsed = before.0.elapsed();
    let delivered = generator.tally().delivered - before.1;
    let broker_time = started.running.processor_time().saturating_sub(before.2);
    let own_time = process::own_processor_time().saturating_sub(before.3);
    generator.drain().with_context(words)?;
    let tally = generator.tally();
    let percentiles = tally.percentiles();
    Ok(Outcome {
        rate: delivered as f64 / elapsed.as_secs_f64(),
        p50: percentiles.map(|(p50, _)| p50),
        p99: percentiles.map(|(_, p99)| p99),
        broker_time: broker_time.div_f64(delivered.max(1) as f64),
        generator_busy: own_time.as_secs_f64() / elapsed.as_secs_f64(),
        memory: started.running.peak_memory(),
        lost: tally.lost,
        disordered: tally.disordered,
        corrupt: tally.corrupt,
        unexpected: tally.unexpected,
        clean: tally.is_clean(),
    })
}
