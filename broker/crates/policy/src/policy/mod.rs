//! A bundle, indexed for logins: who a client is, what it may do, and what a newer policy means for it.

mod authorize;
mod begin;
mod load;
mod rejudge;
mod role_keys;
mod tables;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::bundle::{Digest, Settings};
use crate::rules::RuleSet;

pub use authorize::{Authorized, Identity};
pub use begin::{Attempt, Begin, CertificateId, Pending};
pub use rejudge::{Ended, Rejudged};
pub use role_keys::RoleKeys;

use tables::{Pipeline, Realm, Table};

/// Why a client is not let in. The client sees the same answer for all; logs and metrics tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Neither the listener nor `ALL` has a pipeline.
    #[error("the listener has no pipeline: without one it refuses everyone")]
    NoPipeline,
    /// The pipeline's realm does not exist.
    #[error("the pipeline's realm does not exist")]
    RealmMissing,
    /// The pipeline's realm is disabled.
    #[error("the pipeline's realm is disabled")]
    RealmDisabled,
    /// The client showed neither username and password nor a certificate.
    #[error("the client must show a username and a password, or a client certificate")]
    NothingShown,
    /// No credential has this username.
    #[error("no credential of the realm has this username")]
    UnknownUser,
    /// No credential stands for this certificate.
    #[error("no credential of the realm stands for this certificate")]
    UnknownCertificate,
    /// The password is wrong.
    #[error("the password is wrong")]
    WrongPassword,
    /// The credential has no password; it serves authorization only.
    #[error("the credential accepts no password")]
    NoVerifier,
    /// The credential is disabled.
    #[error("the credential is disabled")]
    CredentialDisabled,
    /// The credential was changed or removed while the client logged in.
    #[error("the credential changed during the login")]
    CredentialChanged,
    /// The pipeline was changed while the client logged in.
    #[error("the pipeline changed during the login")]
    PipelineChanged,
}

impl Refusal {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NoPipeline => "NoPipeline",
            Self::RealmMissing => "RealmMissing",
            Self::RealmDisabled => "RealmDisabled",
            Self::NothingShown => "NothingShown",
            Self::UnknownUser => "UnknownUser",
            Self::UnknownCertificate => "UnknownCertificate",
            Self::WrongPassword => "WrongPassword",
            Self::NoVerifier => "NoVerifier",
            Self::CredentialDisabled => "CredentialDisabled",
            Self::CredentialChanged => "CredentialChanged",
            Self::PipelineChanged => "PipelineChanged",
        }
    }
}

/// An immutable policy. Clones and successors share what did not change; it may be read from any number of threads.
#[derive(Debug, Clone)]
pub struct Policy {
    settings: Settings,
    digest: Digest,
    realms: Table<Arc<str>, Realm>,
    pipelines: Table<Arc<str>, Arc<Pipeline>>,
}

impl Policy {
    /// The cluster's settings; the defaults if the bundle has none.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The digest of the bundle that this policy was loaded from.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The compiled permissions of a role, by its name or one of its role keys.
    #[must_use]
    pub fn role(&self, realm: &str, role_key: &str) -> Option<Arc<RuleSet>> {
        Some(self.realms.get(realm)?.role(role_key)?.rules())
    }

    /// The pipeline of a listener: its own, else that of `ALL`.
    fn pipeline(&self, listener: &str) -> Option<&Arc<Pipeline>> {
        self.pipelines.get(listener).or_else(|| self.pipelines.get(crate::bundle::ALL_LISTENERS))
    }
}
