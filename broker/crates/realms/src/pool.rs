//! The threads that hash passwords: few, off the connections' cores, with a bounded amount of work waiting.
//!
//! A connection's core must never hash (one Argon2id check is as much work as a hundred thousand messages), and a
//! flood of logins must not queue up minutes of it: a client that waits longer than its own timeout comes back and
//! asks again, so that a long queue only ever computes answers that nobody waits for. Work beyond the bound is
//! refused at once as [`Busy`]; the broker answers 0x97 or 0x9F and the client comes back later.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::hash::Scratch;

/// How large the pool is and how much may wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConfig {
    /// Hashing threads, at least 1. Default: half of the cores, so that a login storm leaves the other half to
    /// connected clients; the operating system shares them fairly on a single core.
    pub threads: usize,
    /// Most jobs that wait. Default 16 384; at up to a few hundred bytes each this bounds memory, not time.
    pub max_jobs: usize,
    /// Most work that waits, as nominal time of one thread ([`crate::hash::Scheme::nominal_cost`]), per thread.
    /// Default 3 s: about 220 default Argon2id hashes; of ESE's usual 100 iterations `max_jobs` is the tighter bound.
    /// It is well below both the 10 s that a stage may take and the time after which MQTT clients give up on a CONNACK.
    pub max_backlog: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self { threads: (cores / 2).max(1), max_jobs: 16_384, max_backlog: Duration::from_secs(3) }
    }
}

/// The pool has as much work as it may have; try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many logins wait for password hashing; try again later")]
pub struct Busy;

/// What became of a job when its turn came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// It did its work.
    Done,
    /// Nobody waited for its answer any more, so it did nothing.
    Skipped,
}

/// Figures of a pool since its start; gauges are of the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolMetrics {
    /// Gauge: jobs that wait.
    pub queued: u64,
    /// Gauge: threads that work.
    pub busy: u64,
    /// Counter: jobs refused because too much waited.
    pub rejected: u64,
    /// Counter: jobs that did their work.
    pub completed: u64,
    /// Counter: jobs skipped because nobody waited for them any more.
    pub skipped: u64,
    /// Counter: time that threads spent on jobs.
    pub working: Duration,
}

type Job = Box<dyn FnOnce(&mut Scratch) -> Ran + Send>;

/// The hashing threads and their queue. Dropping it drops what waits, and waits for what runs.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    max_jobs: usize,
    max_backlog: Duration,
    counters: Counters,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<(Duration, Job)>,
    backlog: Duration,
    closed: bool,
}

#[derive(Default)]
struct Counters {
    busy: AtomicU64,
    rejected: AtomicU64,
    completed: AtomicU64,
    skipped: AtomicU64,
    working_nanos: AtomicU64,
}

impl Pool {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(config: PoolConfig) -> io::Result<Self> {
        let threads = config.threads.max(1);
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            max_jobs: config.max_jobs.max(1),
            max_backlog: config.max_backlog.saturating_mul(u32::try_from(threads).unwrap_or(u32::MAX)),
            counters: Counters::default(),
        });
        let mut pool = Self { shared, threads: Vec::with_capacity(threads) };
        for number in 0..threads {
            let shared = Arc::clone(&pool.shared);
            let name = format!("moat-hash-{number}");
            pool.threads.push(thread::Builder::new().name(name).spawn(move || shared.work())?);
        }
        Ok(pool)
    }

    /// Queues a job that is expected to take `cost`. An empty queue takes any job, so that nothing which
    /// [`crate::hash::Limits`] allow is refused for ever.
    ///
    /// # Errors
    /// [`Busy`] if too much waits already. The job is dropped then, without having been called.
    pub fn submit(
        &self,
        cost: Duration,
        job: impl FnOnce(&mut Scratch) -> Ran + Send + 'static,
    ) -> Result<(), Busy> {
        let mut queue = self.shared.queue.lock();
        let full = queue.jobs.len() >= self.shared.max_jobs
            || (!queue.jobs.is_empty() && queue.backlog + cost > self.shared.max_backlog);
        if full || queue.closed {
            drop(queue);
            self.shared.counters.rejected.fetch_add(1, Ordering::Relaxed);
            return Err(Busy);
        }
        queue.backlog += cost;
        queue.jobs.push_back((cost, Box::new(job)));
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }

    /// Runs `compute` on a hashing thread and waits for its value. If the returned future is dropped before its turn
    /// comes, `compute` is not called.
    ///
    /// # Errors
    /// [`Busy`] if too much waits already, or the pool is being dropped.
    pub async fn run<T: Send + 'static>(
        &self,
        cost: Duration,
        compute: impl FnOnce(&mut Scratch) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (answer, asked) = oneshot::channel();
        self.submit(cost, move |scratch| {
            if answer.is_closed() {
                return Ran::Skipped;
            }
            // Whoever asked may have gone away meanwhile; the work is done all the same.
            let _gone = answer.send(compute(scratch));
            Ran::Done
        })?;
        asked.await.map_err(|_| Busy)
    }

    /// The pool's figures.
    #[must_use]
    pub fn metrics(&self) -> PoolMetrics {
        let counters = &self.shared.counters;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PoolMetrics {
            queued: self.shared.queue.lock().jobs.len() as u64,
            busy: load(&counters.busy),
            rejected: load(&counters.rejected),
            completed: load(&counters.completed),
            skipped: load(&counters.skipped),
            working: Duration::from_nanos(load(&counters.working_nanos)),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let waiting = {
            let mut queue = self.shared.queue.lock();
            queue.closed = true;
            std::mem::take(&mut queue.jobs)
        };
        // Outside of the lock: dropping a job wakes whoever waits for it.
        drop(waiting);
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to wait for.
            let _panicked = thread.join();
        }
    }
}

impl Shared {
    /// What one thread does until the pool closes.
    fn work(&self) {
        let mut scratch = Scratch::default();
        while let Some(job) = self.next(&mut scratch) {
            self.counters.busy.fetch_add(1, Ordering::Relaxed);
            let begin = Instant::now();
            let ran = job(&mut scratch);
            let nanos = u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.counters.working_nanos.fetch_add(nanos, Ordering::Relaxed);
            let counter = match ran {
                Ran::Done => &self.counters.completed,
                Ran::Skipped => &self.counters.skipped,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            self.counters.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Waits for the next job; `None` when the pool closes. An idle thread holds no memory.
    fn next(&self, scratch: &mut Scratch) -> Option<Job> {
        let mut queue = self.queue.lock();
        if queue.jobs.is_empty() {
            MutexGuard::unlocked(&mut queue, || scratch.release());
        }
        loop {
            if let Some((cost, job)) = queue.jobs.pop_front() {
                queue.backlog = queue.backlog.saturating_sub(cost);
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            self.wake.wait(&mut queue);
        }
    }
}

#[cfg(test)]
mod tests;
