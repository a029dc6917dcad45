//! Who a client is, asked once per connection, off the cores where it costs time.

pub(crate) mod certificate;
mod guard;
mod log;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use moat_mqtt::codec::reason;
use moat_mqtt::core::Shared;
use moat_mqtt::guard::Guard;
use moat_policy::{Begin, Refusal};
use moat_realms::backoff::{Admission as Wait, Backoff};
use moat_realms::verifier::{Outcome, Request, Verifier};

use crate::policy::PolicyStore;
use certificate::Certificate;
use guard::SessionGuard;
pub(crate) use log::AccessLog;

/// What a client shows.
pub(crate) struct Attempt<'a> {
    /// Name of the listener that it came through.
    pub(crate) listener: &'a str,
    /// Its client identifier, or the one assigned to it.
    pub(crate) client_id: &'a str,
    pub(crate) username: Option<&'a str>,
    pub(crate) password: Option<&'a [u8]>,
    /// The certificate that TLS has verified.
    pub(crate) certificate: Option<Certificate>,
    /// Where it comes from.
    pub(crate) peer: IpAddr,
}

/// A client that is let in.
pub(crate) struct Admission {
    pub(crate) guard: Box<dyn Guard>,
    /// Realm and authorization key; sessions belong to it.
    pub(crate) identity: Arc<str>,
    /// Policy epoch that it was judged under.
    pub(crate) judged_at: u64,
}

/// A client that is not let in.
pub(crate) struct Refused {
    /// MQTT 5 reason code of the CONNACK.
    pub(crate) reason_code: u8,
}

/// Why logins were refused, for metrics.
#[derive(Default)]
pub(crate) struct RefusalCounts {
    counts: [AtomicU64; REASONS.len()],
}

/// The reasons of refused logins, as metric labels.
pub(crate) const REASONS: [&str; 15] = [
    "NoPipeline",
    "RealmMissing",
    "RealmDisabled",
    "NothingShown",
    "UnknownUser",
    "UnknownCertificate",
    "WrongPassword",
    "NoVerifier",
    "CredentialDisabled",
    "CredentialChanged",
    "PipelineChanged",
    "BackOff",
    "Busy",
    "UnusableVerifier",
    "Other",
];

impl RefusalCounts {
    fn count(&self, reason: &str) {
        let at = REASONS.iter().position(|known| *known == reason).unwrap_or(REASONS.len() - 1);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
    }

    /// Each reason with its count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.iter().zip(&self.counts).map(|(reason, count)| (*reason, count.load(Ordering::Relaxed)))
    }
}

/// Lets clients in, or not.
pub(crate) struct Authenticator {
    pub(crate) store: Arc<PolicyStore>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) verifier: Verifier,
    pub(crate) backoff: Backoff,
    pub(crate) log: Arc<AccessLog>,
    pub(crate) refusals: RefusalCounts,
    pub(crate) succeeded: AtomicU64,
}

impl Authenticator {
    /// Authenticates and authorizes a client by the newest policy.
    ///
    /// # Errors
    /// [`Refused`] with the code that the client gets; the reason is logged and counted.
    pub(crate) async fn authenticate(&self, attempt: &Attempt<'_>) -> Result<Admission, Refused> {
        match self.decide(attempt).await {
            Ok(admission) => {
                self.succeeded.fetch_add(1, Ordering::Relaxed);
                self.log.admitted(attempt, &admission.identity);
                Ok(admission)
            }
            Err(Denied { reason, text, reason_code }) => {
                self.refusals.count(reason);
                self.log.refused(attempt, reason, &text);
                Err(Refused { reason_code })
            }
        }
    }

    async fn decide(&self, attempt: &Attempt<'_>) -> Result<Admission, Denied> {
        let now = Instant::now();
        if let Wait::Wait(wait) = self.backoff.check(attempt.peer, attempt.username, now) {
            return Err(Denied {
                reason: "BackOff",
                text: format!("too many failed logins; the next attempt counts in {} ms", wait.as_millis()),
                reason_code: reason::CONNECTION_RATE_EXCEEDED,
            });
        }
        let begun = self.store.load().begin(&moat_policy::Attempt {
            listener: attempt.listener,
            client_id: attempt.client_id,
            username: attempt.username,
            has_password: attempt.password.is_some(),
            certificate: attempt.certificate.as_ref().map(Certificate::id),
        });
        // Only a verified password speaks for the username's owner: anyone may write any name beside a certificate.
        let mut proven = None;
        let pending = match begun {
            Begin::Accepted(pending) => pending,
            Begin::Refused(refusal) => return Err(self.failed(attempt, refusal)),
            Begin::Verify { realm, credential, verifier, refusal, pending } => {
                let request = Request {
                    realm: &realm,
                    credential: &credential,
                    verifier: verifier.as_ref().map(moat_policy::SecretString::expose),
                    password: attempt.password.unwrap_or_default(),
                };
                match self.verifier.verify(request).await {
                    Outcome::Match => {
                        proven = attempt.username;
                        pending
                    }
                    Outcome::Mismatch => return Err(self.failed(attempt, refusal)),
                    Outcome::Busy => {
                        return Err(Denied {
                            reason: "Busy",
                            text: "too many logins wait for their password to be checked".to_owned(),
                            reason_code: reason::CONNECTION_RATE_EXCEEDED,
                        });
                    }
                    Outcome::Unusable(error) => {
                        self.backoff.failed(attempt.peer, attempt.username, Instant::now());
                        return Err(Denied {
                            reason: "UnusableVerifier",
                            text: format!("the stored password hash cannot be used: {error}"),
                            reason_code: reason::NOT_AUTHORIZED,
                        });
                    }
                }
            }
        };
        // The newest policy decides, also if it came while the password was being checked.
        let judged_at = self.shared.policy_epoch();
        let authorized =
            self.store.load().authorize(&pending).map_err(|refusal| self.failed(attempt, refusal))?;
        self.backoff.succeeded(attempt.peer, proven, Instant::now());
        let identity = format!("{}/{}", authorized.identity.realm, authorized.identity.key).into();
        let guard =
            SessionGuard::new(Arc::clone(&self.store), Arc::clone(&self.log), authorized, attempt.client_id);
        Ok(Admission { guard: Box::new(guard), identity, judged_at })
    }

    fn failed(&self, attempt: &Attempt<'_>, refusal: Refusal) -> Denied {
        // Only a wrong claim counts against its sender; a missing pipeline is not the client's doing.
        if matches!(
            refusal,
            Refusal::UnknownUser
                | Refusal::WrongPassword
                | Refusal::UnknownCertificate
                | Refusal::NoVerifier
                | Refusal::CredentialDisabled
        ) {
            self.backoff.failed(attempt.peer, attempt.username, Instant::now());
        }
        Denied { reason: refusal.reason(), text: refusal.to_string(), reason_code: reason::NOT_AUTHORIZED }
    }
}

/// A refusal with what is said about it in the log.
struct Denied {
    reason: &'static str,
    text: String,
    reason_code: u8,
}
