//! Notices changes in a folder: by the operating system's events, and by a look now and then as a safety net.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::folder::FolderSource;

/// Quiet time after an event before the folder is read: most ways of saving a file are over by then.
const QUIET: Duration = Duration::from_millis(50);
/// Longest wait for that quiet, and for the return of a file that is being replaced.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often the folder is looked at without any event, for file systems that send none. A file that is being
/// written and never closed is read after as long.
const RESCAN: Duration = Duration::from_secs(2);
/// Events that wait to be looked at. More make the system's watcher wait, which bounds its own queue; what that
/// drops is found by the next look at the folder.
const QUEUE: usize = 1024;

/// A watched folder; dropping it ends the watch.
pub(crate) struct Watch {
    stop: SyncSender<Woken>,
    thread: Option<JoinHandle<()>>,
}

enum Woken {
    Event(notify::Result<Event>),
    Stop,
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The thread may have ended already, with the process.
        let _ = self.stop.send(Woken::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Calls `on_change` after each change of the folder, on a thread of its own, until the watch is dropped. The
/// callback reads the folder itself.
///
/// # Errors
/// If the operating system refuses the thread. Where it refuses the watch, the folder is still looked at regularly.
pub(crate) fn watch(
    source: FolderSource,
    on_change: impl FnMut(&mut FolderSource) + Send + 'static,
) -> std::io::Result<Watch> {
    let (stop, woken) = sync_channel(QUEUE);
    let events = stop.clone();
    let thread = std::thread::Builder::new().name("folder".to_owned()).spawn(move || {
        let mut watched = Watched { watcher: None, identity: None, events };
        watched.renew(source.dir());
        Follower { source, on_change, woken, watched, writing: BTreeMap::new() }.run();
    })?;
    Ok(Watch { stop, thread: Some(thread) })
}

/// The operating system's watch of the folder.
struct Watched {
    watcher: Option<RecommendedWatcher>,
    /// Which directory it watches. A path may come to mean another one: `current -> releases/5`.
    identity: Option<(u64, u64)>,
    events: SyncSender<Woken>,
}

impl Watched {
    /// Watches the directory that the path means now, unless it is watched already.
    fn renew(&mut self, dir: &Path) {
        let identity = std::fs::metadata(dir).ok().map(|metadata| (metadata.dev(), metadata.ino()));
        if identity.is_none() || identity == self.identity {
            return;
        }
        self.identity = identity;
        let events = self.events.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Reading files makes events too. The other end is gone when the watch ends.
            if event.as_ref().map_or(true, |event| is_change(event.kind)) {
                let _ = events.send(Woken::Event(event));
            }
        });
        let watcher = watcher.and_then(|mut watcher: RecommendedWatcher| {
            watcher.watch(dir, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        self.watcher = watcher
            .inspect_err(|error| {
                let seconds = RESCAN.as_secs();
                tracing::warn!(%error, "no file events for the folder: changes are seen within {seconds} s");
            })
            .ok();
    }
}

/// Reading a file makes events too, which are no changes.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// The thread that follows a folder.
struct Follower<F> {
    source: FolderSource,
    on_change: F,
    woken: Receiver<Woken>,
    watched: Watched,
    /// Files that are being written, and when that was seen last.
    writing: BTreeMap<PathBuf, Instant>,
}

/// The watch ends.
struct Stopped;

impl<F: FnMut(&mut FolderSource)> Follower<F> {
    fn run(mut self) {
        // What changed between the first reading and the watch made no event.
        let mut look = true;
        loop {
            if look {
                self.watched.renew(self.source.dir());
                self.set_busy();
            }
            if look && self.source.looks_changed() && self.settle(Instant::now()).is_err() {
                return;
            }
            look = match self.wait(RESCAN) {
                Err(Stopped) => return,
                Ok(false) => true,
                Ok(true) if self.settle(Instant::now()).is_err() => return,
                Ok(true) => false,
            };
        }
    }

    /// Waits until the change that `began` is over, and tells of it.
    fn settle(&mut self, began: Instant) -> Result<(), Stopped> {
        let left = || PATIENCE.saturating_sub(began.elapsed());
        while !left().is_zero() && self.wait(QUIET.min(left()))? {}
        // Removed, and perhaps about to come back with another content.
        while !left().is_zero() && self.source.has_lost() {
            self.wait(QUIET.min(left()))?;
        }
        self.watched.renew(self.source.dir());
        self.set_busy();
        (self.on_change)(&mut self.source);
        Ok(())
    }

    /// Waits for an event (true) or until the time is over (false).
    fn wait(&mut self, time: Duration) -> Result<bool, Stopped> {
        match self.woken.recv_timeout(time) {
            Ok(Woken::Event(event)) => {
                self.note(event);
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Ok(Woken::Stop) | Err(RecvTimeoutError::Disconnected) => Err(Stopped),
        }
    }

    /// Keeps account of the files that are being written.
    fn note(&mut self, event: notify::Result<Event>) {
        // Only Linux tells when a file is closed. An error may mean that events were lost: then no account is right.
        let Ok(event) = event else { return self.writing.clear() };
        if event.need_rescan() || !cfg!(target_os = "linux") {
            return self.writing.clear();
        }
        match event.kind {
            EventKind::Modify(ModifyKind::Data(_)) => {
                let now = Instant::now();
                self.writing.extend(event.paths.into_iter().map(|path| (path, now)));
            }
            EventKind::Access(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => {
                event.paths.iter().for_each(|path| {
                    self.writing.remove(path);
                });
            }
            EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Other => {}
        }
    }

    fn set_busy(&mut self) {
        self.writing.retain(|_, seen| seen.elapsed() < RESCAN);
        self.source.set_busy(self.writing.keys().cloned().collect::<BTreeSet<_>>());
    }
}
