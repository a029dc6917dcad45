//! `moat-broker run DIR`: the product without Kubernetes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::Context;
use moat_mqtt::core::{Shared, Stats};
use moat_mqtt::limits::Limits;
use moat_policy::{Bundle, Policy};
use moat_realms::backoff::{Backoff, BackoffConfig};
use moat_realms::verifier::{Verifier, VerifierConfig};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tracing::info;

use crate::auth::{AccessLog, Authenticator, RefusalCounts};
use crate::health::{self, Health};
use crate::logging::LogLevel;
use crate::metrics::Metrics;
use crate::net::worker::{self, Command, Hub, IoStats, WorkerHandle};
use crate::policy::PolicyStore;
use crate::source::{FolderSource, watch};
use crate::status::Status;
use crate::supervisor::Supervisor;

/// What `run` needs to know besides the folder.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder with the resources.
    pub dir: PathBuf,
    /// Address of the health port; port 0 takes a free one, which is logged.
    pub health: SocketAddr,
    /// Address that listeners bind; all addresses if none.
    pub bind: Option<IpAddr>,
    /// Number of cores that serve connections; all that the process may use if none.
    pub workers: Option<u16>,
}

/// Serves a folder until the process is told to stop.
///
/// # Errors
/// If the folder cannot be read, the health port cannot be opened, or the operating system refuses a thread.
pub fn run(settings: &Settings, log_level: LogLevel) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (hub, commands) = hub(settings.workers)?;
    let workers = commands
        .into_iter()
        .zip(0..)
        .map(|(commands, id)| worker::spawn(id, Arc::clone(&hub), commands))
        .collect::<std::io::Result<Vec<_>>>()
        .context("failed to start the threads of the cores")?;
    let status = Arc::new(Status::default());
    let mut source = FolderSource::open(&settings.dir)
        .with_context(|| format!("failed to read the folder {}", settings.dir.display()))?;
    let mut supervisor = Supervisor::new(Arc::clone(&hub), Arc::clone(&status), settings.bind);
    supervisor.follow(&mut source);
    let watch = watch(source, move |source| supervisor.follow(source))?;
    let metrics = Arc::new(Metrics::new(Arc::clone(&hub), Arc::clone(&status))?);
    let health = Health { status: Arc::clone(&status), metrics, log_level };
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(settings.health)
            .await
            .with_context(|| format!("failed to open the health port {}", settings.health))?;
        info!(address = %listener.local_addr()?, "health port open");
        let stopping = Arc::clone(&status);
        let draining = Arc::clone(&hub);
        let stop = async move {
            stop_signal().await;
            info!("stopping");
            stopping.stopping();
            draining.draining.store(true, Ordering::Relaxed);
        };
        health::serve(listener, health, stop).await.context("the health port failed")
    })?;
    drop(watch);
    stop_workers(&hub, workers);
    info!("stopped");
    Ok(())
}

/// Everything that the workers share, and the receiving ends of their commands.
fn hub(workers: Option<u16>) -> anyhow::Result<(Arc<Hub>, Vec<mpsc::UnboundedReceiver<Command>>)> {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = workers.unwrap_or_else(|| u16::try_from(available).unwrap_or(u16::MAX)).max(1);
    let shared = Arc::new(Shared::new(cores, Limits::default()));
    let store = Arc::new(PolicyStore::new(Policy::load(&Bundle::new())));
    let verifier = Verifier::start(VerifierConfig::default())?;
    let authenticator = Arc::new(Authenticator {
        store,
        shared: Arc::clone(&shared),
        verifier,
        backoff: Backoff::new(BackoffConfig::default()),
        log: Arc::new(AccessLog::new()),
        refusals: RefusalCounts::default(),
        succeeded: AtomicU64::new(0),
    });
    let (handles, commands) = (0..cores)
        .map(|_| {
            let (commands, receiver) = mpsc::unbounded_channel();
            let handle =
                WorkerHandle { commands, stats: Mutex::new(Stats::default()), swept: AtomicU64::new(0) };
            (handle, receiver)
        })
        .unzip();
    let hub = Hub {
        shared,
        authenticator,
        workers: handles,
        started: Instant::now(),
        draining: AtomicBool::new(false),
        io: IoStats::default(),
    };
    Ok((Arc::new(hub), commands))
}

fn stop_workers(hub: &Hub, workers: Vec<JoinHandle<()>>) {
    for handle in &hub.workers {
        // A worker that is gone has stopped already.
        let _ = handle.commands.send(Command::Stop);
    }
    for worker in workers {
        // A worker that panicked has said so; the others still stop in order.
        let _ = worker.join();
    }
}

/// Completes on SIGTERM, which Kubernetes sends, or SIGINT, which a terminal sends.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
