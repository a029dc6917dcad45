//! Where an edit's time goes: what the operator's and the broker's logs say, laid beside what was measured. No I/O.

use std::time::{Duration, Instant};

use crate::clock::Line;
use crate::edits::Edit;

/// The parts of an edit's way, in their order: who has the time, and for what.
pub(crate) const PARTS: [(&str, &str); 7] = [
    ("API server: edit", "from the request to the answer"),
    (
        "API server's watch, operator's pause",
        "from the answer to the begin of the compile, 10 ms of quiet included",
    ),
    ("operator: compile", "and planning what to write"),
    ("API server: shards", "from the first request to the last answer"),
    ("API server: manifest", "from the request to the answer"),
    ("API server's watch, broker: fetch and load", "from the manifest's answer until its policy is in force"),
    ("broker: sessions", "judged anew; then the client sees it"),
];

/// The logs of one measurement.
pub(crate) struct Logs {
    pub(crate) operator: Vec<Line>,
    pub(crate) broker: Vec<Line>,
}

/// How long each of [`PARTS`] took; `None` if the logs do not tell.
pub(crate) fn of(edit: &Edit, logs: &Logs) -> Option<[Duration; PARTS.len()]> {
    let enforced = edit.enforced?;
    // The answer to the operator's last write may come after the pod has acted.
    let within = |line: &&Line| line.at >= edit.sent && line.at <= enforced + LATE;
    let delivered = logs.operator.iter().filter(within).find(|line| line.says("delivered"))?;
    let took = |line: &Line, field: &str| line.number(field).map(Duration::from_millis);
    let manifest = took(delivered, "manifest_ms")?;
    let shards = took(delivered, "shards_ms")? + took(delivered, "grant_ms")?;
    let began = delivered.at.checked_sub(manifest + shards)?;
    // The numbers of milliseconds are cut off, so that it may seem to have begun a little before.
    let compiled = |line: &&Line| line.says("compiled") && line.at <= began + SLACK;
    let compiled = logs.operator.iter().filter(within).rfind(compiled)?;
    let compile = compiled.at.checked_sub(took(compiled, "took_ms")?)?;
    let generation = delivered.number("generation")?;
    let in_force =
        |line: &&Line| line.says("manifest in force") && line.number("generation") == Some(generation);
    let loaded = logs.broker.iter().find(in_force)?.at;
    let since = |later: Instant, earlier: Instant| later.saturating_duration_since(earlier);
    Some([
        since(edit.answered, edit.sent),
        since(compile, edit.answered),
        since(began, compile),
        shards,
        manifest,
        since(loaded, delivered.at),
        since(enforced, loaded),
    ])
}

/// Milliseconds in logs are whole.
const SLACK: Duration = Duration::from_millis(3);

/// What is said of an edit is said by then.
const LATE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_parts_add_up_to_the_whole() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let line = |ms, fields| Line { at: at(ms), fields };
        let operator = vec![
            line(90, json!({ "message": "delivered", "generation": 6 })),
            line(101, json!({ "message": "compiled", "took_ms": "0" })),
            line(130, json!({ "message": "compiled", "took_ms": "5" })),
            line(
                160,
                json!({ "message": "delivered", "generation": 7, "grant_ms": "1", "shards_ms": "13", "manifest_ms": "12" }),
            ),
        ];
        let broker = vec![
            line(91, json!({ "message": "manifest in force", "generation": 6 })),
            line(168, json!({ "message": "manifest in force", "generation": 7 })),
        ];
        let edit = Edit { granted: true, sent: at(100), answered: at(110), enforced: Some(at(170)) };
        let parts = of(&edit, &Logs { operator, broker }).unwrap();
        let expected = [10, 15, 9, 14, 12, 8, 2].map(Duration::from_millis);
        assert_eq!(parts, expected);
        assert_eq!(parts.iter().sum::<Duration>(), Duration::from_millis(70));
    }
}
