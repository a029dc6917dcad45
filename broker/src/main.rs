//! `moat-broker`: see the README for a tour.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use moat_broker::logging::{self, LogFormat};
use moat_broker::standalone::{self, Settings};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An MQTT broker that enforces a policy made of YAML resources.
#[derive(Parser)]
#[command(name = "moat-broker", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the resources of a folder, and follow its changes.
    Run(Run),
}

#[derive(clap::Args)]
struct Run {
    /// Folder with the YAML files.
    dir: PathBuf,
    /// Address and port of /livez, /readyz and /metrics.
    #[arg(long, default_value = "127.0.0.1:8080", env = "MOAT_HEALTH")]
    health: SocketAddr,
    /// Address that the listeners bind; all addresses by default.
    #[arg(long, env = "MOAT_BIND")]
    bind: Option<IpAddr>,
    /// Cores that serve connections; by default all that the process may use.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), env = "MOAT_WORKERS")]
    workers: Option<u16>,
    /// How log lines look.
    #[arg(long, default_value = "auto", env = "MOAT_LOG_FORMAT")]
    log_format: LogFormat,
    /// Which log lines are written: a level, or target=level pairs.
    #[arg(long, default_value = "info", env = "MOAT_LOG")]
    log_level: String,
}

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    let outcome = match command {
        Command::Run(run) => serve(run),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("moat-broker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(run: Run) -> anyhow::Result<()> {
    let Run { dir, health, bind, workers, log_format, log_level } = run;
    let log_level = logging::start(log_format, &log_level)?;
    standalone::run(&Settings { dir, health, bind, workers }, log_level)
}
