//! The processes of the instance's pods, as Linux sees them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use moat_e2e::Kubernetes;

/// Clock ticks a second, in what Linux tells of processes: 100 everywhere.
const TICKS: u32 = 100;

/// A process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    folder: PathBuf,
    /// When it started, to a hundredth of a second.
    pub(crate) started: Instant,
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident now (`VmRSS`), in bytes.
    pub(crate) resident: u64,
    /// The most that was ever resident (`VmHWM`), in bytes.
    pub(crate) peak: u64,
}

impl Process {
    /// The youngest process of a program in any pod of the instance.
    pub(crate) fn find(kubernetes: &Kubernetes, program: &str) -> Result<Self> {
        let instance = kubernetes.instance().context("the cluster is not ours")?;
        let name = instance.folder().file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Every node has its control group below that of its instance.
        let group = format!("/moat-{name}/");
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let folder = entry.path();
            let ours = fs::read_link(folder.join("exe")).is_ok_and(|exe| exe == Path::new(program))
                && fs::read_to_string(folder.join("cgroup")).is_ok_and(|groups| groups.contains(&group));
            // It may have ended meanwhile.
            if ours && let Ok(started) = started(&folder) {
                found.push(Self { folder, started });
            }
        }
        found.into_iter().max_by_key(|process| process.started).with_context(|| format!("no {program} runs"))
    }

    pub(crate) fn is_there(&self) -> bool {
        self.folder.join("exe").exists()
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(self.folder.join("status")).context("the process has ended")?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
        };
        let field = |name: &str| bytes(name).with_context(|| format!("the process has no {name}"));
        Ok(Memory { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }

    /// Processor time that it has used so far.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let stat = stat(&self.folder)?;
        let ticks: u32 = [11, 12].iter().filter_map(|field| stat.get(*field)?.parse::<u32>().ok()).sum();
        Ok(Duration::from_secs(1) * ticks / TICKS)
    }
}

/// The fields behind the program's name, which may hold anything.
fn stat(folder: &Path) -> Result<Vec<String>> {
    let stat = fs::read_to_string(folder.join("stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("/proc/…/stat is not as it should be")?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

fn started(folder: &Path) -> Result<Instant> {
    let ticks: u64 = stat(folder)?.get(19).context("a process has no start")?.parse()?;
    let uptime = fs::read_to_string("/proc/uptime")?;
    let uptime: f64 = uptime.split(' ').next().unwrap_or_default().parse()?;
    let age = uptime - ticks as f64 / f64::from(TICKS);
    Instant::now()
        .checked_sub(Duration::from_secs_f64(age.max(0.0)))
        .context("a process is older than the clock")
}
