//! The answer for one listener: the login first, then the right.

use std::sync::Arc;

use anyhow::{Context, bail};
use moat_policy::{
    ALL_LISTENERS, Attempt, AuthenticationManager, AuthorizationManager, Begin, Bundle, CertificateId,
    CertificateMatch, CredentialIdentity, Entry, EntryKey, Grants, PipelineEntry, Policy, Refusal, Variable,
    Variables, Verdict,
};

use super::question::Question;
use crate::Answer;

/// What is asked, and the bundle that it was loaded from.
pub(crate) struct Court<'a> {
    pub(crate) policy: Policy,
    pub(crate) bundle: &'a Bundle,
}

/// The answer to a question, with its reason.
pub(crate) struct Ruling {
    pub(crate) answer: Answer,
    pub(crate) text: String,
}

impl Ruling {
    pub(crate) fn word(&self) -> &'static str {
        match self.answer {
            Answer::Yes => "yes",
            Answer::No => "no",
            Answer::Undecidable => "undecidable",
        }
    }
}

impl Court<'_> {
    /// Whether a client that comes through the listener may do what is asked.
    pub(crate) fn rule(&self, question: &Question, listener: &str) -> anyhow::Result<Ruling> {
        let Some(pipeline) = self.pipeline(listener) else { return Ok(refused(Refusal::NoPipeline)) };
        let certificate = self.certificate(&question.user, pipeline);
        let grants = if question.roles.is_empty() {
            match self.log_in(question, listener, certificate) {
                Ok(grants) => grants,
                Err(refusal) => return Ok(refused(refusal)),
            }
        } else {
            self.roles_alone(question, pipeline)?
        };
        let mut variables = grants.variables().clone();
        if question.client_id.is_none() {
            variables = variables.without(&Variable::ClientId);
        }
        if certificate.is_some() && question.roles.is_empty() {
            // Beside a certificate a client may send a username or not.
            variables = variables.without(&Variable::Username);
        }
        for (variable, value) in &question.variables {
            variables = variables.with(variable, Some(Arc::from(value.as_str())));
        }
        let decision = question.put_to(&grants.with_variables(variables));
        let answer = match decision.verdict {
            Verdict::Allowed => Answer::Yes,
            Verdict::Denied => Answer::No,
            Verdict::Undecidable => Answer::Undecidable,
        };
        let text = decision.to_string();
        // The word of the answer is printed already.
        let text = text.strip_prefix(&format!("{}: ", decision.verdict)).unwrap_or(&text);
        Ok(Ruling { answer, text: text.to_owned() })
    }

    /// The rights of the user after a login that shows what the Credential asks for.
    fn log_in(
        &self,
        question: &Question,
        listener: &str,
        certificate: Option<CertificateId<'_>>,
    ) -> Result<Grants, Refusal> {
        let by_password = certificate.is_none();
        let attempt = Attempt {
            listener,
            client_id: question.client_id.as_deref().unwrap_or_default(),
            username: by_password.then_some(question.user.as_str()),
            has_password: by_password,
            certificate,
        };
        let pending = match self.policy.begin(&attempt) {
            Begin::Refused(refusal) => return Err(refusal),
            Begin::Verify { pending, .. } | Begin::Accepted(pending) => pending,
        };
        self.policy.authorize(&pending).map(|authorized| authorized.grants)
    }

    /// What the roles alone allow, in the realm that decides about rights on this listener.
    fn roles_alone(&self, question: &Question, pipeline: &PipelineEntry) -> anyhow::Result<Grants> {
        let AuthorizationManager::Kubernetes { realm, .. } = &pipeline.authorization else {
            bail!("--role: {} allows everything and asks for no roles", pipeline.source);
        };
        let find = |key: &String| {
            let role = self.policy.role(realm, key);
            role.with_context(|| {
                format!("--role: Realm `{realm}` has no Role with the name or role key `{key}`")
            })
        };
        let sets = question.roles.iter().map(find).collect::<anyhow::Result<Vec<_>>>()?;
        let user: Arc<str> = question.user.as_str().into();
        let client_id = question.client_id.as_deref().map(Arc::from);
        let variables = Variables::new()
            .with(&Variable::ClientId, client_id)
            .with(&Variable::Username, Some(user.clone()))
            .with(&Variable::AuthenticationKey, Some(user.clone()))
            .with(&Variable::AuthorizationKey, Some(user));
        Ok(Grants::new(sets, Arc::new(variables), self.policy.settings().subscription_matching))
    }

    /// The certificate that the user's Credential asks for, if it asks for one.
    fn certificate(&self, user: &str, pipeline: &PipelineEntry) -> Option<CertificateId<'_>> {
        let AuthenticationManager::Kubernetes { realm } = &pipeline.authentication else { return None };
        self.bundle.iter().filter(|(key, _)| key.realm == *realm).find_map(|(_, entry)| {
            let Entry::Credential(credential) = &**entry else { return None };
            match &credential.identity {
                _ if credential.authorization_key != user => None,
                CredentialIdentity::Password { .. } => None,
                CredentialIdentity::Certificate(CertificateMatch::Subject(subject)) => {
                    Some(CertificateId { subject, fingerprint_sha256: "" })
                }
                CredentialIdentity::Certificate(CertificateMatch::FingerprintSha256(digits)) => {
                    Some(CertificateId { subject: "", fingerprint_sha256: digits })
                }
            }
        })
    }

    fn pipeline(&self, listener: &str) -> Option<&PipelineEntry> {
        let of = |scope: &str| match &**self.bundle.get(&EntryKey::pipeline(scope))? {
            Entry::Pipeline(pipeline) => Some(pipeline),
            _ => None,
        };
        of(listener).or_else(|| of(ALL_LISTENERS))
    }
}

fn refused(refusal: Refusal) -> Ruling {
    Ruling { answer: Answer::No, text: format!("The client is not let in: {refusal}.") }
}
