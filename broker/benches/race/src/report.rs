//! The one table of a race, and the same figures as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::peers::{Entrant, Peer, Setup};
use crate::run::Outcome;
use crate::scenario::Scenario;

/// Results of a race so far.
pub(crate) struct Report {
    heading: String,
    entrants: Vec<(Peer, String, String)>,
    cells: Vec<Cell>,
}

/// All rounds of one participant in one scenario; a failed round is `None`.
struct Cell {
    scenario: Scenario,
    peer: Peer,
    rounds: Vec<Option<Outcome>>,
}

impl Cell {
    /// The figure's values over all rounds that succeeded, in order of size.
    fn sorted(&self, figure: impl Fn(&Outcome) -> f64) -> Vec<f64> {
        let mut values: Vec<f64> = self.rounds.iter().flatten().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, figure: impl Fn(&Outcome) -> f64) -> Option<f64> {
        median(&self.sorted(figure))
    }

    /// Median over rounds of this participant's rate by that of `other` in the same round.
    fn ratio(&self, other: &Cell) -> Option<f64> {
        let mut ratios: Vec<f64> = self
            .rounds
            .iter()
            .zip(&other.rounds)
            .filter_map(|pair| match pair {
                (Some(own), Some(base)) if base.rate > 0.0 => Some(own.rate / base.rate),
                _ => None,
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        median(&ratios)
    }
}

fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

impl Report {
    /// Begins a report on `entrants`.
    pub(crate) fn new(setup: &Setup, entrants: &[Entrant], payload: usize, length: Duration) -> Self {
        let processors = std::thread::available_parallelism().map_or(0, usize::from);
        let heading = format!(
            "MQTT {}, {payload} B payload, {:.1} s a run, {processors} processors with generator and broker on them",
            if setup.protocol as u8 == 4 { "3.1.1" } else { "5.0" },
            length.as_secs_f64(),
        );
        let entrants = entrants.iter().map(|e| (e.peer(), e.version.clone(), e.settings(setup))).collect();
        Self { heading, entrants, cells: Vec::new() }
    }

    /// Adds one round's outcome.
    pub(crate) fn add(&mut self, scenario: Scenario, peer: Peer, outcome: Option<Outcome>) {
        match self.cells.iter_mut().find(|cell| cell.scenario == scenario && cell.peer == peer) {
            Some(cell) => cell.rounds.push(outcome),
            None => self.cells.push(Cell { scenario, peer, rounds: vec![outcome] }),
        }
    }

    fn base(&self, scenario: Scenario, peer: Peer) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.scenario == scenario && cell.peer == peer)
    }

    fn ratio(&self, cell: &Cell, to: Peer) -> Option<f64> {
        cell.ratio(self.base(cell.scenario, to)?)
    }

    /// The table, in Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = format!("{}\n\n", self.heading);
        for (peer, version, settings) in &self.entrants {
            // Writing to a string cannot fail, here and below.
            let _ = writeln!(text, "- {} {version}: {settings}", peer.name());
        }
        text.push_str(
            "\n| scenario | broker | msg/s, median | lowest – highest | × mosquitto | of raw relay | broker µs/msg \
             | generator busy | p50 / p99 µs | peak MiB | |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
        );
        for scenario in Scenario::ALL {
            for cell in self.cells.iter().filter(|cell| cell.scenario == scenario) {
                let _ = writeln!(text, "{}", self.row(cell));
            }
        }
        text
    }

    fn row(&self, cell: &Cell) -> String {
        let rates = cell.sorted(|o| o.rate);
        let range = match (rates.first(), rates.last()) {
            (Some(low), Some(high)) => format!("{} – {}", thousands(*low), thousands(*high)),
            _ => String::new(),
        };
        let micros = |time: Option<Duration>| time.map_or(0.0, |t| t.as_nanos() as f64 / 1e3);
        let latency = match (cell.median(|o| micros(o.p50)), cell.median(|o| micros(o.p99))) {
            (Some(p50), Some(p99)) if p99 > 0.0 => format!("{p50:.0} / {p99:.0}"),
            _ => String::new(),
        };
        format!(
            "| {} | {} | {} | {range} | {} | {} | {} | {} | {latency} | {} | {} |",
            cell.scenario.title(),
            cell.peer.name(),
            cell.median(|o| o.rate).map_or("failed".to_owned(), thousands),
            self.ratio(cell, Peer::Mosquitto).map_or(String::new(), |r| format!("{r:.2}")),
            self.ratio(cell, Peer::Relay).map_or(String::new(), |r| format!("{:.0} %", 100.0 * r)),
            cell.median(|o| micros(Some(o.broker_time))).map_or(String::new(), |t| format!("{t:.3}")),
            cell.median(|o| 100.0 * o.generator_busy).map_or(String::new(), |b| format!("{b:.0} %")),
            cell.median(|o| o.memory as f64 / 1_048_576.0).map_or(String::new(), |m| format!("{m:.0}")),
            remarks(cell),
        )
    }

    /// All figures of all rounds.
    pub(crate) fn json(&self) -> String {
        let entrants: Vec<Value> = self
            .entrants
            .iter()
            .map(|(peer, version, settings)| json!({ "broker": peer.name(), "version": version, "settings": settings }))
            .collect();
        let cells: Vec<Value> = self
            .cells
            .iter()
            .map(|cell| {
                json!({
                    "scenario": cell.scenario.key(),
                    "broker": cell.peer.name(),
                    "rate": cell.median(|o| o.rate),
                    "timesMosquitto": self.ratio(cell, Peer::Mosquitto),
                    "shareOfRelay": self.ratio(cell, Peer::Relay),
                    "rounds": cell.rounds.iter().map(|o| o.as_ref().map(round)).collect::<Vec<_>>(),
                })
            })
            .collect();
        let all = json!({ "heading": self.heading, "brokers": entrants, "results": cells });
        format!("{all:#}\n")
    }
}

