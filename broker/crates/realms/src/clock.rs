//! Where the current moment comes from, so that tests can move it.

use std::time::Instant;

/// A monotonic clock.
pub trait Clock: Send + Sync + 'static {
    /// The current moment; never earlier than a moment returned before.
    fn now(&self) -> Instant;
}

/// The operating system's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that moves only when told to, for tests of whatever takes a [`Clock`].
#[cfg(test)]
#[derive(Debug, Clone)]
pub(crate) struct ManualClock(std::sync::Arc<parking_lot::Mutex<Instant>>);

#[cfg(test)]
impl ManualClock {
    pub(crate) fn start() -> Self {
        Self(std::sync::Arc::new(parking_lot::Mutex::new(Instant::now())))
    }

    pub(crate) fn advance(&self, by: std::time::Duration) {
        *self.0.lock() += by;
    }
}

#[cfg(test)]
impl Clock for ManualClock {
    fn now(&self) -> Instant {
        *self.0.lock()
    }
}
