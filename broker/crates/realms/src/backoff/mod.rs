//! Failed logins slow down where they come from and what they aim at.
//!
//! The rule, chosen so that guessing is slow and nobody can lock out anybody else:
//!
//! 1. **By address** (IPv4 address, IPv6 /64): after [`Rule::free`] failures every further login from there waits,
//!    doubling from [`Rule::base`] to [`Rule::max`]. A successful login takes one failure back, and a pair of address
//!    and username that has logged in before does not wait for its neighbours: behind one NAT a few misconfigured
//!    devices do not stop the others.
//! 2. **By username**: failures are counted over all addresses, so that guessing one password from many places does
//!    not start afresh at each; but only an address that has itself failed with this username waits, counted from
//!    *its own* last failure. A victim at another address is therefore never delayed by an attacker, and one who
//!    mistyped waits at most [`Rule::max`], whatever happens elsewhere. The price is one guess per fresh address.
//! 3. A successful login forgives its pair: the pair's failures leave the username's count, those of other addresses
//!    stay. Nobody can reset a username's count without knowing its password.
//! 4. Counts halve every [`Rule::half_life`]; refused attempts are not counted, so that waiting always ends.
//!
//! Memory is bounded: each table has a fixed number of entries, and a full one gives up its smallest count. Names and
//! addresses are stored as keyed 64-bit hashes that an attacker cannot aim.
//! Logins already under way when the first of them fails are not held back here; the hashing pool bounds those.

mod table;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use table::Table;

/// How failures of one kind become a wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// Failures that cost nothing.
    pub free: u32,
    /// Wait after the first failure beyond `free`; each further one doubles it.
    pub base: Duration,
    /// Longest wait.
    pub max: Duration,
    /// Time in which a count halves.
    pub half_life: Duration,
}

impl Rule {
    fn wait(&self, failures: f32) -> Duration {
        // Counts are never negative and far below 2^24, where f32 is exact enough.
        let beyond = (failures as u32).saturating_sub(self.free);
        if beyond == 0 {
            return Duration::ZERO;
        }
        let factor = 1_u32.checked_shl(beyond - 1).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }
}

/// Both rules and the bounds of the tables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffConfig {
    /// Rule by address; `None` switches it off, for listeners behind a proxy that hides addresses. Default: 50 free
    /// failures (one device that retries each second stays below), then 250 ms to 10 s, half-life 30 s.
    pub source: Option<Rule>,
    /// Rule by username; `None` switches it off. Default: 5 free failures, then 1 s to 60 s, half-life 5 min.
    pub username: Option<Rule>,
    /// How long a pair of address and username that logged in is exempt from the rule by address. Default 24 h.
    pub trust: Duration,
    /// Entries per table (addresses, usernames, pairs, trusted pairs). Default 32 768, up to 1 MB each when full.
    pub capacity: usize,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        let (ms, seconds) = (Duration::from_millis, Duration::from_secs);
        Self {
            source: Some(Rule { free: 50, base: ms(250), max: seconds(10), half_life: seconds(30) }),
            username: Some(Rule { free: 5, base: seconds(1), max: seconds(60), half_life: seconds(300) }),
            trust: seconds(24 * 3600),
            capacity: 32_768,
        }
    }
}

/// Whether a login may be tried now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Go ahead; report the result by [`Backoff::failed`] or [`Backoff::succeeded`].
    Allowed,
    /// Refuse (0x9F, or 3 on MQTT 3.1.1) without looking at the password; try again after this time.
    Wait(Duration),
}

/// Figures since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackoffMetrics {
    /// Gauge: addresses with failures, decayed ones included.
    pub sources: u64,
    /// Gauge: usernames with failures, decayed ones included.
    pub usernames: u64,
    /// Counter: logins that had to wait because of their address.
    pub refused_by_source: u64,
    /// Counter: logins that had to wait because of their username.
    pub refused_by_username: u64,
}

/// The memory of failed logins, shared by all listeners and cores.
pub struct Backoff {
    config: BackoffConfig,
    hasher: RandomState,
    tables: Mutex<Tables>,
    refused_by_source: AtomicU64,
    refused_by_username: AtomicU64,
}

struct Tables {
    sources: Table,
    usernames: Table,
    pairs: Table,
    trusted: Table,
}

struct Keys {
    source: u64,
    /// The username, and the pair of both; a client without a username has only an address.
    named: Option<(u64, u64)>,
}

impl Backoff {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new(config: BackoffConfig) -> Self {
        let table = || Table::new(config.capacity);
        let tables = Tables { sources: table(), usernames: table(), pairs: table(), trusted: table() };
        Self {
            config,
            hasher: RandomState::new(),
            tables: Mutex::new(tables),
            refused_by_source: AtomicU64::new(0),
            refused_by_username: AtomicU64::new(0),
        }
    }