fn round(outcome: &Outcome) -> Value {
    let Outcome { rate, p50, p99, broker_time, generator_busy, memory, .. } = outcome;
    let Outcome { lost, disordered, corrupt, unexpected, clean, .. } = outcome;
    let nanos = |time: &Option<Duration>| time.map(|t| t.as_nanos() as u64);
    json!({
        "messagesPerSecond": rate,
        "p50Nanos": nanos(p50),
        "p99Nanos": nanos(p99),
        "brokerNanosPerMessage": broker_time.as_nanos() as u64,
        "generatorBusy": generator_busy,
        "peakMemoryBytes": memory,
        "lost": lost,
        "disordered": disordered,
        "corrupt": corrupt,
        "unexpected": unexpected,
        "clean": clean,
    })
}

/// Marks what must not be read as an ordinary figure.
fn remarks(cell: &Cell) -> String {
    let failed = cell.rounds.iter().filter(|round| round.is_none()).count();
    let dirty: Vec<&Outcome> = cell.rounds.iter().flatten().filter(|o| !o.clean).collect();
    let mut words = Vec::new();
    if failed > 0 {
        words.push(format!("{failed} of {} rounds failed", cell.rounds.len()));
    }
    if !dirty.is_empty() {
        let sum = |figure: fn(&Outcome) -> u64| dirty.iter().map(|o| figure(o)).sum::<u64>();
        words.push(format!(
            "NOT CLEAN in {} rounds: {} lost, {} disordered, {} damaged, {} unexpected",
            dirty.len(),
            sum(|o| o.lost),
            sum(|o| o.disordered),
            sum(|o| o.corrupt),
            sum(|o| o.unexpected),
        ));
    }
    words.join("; ")
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(rate: f64, clean: bool) -> Outcome {
        Outcome {
            rate,
            p50: None,
            p99: None,
            broker_time: Duration::from_nanos(150),
            generator_busy: 0.5,
            memory: 1 << 20,
            lost: if clean { 0 } else { 3 },
            disordered: 0,
            corrupt: 0,
            unexpected: 0,
            clean,
        }
    }

    fn report(rounds: &[(Peer, Option<Outcome>)]) -> Report {
        let mut report = Report { heading: "test".to_owned(), entrants: Vec::new(), cells: Vec::new() };
        for (peer, outcome) in rounds {
            report.add(Scenario::Qos0, *peer, outcome.clone());
        }
        report
    }

    #[test]
    fn ratios_compare_the_same_round_and_take_the_median() {
        let mut rounds = Vec::new();
        for (base, own) in [(100.0, 1_000.0), (50.0, 1_000.0), (100.0, 1_500.0)] {
            rounds.push((Peer::Mosquitto, Some(outcome(base, true))));
            rounds.push((Peer::Moat, Some(outcome(own, true))));
        }
        let table = report(&rounds).table();
        assert!(table.contains("| moat | 1 000 | 1 000 – 1 500 | 15.00 |"), "{table}");
    }

    #[test]
    fn losses_and_failures_are_marked() {
        let table = report(&[(Peer::Moat, Some(outcome(1.0, false))), (Peer::Moat, None)]).table();
        assert!(table.contains("1 of 2 rounds failed; NOT CLEAN in 1 rounds: 3 lost"), "{table}");
    }

    #[test]
    fn figures_are_grouped_by_thousands() {
        assert_eq!(thousands(6_612_345.4), "6 612 345");
        assert_eq!(thousands(999.0), "999");
    }
}
