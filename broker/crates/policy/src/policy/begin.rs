//! The first half of a login: which credential would it be, and what remains to be verified?

use std::sync::Arc;

use super::tables::{Credential, Realm};
use super::{Policy, Refusal};
use crate::bundle::{AuthenticationManager, CredentialIdentity};
use crate::secret::SecretString;

/// A client certificate that TLS has verified against the listener's CA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateId<'a> {
    /// The subject as an RFC 4514 string, written as in the Credential.
    pub subject: &'a str,
    /// SHA-256 of the DER form: 64 lower-case hexadecimal digits.
    pub fingerprint_sha256: &'a str,
}

/// What a client shows when it connects.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// The name of the listener that it came through.
    pub listener: &'a str,
    /// The client identifier, assigned or its own.
    pub client_id: &'a str,
    /// The username of the CONNECT packet.
    pub username: Option<&'a str>,
    /// Whether the CONNECT packet holds a password. The policy never sees the password itself.
    pub has_password: bool,
    /// The client certificate, if the listener asked for one and the client showed it.
    pub certificate: Option<CertificateId<'a>>,
}

/// How a login goes on.
#[derive(Debug)]
pub enum Begin {
    /// It is over.
    Refused(Refusal),
    /// The password has to be verified, off the connection's core.
    Verify {
        /// The realm that is asked, which decides what work on a dummy costs.
        realm: Arc<str>,
        /// The credential's name; the username if there is no credential.
        credential: Arc<str>,
        /// What to verify the password with. `None`: there is nothing, but the client must not learn that from the
        /// time it takes. Do the same work on a dummy, and refuse.
        verifier: Option<SecretString>,
        /// What to say in the log when verification fails.
        refusal: Refusal,
        /// To be handed to [`Policy::authorize`] when verification succeeds.
        pending: Pending,
    },
    /// The client is who it says; [`Policy::authorize`] comes next.
    Accepted(Pending),
}

/// A login under way. It outlives the policy that it began under: `authorize` checks everything again.
#[derive(Debug, Clone)]
pub struct Pending {
    pub(super) listener: Arc<str>,
    pub(super) client_id: Arc<str>,
    pub(super) username: Option<Arc<str>>,
    pub(super) proof: Proof,
}

/// What a login rests on.
#[derive(Debug, Clone)]
pub(super) enum Proof {
    /// Nothing: the pipeline lets everyone in.
    None,
    /// A credential in this version.
    Credential { realm: Arc<str>, name: Arc<str>, version: u64 },
    /// There is no credential, so that verification cannot succeed.
    Impossible(Refusal),
}

impl Policy {
    /// Finds what a client would have to prove. Takes the same path for known and unknown usernames.
    #[must_use]
    pub fn begin(&self, attempt: &Attempt<'_>) -> Begin {
        let Some(pipeline) = self.pipeline(attempt.listener) else {
            return Begin::Refused(Refusal::NoPipeline);
        };
        let name = match &pipeline.entry.authentication {
            AuthenticationManager::AllowAll {} => return Begin::Accepted(pending(attempt, Proof::None)),
            AuthenticationManager::Kubernetes { realm } => realm,
        };
        let realm = match self.enabled_realm(name) {
            Ok(realm) => realm,
            Err(refusal) => return Begin::Refused(refusal),
        };
        match (attempt.username, attempt.certificate) {
            // A password is an explicit claim: if it is wrong, no certificate makes up for it.
            (Some(username), _) if attempt.has_password => {
                by_password(attempt, name, realm.by_username(username))
            }
            (_, Some(certificate)) => by_certificate(attempt, name, realm, certificate),
            (_, None) => Begin::Refused(Refusal::NothingShown),
        }
    }

    /// A realm that lets clients in.
    pub(super) fn enabled_realm(&self, name: &str) -> Result<&Realm, Refusal> {
        let realm = self.realms.get(name).ok_or(Refusal::RealmMissing)?;
        match realm.enabled {
            Some(true) => Ok(realm),
            Some(false) => Err(Refusal::RealmDisabled),
            None => Err(Refusal::RealmMissing),
        }
    }
}

fn by_password(attempt: &Attempt<'_>, realm: &str, found: Option<&Arc<Credential>>) -> Begin {
    let (verifier, refusal) = match found.and_then(|credential| credential.entry()) {
        None => (None, Refusal::UnknownUser),
        Some(entry) if !entry.enabled => (None, Refusal::CredentialDisabled),
        Some(entry) => match &entry.identity {
            CredentialIdentity::Password { verifier: Some(verifier), .. } => {
                (Some(verifier.clone()), Refusal::WrongPassword)
            }
            CredentialIdentity::Password { verifier: None, .. } | CredentialIdentity::Certificate(_) => {
                (None, Refusal::NoVerifier)
            }
        },
    };
    let proof = match (&verifier, found) {
        (Some(_), Some(credential)) => proof(realm, credential),
        _ => Proof::Impossible(refusal),
    };
    let credential =
        found.map_or_else(|| attempt.username.unwrap_or_default().into(), |found| Arc::clone(&found.name));
    Begin::Verify { realm: realm.into(), credential, verifier, refusal, pending: pending(attempt, proof) }
}

fn by_certificate(attempt: &Attempt<'_>, name: &str, realm: &Realm, certificate: CertificateId<'_>) -> Begin {
    let Some(credential) = realm.by_certificate(certificate.subject, certificate.fingerprint_sha256) else {
        return Begin::Refused(Refusal::UnknownCertificate);
    };
    match credential.entry() {
        Some(entry) if entry.enabled => Begin::Accepted(pending(attempt, proof(name, credential))),
        Some(_) => Begin::Refused(Refusal::CredentialDisabled),
        None => Begin::Refused(Refusal::UnknownCertificate),
    }
}

fn proof(realm: &str, credential: &Credential) -> Proof {
    let version = credential.entry().map_or(0, |entry| entry.version);
    Proof::Credential { realm: realm.into(), name: Arc::clone(&credential.name), version }
}

fn pending(attempt: &Attempt<'_>, proof: Proof) -> Pending {
    Pending {
        listener: attempt.listener.into(),
        client_id: attempt.client_id.into(),
        username: attempt.username.map(Arc::from),
        proof,
    }
}
