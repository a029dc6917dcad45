//! What many times come to. No I/O.

use std::time::Duration;

/// Percentiles of measured times, by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) p50: Duration,
    pub(crate) p90: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

impl Spread {
    /// None of nothing.
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = times.into_iter().collect();
        sorted.sort_unstable();
        let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Self {
            count: sorted.len(),
            p50: at(50)?,
            p90: at(90)?,
            p99: at(99)?,
            max: sorted.last().copied()?,
        })
    }
}

/// A sequence of numbers that looks random and is the same for the same seed (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next number within these bounds, both included.
    pub(crate) fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + (z ^ (z >> 31)) % (high - low + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks_of_what_was_measured() {
        let ms = Duration::from_millis;
        let spread = Spread::of((1..=200).rev().map(ms)).unwrap();
        let expected = Spread { count: 200, p50: ms(100), p90: ms(180), p99: ms(198), max: ms(200) };
        assert_eq!(spread, expected);
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([ms(7)]).map(|spread| (spread.p50, spread.max)), Some((ms(7), ms(7))));
    }

    #[test]
    fn pauses_stay_within_their_bounds_and_repeat_with_the_seed() {
        let draw = |seed| {
            let mut random = Random(seed);
            (0..1000).map(|_| random.between((50, 800))).collect::<Vec<_>>()
        };
        assert!(draw(1).iter().all(|ms| (50..=800).contains(ms)));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
