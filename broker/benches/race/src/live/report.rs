//! The table of what was measured, and the same figures as JSON. No I/O.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

/// One line of the table.
pub(crate) struct Row {
    /// What was measured.
    figure: String,
    /// The figures by name, in the table's order.
    values: Vec<(&'static str, Duration)>,
    /// How many measurements they come from.
    count: usize,
    target: Option<Target>,
    /// What must not be overlooked.
    remark: String,
}

/// What one of a row's figures has to stay within.
pub(crate) struct Target {
    /// Name of the figure.
    pub(crate) of: &'static str,
    /// Its upper limit.
    pub(crate) limit: Duration,
}

impl Row {
    /// A row of `count` measurements.
    pub(crate) fn new(
        figure: impl Into<String>,
        count: usize,
        values: impl IntoIterator<Item = (&'static str, Duration)>,
    ) -> Self {
        let values = values.into_iter().collect();
        Self { figure: figure.into(), values, count, target: None, remark: String::new() }
    }

    /// Sets what one of the figures has to stay within.
    pub(crate) fn target(mut self, of: &'static str, limit: Duration) -> Self {
        self.target = Some(Target { of, limit });
        self
    }

    /// Adds a remark.
    pub(crate) fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }

    /// Whether the target is met; none without a target or without its figure.
    fn is_met(&self) -> Option<bool> {
        let target = self.target.as_ref()?;
        let (_, value) = self.values.iter().find(|(name, _)| *name == target.of)?;
        Some(*value <= target.limit)
    }

    fn line(&self) -> String {
        let values: Vec<String> =
            self.values.iter().map(|(name, value)| format!("{name} {}", millis(*value))).collect();
        let target = self.target.as_ref().map_or(String::new(), |target| {
            let verdict = if self.is_met() == Some(true) { "met" } else { "MISSED" };
            format!("{} ≤ {}: {verdict}", target.of, millis(target.limit))
        });
        format!("| {} | {} | {} | {target} | {} |", self.figure, values.join(", "), self.count, self.remark)
    }

    fn json(&self) -> Value {
        let values: serde_json::Map<String, Value> = self
            .values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value.as_secs_f64() * 1e3)))
            .collect();
        let target = self
            .target
            .as_ref()
            .map(|target| json!({ "of": target.of, "milliseconds": target.limit.as_secs_f64() * 1e3 }));
        json!({
            "figure": self.figure,
            "milliseconds": values,
            "count": self.count,
            "target": target,
            "met": self.is_met(),
            "remark": self.remark,
        })
    }
}

/// The table, in Markdown.
pub(crate) fn table(heading: &str, rows: &[Row]) -> String {
    let mut text = format!("{heading}\n\n| figure | milliseconds | of | target | |\n|---|---|--:|---|---|\n");
    for row in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", row.line());
    }
    text
}

/// The same as JSON.
pub(crate) fn json(heading: &str, rows: &[Row]) -> String {
    let rows: Vec<Value> = rows.iter().map(Row::json).collect();
    format!("{:#}\n", json!({ "heading": heading, "results": rows }))
}

/// Several of them.
pub(crate) fn list(durations: &[Duration]) -> String {
    durations.iter().map(|duration| millis(*duration)).collect::<Vec<_>>().join(", ")
}

/// Milliseconds with as many digits as mean something.
fn millis(duration: Duration) -> String {
    let value = duration.as_secs_f64() * 1e3;
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_target_judges_its_own_figure() {
        let row = |p99, limit| {
            Row::new("edit", 200, [("p99", ms(p99)), ("max", ms(5000))]).target("p99", ms(limit)).line()
        };
        assert_eq!(row(70, 100), "| edit | p99 70.0, max 5000 | 200 | p99 ≤ 100: met |  |");
        assert!(row(101, 100).contains("p99 ≤ 100: MISSED"));
    }

    #[test]
    fn a_target_without_its_figure_is_not_met() {
        let row = Row::new("edit", 0, []).target("p99", ms(1));
        assert_eq!(row.is_met(), None);
        assert!(row.line().contains("MISSED"));
    }
}
