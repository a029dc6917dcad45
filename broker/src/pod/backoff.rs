//! Pauses between attempts that fail.

use std::time::Duration;

use rand::RngExt;

/// The first pause.
const FIRST: Duration = Duration::from_millis(50);

/// Pauses that double up to a bound, with chance in them, so that not all pods of a cluster come at once.
pub(super) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(super) const fn new(max: Duration) -> Self {
        Self { next: FIRST, max }
    }

    /// The next pause: between half and all of the present step.
    pub(super) fn pause(&mut self) -> Duration {
        let pause = self.next.mul_f64(rand::rng().random_range(0.5..=1.0));
        self.next = (self.next * 2).min(self.max);
        pause
    }

    /// Begins anew, after a success.
    pub(super) const fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_begin_anew() {
        let max = Duration::from_secs(2);
        let mut backoff = Backoff::new(max);
        assert!(backoff.pause() <= FIRST);
        let pauses: Vec<_> = (0..20).map(|_| backoff.pause()).collect();
        assert!(pauses.iter().all(|pause| *pause <= max && *pause >= FIRST / 2));
        assert!(pauses.last().is_some_and(|last| *last >= max / 2));
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
