//! Times of other programs' logs beside our own.

use std::time::Instant;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::Value;

/// The same moment on this program's clock and on the machine's.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    instant: Instant,
    wall: Timestamp,
}

/// A line of a log.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) at: Instant,
    pub(crate) fields: Value,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { instant: Instant::now(), wall: Timestamp::now() }
    }

    /// A moment that is written as RFC 3339.
    pub(crate) fn read(&self, text: &str) -> Result<Instant> {
        let at: Timestamp = text.parse().with_context(|| format!("{text:?} is no time"))?;
        let since = at.duration_since(self.wall);
        let moment = match since.is_negative() {
            true => self.instant.checked_sub(since.unsigned_abs()),
            false => self.instant.checked_add(since.unsigned_abs()),
        };
        moment.with_context(|| format!("{text} is too far away"))
    }

    /// The lines of a JSON log, as far as they are JSON and have a time.
    pub(crate) fn lines(&self, log: &str) -> Vec<Line> {
        let read = |line: &str| {
            let fields: Value = serde_json::from_str(line).ok()?;
            let at = self.read(fields["timestamp"].as_str()?).ok()?;
            Some(Line { at, fields })
        };
        log.lines().filter_map(read).collect()
    }
}

impl Line {
    /// Whether this is its message.
    pub(crate) fn says(&self, message: &str) -> bool {
        self.fields["message"] == message
    }

    /// A number among its fields; large types of numbers are written as texts.
    pub(crate) fn number(&self, field: &str) -> Option<u64> {
        let value = &self.fields[field];
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_have_our_times() {
        let clock = Clock { instant: Instant::now(), wall: "2026-01-02T03:04:05Z".parse().unwrap() };
        let log = r#"{"timestamp":"2026-01-02T03:04:05.250Z","message":"compiled","took_ms":"7"}
not JSON
{"timestamp":"2026-01-02T03:04:04.500Z","message":"leading","took_ms":8}"#;
        let lines = clock.lines(log);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].at, clock.instant + Duration::from_millis(250));
        assert_eq!(lines[1].at, clock.instant - Duration::from_millis(500));
        assert!(lines[0].says("compiled") && !lines[1].says("compiled"));
        assert_eq!(lines.iter().map(|line| line.number("took_ms")).collect::<Vec<_>>(), [Some(7), Some(8)]);
    }
}
