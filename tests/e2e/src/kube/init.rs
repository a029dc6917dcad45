//! The first process of an instance's own process namespace.
//!
//! The kernel ends everything in that namespace with it, whatever ended it, so nothing of an instance outlives
//! its test: `unshare --kill-child` ends it with the process that the test started, and it ends by itself when
//! the supervisor does, which reads the end of the test from its standard input. Otherwise it only reaps what
//! the container shims leave behind.

use std::env;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};

use super::plan::{HOME, Plan, TOOLS};
use super::supervisor::cgroups;
use crate::programs::run;

/// Runs the instance to its end and removes what is left of it. `plan` is JSON.
///
/// # Errors
///
/// When this is not the first process of a namespace, or the instance's file systems cannot be mounted.
pub fn main(plan: &str) -> Result<()> {
    ensure!(std::process::id() == 1, "only the harness starts this, in a process namespace of its own");
    let plan: Plan = serde_json::from_str(plan)?;
    // Found stale by others once nobody holds it, see `sweep`.
    let lock = OpenOptions::new().create(true).append(true).open(plan.folder.join("lock"))?;
    lock.try_lock().context("the instance's folder is in use")?;
    // The next build leaves the programs alone as long as somebody holds this.
    let programs = OpenOptions::new().append(true).open(plan.tools.join("in-use"))?;
    programs.lock_shared()?;
    let program = env::current_exe()?;
    mount(&plan)?;
    let log = OpenOptions::new().create(true).append(true).open(Path::new(HOME).join("supervisor.log"))?;
    let supervisor = Command::new(program)
        .args(["supervise", &serde_json::to_string(&plan)?])
        .stderr(log)
        .spawn()
        .context("failed to start the supervisor")?;
    let supervisor = Pid::from_child(&supervisor);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, _))) if pid != supervisor => {}
            Err(Errno::INTR) => {}
            _ => break,
        }
    }
    end(&plan);
    Ok(())
}

/// Gives the instance file systems of its own over those that its parts would otherwise share with the machine.
fn mount(plan: &Plan) -> Result<()> {
    ensure!(!plan.folder.starts_with("/run"), "the target folder must not lie below /run");
    // The folders move below the new /run, so they are held by a mount elsewhere meanwhile.
    let (home, tools) = ("/mnt", "/media");
    let bind = |from: &Path, to: &str| run(Command::new("mount").arg("--bind").arg(from).arg(to)).map(drop);
    bind(&plan.folder, home)?;
    bind(&plan.tools, tools)?;
    for folder in ["/run", "/var/log", "/var/lib"] {
        run(Command::new("mount").args(["-t", "tmpfs", "moat", folder]))?;
    }
    for (from, to) in [(home, HOME), (tools, TOOLS)] {
        fs::create_dir_all(to)?;
        run(Command::new("mount").args(["--move", from, to]))?;
    }
    for folder in ["/run/netns", "/run/lock"] {
        fs::create_dir_all(folder)?;
    }
    Ok(())
}

/// Ends every process of this namespace, and removes mounts, control groups and the folder. Nothing here may stop
/// it half way: what fails is left to the next instance's sweep.
fn end(plan: &Plan) {
    // To the first process, this group is everyone else in its namespace.
    let _ = kill_process_group(Pid::INIT, Signal::KILL);
    while !matches!(wait(WaitOptions::empty()), Err(Errno::CHILD)) {}
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let below = format!("{HOME}/");
    for target in mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)) {
        if target.starts_with(&below) {
            let _ = Command::new("umount").args(["-l", target]).stderr(Stdio::null()).status();
        }
    }
    cgroups::remove(&plan.control_group());
    if let Ok(entries) = fs::read_dir(HOME) {
        // The lock goes last, with the folder: whoever holds it owns the rest.
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| !path.ends_with("lock")) {
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
    let _ = Command::new("umount").args(["-l", HOME]).status();
    let _ = fs::remove_dir_all(&plan.folder);
}

/// Removes what instances left in `folder` whose processes were all killed at once.
pub(super) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let lock = OpenOptions::new().append(true).open(entry.path().join("lock"));
        // Without a lock it is being made at this moment.
        if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            cgroups::remove(&format!("moat-{}", entry.file_name().to_string_lossy()));
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
