//! How long after an edit the rights of a live session are others.
//!
//! One client publishes a numbered message every millisecond, another listens. An edit that takes the listener's right
//! away is in force when the first message was sent that never came, one that gives it back when the first came.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::api::Connection;
use crate::mqtt::Client;
use crate::pace::{FINE, rest};
use crate::scene::{self, HEARER, TOPIC};
use crate::spread::Random;

/// Time between two messages.
const INTERVAL: Duration = FINE;

/// So many messages that were sent and did not come, for so long, mean that the right is gone. Time alone would not:
/// who sends may have been kept from it.
const LOST: u64 = 50;
const SILENCE: Duration = Duration::from_millis(100);

/// An edit that is not in force by then counts as missed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bounds of the time between an edit's effect and the next edit, in milliseconds.
const PAUSE: (u64, u64) = (50, 800);

/// One edit, as the one who makes it sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit {
    /// Whether it gives the right back.
    pub(crate) granted: bool,
    /// The moment before the request.
    pub(crate) sent: Instant,
    /// The moment after the API server's answer.
    pub(crate) answered: Instant,
    /// When it was in force; none if it never was, or not for good.
    pub(crate) enforced: Option<Instant>,
}

/// What was sent and what came.
struct Traffic<'a> {
    /// When each message was sent, by its number.
    sent: &'a [Instant],
    /// Numbers of the messages that came, in their order, with their times.
    came: &'a [(u64, Instant)],
    /// When the measurement ended.
    end: Instant,
}

/// Judges edits by the messages between each and the next.
fn judge(edits: &mut [Edit], traffic: &Traffic<'_>) {
    let begins: Vec<Instant> = edits.iter().map(|edit| edit.sent).collect();
    for (index, edit) in edits.iter_mut().enumerate() {
        let until = begins.get(index + 1).copied().unwrap_or(traffic.end);
        let from = traffic.came.partition_point(|(_, at)| *at < edit.sent);
        let to = traffic.came.partition_point(|(_, at)| *at < until);
        let during = &traffic.came[from..to];
        edit.enforced = match edit.granted {
            true => during.first().map(|(_, at)| *at),
            false => lost(traffic, &traffic.came[..to], until).map(|at| at.max(edit.sent)),
        };
    }
}

/// When the first of many messages was sent that never came until then, or the last one came if that was later.
fn lost(traffic: &Traffic<'_>, came: &[(u64, Instant)], until: Instant) -> Option<Instant> {
    let (number, last) = came.last()?;
    let sent = traffic.sent.partition_point(|at| *at < until) as u64;
    let first = traffic.sent.get(usize::try_from(number + 1).ok()?)?;
    (sent > number + LOST).then_some(*first.max(last))
}

/// What the clients' threads tell the editor's.
struct Traced {
    began: Instant,
    came: Mutex<Vec<(u64, Instant)>>,
    /// Nanoseconds from `began` to the last arrival.
    last: AtomicU64,
    /// Messages sent up to the last one that came.
    heard: AtomicU64,
    /// Messages sent.
    sent: AtomicU64,
}

impl Traced {
    fn note(&self, number: u64) {
        let now = Instant::now();
        self.came.lock().unwrap_or_else(PoisonError::into_inner).push((number, now));
        let nanos = u64::try_from((now - self.began).as_nanos()).unwrap_or(u64::MAX);
        self.heard.store(number + 1, Ordering::Release);
        self.last.store(nanos, Ordering::Release);
    }

    /// Whether something came since then.
    fn is_heard_since(&self, then: Instant) -> bool {
        self.last() > then
    }

    /// Whether nothing comes any more.
    fn is_silent_since(&self, then: Instant) -> bool {
        let lost = self.sent.load(Ordering::Acquire).saturating_sub(self.heard.load(Ordering::Acquire));
        lost > LOST && self.last().max(then).elapsed() >= SILENCE
    }

    fn last(&self) -> Instant {
        self.began + Duration::from_nanos(self.last.load(Ordering::Acquire))
    }
}

