//! The operator's process: arguments, logs, the health port and the layer that talks to the API server.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::health::{self, Readiness};
use crate::kube::metrics::Metrics;
use crate::kube::{self, Settings};

/// What watches say about themselves is said in our own words.
const QUIET: &str = "kube_runtime=error";

/// Runs clusters of MQTT brokers on Kubernetes, and makes who may do what there a set of resources.
#[derive(Parser)]
#[command(name = "moat-operator", version)]
struct Arguments {
    /// Namespace that the operator runs in
    #[arg(long, env = "MOAT_OPERATOR_NAMESPACE", default_value = "moat-system")]
    namespace: String,
    /// Who this operator is among others; its pod's name
    #[arg(long, env = "POD_NAME", default_value = "moat-operator")]
    identity: String,
    /// Image of the brokers, without a tag
    #[arg(long, env = "MOAT_BROKER_REPOSITORY", default_value = "moat")]
    broker_repository: String,
    /// Tag of the image that brokers of new clusters get
    #[arg(long, env = "MOAT_BROKER_VERSION", default_value = env!("CARGO_PKG_VERSION"))]
    broker_version: String,
    /// Address and port of /livez, /readyz and /metrics
    #[arg(long, env = "MOAT_HEALTH", default_value = "0.0.0.0:9400")]
    health: SocketAddr,
    /// How log lines look
    #[arg(long, env = "MOAT_LOG_FORMAT", default_value = "human")]
    log_format: LogFormat,
    /// Which log lines are written: a level, or target=level pairs
    #[arg(long, env = "MOAT_LOG", default_value = "info")]
    log_level: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Human,
    Json,
}

/// Runs until the process is told to stop.
///
/// # Errors
/// When something cannot be started, or the Lease is lost: the process must end then.
pub fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_new(format!("{QUIET},{}", arguments.log_level))
        .context("--log-level must be a level or target=level pairs")?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match arguments.log_format {
        LogFormat::Human => logs.init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> anyhow::Result<()> {
    let (readiness, metrics) = (Readiness::default(), Metrics::new()?);
    let listener = TcpListener::bind(arguments.health)
        .await
        .with_context(|| format!("failed to open the health port {}", arguments.health))?;
    info!(version = env!("CARGO_PKG_VERSION"), address = %listener.local_addr()?, "health port open");
    let settings = Settings {
        namespace: arguments.namespace,
        identity: arguments.identity,
        broker_repository: arguments.broker_repository,
        broker_version: arguments.broker_version,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    tokio::select! {
        outcome = kube::run(settings, metrics.clone(), readiness.clone(), stop) => outcome,
        broken = health::serve(listener, readiness, metrics) => broken.context("the health port failed"),
    }
}
