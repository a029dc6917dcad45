//! Measures Moat alone: its start, edits that change the rights of live sessions, and reloads under traffic.

mod broker;
mod client;
mod edits;
mod reload;
mod report;
mod scene;
mod spread;
mod start;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;

use self::broker::Bench;
use self::report::Row;
use self::scene::{Fleet, Scene};
use self::spread::Spread;
use self::start::Welcome;
use crate::peers::moat;
use crate::process;

/// Starts of which the load time is the median.
const LOADS: usize = 3;

/// What and how often to measure.
#[derive(Args)]
pub(crate) struct Live {
    /// A built moat-broker. Default: build it with the release profile.
    #[arg(long)]
    moat: Option<PathBuf>,
    /// Number of connection threads. Default: the broker's own.
    #[arg(long)]
    workers: Option<u16>,
    /// Folder for resources, logs and results.
    #[arg(long, default_value = "target/figures")]
    out: PathBuf,
    /// Starts of which each start time is the median.
    #[arg(long, default_value_t = 9)]
    starts: usize,
    /// Edits, in the small folder and beside the fleet each.
    #[arg(long, default_value_t = 200)]
    edits: usize,
    /// Reloads of the whole fleet.
    #[arg(long, default_value_t = 5)]
    reloads: usize,
    /// Number that the random times between edits follow from.
    #[arg(long, default_value_t = 3)]
    seed: u64,
    #[command(flatten)]
    fleet: FleetSize,
}

/// What stands in the large folder.
#[derive(Args)]
struct FleetSize {
    /// Roles of the fleet.
    #[arg(long, default_value_t = 10_000)]
    roles: usize,
    /// Credentials of the fleet.
    #[arg(long, default_value_t = 50_000)]
    credentials: usize,
    /// Files that the fleet is spread over.
    #[arg(long, default_value_t = 200)]
    files: usize,
}

/// Measures, prints the table, and writes both forms of it below the work folder.
pub(crate) fn measure(live: &Live) -> Result<()> {
    let FleetSize { roles, credentials, files } = live.fleet;
    ensure!(roles > 0 && files > 0, "--roles and --files must be above zero");
    fs::create_dir_all(&live.out).with_context(|| format!("failed to create {}", live.out.display()))?;
    let (binary, version) = moat::prepare(live.moat.as_deref())?;
    let bench = Bench { binary, workers: live.workers, work: fs::canonicalize(&live.out)? };
    let fleet = Fleet { roles, credentials, files };
    let before = busy();
    let mut rows = Vec::new();
    rows.extend(starts(&bench, live.starts)?);
    rows.extend(loads(&bench, &fleet)?);
    rows.extend(edits(&bench, None, live)?);
    rows.extend(edits(&bench, Some(&fleet), live)?);
    rows.extend(reloads(&bench, &fleet, live.reloads)?);
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let heading = format!(
        "moat-broker {version}; {processors} processors with clients and broker on them; load average {before} before, \
         {} after; fleet: {}",
        busy(),
        fleet.title()
    );
    let table = report::table(&heading, &rows);
    println!("{table}");
    for (name, text) in [("figures.md", table), ("figures.json", report::json(&heading, &rows))] {
        let file = live.out.join(name);
        fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))?;
        eprintln!("results: {}", file.display());
    }
    Ok(())
}

/// The machine's load averages over one, five and fifteen minutes.
fn busy() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn starts(bench: &Bench, count: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for welcome in Welcome::ALL {
        eprintln!("start to first CONNACK: {}", welcome.title());
        let spread = Spread::of(start::first_logins(bench, welcome, count)?);
        let row = row(format!("start → first CONNACK, {}", welcome.title()), spread, Detail::Median);
        rows.push(match welcome {
            Welcome::AllowAll | Welcome::Plain => row.target("median", Duration::from_millis(100)),
            // Its hash alone takes a good part of that, on purpose.
            Welcome::Argon2id => row,
        });
    }
    Ok(rows)
}

fn loads(bench: &Bench, fleet: &Fleet) -> Result<Vec<Row>> {
    eprintln!("start on the fleet");
    let (times, memory) = start::loads(bench, fleet, LOADS)?;
    let remark = format!("reading the YAML included; peak memory {} MiB", memory >> 20);
    Ok(vec![row("start → ready, beside the fleet", Spread::of(times), Detail::Median).remark(remark)])
}

fn edits(bench: &Bench, fleet: Option<&Fleet>, live: &Live) -> Result<Vec<Row>> {
    let beside = if fleet.is_some() { "beside the fleet" } else { "small folder" };
    eprintln!("edit to enforced: {beside}");
    let folder = bench.folder(if fleet.is_some() { "edits-fleet" } else { "edits-small" })?;
    let port = process::free_port()?;
    let scene = Scene::build(&folder, port, fleet)?;
    let mut broker = bench.spawn(&folder, port)?;
    broker.ready()?;
    let enforced = edits::measure(&broker, &scene, live.edits, live.seed)
        .with_context(|| format!("the broker's last output: {:?}", broker.running.last_words()))?;
    let missed = match enforced.missed {
        0 => String::new(),
        count => format!("{count} edits did not act in time"),
    };
    let limit = Duration::from_secs(1);
    let all = Spread::of(enforced.revoked.iter().chain(&enforced.granted).copied());
    Ok(vec![
        row(format!("edit → enforced, {beside}"), all, Detail::Tail).target("p99", limit).remark(missed),
        row(format!("… right revoked, {beside}"), Spread::of(enforced.revoked), Detail::Tail),
        row(format!("… right granted, {beside}"), Spread::of(enforced.granted), Detail::Tail),
    ])
}

fn reloads(bench: &Bench, fleet: &Fleet, count: usize) -> Result<Vec<Row>> {
    eprintln!("reloads of the fleet under traffic");
    let reloads = reload::measure(bench, fleet, count)?;
    let everything = "every role, Credential and Secret changed, by a swap of ..data";
    Ok(vec![
        row("reload → enforced everywhere, fleet", Spread::of(reloads.durations), Detail::Median)
            .remark(everything),
        row("round trip, no reload", reloads.calm, Detail::Pause),
        row("round trip, during the reloads", reloads.during, Detail::Pause)
            .target("max", Duration::from_millis(10))
            .remark(format!("longest: {}", report::list(&reloads.longest))),
    ])
}

/// Which figures of a spread a row shows.
#[derive(Clone, Copy)]
enum Detail {
    Median,
    Tail,
    Pause,
}

fn row(figure: impl Into<String>, spread: Option<Spread>, detail: Detail) -> Row {
    let Some(Spread { count, p50, p99, p999, max }) = spread else {
        return Row::new(figure, 0, []).remark("nothing was measured");
    };
    match detail {
        Detail::Median => Row::new(figure, count, [("median", p50), ("max", max)]),
        Detail::Tail => Row::new(figure, count, [("p50", p50), ("p99", p99), ("max", max)]),
        Detail::Pause => Row::new(figure, count, [("p50", p50), ("p99.9", p999), ("max", max)]),
    }
}
