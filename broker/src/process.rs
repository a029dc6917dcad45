//! The process around the cores: their threads, the health port, and an orderly end. The same for every journey of
//! the policy.

use std::net::SocketAddr;
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
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tracing::info;

use crate::auth::{AccessLog, Authenticator, RefusalCounts};
use crate::health::{self, Health};
use crate::logging::LogLevel;
use crate::metrics::Metrics;
use crate::net::worker::{self, Command, Hub, IoStats, WorkerHandle};
use crate::policy::PolicyStore;
use crate::status::Status;

/// The running cores, with no policy and no listeners yet.
pub(crate) struct Process {
    pub(crate) hub: Arc<Hub>,
    pub(crate) status: Arc<Status>,
    workers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the threads of the cores: as many as `workers` says, or as the process may use.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub(crate) fn start(workers: Option<u16>) -> anyhow::Result<Self> {
        let (hub, commands) = hub(workers)?;
        let workers = commands
            .into_iter()
            .zip(0..)
            .map(|(commands, id)| worker::spawn(id, Arc::clone(&hub), commands))
            .collect::<std::io::Result<Vec<_>>>()
            .context("failed to start the threads of the cores")?;
        Ok(Self { hub, status: Arc::default(), workers })
    }

    /// Serves the health port until the process is told to stop; from then on no new connections are taken.
    ///
    /// # Errors
    /// If the port cannot be opened.
    pub(crate) async fn serve_health(&self, address: SocketAddr, log_level: LogLevel) -> anyhow::Result<()> {
        let metrics = Arc::new(Metrics::new(Arc::clone(&self.hub), Arc::clone(&self.status))?);
        let health = Health { status: Arc::clone(&self.status), metrics, log_level };
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("failed to open the health port {address}"))?;
        info!(address = %listener.local_addr()?, "health port open");
        let (stopping, draining) = (Arc::clone(&self.status), Arc::clone(&self.hub));
        let stop = async move {
            stop_signal().await;
            info!("stopping");
            stopping.stopping();
            draining.draining.store(true, Ordering::Relaxed);
        };
        health::serve(listener, health, stop).await.context("the health port failed")
    }

    /// Ends all connections and waits for the cores.
    pub(crate) fn stop(self) {
        for handle in &self.hub.workers {
            // A worker that is gone has stopped already.
            let _ = handle.commands.send(Command::Stop);
        }
        for worker in self.workers {
            // A worker that panicked has said so; the others still stop in order.
            let _ = worker.join();
        }
        info!("stopped");
    }
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
        judged: Notify::new(),
    };
    Ok((Arc::new(hub), commands))
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
