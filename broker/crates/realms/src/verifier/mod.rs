//! One question (is this the password?), one answer, at a bounded price.
//!
//! ```text
//! request → tag → cache ──hit──→ Match
//!                  └─miss→ the same check under way? ──yes──→ wait for its answer
//!                                   └─no→ pool (full: Busy) → hash on a hashing thread → answer all who wait
//! ```
//! An unknown user takes the same way, with a dummy verifier of the shape that most credentials of the realm have
//! ([`crate::census`]); so does a verifier that cannot be used. The time of an answer tells neither from a wrong
//! password. Only a success is kept in the cache, and only the successful password hits it.

mod flights;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::cache::{Cache, CacheConfig, CacheEpoch, CacheMetrics, Tag};
use crate::census::{Census, default_shape};
use crate::clock::{Clock, SystemClock};
use crate::entropy::NoEntropy;
use crate::hash::{HashError, Limits, Scheme, Scratch, StoredHash};
use crate::pool::{Pool, PoolConfig, PoolMetrics, Ran};
use crate::secret::Secret;
use flights::{Flight, Flights, Joined};

/// Everything that can be configured about password checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifierConfig {
    /// The hashing threads and their queue.
    pub pool: PoolConfig,
    /// The cache of verified passwords.
    pub cache: CacheConfig,
    /// What a stored verifier may cost.
    pub limits: Limits,
}

/// One check. Nothing is copied unless hashing is needed.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The realm that was asked; decides what an unknown user costs.
    pub realm: &'a str,
    /// What names the credential in its realm: the credential's name, or the username if there is none.
    pub credential: &'a str,
    /// The stored verifier's text; `None` for an unknown user, or a credential without a password.
    pub verifier: Option<&'a str>,
    /// The password that was given.
    pub password: &'a [u8],
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is the password.
    Match,
    /// It is not, or the user is unknown: the same answer after the same work.
    Mismatch,
    /// Too many logins wait already; nothing was decided. Not a failed attempt.
    Busy,
    /// The stored verifier cannot be used; the reason is for the operator's eyes (log, metric), the client is refused
    /// as with [`Outcome::Mismatch`].
    Unusable(HashError),
}

/// Is told of every hash computation, after it. For metrics, and for tests that count work.
pub trait WorkObserver: Send + Sync + 'static {
    /// `scheme` was computed once on a hashing thread and took `elapsed`.
    fn hashed(&self, scheme: &Scheme, elapsed: Duration);
}

/// The observer that nobody needs.
impl WorkObserver for () {
    fn hashed(&self, _: &Scheme, _: Duration) {}
}

/// Figures of a verifier since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifierMetrics {
    /// The hashing threads.
    pub pool: PoolMetrics,
    /// The cache.
    pub cache: CacheMetrics,
    /// Counter: requests that waited for the same check of another one.
    pub joined: u64,
}

/// Checks passwords for all listeners and cores; cheap to clone.
#[derive(Clone)]
pub struct Verifier {
    /// Not in [`Shared`]: jobs hold that, and the pool must not be dropped on one of its own threads.
    pool: Arc<Pool>,
    shared: Arc<Shared>,
}

struct Shared {
    cache: Cache,
    flights: Flights,
    limits: Limits,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn WorkObserver>,
    dummies: RwLock<Dummies>,
    joined: AtomicU64,
}

/// Verifiers that no password matches, of each realm's typical shape.
struct Dummies {
    by_realm: HashMap<String, StoredHash>,
    default: StoredHash,
}

/// Why a [`Verifier`] could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No random key for the cache, or no random dummy.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The operating system refused a thread.
    #[error("failed to start the password hashing threads; check the process limit (ulimit -u, pids.max)")]
    Threads(#[source] io::Error),
}

