//! Waiting for a condition, with a deadline that only a failure reaches.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The deadline where a story has no reason for another: far longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks at the condition.
const STEP: Duration = Duration::from_millis(10);

/// Looks until `look` gives something, at most for [`PATIENCE`]; an error of `look` ends the wait at once.
///
/// # Errors
///
/// The error of `look`, or one that names `what` after the deadline.
pub fn some<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {PATIENCE:?} in vain for {what}");
        }
        thread::sleep(STEP);
    }
}

/// Looks until `holds` is true, at most for [`PATIENCE`].
///
/// # Errors
///
/// The error of `holds`, or one that names `what` after the deadline.
pub fn holds(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    some(what, || Ok(holds()?.then_some(())))
}
