//! `moat-broker`: see the README for a tour.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use moat_broker::logging::{self, LogFormat};
use moat_broker::{pod, standalone};

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
    /// Serve the policy that the operator delivers: one pod of an MqttCluster on Kubernetes.
    Serve(Serve),
}

#[derive(clap::Args)]
struct Run {
    /// Folder with the YAML files.
    dir: PathBuf,
    /// Address and port of /livez, /readyz and /metrics.
    #[arg(long, default_value = "127.0.0.1:8080", env = "MOAT_HEALTH")]
    health: SocketAddr,
    #[command(flatten)]
    shared: Shared,
}

#[derive(clap::Args)]
struct Serve {
    /// Name of the MqttCluster.
    #[arg(long, env = "MOAT_CLUSTER")]
    cluster: String,
    /// metadata.uid of the MqttCluster: nothing of an earlier cluster of that name is taken then.
    #[arg(long, env = "MOAT_CLUSTER_UID")]
    cluster_uid: Option<String>,
    /// Namespace of the MqttCluster.
    #[arg(long, env = "MOAT_NAMESPACE")]
    namespace: String,
    /// Folder of the pod's volume: the last good policy is kept there.
    #[arg(long, env = "MOAT_DATA")]
    data: PathBuf,
    /// Address and port of /livez, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:9400", env = "MOAT_HEALTH")]
    health: SocketAddr,
    /// Address and port of the report, for the operator only.
    #[arg(long, default_value = "0.0.0.0:9401", env = "MOAT_ADMIN")]
    admin: SocketAddr,
    #[command(flatten)]
    shared: Shared,
}

/// What both commands know.
#[derive(clap::Args)]
struct Shared {
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
        Command::Run(command) => run(command),
        Command::Serve(command) => serve(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("moat-broker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Run) -> anyhow::Result<()> {
    let Run { dir, health, shared: Shared { bind, workers, log_format, log_level } } = command;
    let log_level = logging::start(log_format, &log_level)?;
    standalone::run(&standalone::Settings { dir, health, bind, workers }, log_level)
}

fn serve(command: Serve) -> anyhow::Result<()> {
    let Serve { cluster, cluster_uid, namespace, data, health, admin, shared } = command;
    let Shared { bind, workers, log_format, log_level } = shared;
    let log_level = logging::start(log_format, &log_level)?;
    let cluster_uid = cluster_uid.filter(|uid| !uid.is_empty());
    let settings = pod::Settings { cluster, cluster_uid, namespace, data, health, admin, bind, workers };
    pod::run(&settings, log_level)
}
