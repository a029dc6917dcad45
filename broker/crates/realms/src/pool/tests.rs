//! Saturation, cancellation, shutdown: every wait is for an event, none for a time.

use std::sync::mpsc;

use super::*;

/// A job that tells when it began and ends when it is told to.
struct Gate {
    begun: mpsc::Receiver<()>,
    open: mpsc::Sender<()>,
}

fn occupy(pool: &Pool, cost: Duration) -> Gate {
    let (begin, begun) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    pool.submit(cost, move |_| {
        begin.send(()).unwrap();
        let _ = opened.recv();
        Ran::Done
    })
    .unwrap();
    Gate { begun, open }
}

fn pool(max_jobs: usize, max_backlog: Duration) -> Pool {
    Pool::start(PoolConfig { threads: 1, max_jobs, max_backlog }).unwrap()
}

/// Waits until everything queued before has run.
fn drain(pool: &Pool) {
    let (done, finished) = mpsc::channel();
    pool.submit(Duration::ZERO, move |_| {
        done.send(()).unwrap();
        Ran::Done
    })
    .unwrap();
    finished.recv().unwrap();
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_full_queue_refuses_and_recovers() {
    let pool = pool(2, Duration::from_secs(1));
    let gate = occupy(&pool, MS);
    gate.begun.recv().unwrap();
    assert_eq!(pool.submit(MS, |_| Ran::Done), Ok(()));
    assert_eq!(pool.submit(MS, |_| Ran::Done), Ok(()));
    assert_eq!(pool.submit(MS, |_| Ran::Done), Err(Busy));
    let metrics = pool.metrics();
    assert_eq!((metrics.queued, metrics.busy, metrics.rejected), (2, 1, 1));
    gate.open.send(()).unwrap();
    while pool.metrics().queued > 0 {
        thread::yield_now();
    }
    assert_eq!(pool.submit(MS, |_| Ran::Done), Ok(()));
}

#[test]
fn expensive_work_fills_the_queue_sooner_than_cheap_work() {
    let pool = pool(1000, 100 * MS);
    let gate = occupy(&pool, MS);
    gate.begun.recv().unwrap();
    assert_eq!(pool.submit(60 * MS, |_| Ran::Done), Ok(()));
    assert_eq!(pool.submit(60 * MS, |_| Ran::Done), Err(Busy), "60 + 60 ms are above the bound");
    for _ in 0..40 {
        assert_eq!(pool.submit(MS, |_| Ran::Done), Ok(()));
    }
    assert_eq!(pool.submit(MS, |_| Ran::Done), Err(Busy));
    gate.open.send(()).unwrap();
}

#[test]
fn an_empty_queue_takes_a_job_of_any_cost() {
    let pool = pool(10, MS);
    let gate = occupy(&pool, Duration::from_secs(5));
    gate.begun.recv().unwrap();
    assert_eq!(pool.submit(Duration::from_secs(5), |_| Ran::Done), Ok(()));
    assert_eq!(pool.submit(MS, |_| Ran::Done), Err(Busy));
    gate.open.send(()).unwrap();
}

#[tokio::test]
async fn run_returns_the_value_and_counts_it() {
    let pool = pool(10, Duration::from_secs(1));
    assert_eq!(pool.run(MS, |_| 6 * 7).await, Ok(42));
    drain(&pool);
    while pool.metrics().completed < 2 {
        thread::yield_now();
    }
    assert_eq!(pool.metrics().skipped, 0);
}

#[tokio::test]
async fn work_whose_asker_went_away_is_skipped() {
    let pool = pool(10, Duration::from_secs(1));
    let gate = occupy(&pool, MS);
    gate.begun.recv().unwrap();
    let (ran, has_run) = mpsc::channel();
    {
        let run = pool.run(MS, move |_| ran.send(()).unwrap());
        tokio::pin!(run);
        // Polled once, so that the job is queued; then dropped, as a closed connection drops its login.
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(run.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        assert_eq!(pool.metrics().queued, 1);
    }
    gate.open.send(()).unwrap();
    drain(&pool);
    assert!(has_run.recv().is_err(), "the job was dropped without having run");
    assert_eq!(pool.metrics().skipped, 1);
}

#[tokio::test]
async fn dropping_the_pool_answers_those_who_wait() {
    let pool = pool(10, Duration::from_secs(1));
    let gate = occupy(&pool, MS);
    gate.begun.recv().unwrap();
    let (answer, asked) = oneshot::channel::<()>();
    pool.submit(MS, move |_| {
        let _ = answer.send(());
        Ran::Done
    })
    .unwrap();
    gate.open.send(()).unwrap();
    drop(pool);
    // Either it still ran or it was dropped: in both cases the wait ends.
    let _ = asked.await;
}
