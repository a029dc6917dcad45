//! What a newer policy means for a session that already runs.

use super::authorize::{Authorized, Held};
use super::begin::Proof;
use super::{Policy, Refusal};

/// The outcome of judging a session again.
#[derive(Debug)]
pub enum Rejudged {
    /// Nothing that the session may do has changed.
    Same,
    /// It goes on with other rights.
    Changed(Authorized),
    /// It ends.
    Ended(Ended),
}

/// Why a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Ended {
    /// The credential was removed.
    #[error("the credential was removed")]
    CredentialGone,
    /// The credential was disabled.
    #[error("the credential was disabled")]
    CredentialDisabled,
    /// The credential's secret, certificate or identity changed.
    #[error("the credential's secret, certificate or identity changed")]
    CredentialChanged,
    /// The listener has no pipeline any more.
    #[error("the listener has no pipeline any more")]
    PipelineGone,
    /// The realm was removed or disabled.
    #[error("the realm was removed or disabled")]
    RealmGone,
}

impl Ended {
    /// A stable word for logs and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::CredentialGone => "CredentialGone",
            Self::CredentialDisabled => "CredentialDisabled",
            Self::CredentialChanged => "CredentialChanged",
            Self::PipelineGone => "PipelineGone",
            Self::RealmGone => "RealmGone",
        }
    }
}

impl Policy {
    /// Judges a session again under this policy. A change of the pipeline's authentication acts at the next connect;
    /// everything else acts now.
    #[must_use]
    pub fn rejudge(&self, previous: &Authorized) -> Rejudged {
        match self.judge(previous) {
            Ok(Some(changed)) => Rejudged::Changed(changed),
            Ok(None) => Rejudged::Same,
            Err(ended) => Rejudged::Ended(ended),
        }
    }

    fn judge(&self, previous: &Authorized) -> Result<Option<Authorized>, Ended> {
        let login = &previous.login;
        let pipeline = self.pipeline(&login.listener).ok_or(Ended::PipelineGone)?;
        let held = self.still_held(previous)?;
        let sets = self.rule_sets(pipeline, held).map_err(ended)?;
        let grants = &previous.grants;
        let same = grants.matching() == self.settings.subscription_matching
            && grants.rule_sets().len() == sets.len()
            && grants.rule_sets().iter().zip(&sets).all(|(old, new)| std::sync::Arc::ptr_eq(old, new));
        if same {
            return Ok(None);
        }
        self.authorized(pipeline, login.clone(), held).map(Some).map_err(ended)
    }

    /// The session's credential, unless it is another by now.
    fn still_held<'a>(&'a self, previous: &'a Authorized) -> Result<Option<Held<'a>>, Ended> {
        let proof = &previous.login.proof;
        let held = self.held(proof).map_err(|refusal| match (refusal, proof) {
            (Refusal::CredentialChanged, Proof::Credential { realm, name, .. })
                if self.realms.get(realm).is_none_or(|realm| realm.credential(name).is_none()) =>
            {
                Ended::CredentialGone
            }
            _ => ended(refusal),
        })?;
        let key = held.and_then(|held| held.credential.entry()).map_or("", |entry| &entry.authorization_key);
        // Another key is another identity, and the session belongs to the old one.
        if *previous.identity.key == *key { Ok(held) } else { Err(Ended::CredentialChanged) }
    }
}

const fn ended(refusal: Refusal) -> Ended {
    match refusal {
        Refusal::RealmMissing | Refusal::RealmDisabled => Ended::RealmGone,
        Refusal::NoPipeline | Refusal::PipelineChanged => Ended::PipelineGone,
        Refusal::CredentialDisabled => Ended::CredentialDisabled,
        Refusal::NothingShown
        | Refusal::UnknownUser
        | Refusal::UnknownCertificate
        | Refusal::WrongPassword
        | Refusal::NoVerifier
        | Refusal::CredentialChanged => Ended::CredentialChanged,
    }
}
