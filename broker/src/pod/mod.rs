//! `moat-broker serve`: one pod of an MqttCluster on Kubernetes.
//!
//! The operator compiles; this reads what it wrote: `api` watches the manifest and fetches shards, `loader` judges
//! them, the supervisor puts them in force, `store` keeps them on the volume, and `report` says on the `admin`
//! port what became of them. Nothing here writes to the API server.

mod admin;
mod api;
mod backoff;
mod certificates;
pub(crate) mod error;
mod follow;
mod loader;
mod report;
mod saver;
mod store;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::info;

use crate::logging::LogLevel;
use crate::process::Process;
use crate::supervisor::Supervisor;
use admin::AdminCertificate;
use follow::Follower;
use report::Reports;

/// What `serve` needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the MqttCluster.
    pub cluster: String,
    /// Its `metadata.uid`, if known: then nothing of an earlier cluster of that name is ever in force.
    pub cluster_uid: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// Where the pod's volume is mounted.
    pub data: PathBuf,
    /// Address of the health port; port 0 takes a free one, which is logged.
    pub health: SocketAddr,
    /// Address of the admin port; port 0 takes a free one, which is logged.
    pub admin: SocketAddr,
    /// Address that listeners bind; all addresses if none.
    pub bind: Option<IpAddr>,
    /// Number of cores that serve connections; all that the process may use if none.
    pub workers: Option<u16>,
}

/// Serves the policy of a cluster until the process is told to stop.
///
/// # Errors
/// If the health port or the admin port cannot be opened, or the operating system refuses a thread. An API server that
/// is away, or a volume that cannot be used, is none: it is reported, and tried again.
pub fn run(settings: &Settings, log_level: LogLevel) -> anyhow::Result<()> {
    // Two libraries here would choose for themselves. A provider that is there already is the same one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let process = Process::start(settings.workers)?;
    let unjudged = Arc::clone(&process.hub);
    let reports = Arc::new(Reports::new(Arc::clone(&process.status), move || unjudged.unjudged()));
    let certificate = Arc::new(AdminCertificate::default());
    let following = runtime.block_on(async {
        let admin = TcpListener::bind(settings.admin)
            .await
            .with_context(|| format!("failed to open the admin port {}", settings.admin))?;
        info!(address = %admin.local_addr()?, "admin port open");
        tokio::spawn(admin::serve(admin, Arc::clone(&certificate), Arc::clone(&reports)));
        let (told, hub) = (Arc::clone(&reports), Arc::clone(&process.hub));
        tokio::spawn(async move { told.follow(&hub).await });
        let following = Following::start(settings, &process, reports, certificate)?;
        process.serve_health(settings.health, log_level).await?;
        anyhow::Ok(following)
    })?;
    // Clients are told first: the volume may be slow.
    let last_good = following.stop();
    process.stop();
    // A thread that panicked has said so.
    let _ = last_good.join();
    Ok(())
}

/// The thread that follows the manifest.
struct Following {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Following {
    fn start(
        settings: &Settings,
        process: &Process,
        reports: Arc<Reports>,
        certificate: Arc<AdminCertificate>,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let supervisor = Supervisor::new(process, settings.bind);
        let (settings, status) = (settings.clone(), Arc::clone(&process.status));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("policy".to_owned()).spawn(move || {
            let follower = match Follower::start(&settings, supervisor, status, reports, certificate) {
                Ok(follower) => follower,
                Err(error) => return tracing::error!(%error, "the policy cannot be followed"),
            };
            runtime.block_on(async {
                tokio::select! {
                    () = follower.run() => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { stop, thread })
    }

    /// Has the thread end once the volume has what is in force.
    fn stop(self) -> JoinHandle<()> {
        // A thread that is gone is one that has stopped.
        let _ = self.stop.send(());
        self.thread
    }
}
