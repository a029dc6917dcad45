//! What was measured, as a table for people. No I/O.

use std::fmt::Write as _;
use std::time::Duration;

use crate::processes::Memory;
use crate::spread::Spread;

/// A line of the table.
pub(crate) struct Row {
    figure: String,
    values: String,
    count: usize,
    target: Option<(String, bool)>,
    remark: String,
}

impl Row {
    /// A figure with its values, and how many measurements they come from.
    pub(crate) fn new(figure: impl Into<String>, values: impl Into<String>, count: usize) -> Self {
        Self { figure: figure.into(), values: values.into(), count, target: None, remark: String::new() }
    }

    /// Times with their tail.
    pub(crate) fn tail(figure: impl Into<String>, spread: Option<Spread>) -> Self {
        let Some(Spread { count, p50, p90, p99, max }) = spread else { return Self::nothing(figure) };
        let values =
            format!("p50 {}, p90 {}, p99 {}, max {}", millis(p50), millis(p90), millis(p99), millis(max));
        Self::new(figure, values, count)
    }

    /// Times with their median.
    pub(crate) fn median(figure: impl Into<String>, spread: Option<Spread>) -> Self {
        let Some(Spread { count, p50, max, .. }) = spread else { return Self::nothing(figure) };
        Self::new(figure, format!("median {}, max {}", millis(p50), millis(max)), count)
    }

    /// What a process holds.
    pub(crate) fn memory(figure: impl Into<String>, memory: Memory) -> Self {
        let Memory { resident, peak } = memory;
        Self::new(figure, format!("{} MB resident, peak {} MB", megabytes(resident), megabytes(peak)), 1)
    }

    fn nothing(figure: impl Into<String>) -> Self {
        Self::new(figure, "", 0).remark("nothing was measured")
    }

    /// What it should be, and whether it is.
    pub(crate) fn target(mut self, target: impl Into<String>, met: bool) -> Self {
        self.target = Some((target.into(), met));
        self
    }

    /// What else is to be known.
    pub(crate) fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }

    /// The line.
    pub(crate) fn line(&self) -> String {
        let Self { figure, values, count, target, remark } = self;
        let target = target.as_ref().map_or(String::new(), |(target, met)| {
            format!("{target}: {}", if *met { "met" } else { "MISSED" })
        });
        format!("| {figure} | {values} | {count} | {target} | {remark} |")
    }
}

/// The table, in Markdown. Times are milliseconds.
pub(crate) fn table(heading: &str, rows: &[Row]) -> String {
    let mut text = format!(
        "{heading}\n\n| figure (times in milliseconds) | values | of | target | |\n|---|---|--:|---|---|\n"
    );
    for row in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", row.line());
    }
    text
}

/// Milliseconds with as many digits as mean something.
pub(crate) fn millis(time: Duration) -> String {
    let value = time.as_secs_f64() * 1e3;
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// Millions of bytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_measured_and_whether_it_is_enough() {
        let spread = Spread::of((1..=100).map(Duration::from_millis));
        let row = Row::tail("edit", spread).target("p99 ≤ 1000", true).remark("calm");
        assert_eq!(
            row.line(),
            "| edit | p50 50.0, p90 90.0, p99 99.0, max 100 | 100 | p99 ≤ 1000: met | calm |"
        );
        assert!(Row::median("edit", None).target("p50 ≤ 1", false).line().contains("MISSED"));
    }
}