/// What edits are made with.
pub(crate) struct Bench<'a> {
    /// A connection to the API server.
    pub(crate) api: &'a mut Connection,
    /// The scene's namespace.
    pub(crate) namespace: &'a str,
    /// Who publishes, logged in.
    pub(crate) teller: Client,
    /// Who listens, logged in.
    pub(crate) hearer: Client,
}

/// Makes `count` edits, alternately taking and giving; both clients' rights are there before.
pub(crate) fn measure(bench: Bench<'_>, count: usize, seed: u64) -> Result<Vec<Edit>> {
    let Bench { api, namespace, mut teller, mut hearer } = bench;
    hearer.subscribe(TOPIC)?;
    hearer.be_patient()?;
    let end_hearer = hearer.end()?;
    let traced = Traced {
        began: Instant::now(),
        came: Mutex::new(Vec::new()),
        last: AtomicU64::new(0),
        heard: AtomicU64::new(0),
        sent: AtomicU64::new(0),
    };
    let stop = AtomicBool::new(false);
    let (mut edits, sent) = thread::scope(|scope| {
        let hearing = scope.spawn(|| -> Result<()> {
            while let Some(number) = hearer.receive()? {
                traced.note(number);
            }
            Ok(())
        });
        let telling = scope.spawn(|| -> Result<Vec<Instant>> {
            let mut sent = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                teller.send(TOPIC, sent.len() as u64)?;
                sent.push(Instant::now());
                traced.sent.store(sent.len() as u64, Ordering::Release);
                rest(INTERVAL);
            }
            Ok(sent)
        });
        let edits = edit(api, namespace, &traced, (count, seed));
        stop.store(true, Ordering::Relaxed);
        let sent = telling.join().ok().context("the publisher's thread panicked")?;
        end_hearer();
        hearing.join().ok().context("the listener's thread panicked")?.context("the listener")?;
        anyhow::Ok((edits?, sent.context("the publisher")?))
    })?;
    let came = traced.came.into_inner().unwrap_or_else(PoisonError::into_inner);
    judge(&mut edits, &Traffic { sent: &sent, came: &came, end: Instant::now() });
    Ok(edits)
}

/// Edits, waits for the effect, and waits a while more.
fn edit(
    api: &mut Connection,
    namespace: &str,
    traced: &Traced,
    (count, seed): (usize, u64),
) -> Result<Vec<Edit>> {
    let path = format!("{}/{HEARER}", scene::collection(namespace, "roles"));
    let mut random = Random(seed);
    let mut edits = Vec::with_capacity(count);
    let mut granted = true;
    for number in 0..count {
        rest(Duration::from_millis(random.between(PAUSE)));
        granted = !granted;
        let answer = api.apply(&path, &scene::right(granted, number + 1))?;
        let sent = answer.sent;
        edits.push(Edit { granted, sent, answered: answer.answered, enforced: None });
        let acts = || if granted { traced.is_heard_since(sent) } else { traced.is_silent_since(sent) };
        while !acts() && sent.elapsed() < PATIENCE {
            rest(INTERVAL);
        }
        if (number + 1) % 50 == 0 {
            eprintln!("  {} of {count} edits", number + 1);
        }
    }
    rest(SILENCE * 2);
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_judged_by_the_messages_before_the_next() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let sent: Vec<Instant> = (0..7000).map(at).collect();
        // Silent from 161; heard again from 1070; never silent after 2000; never heard after 3000; silent after 4001.
        let flowing = [(0..=160), (1070..=2999), (4000..=4001)];
        let came: Vec<(u64, Instant)> = flowing.into_iter().flatten().map(|ms| (ms, at(ms))).collect();
        let mut edits =
            [(100, false), (1000, true), (2000, false), (3000, true), (4000, false), (5000, false)]
                .map(|(ms, granted)| Edit { granted, sent: at(ms), answered: at(ms), enforced: None });
        judge(&mut edits, &Traffic { sent: &sent, came: &came, end: at(6000) });
        let expected = [Some(161), Some(1070), None, None, Some(4002), Some(5000)];
        assert_eq!(edits.map(|edit| edit.enforced), expected.map(|ms| ms.map(at)));
    }
}
