//! What traffic feels of a reload that changes every resource of a large folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::broker::{Bench, Broker};
use super::client::Client;
use super::edits::INTERVAL;
use super::scene::{self, Fleet, TELLER};
use super::spread::{Spread, with_missed};
use crate::process;
use crate::resources;

/// Pairs of clients that take turns, so that every connection thread of the broker serves some of the traffic.
const PAIRS: usize = 4;

/// Traffic before the first reload, to compare with.
const CALM: Duration = Duration::from_secs(5);

/// Traffic between two reloads.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the broker is asked whether a reload is over. Seldom, because the answer costs time too.
const LOOK: Duration = Duration::from_millis(25);

/// A reload that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What reloads did.
pub(crate) struct Reloads {
    /// From the swap until all sessions were judged by the new policy.
    pub(crate) durations: Vec<Duration>,
    /// Round trips without a reload.
    pub(crate) calm: Option<Spread>,
    /// Round trips during reloads.
    pub(crate) during: Option<Spread>,
    /// The longest round trips during reloads, longest first, at most [`LONGEST`].
    pub(crate) longest: Vec<Duration>,
}

/// How many of the longest round trips are told: one pause of a second is another matter than many.
const LONGEST: usize = 8;

/// One round trip.
struct RoundTrip {
    began: Instant,
    took: Duration,
}

/// Reloads a mounted fleet `count` times under traffic.
pub(crate) fn measure(bench: &Bench, fleet: &Fleet, count: usize) -> Result<Reloads> {
    let folder = bench.folder("reload")?;
    let revisions = bench.folder("revisions")?;
    let revisions = (0..=count)
        .map(|number| {
            let revision = revisions.join(number.to_string());
            fs::create_dir_all(&revision)?;
            fleet.write(&revision, number)?;
            Ok(revision)
        })
        .collect::<Result<Vec<_>>>()?;
    let port = process::free_port()?;
    fs::write(folder.join("live.yaml"), scene::live(port, resources::ARGON2ID))?;
    fleet.mount(&folder, &revisions[0])?;
    let mut broker = bench.spawn(&folder, port)?;
    broker.ready()?;
    let mut pairs = (0..PAIRS).map(|number| Pair::connect(&broker, number)).collect::<Result<Vec<_>>>()?;
    let stop = AtomicBool::new(false);
    let (spans, round_trips) = thread::scope(|scope| {
        let playing = scope.spawn(|| play(&mut pairs, &stop));
        let spans = swap_all(&broker, &folder, &revisions[1..]);
        stop.store(true, Ordering::Relaxed);
        let round_trips = playing.join().ok().context("the traffic's thread panicked")??;
        Ok::<_, anyhow::Error>((spans?, round_trips))
    })?;
    let (during, calm): (Vec<&RoundTrip>, Vec<&RoundTrip>) = round_trips.iter().partition(|trip| {
        spans.iter().any(|(from, to)| trip.began <= *to && trip.began + trip.took >= *from)
    });
    let spread = |trips: Vec<&RoundTrip>| {
        Spread::of(with_missed(&trips.iter().map(|trip| trip.took).collect::<Vec<_>>(), INTERVAL))
    };
    let mut longest: Vec<Duration> = during.iter().map(|trip| trip.took).collect();
    longest.sort_unstable_by(|a, b| b.cmp(a));
    longest.truncate(LONGEST);
    let durations = spans.iter().map(|(from, to)| *to - *from).collect();
    Ok(Reloads { durations, calm: spread(calm), during: spread(during), longest })
}

/// Swaps in one revision after another; returns from when to when each was being taken into force.
fn swap_all(broker: &Broker, folder: &Path, revisions: &[PathBuf]) -> Result<Vec<(Instant, Instant)>> {
    thread::sleep(CALM);
    let mut spans = Vec::with_capacity(revisions.len());
    for revision in revisions {
        let before = broker.epoch_swept()?;
        let from = scene::swap(folder, revision)?;
        while broker.epoch_swept()? == before {
            ensure!(from.elapsed() < PATIENCE, "a reload was not over after {} s", PATIENCE.as_secs());
            thread::sleep(LOOK);
        }
        spans.push((from, Instant::now()));
        thread::sleep(PAUSE);
    }
    Ok(spans)
}

/// Two clients that send a message to and fro.
struct Pair {
    near: Client,
    far: Client,
}

impl Pair {
    fn connect(broker: &Broker, number: usize) -> Result<Self> {
        let endpoint = broker.endpoint(TELLER);
        let (there, back) = (format!("live/there-{number}"), format!("live/back-{number}"));
        Ok(Self {
            near: Client::connect(&endpoint, &format!("near-{number}"), &there, Some(&back))?,
            far: Client::connect(&endpoint, &format!("far-{number}"), &back, Some(&there))?,
        })
    }

    fn round_trip(&mut self, number: u64) -> Result<RoundTrip> {
        let began = Instant::now();
        self.near.send(number)?;
        let there = self.far.receive()?;
        self.far.send(number)?;
        let back = self.near.receive()?;
        ensure!(there == Some(number) && back == Some(number), "a message of the traffic was lost");
        Ok(RoundTrip { began, took: began.elapsed() })
    }
}

/// A round trip every [`INTERVAL`], by the pairs in turn.
fn play(pairs: &mut [Pair], stop: &AtomicBool) -> Result<Vec<RoundTrip>> {
    let mut round_trips = Vec::new();
    let mut next = Instant::now();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        for pair in pairs.iter_mut() {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            round_trips.push(pair.round_trip(number)?);
            // After a pause the traffic goes on at its pace and makes up for nothing: `with_missed` counts that.
            next = (next + INTERVAL).max(Instant::now());
        }
        number += 1;
    }
    Ok(round_trips)
}
