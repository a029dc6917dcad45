//! Waiting by the clock, where that is what is measured: a test must not, a measurement must.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Time between two looks where a look is cheap and what is waited for is measured.
pub(crate) const FINE: Duration = Duration::from_millis(1);

/// Time between two looks where a look would disturb what is measured.
pub(crate) const COARSE: Duration = Duration::from_millis(100);

/// Waits for so long.
pub(crate) fn rest(time: Duration) {
    thread::sleep(time);
}

/// Looks every `step` until there is something to see.
pub(crate) fn look<T>(
    what: &str,
    step: Duration,
    patience: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {patience:?} in vain for {what}");
        }
        rest(step);
    }
}