impl Verifier {
    /// Starts the hashing threads, with the system's clock and no observer.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: VerifierConfig) -> Result<Self, StartError> {
        Self::start_with(config, Arc::new(SystemClock), Arc::new(()))
    }

    /// Starts the hashing threads.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start_with(
        config: VerifierConfig,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn WorkObserver>,
    ) -> Result<Self, StartError> {
        let dummies = Dummies { by_realm: HashMap::new(), default: StoredHash::unmatched(default_shape())? };
        let shared = Shared {
            cache: Cache::new(config.cache)?,
            flights: Flights::default(),
            limits: config.limits,
            clock,
            observer,
            dummies: RwLock::new(dummies),
            joined: AtomicU64::new(0),
        };
        let pool = Pool::start(config.pool).map_err(StartError::Threads)?;
        Ok(Self { pool: Arc::new(pool), shared: Arc::new(shared) })
    }

    /// Tells what the realms' credentials look like, so that unknown users cost the same. Call it after each load.
    ///
    /// # Errors
    /// [`NoEntropy`] if a new dummy cannot be made; the previous ones stay.
    pub fn set_census(&self, census: &Census) -> Result<(), NoEntropy> {
        let mut by_realm = HashMap::new();
        for realm in census.realms() {
            let shape = census.typical(realm, &self.shared.limits);
            by_realm.insert(realm.to_owned(), StoredHash::unmatched(shape)?);
        }
        self.shared.dummies.write().by_realm = by_realm;
        Ok(())
    }

    /// Whether this very check succeeded a moment ago: the answer that a reconnecting client needs, without leaving
    /// its core. [`Verifier::verify`] asks this itself.
    #[must_use]
    pub fn is_cached(&self, request: &Request<'_>) -> bool {
        self.shared.is_cached(request, &self.shared.tag(request))
    }

    /// Checks a password. Dropping the future before its turn comes saves the work, unless others wait for it too.
    pub async fn verify(&self, request: Request<'_>) -> Outcome {
        let tag = self.shared.tag(&request);
        if self.shared.is_cached(&request, &tag) {
            return Outcome::Match;
        }
        let answer = match self.shared.flights.join(tag) {
            Joined::Waiting(answer) => {
                self.shared.joined.fetch_add(1, Ordering::Relaxed);
                answer
            }
            Joined::First(answer) => {
                self.take_off(tag, &request);
                answer
            }
            Joined::Full => return Outcome::Busy,
        };
        // The flight ended without an answer: the pool had no room for it, or is being dropped.
        answer.await.unwrap_or(Outcome::Busy)
    }

    /// Forgets all verified passwords, also those of checks that are under way.
    pub fn clear_cache(&self) {
        self.shared.cache.clear();
    }

    /// Removes expired entries of the cache. Worth calling about once a minute.
    pub fn sweep(&self) {
        self.shared.cache.sweep(self.shared.clock.now());
    }

    /// The figures.
    #[must_use]
    pub fn metrics(&self) -> VerifierMetrics {
        VerifierMetrics {
            pool: self.pool.metrics(),
            cache: self.shared.cache.metrics(),
            joined: self.shared.joined.load(Ordering::Relaxed),
        }
    }

    /// The bounds that verifiers are held to.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Queues the check of a flight that has just begun. If there is no room the flight ends here, and with it the
    /// wait of everybody on it.
    fn take_off(&self, tag: Tag, request: &Request<'_>) {
        let check = Check {
            flight: Flight::new(Arc::clone(&self.shared), tag),
            since: self.shared.cache.epoch(),
            plan: self.shared.plan(request),
            password: Secret::from(request.password),
        };
        let cost = check.plan.stored.scheme().nominal_cost();
        // A refused job is dropped, and its `Flight` with it.
        let _refused = self.pool.submit(cost, move |scratch| check.run(scratch));
    }
}

impl Shared {
    fn tag(&self, request: &Request<'_>) -> Tag {
        self.cache.tag([request.realm, request.credential], request.verifier, request.password)
    }

    fn is_cached(&self, request: &Request<'_>, tag: &Tag) -> bool {
        request.verifier.is_some() && self.cache.contains(tag, self.clock.now())
    }

    /// The stored verifier if it can be used, else the realm's dummy with the answer that it stands for.
    fn plan(&self, request: &Request<'_>) -> Plan {
        let usable = request.verifier.map(|text| {
            let stored = StoredHash::parse(text)?;
            self.limits.check(&stored.scheme()).map(|()| stored)
        });
        let decided = match usable {
            Some(Ok(stored)) => return Plan { stored, decided: None },
            Some(Err(error)) => Outcome::Unusable(error),
            None => Outcome::Mismatch,
        };
        let dummies = self.dummies.read();
        let dummy = dummies.by_realm.get(request.realm).unwrap_or(&dummies.default);
        Plan { stored: dummy.clone(), decided: Some(decided) }
    }
}

/// What is computed for a request, and what the result means.
struct Plan {
    stored: StoredHash,
    /// `None`: the computation decides. Otherwise it is only done for its time, and this is the answer.
    decided: Option<Outcome>,
}

/// One check on its way through the pool.
struct Check {
    flight: Flight,
    since: CacheEpoch,
    plan: Plan,
    password: Secret,
}

impl Check {
    fn run(mut self, scratch: &mut Scratch) -> Ran {
        if self.flight.is_abandoned() {
            return Ran::Skipped;
        }
        let shared = Arc::clone(self.flight.shared());
        let begin = std::time::Instant::now();
        let computed = self.plan.stored.verify(self.password.expose(), &shared.limits, scratch);
        shared.observer.hashed(&self.plan.stored.scheme(), begin.elapsed());
        let outcome = match (self.plan.decided, computed) {
            (Some(decided), _) => decided,
            (None, Ok(true)) => Outcome::Match,
            (None, Ok(false)) => Outcome::Mismatch,
            (None, Err(error)) => Outcome::Unusable(error),
        };
        if outcome == Outcome::Match {
            // Before the flight ends: whoever asks next finds either the flight or the entry.
            shared.cache.insert(self.flight.tag(), self.since, shared.clock.now());
        }
        self.flight.land(outcome);
        Ran::Done
    }
}

#[cfg(test)]
mod tests;
