//! From measurements to lines of the table, and to raw samples. No I/O.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cold::ColdStart;
use crate::first::First;
use crate::fleet::{Fleet, Made};
use crate::processes::Memory;
use crate::report::Row;
use crate::session::Measured;
use crate::shares::PARTS;
use crate::spread::Spread;

/// What an edit may take for 99 of 100.
const EDIT: Duration = Duration::from_secs(1);

/// What the operator may hold, in bytes.
const HELD: u64 = 200_000_000;

/// Edits until in force, and where their time went.
pub(crate) fn of_edits(measured: &Measured, setting: &str) -> Vec<Row> {
    let Measured { edits, shares, processors, .. } = measured;
    let times = |from_request: bool, granted: Option<bool>| {
        let wanted = edits.iter().filter(move |edit| granted.is_none_or(|granted| edit.granted == granted));
        Spread::of(wanted.filter_map(move |edit| {
            let began = if from_request { edit.sent } else { edit.answered };
            Some(edit.enforced?.saturating_duration_since(began))
        }))
    };
    let missed = edits.iter().filter(|edit| edit.enforced.is_none()).count();
    let said = if missed == 0 { String::new() } else { format!("{missed} edits were not in force in time") };
    let all = times(false, None);
    let met = missed == 0 && all.is_some_and(|all| all.p99 < EDIT);
    let mut rows = vec![
        Row::tail(format!("edit → in force, from the API server's answer, {setting}"), all)
            .target("p99 < 1000", met)
            .remark(said),
        Row::tail(format!("… from the request, {setting}"), times(true, None)),
        Row::tail(format!("… right revoked, from the answer, {setting}"), times(false, Some(false))),
        Row::tail(format!("… right given back, from the answer, {setting}"), times(false, Some(true))),
    ];
    for (index, (who, what)) in PARTS.iter().enumerate() {
        let spread = Spread::of(shares.iter().flatten().map(|share| share[index]));
        rows.push(Row::tail(format!("… of it {who}, {setting}"), spread).remark(*what));
    }
    for (program, used) in processors {
        let each = used.as_secs_f64() * 1e3 / edits.len().max(1) as f64;
        rows.push(
            Row::new(
                format!("processor time of the {program} per edit, {setting}"),
                format!("{each:.1}"),
                edits.len(),
            )
            .remark("its other work and the messages of the clients included"),
        );
    }
    rows
}

/// Whether the operator holds little enough; brokers have no target here.
pub(crate) fn memory_target(row: Row, program: &str, memory: Memory) -> Row {
    if program == "operator" { row.target("≤ 200 MB resident", memory.resident <= HELD) } else { row }
}

/// How fast the fleet was made.
pub(crate) fn of_fleet(made: &Made, wanted: Fleet) -> Vec<Row> {
    let values =
        format!("{} objects in {:.0} s: {:.0} a second", made.objects, made.took.as_secs_f64(), made.rate());
    let whole = if made.fleet == wanted { "" } else { "; there was no time for more" };
    let row = Row::new("fleet made through the API, without an operator", values, 1);
    vec![row.remark(format!("{}{whole}", made.title()))]
}

/// A start of the operator beside the fleet.
pub(crate) fn of_cold_start(start: &ColdStart, setting: &str) -> Vec<Row> {
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let values = format!(
        "leading {}, compiled {}, settled {}",
        seconds(start.leading),
        seconds(start.compiled),
        seconds(start.settled)
    );
    let row = Row::new(format!("operator's cold start beside the fleet, {setting}"), values, 1);
    let memory = Row::memory(format!("… memory then, {setting}"), start.memory);
    let restarts = start.restarts.as_ref().map(|text| format!("; {text}")).unwrap_or_default();
    vec![
        row.remark(format!("{} writes{restarts}", start.writes)),
        memory_target(memory, "operator", start.memory),
    ]
}

/// New clusters until their first client.
pub(crate) fn of_first_clients(firsts: &[First]) -> Vec<Row> {
    let median = |what: &str, time: &dyn Fn(&First) -> Option<Duration>| {
        Row::median(
            format!("new cluster: kubectl apply → {what}"),
            Spread::of(firsts.iter().filter_map(time)),
        )
    };
    vec![
        median("first CONNACK through the Service", &|first| Some(first.connack))
            .remark("the quickstart, on a ready node that has the image"),
        median("… kubectl has ended", &|first| Some(first.applied)),
        median("… StatefulSet written", &|first| first.workload),
        median("… pod bound to its node", &|first| first.bound),
        median("… broker's process started", &|first| first.process),
        median("… policy in force in the pod", &|first| first.in_force),
        median("… listener's endpoint written", &|first| first.endpoint),
    ]
}

/// One line per edit; times are milliseconds since the first was about to be made.
pub(crate) fn csv(measured: &Measured) -> String {
    let mut text =
        "edit,granted,sent,answered,enforced,write,watch,compile,shards,manifest,load,judge\n".to_owned();
    let millis = |time: Duration| format!("{:.3}", time.as_secs_f64() * 1e3);
    for (number, (edit, shares)) in measured.edits.iter().zip(&measured.shares).enumerate() {
        let since = |at| millis(std::time::Instant::saturating_duration_since(&at, measured.began));
        let enforced = edit.enforced.map(since).unwrap_or_default();
        let shares = shares.map_or(vec![String::new(); PARTS.len()], |shares| shares.map(millis).to_vec());
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{number},{},{},{},{enforced},{}",
            edit.granted,
            since(edit.sent),
            since(edit.answered),
            shares.join(",")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_operator_has_a_bound() {
        let memory = Memory { resident: HELD + 1, peak: HELD + 1 };
        let judged = |program| memory_target(Row::memory("memory", memory), program, memory).line();
        assert!(judged("operator").contains("MISSED"));
        assert!(!judged("broker").contains("MISSED"));
    }
}
