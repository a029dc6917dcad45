//! Measures Moat on a Kubernetes of its own whose etcd waits for its disk: an edit until it is in force for a live
//! session, what the operator writes and holds, its start beside a large fleet, and a new cluster's first client.

mod api;
mod clock;
mod cold;
mod edits;
mod first;
mod fleet;
mod mqtt;
mod operator;
mod pace;
mod processes;
mod report;
mod rows;
mod scene;
mod session;
mod shares;
mod spread;
mod writes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use moat_e2e::Kubernetes;
use moat_e2e::kube::{Image, Options};

use crate::api::Api;
use crate::clock::Clock;
use crate::fleet::Fleet;
use crate::operator::Operator;
use crate::report::Row;
use crate::session::Session;

/// What and how often to measure.
#[derive(Parser)]
#[command(name = "moat-figures", about)]
struct Figures {
    /// Folder for the results
    #[arg(long, default_value = "target/figures-kubernetes")]
    out: PathBuf,
    /// Docker archive of the image that MOAT_E2E_IMAGE names; without it, an image is built with the profile `quick`
    #[arg(long)]
    archive: Option<PathBuf>,
    /// New clusters of which the time to the first CONNACK is the median
    #[arg(long, default_value_t = 5)]
    clusters: usize,
    /// Edits, on an empty cluster and beside the fleet each
    #[arg(long, default_value_t = 200)]
    edits: usize,
    /// Number that the random times between edits follow from
    #[arg(long, default_value_t = 3)]
    seed: u64,
    /// Roles of the fleet, with 10 permissions each; no fleet at all without roles
    #[arg(long, default_value_t = 10_000)]
    roles: usize,
    /// Credentials of the fleet, with a Secret each
    #[arg(long, default_value_t = 50_000)]
    credentials: usize,
    /// Minutes that making the fleet may take; what is there by then is measured
    #[arg(long, default_value_t = 12)]
    minutes: u64,
    /// Whether etcd does not wait for its disk
    #[arg(long)]
    no_fsync: bool,
}

fn main() -> Result<()> {
    let figures = Figures::parse();
    fs::create_dir_all(&figures.out)
        .with_context(|| format!("failed to create {}", figures.out.display()))?;
    let before = load();
    let Some(kubernetes) = Kubernetes::start(&Options { fsync: !figures.no_fsync, ..Options::default() })?
    else {
        bail!("these figures need a Kubernetes of their own, which can be started on Linux as root only");
    };
    if let Some(archive) = &figures.archive {
        kubernetes.load_image(archive)?;
    }
    eprintln!("installing Moat");
    let operator = Operator::install(&kubernetes)?;
    let api = Api::new(&kubernetes)?;
    let mut table = Table { out: &figures.out, heading: String::new(), rows: Vec::new() };
    table.heading = heading(&figures, &before);
    table.add(image(&figures)?)?;
    let clock = Clock::start();
    table.add(first_clients(&kubernetes, &api, &operator, &clock, figures.clusters)?)?;
    let mut session = Session::open(&kubernetes, &api, &operator, clock)?;
    table.add(edits(&mut session, &figures, "empty cluster")?)?;
    if figures.roles > 0 {
        table.add(beside_a_fleet(&mut session, &figures)?)?;
    }
    println!("{}", table.text());
    eprintln!("results: {}", figures.out.display());
    Ok(())
}

/// The table so far, which is written whenever a part of it is there.
struct Table<'a> {
    out: &'a Path,
    heading: String,
    rows: Vec<Row>,
}

impl Table<'_> {
    fn add(&mut self, rows: Vec<Row>) -> Result<()> {
        self.rows.extend(rows);
        fs::write(self.out.join("figures.md"), self.text()).context("failed to write the table")
    }

    fn text(&self) -> String {
        format!("{}\nLoad average at the end {}.\n", report::table(&self.heading, &self.rows), load())
    }
}

/// The machine's load averages over one, five and fifteen minutes.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

fn heading(figures: &Figures, before: &str) -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let disk = if figures.no_fsync { "does not wait" } else { "waits" };
    let (edits, seed) = (figures.edits, figures.seed);
    format!(
        "Moat on Kubernetes 1.34, one node, everything on {processors} processors; etcd {disk} for its disk; load average \
         {before} before. {edits} edits, seed {seed}."
    )
}

fn image(figures: &Figures) -> Result<Vec<Row>> {
    let archive = match &figures.archive {
        Some(archive) => Some(archive.clone()),
        None => Image::build()?.archive.clone(),
    };
    let Some(archive) = archive else { return Ok(Vec::new()) };
    let bytes = fs::metadata(&archive)?.len();
    let gzip = Command::new("gzip").arg("-c").arg(&archive).stdin(Stdio::null()).output()?;
    let values =
        format!("{} MB, {} MB packed", report::megabytes(bytes), report::megabytes(gzip.stdout.len() as u64));
    Ok(vec![Row::new("image, operator and broker", values, 1)])
}

fn first_clients(
    kubernetes: &Kubernetes,
    api: &Api<'_>,
    operator: &Operator<'_>,
    clock: &Clock,
    count: usize,
) -> Result<Vec<Row>> {
    eprintln!("new clusters");
    let mut firsts = Vec::new();
    for _ in 0..count {
        cold::wait(operator)?;
        firsts.push(first::measure(kubernetes, api, clock)?);
    }
    Ok(rows::of_first_clients(&firsts))
}

fn edits(session: &mut Session<'_>, figures: &Figures, setting: &str) -> Result<Vec<Row>> {
    eprintln!("edits: {setting}");
    let measured = session.measure(figures.edits, figures.seed)?;
    let file = figures.out.join(format!("edits-{}.csv", setting.replace(' ', "-")));
    fs::write(&file, rows::csv(&measured)).with_context(|| format!("failed to write {}", file.display()))?;
    let mut all = rows::of_edits(&measured, setting);
    all.extend(session.writes(&measured, setting)?);
    all.extend(session.memories(setting)?);
    Ok(all)
}

fn beside_a_fleet(session: &mut Session<'_>, figures: &Figures) -> Result<Vec<Row>> {
    let fleet = Fleet { roles: figures.roles, credentials: figures.credentials };
    eprintln!("making {} objects", fleet.objects());
    let operator = session.operator();
    operator.stop()?;
    let made = session.make(fleet, Duration::from_secs(60 * figures.minutes))?;
    let mut all = rows::of_fleet(&made, fleet);
    eprintln!("cold start: every status has to be written");
    all.extend(rows::of_cold_start(&session.cold_start()?, "every status to be written"));
    eprintln!("cold start: nothing has to be written");
    operator.stop()?;
    all.extend(rows::of_cold_start(&session.cold_start()?, "nothing to be written"));
    all.extend(edits(session, figures, "beside the fleet")?);
    Ok(all)
}
