//! `moat-broker run DIR`: the product without Kubernetes.

mod compile;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context;

use crate::logging::LogLevel;
use crate::process::Process;
use crate::source::{FolderSource, watch};
use crate::supervisor::Supervisor;
use compile::FolderPolicy;

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
    let process = Process::start(settings.workers)?;
    let mut source = FolderSource::open(&settings.dir)
        .with_context(|| format!("failed to read the folder {}", settings.dir.display()))?;
    let mut policy = FolderPolicy::new(Supervisor::new(&process, settings.bind));
    policy.follow(&mut source);
    let watch = watch(source, move |source| policy.follow(source))?;
    runtime.block_on(process.serve_health(settings.health, log_level))?;
    drop(watch);
    process.stop();
    Ok(())
}
