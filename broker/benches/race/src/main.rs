//! Races Moat against other brokers on this machine: `make race`.
//!
//! Every participant is started afresh for every run, all in turn within a round, so that what the machine
//! does meanwhile falls on all of them; figures are medians over rounds. The generator is one thread of this
//! process; it bounds what is under way itself and checks every message that it receives.

mod endpoint;
mod frames;
mod generator;
mod link;
mod live;
mod peers;
mod process;
mod relay;
mod report;
mod resources;
mod run;
mod scenario;
mod tally;

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::frames::Protocol;
use crate::peers::{Peer, Setup};
use crate::report::Report;
use crate::scenario::Scenario;

/// Races Moat against mosquitto, rumqttd and a raw relay that speaks no MQTT.
#[derive(Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Task>,
    #[command(flatten)]
    race: Race,
}

#[derive(Subcommand)]
enum Task {
    /// Serves as the raw relay on a loopback port; the race starts it by itself.
    Relay {
        /// Port to listen on.
        #[arg(long)]
        port: u16,
    },
    /// Measures Moat alone: its start, changes of rights of live sessions, and reloads under traffic.
    Live(live::Live),
}

#[derive(Args)]
struct Race {
    /// Scenario to run; may be repeated. Default: all.
    #[arg(long, value_enum)]
    scenario: Vec<Scenario>,
    /// Participant; may be repeated. Default: mosquitto, rumqttd, moat and relay.
    #[arg(long = "broker", value_enum)]
    brokers: Vec<Peer>,
    /// Seconds measured in each run, after a quarter of it as warm-up.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Rounds; figures are medians over them.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Payload bytes, 16 to 60000.
    #[arg(long, default_value_t = 64)]
    payload: usize,
    /// MQTT version: 4 (3.1.1) or 5.
    #[arg(long, default_value_t = 4)]
    protocol: u8,
    /// A built moat-broker. Default: build it with the release profile.
    #[arg(long)]
    moat: Option<PathBuf>,
    /// Moat's number of connection threads. Default: the broker's own.
    #[arg(long)]
    workers: Option<u16>,
    /// Folder for built peers.
    #[arg(long, default_value = "target/peers")]
    peers: PathBuf,
    /// Folder for configurations, logs and results.
    #[arg(long, default_value = "target/race")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let line = CommandLine::parse();
    match line.command {
        Some(Task::Relay { port }) => relay::serve((Ipv4Addr::LOCALHOST, port).into()),
        Some(Task::Live(live)) => live::measure(&live),
        None => race(&line.race),
    }
}

fn race(race: &Race) -> Result<()> {
    ensure!((frames::MIN_PAYLOAD..=60_000).contains(&race.payload), "--payload must be 16 to 60000");
    ensure!(race.seconds > 0.0 && race.rounds > 0, "--seconds and --rounds must be above zero");
    let protocol = match race.protocol {
        4 => Protocol::V4,
        5 => Protocol::V5,
        other => anyhow::bail!("--protocol must be 4 or 5, not {other}"),
    };
    fs::create_dir_all(&race.out).with_context(|| format!("failed to create {}", race.out.display()))?;
    fs::create_dir_all(&race.peers).with_context(|| format!("failed to create {}", race.peers.display()))?;
    let setup = Setup {
        peers: fs::canonicalize(&race.peers)?,
        work: fs::canonicalize(&race.out)?,
        moat: race.moat.clone(),
        workers: race.workers,
        protocol,
    };
    let all = [Peer::Mosquitto, Peer::Rumqttd, Peer::Moat, Peer::Relay];
    let brokers = if race.brokers.is_empty() { all.to_vec() } else { race.brokers.clone() };
    let scenarios = if race.scenario.is_empty() { Scenario::ALL.to_vec() } else { race.scenario.clone() };
    let entrants = brokers.iter().map(|peer| peer.prepare(&setup)).collect::<Result<Vec<_>>>()?;
    let length = Duration::from_secs_f64(race.seconds);
    let mut report = Report::new(&setup, &entrants, race.payload, length);
    for round in 1..=race.rounds {
        for scenario in &scenarios {
            for entrant in &entrants {
                let name = entrant.peer().name();
                eprint!("round {round}: {} · {name} … ", scenario.key());
                let outcome = run::run(entrant, &setup, *scenario, race.payload, length)
                    .with_context(|| format!("{name} failed in {}", scenario.key()));
                match &outcome {
                    Ok(result) => eprintln!("{}", result.brief()),
                    Err(error) => eprintln!("{error:#}"),
                }
                report.add(*scenario, entrant.peer(), outcome.ok());
            }
        }
    }
    println!("{}", report.table());
    let file = race.out.join("results.json");
    fs::write(&file, report.json()).with_context(|| format!("failed to write {}", file.display()))?;
    eprintln!("results: {}", file.display());
    Ok(())
}
