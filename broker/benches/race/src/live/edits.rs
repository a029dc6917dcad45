//! How long after an edit the rights of a live session are others.
//!
//! One client publishes a numbered message every millisecond, another listens. An edit that takes the listener's right
//! away has acted when the last message came; one that gives it back, when the first came.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::broker::Broker;
use super::client::Client;
use super::scene::{HEARER, Scene, TELLER, TOPIC};

/// Time between two messages.
pub(crate) const INTERVAL: Duration = Duration::from_millis(1);

/// Nothing received for so long means that the right is gone.
const SILENCE: Duration = Duration::from_millis(100);

/// An edit that has not acted by then counts as missed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bounds of the time between an edit's effect and the next edit, in milliseconds.
const PAUSE: (u64, u64) = (150, 850);

/// One edit.
#[derive(Clone, Copy, Debug)]
struct Edit {
    granted: bool,
    at: Instant,
}

/// How long edits took to act.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Enforced {
    /// From the rename to the last message that came through.
    pub(crate) revoked: Vec<Duration>,
    /// From the rename to the first message that came through.
    pub(crate) granted: Vec<Duration>,
    /// Edits that did not act before the next one, or not for good.
    pub(crate) missed: usize,
}

/// Judges edits by when messages arrived, up to `end`.
fn judge(edits: &[Edit], arrivals: &[Instant], end: Instant) -> Enforced {
    let mut enforced = Enforced::default();
    for (index, edit) in edits.iter().enumerate() {
        let until = edits.get(index + 1).map_or(end, |next| next.at);
        let from = arrivals.partition_point(|arrival| *arrival < edit.at);
        let to = arrivals.partition_point(|arrival| *arrival < until);
        let during = &arrivals[from..to];
        match (edit.granted, during) {
            (true, [first, ..]) => enforced.granted.push(*first - edit.at),
            (false, []) => enforced.revoked.push(Duration::ZERO),
            (false, [.., last]) if until - *last >= SILENCE => enforced.revoked.push(*last - edit.at),
            (true, []) | (false, _) => enforced.missed += 1,
        }
    }
    enforced
}

/// A sequence of numbers that looks random and is the same for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        low + (z ^ (z >> 31)) % (high - low + 1)
    }
}

/// What the listener's thread tells the editor's.
struct Heard {
    began: Instant,
    arrivals: Mutex<Vec<Instant>>,
    /// Nanoseconds from `began` to the last arrival.
    last: AtomicU64,
}

impl Heard {
    fn note(&self) {
        let now = Instant::now();
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(now);
        let nanos = u64::try_from((now - self.began).as_nanos()).unwrap_or(u64::MAX);
        self.last.store(nanos, Ordering::Release);
    }

    fn last(&self) -> Instant {
        self.began + Duration::from_nanos(self.last.load(Ordering::Acquire))
    }
}

/// Makes `count` edits of `scene` under `broker`, alternately taking and giving.
pub(crate) fn measure(broker: &Broker, scene: &Scene, count: usize, seed: u64) -> Result<Enforced> {
    let mut listener = Client::connect(&broker.endpoint(HEARER), "hearer", TOPIC, Some(TOPIC))?;
    let mut publisher = Client::connect(&broker.endpoint(TELLER), "teller", TOPIC, None)?;
    listener.patience(None)?;
    let end_listener = listener.end()?;
    let heard = Heard { began: Instant::now(), arrivals: Mutex::new(Vec::new()), last: AtomicU64::new(0) };
    let stop = AtomicBool::new(false);
    let edits = thread::scope(|scope| {
        let listening = scope.spawn(|| -> Result<()> {
            while listener.receive()?.is_some() {
                heard.note();
            }
            Ok(())
        });
        let publishing = scope.spawn(|| -> Result<()> {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                publisher.send(number)?;
                number += 1;
                thread::sleep(INTERVAL);
            }
            Ok(())
        });
        let edits = edit(scene, &heard, count, seed);
        stop.store(true, Ordering::Relaxed);
        end_listener();
        publishing.join().ok().context("the publisher's thread panicked")??;
        listening.join().ok().context("the listener's thread panicked")??;
        edits
    })?;
    let arrivals = heard.arrivals.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(judge(&edits, &arrivals, Instant::now()))
}

/// Edits, waits for the effect, and waits a while more.
fn edit(scene: &Scene, heard: &Heard, count: usize, seed: u64) -> Result<Vec<Edit>> {
    let mut random = Random(seed);
    let mut edits = Vec::with_capacity(count);
    let mut granted = true;
    for _ in 0..count {
        thread::sleep(Duration::from_millis(random.between(PAUSE)));
        granted = !granted;
        let at = scene.edit(granted)?;
        edits.push(Edit { granted, at });
        let acted = || if granted { heard.last() > at } else { heard.last().max(at).elapsed() >= SILENCE };
        while !acted() && at.elapsed() < PATIENCE {
            thread::sleep(INTERVAL);
        }
    }
    thread::sleep(Duration::from_millis(PAUSE.0));
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_judged_by_the_messages_before_the_next() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let edits = [(100, false), (1000, true), (2000, false), (3000, true), (4000, false), (5000, false)]
            .map(|(ms, granted)| Edit { granted, at: at(ms) });
        // Silent from 160; heard again from 1070; never silent after 2000; never heard after 3000; silent after 4001.
        let flowing = [(0..=160), (1070..=2999), (4000..=4001)];
        let arrivals: Vec<Instant> = flowing.into_iter().flatten().map(at).collect();
        let ms = Duration::from_millis;
        let expected = Enforced { revoked: vec![ms(60), ms(1), ms(0)], granted: vec![ms(70)], missed: 2 };
        assert_eq!(judge(&edits, &arrivals, at(6000)), expected);
    }

    #[test]
    fn pauses_stay_within_their_bounds_and_repeat_with_the_seed() {
        let draw = |seed| {
            let mut random = Random(seed);
            (0..1000).map(|_| random.between(PAUSE)).collect::<Vec<_>>()
        };
        assert!(draw(1).iter().all(|ms| (PAUSE.0..=PAUSE.1).contains(ms)));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
