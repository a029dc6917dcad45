//! Control groups: each node has its own below the instance's, because kubelets that share one kill each other's
//! pods. Serves both hierarchies, version 1 with one tree per controller and version 2 with one for all.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const ROOT: &str = "/sys/fs/cgroup";

fn unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").is_file()
}

/// The roots of all hierarchies.
fn roots() -> Vec<PathBuf> {
    if unified() {
        return vec![PathBuf::from(ROOT)];
    }
    let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
    // Some controllers stand there twice, the second time as a link.
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()).collect()
}

/// Makes the group `instance/node` in every hierarchy, and gives its name as the kubelet wants it.
pub(super) fn add(instance: &str, node: &str) -> Result<String> {
    for root in roots() {
        let mut folder = root.clone();
        for part in [instance, node] {
            if unified() {
                pass_controllers_on(&folder)?;
            }
            folder = folder.join(part);
            fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
            inherit_processors(&folder)?;
        }
    }
    Ok(format!("/{instance}/{node}"))
}

/// Version 1's cpuset begins empty, and takes no process before it is filled.
fn inherit_processors(folder: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (own, above) = (folder.join(file), folder.join("..").join(file));
        if !unified() && own.is_file() && fs::read_to_string(&own)?.trim().is_empty() {
            fs::write(&own, fs::read_to_string(above)?)
                .with_context(|| format!("failed to fill {}", own.display()))?;
        }
    }
    Ok(())
}

/// In version 2, a group's children have the controllers that it passes on.
fn pass_controllers_on(folder: &Path) -> Result<()> {
    let controllers = fs::read_to_string(folder.join("cgroup.controllers"))?;
    let words: Vec<String> = controllers.split_whitespace().map(|name| format!("+{name}")).collect();
    let file = folder.join("cgroup.subtree_control");
    if fs::write(&file, words.join(" ")).is_ok() {
        return Ok(());
    }
    // Inside a container its root holds processes, and a group with processes passes nothing on.
    let leaf = folder.join("init");
    fs::create_dir_all(&leaf)?;
    for process in fs::read_to_string(folder.join("cgroup.procs"))?.lines() {
        // Some end meanwhile, and those of the kernel cannot be moved.
        let _ = fs::write(leaf.join("cgroup.procs"), process);
    }
    fs::write(&file, words.join(" ")).with_context(|| format!("failed to write {}", file.display()))
}

/// Removes a group and all below it from every hierarchy, as far as no process is left in them.
pub(crate) fn remove(instance: &str) {
    for root in roots() {
        remove_tree(&root.join(instance));
    }
}

fn remove_tree(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path());
    }
    // A group's files go with it.
    let _ = fs::remove_dir(folder);
}
