//! Logins and refusals in the log, at a bounded rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tracing::{info, warn};

use super::Attempt;

/// Lines per second and kind; further ones are counted and summed up in the next line that is written.
const LINES_PER_SECOND: u64 = 100;

/// Writes who was let in, who was not, and what was refused. Never writes a secret.
pub(crate) struct AccessLog {
    started: Instant,
    logins: Rate,
    refusals: Rate,
    denials: Rate,
}

impl AccessLog {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            logins: Rate::default(),
            refusals: Rate::default(),
            denials: Rate::default(),
        }
    }

    pub(super) fn admitted(&self, attempt: &Attempt<'_>, identity: &str) {
        if let Some(skipped) = self.logins.take(self.second()) {
            info!(
                listener = attempt.listener, client_id = ?attempt.client_id, ip = %attempt.peer, ?identity, skipped,
                "client authenticated"
            );
        }
    }

    pub(super) fn refused(&self, attempt: &Attempt<'_>, reason: &str, text: &str) {
        if let Some(skipped) = self.refusals.take(self.second()) {
            warn!(
                listener = attempt.listener, client_id = ?attempt.client_id, username = ?attempt.username,
                ip = %attempt.peer, reason, skipped, "client refused: {text}"
            );
        }
    }

    pub(super) fn ended(&self, client_id: &str, reason: &str) {
        if let Some(skipped) = self.refusals.take(self.second()) {
            info!(?client_id, reason, skipped, "access withdrawn");
        }
    }

    /// `explain` is only called if the line is written.
    pub(super) fn denied(&self, client_id: &str, explain: impl FnOnce() -> String) {
        if let Some(skipped) = self.denials.take(self.second()) {
            warn!(?client_id, skipped, "{}", explain());
        }
    }

    fn second(&self) -> u64 {
        self.started.elapsed().as_secs() + 1
    }
}

/// A budget of lines per second.
#[derive(Default)]
struct Rate {
    second: AtomicU64,
    used: AtomicU64,
    skipped: AtomicU64,
}

impl Rate {
    /// Whether a line may be written now; how many were not since the last one. Two threads at the turn of a second
    /// may write a few lines more, which does no harm.
    fn take(&self, second: u64) -> Option<u64> {
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.used.store(0, Ordering::Relaxed);
        }
        if self.used.fetch_add(1, Ordering::Relaxed) < LINES_PER_SECOND {
            return Some(self.skipped.swap(0, Ordering::Relaxed));
        }
        self.skipped.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_summed_up_in_the_next_line() {
        let rate = Rate::default();
        let written = (0..LINES_PER_SECOND + 50).filter(|_| rate.take(1).is_some()).count() as u64;
        assert_eq!(written, LINES_PER_SECOND);
        assert_eq!(rate.take(2), Some(50));
        assert_eq!(rate.take(2), Some(0));
    }
}
