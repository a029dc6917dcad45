//! What a run has seen: counts of right and wrong arrivals, and latencies. No I/O.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::frames::Inbound;

/// Counts of one run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Messages that publishers sent.
    pub(crate) sent: u64,
    /// Messages that subscribers received whole, on the right topic, for the first time.
    pub(crate) delivered: u64,
    /// Messages skipped or never received.
    pub(crate) lost: u64,
    /// Messages received after a later one of the same publisher, or twice.
    pub(crate) disordered: u64,
    /// Messages with a wrong payload or topic.
    pub(crate) corrupt: u64,
    /// Packets that have no place in the scenario.
    pub(crate) unexpected: u64,
    /// Times that nothing arrived for so long that messages under way were given up.
    pub(crate) stalls: u64,
    latencies: Vec<u32>,
}

impl Tally {
    /// Takes note of message `sequence` of a stream whose `next` was expected.
    pub(crate) fn arrived(&mut self, sequence: u64, next: &mut u64) {
        if sequence < *next {
            self.disordered += 1;
            return;
        }
        self.lost += sequence - *next;
        self.delivered += 1;
        *next = sequence + 1;
    }

    /// Takes note of a packet that the generator did not ask for; fails if it ends the connection.
    pub(crate) fn unexpected(&mut self, packet: &Inbound<'_>) -> Result<()> {
        if let Inbound::Disconnect(reason) = packet {
            bail!("the broker disconnected a client, reason {reason:x?}");
        }
        self.unexpected += 1;
        Ok(())
    }

    /// Records the time from sending to receipt.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.latencies.push(u32::try_from(latency.as_nanos()).unwrap_or(u32::MAX));
    }

    /// The 50th and 99th percentile of the recorded latencies, if there are any.
    pub(crate) fn percentiles(&mut self) -> Option<(Duration, Duration)> {
        self.latencies.sort_unstable();
        let at = |share: f64| {
            let last = self.latencies.len().checked_sub(1)?;
            let place = ((last as f64) * share).round() as usize;
            Some(Duration::from_nanos(u64::from(self.latencies[place])))
        };
        Some((at(0.50)?, at(0.99)?))
    }

    /// Whether everything that was sent arrived once, in order and whole.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost + self.disordered + self.corrupt + self.unexpected + self.stalls == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_repeats_and_order_are_told_apart() {
        let mut tally = Tally::default();
        let mut next = 0;
        for sequence in [0, 1, 4, 2, 4, 5] {
            tally.arrived(sequence, &mut next);
        }
        assert_eq!((tally.delivered, tally.lost, tally.disordered, next), (4, 2, 2, 6));
        assert!(!tally.is_clean());
    }

    #[test]
    fn percentiles_come_from_what_was_recorded() {
        let mut tally = Tally::default();
        assert_eq!(tally.percentiles(), None);
        for micros in (1..=101).rev() {
            tally.record(Duration::from_micros(micros));
        }
        let expected = (Duration::from_micros(51), Duration::from_micros(100));
        assert_eq!(tally.percentiles(), Some(expected));
    }
}
