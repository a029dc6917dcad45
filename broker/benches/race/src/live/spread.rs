//! What many durations come to. No I/O.

use std::time::Duration;

/// Percentiles of measured durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    /// How many were measured.
    pub(crate) count: usize,
    /// Median.
    pub(crate) p50: Duration,
    /// 99th percentile.
    pub(crate) p99: Duration,
    /// 99.9th percentile.
    pub(crate) p999: Duration,
    /// Longest.
    pub(crate) max: Duration,
}

impl Spread {
    /// Percentiles by nearest rank; none of nothing.
    pub(crate) fn of(durations: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = durations.into_iter().collect();
        sorted.sort_unstable();
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.max(1) - 1).copied()
        };
        let max = sorted.last().copied()?;
        Some(Self { count: sorted.len(), p50: at(0.5)?, p99: at(0.99)?, p999: at(0.999)?, max })
    }
}

/// Adds the round trips that a sender at a steady `interval` would have begun while it waited for a slow one.
///
/// A sender that waits for each answer takes one sample of a pause in which it should have taken many; without these
/// its percentiles would look better than what a client sees.
pub(crate) fn with_missed(round_trips: &[Duration], interval: Duration) -> Vec<Duration> {
    let mut all = Vec::with_capacity(round_trips.len());
    for round_trip in round_trips {
        let mut rest = *round_trip;
        all.push(rest);
        while rest > interval {
            rest -= interval;
            all.push(rest);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn percentiles_are_ranks_of_what_was_measured() {
        let spread = Spread::of((1..=1000).rev().map(ms)).unwrap();
        assert_eq!(spread, Spread { count: 1000, p50: ms(500), p99: ms(990), p999: ms(999), max: ms(1000) });
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([ms(7)]).map(|s| (s.p50, s.max)), Some((ms(7), ms(7))));
    }

    #[test]
    fn a_pause_counts_for_all_that_would_have_met_it() {
        let all = with_missed(&[ms(1), Duration::from_micros(3500)], ms(1));
        let micros: Vec<u128> = all.iter().map(Duration::as_micros).collect();
        assert_eq!(micros, [1000, 3500, 2500, 1500, 500]);
    }
}
