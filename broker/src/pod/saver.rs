//! Writes the last good policy on a thread of its own: a slow volume delays nobody's policy.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::store::{Saved, Store, StoreError};

/// How soon a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(15);

/// The thread that writes. Dropping it waits for what was given to it.
pub(super) struct Saver {
    jobs: Option<Sender<Saved>>,
    thread: Option<JoinHandle<()>>,
}

impl Saver {
    /// Starts the thread; `tell` hears of each attempt, with the generation that it was for.
    ///
    /// # Errors
    /// If the operating system refuses the thread.
    pub(super) fn start(
        store: Store,
        tell: impl Fn(u64, Result<(), StoreError>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, receiver) = channel();
        let thread = std::thread::Builder::new()
            .name("last-good".to_owned())
            .spawn(move || run(store, &receiver, tell))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has what is in force written, unless something newer comes before its turn.
    pub(super) fn save(&self, saved: Saved) {
        if let Some(jobs) = &self.jobs {
            // The thread ends with this value only.
            let _ = jobs.send(saved);
        }
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn run(mut store: Store, jobs: &Receiver<Saved>, tell: impl Fn(u64, Result<(), StoreError>)) {
    let mut again: Option<Saved> = None;
    loop {
        let next = match again.take() {
            None => match jobs.recv() {
                Ok(saved) => saved,
                Err(_) => return,
            },
            Some(failed) => match jobs.recv_timeout(RETRY) {
                Ok(saved) => saved,
                Err(RecvTimeoutError::Timeout) => failed,
                Err(RecvTimeoutError::Disconnected) => return,
            },
        };
        let newest = newest(jobs, next);
        let outcome = store.write(&newest);
        let failed = outcome.is_err();
        tell(newest.manifest.generation, outcome);
        again = failed.then_some(newest);
    }
}

/// What came last.
fn newest(jobs: &Receiver<Saved>, mut newest: Saved) -> Saved {
    loop {
        match jobs.try_recv() {
            Ok(saved) => newest = saved,
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => return newest,
        }
    }
}