    /// Whether a login may be tried at `now`.
    #[must_use]
    pub fn check(&self, source: IpAddr, username: Option<&str>, now: Instant) -> Admission {
        let keys = self.keys(source, username);
        let (by_source, by_username) = {
            let tables = self.tables.lock();
            (self.source_wait(&tables, &keys, now), self.username_wait(&tables, &keys, now))
        };
        let wait = by_source.max(by_username);
        if wait.is_zero() {
            return Admission::Allowed;
        }
        let counter =
            if by_source >= by_username { &self.refused_by_source } else { &self.refused_by_username };
        counter.fetch_add(1, Ordering::Relaxed);
        Admission::Wait(wait)
    }

    /// A login was refused at `now`: unknown user or wrong secret. Not for logins that were [`Admission::Wait`], nor
    /// for those that the hashing pool was too busy for.
    pub fn failed(&self, source: IpAddr, username: Option<&str>, now: Instant) {
        let keys = self.keys(source, username);
        let mut tables = self.tables.lock();
        if let Some(rule) = &self.config.source {
            tables.sources.raise(keys.source, now, rule.half_life);
        }
        if let (Some(rule), Some((name, pair))) = (&self.config.username, keys.named) {
            tables.usernames.raise(name, now, rule.half_life);
            tables.pairs.raise(pair, now, rule.half_life);
        }
    }

    /// A login succeeded at `now`. `username` is the one that was *proven*: `None` where nothing was (a pipeline that
    /// allows all) or where a certificate was, because whoever may write a foreign username here would be forgiven
    /// his guesses at its password.
    pub fn succeeded(&self, source: IpAddr, username: Option<&str>, now: Instant) {
        let keys = self.keys(source, username);
        let mut tables = self.tables.lock();
        if let Some(rule) = &self.config.source {
            tables.sources.lower(keys.source, 1.0, now, rule.half_life);
            if let Some((_, pair)) = keys.named {
                tables.trusted.mark(pair, now);
            }
        }
        if let (Some(rule), Some((name, pair))) = (&self.config.username, keys.named) {
            let forgiven = tables.pairs.count(pair, now, rule.half_life);
            tables.pairs.remove(pair);
            if forgiven > 0.0 {
                tables.usernames.lower(name, forgiven, now, rule.half_life);
            }
        }
    }

    /// The figures.
    #[must_use]
    pub fn metrics(&self) -> BackoffMetrics {
        let tables = self.tables.lock();
        BackoffMetrics {
            sources: tables.sources.len() as u64,
            usernames: tables.usernames.len() as u64,
            refused_by_source: self.refused_by_source.load(Ordering::Relaxed),
            refused_by_username: self.refused_by_username.load(Ordering::Relaxed),
        }
    }

    fn source_wait(&self, tables: &Tables, keys: &Keys, now: Instant) -> Duration {
        let Some(rule) = &self.config.source else { return Duration::ZERO };
        let Some(last) = tables.sources.last(keys.source) else { return Duration::ZERO };
        let wait = rule.wait(tables.sources.count(keys.source, now, rule.half_life));
        let trusted = keys
            .named
            .and_then(|(_, pair)| tables.trusted.last(pair))
            .is_some_and(|success| now < success + self.config.trust);
        if trusted { Duration::ZERO } else { (last + wait).saturating_duration_since(now) }
    }

    fn username_wait(&self, tables: &Tables, keys: &Keys, now: Instant) -> Duration {
        let (Some(rule), Some((name, pair))) = (&self.config.username, keys.named) else {
            return Duration::ZERO;
        };
        let Some(last) = tables.pairs.last(pair) else { return Duration::ZERO };
        // The username's entry may have been given up for others; the pair's own count is then the lower bound.
        let count = tables.usernames.count(name, now, rule.half_life);
        let own = tables.pairs.count(pair, now, rule.half_life);
        (last + rule.wait(count.max(own))).saturating_duration_since(now)
    }

    fn keys(&self, source: IpAddr, username: Option<&str>) -> Keys {
        let network = match source.to_canonical() {
            IpAddr::V4(address) => (4_u8, u64::from(u32::from(address))),
            // One host owns a whole /64 and may use a new address for each attempt.
            IpAddr::V6(address) => (6, (u128::from(address) >> 64) as u64),
        };
        let named = username.map(|name| (self.hasher.hash_one(name), self.hasher.hash_one((network, name))));
        Keys { source: self.hasher.hash_one(network), named }
    }
}

#[cfg(test)]
mod tests;
