//! A Credential: how a client proves who it is, and what it holds.

use moat_policy::{CertificateMatch, CredentialEntry, CredentialIdentity, Entry, EntryKey, SecretString};
use sha2::{Digest as _, Sha256};

use super::super::diagnostic::{Problem, Reason};
use super::super::member::{Certificate, Identity, Member};
use super::super::names::Id;
use super::super::resource::Version;
use super::super::secret::{self, Proof};
use super::super::validate::fingerprint;
use super::super::verifiers::{VerifierKey, Wanted};
use super::role::permissions;
use super::{Built, View, Who};

pub(super) fn build(
    view: &View<'_>,
    (who, version, cluster): (Who<'_>, &Version, Id),
    member: &Member<'_>,
    identity: &Identity<'_>,
) -> Built {
    let mut problems = Vec::new();
    let mut wanted = None;
    let shown = match certificate(identity) {
        Some(certificate) => CredentialIdentity::Certificate(certificate),
        None => {
            let verifier = verifier(view, (who, version), identity, &mut problems);
            let verifier = verifier.unwrap_or_else(|missing| {
                wanted = Some(missing);
                None
            });
            CredentialIdentity::Password {
                username: identity.username.unwrap_or_default().to_owned(),
                verifier,
            }
        }
    };
    let roles = roles(view, who, member, &mut problems);
    let authorization_key = authorization_key(&who.key.name, identity).to_owned();
    let entry = CredentialEntry {
        source: who.key.short(),
        version: semantic_version(&shown, &authorization_key, identity.enabled),
        identity: shown,
        authorization_key,
        enabled: identity.enabled,
        roles,
        permissions: permissions(view, who, &member.permissions, &mut problems),
    };
    let entry_key = EntryKey::credential(member.realm, &*who.key.name);
    let entry = Some((cluster, entry_key, Entry::Credential(entry)));
    Built { entry, problems, wanted, listeners: None }
}

/// The key under which authorization looks the client up.
pub(in super::super) fn authorization_key<'a>(name: &'a str, identity: &Identity<'a>) -> &'a str {
    identity.username.unwrap_or(name)
}

/// The certificate that proves the identity, in the bundle's form.
pub(in super::super) fn certificate(identity: &Identity<'_>) -> Option<CertificateMatch> {
    match identity.certificate? {
        Certificate::Subject(subject) => Some(CertificateMatch::Subject(subject.to_owned())),
        Certificate::Fingerprint(text) => fingerprint(text).map(CertificateMatch::FingerprintSha256),
    }
}

/// What passwords are verified with; `None` means that none is accepted. An error is a password to be hashed first.
fn verifier(
    view: &View<'_>,
    (who, version): (Who<'_>, &Version),
    identity: &Identity<'_>,
    problems: &mut Vec<Problem>,
) -> Result<Option<SecretString>, Wanted> {
    const FIELD: &str = "spec.passwordSecretRef.name";
    let Some(name) = identity.secret else { return Ok(None) };
    let proof = secret::readable(view.secret(who, name), (&who.key.namespace, name), "credential", FIELD)
        .and_then(|content| secret::proof(content, name, FIELD));
    match proof {
        Err(problem) => {
            problems.push(problem);
            Ok(None)
        }
        Ok((Proof::Hash(hash), _)) => Ok(Some(hash)),
        Ok((Proof::Password(password), warning)) => {
            problems.extend(warning);
            let verifier_key = VerifierKey::new(who.key, version.uid.as_ref(), &password);
            match view.verifiers.get(&verifier_key) {
                Some(verifier) => Ok(Some(verifier.clone())),
                None => Err(Wanted { key: verifier_key, password }),
            }
        }
    }
}

/// The role keys, in the bundle's order. One that means nothing stays in the entry, where it grants nothing, so that
/// a Role that comes or goes rewrites one entry and not those of all who hold it.
fn roles(view: &View<'_>, who: Who<'_>, member: &Member<'_>, problems: &mut Vec<Problem>) -> Vec<String> {
    let Member { realm, keys, .. } = member;
    for (i, role) in keys.iter().enumerate() {
        if !view.has_role(who, realm, role) {
            let message = format!(
                "Realm `{realm}` has no valid Role with the name or role key `{role}`: create it, or correct the name"
            );
            problems.push(Problem::error(format!("spec.roles[{i}]"), Reason::RefNotFound, message));
        }
    }
    let mut roles: Vec<_> = keys.iter().copied().map(str::to_owned).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

/// Changes when what a client must show changes, and only then: not with labels, roles or the Secret's name. The
/// verifier stands for the password, because a fast hash of a password must not be written down.
fn semantic_version(identity: &CredentialIdentity, authorization_key: &str, enabled: bool) -> u64 {
    let (kind, name, proof) = match identity {
        CredentialIdentity::Password { username, verifier } => {
            ("password", username, verifier.as_ref().map_or("", SecretString::expose))
        }
        CredentialIdentity::Certificate(CertificateMatch::Subject(subject)) => ("subject", subject, ""),
        CredentialIdentity::Certificate(CertificateMatch::FingerprintSha256(digits)) => {
            ("fingerprint", digits, "")
        }
    };
    let mut hash = Sha256::new();
    for part in [kind, name, proof, authorization_key, if enabled { "enabled" } else { "disabled" }] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}
