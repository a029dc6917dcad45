//! Waiting for a condition, with a deadline that only a failure reaches.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The deadline where a story has no reason for another: far longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Least time between two looks at the condition.
const STEP: Duration = Duration::from_millis(10);

/// Looks until `look` gives something, at most for [`PATIENCE`]; an error of `look` ends the wait at once.
///
/// # Errors
///
/// The error of `look`, or one that names `what` after the deadline.
pub fn some<T>(what: &str, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    some_within(PATIENCE, what, look)
}

/// As [`some`], with a deadline of its own.
///
/// # Errors
///
/// As [`some`].
pub fn some_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        let begin = Instant::now();
        if let Some(found) = look()? {
            return Ok(found);
        }
        // A look that starts a program must not keep from working what it looks at.
        let pause = begin.elapsed().max(STEP);
        if Instant::now() > deadline {
            bail!("waited {patience:?} in vain for {what}");
        }
        thread::sleep(pause);
    }
}

/// Looks until `holds` is true, at most for [`PATIENCE`].
///
/// # Errors
///
/// The error of `holds`, or one that names `what` after the deadline.
pub fn holds(what: &str, holds: impl FnMut() -> Result<bool>) -> Result<()> {
    holds_within(PATIENCE, what, holds)
}

/// As [`holds`], with a deadline of its own.
///
/// # Errors
///
/// As [`holds`].
pub fn holds_within(patience: Duration, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    some_within(patience, what, || Ok(holds()?.then_some(())))
}
