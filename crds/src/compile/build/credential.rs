//! A Credential: how a client proves who it is, and what it holds.

use moat_policy::{CertificateMatch, CredentialEntry, CredentialIdentity, Entry, EntryKey, SecretString};
use sha2::{Digest as _, Sha256};

use super::super::diagnostic::{Problem, Reason};
use super::super::resource::Version;
use super::super::secret::{self, Proof};
use super::super::validate::fingerprint;
use super::super::verifiers::{VerifierKey, Wanted};
use super::role::permissions;
use super::{Built, Membership, View, Who};
use crate::CredentialSpec;

pub(super) fn build(
    view: &View<'_>,
    (who, version): (Who<'_>, &Version),
    spec: &CredentialSpec,
) -> Option<Built> {
    let cluster = match view.of_realm(who, &spec.realm_ref.name) {
        Membership::Others => return None,
        Membership::Dangling(problem) => return Some(problem.into()),
        Membership::Of(cluster) => cluster,
    };
    if let Some(problem) = view.conflict(who) {
        return Some(problem.into());
    }
    let mut problems = Vec::new();
    let mut wanted = None;
    let identity = match certificate(spec) {
        Some(certificate) => CredentialIdentity::Certificate(certificate),
        None => {
            let verifier = verifier(view, (who, version), spec, &mut problems);
            let verifier = verifier.unwrap_or_else(|missing| {
                wanted = Some(missing);
                None
            });
            CredentialIdentity::Password { username: spec.username.clone().unwrap_or_default(), verifier }
        }
    };
    let roles = roles(view, who, spec, &mut problems);
    let authorization_key = authorization_key(&who.key.name, spec).to_owned();
    let entry = CredentialEntry {
        source: who.key.short(),
        version: semantic_version(&identity, &authorization_key, spec.enabled),
        identity,
        authorization_key,
        enabled: spec.enabled,
        roles,
        permissions: permissions(view, who, &spec.permissions, &mut problems),
    };
    let entry_key = EntryKey::credential(&*spec.realm_ref.name, &*who.key.name);
    let entry = Some((cluster, entry_key, Entry::Credential(entry)));
    Some(Built { entry, problems, wanted, listeners: None })
}

/// The key under which authorization looks the client up.
pub(in super::super) fn authorization_key<'a>(name: &'a str, spec: &'a CredentialSpec) -> &'a str {
    spec.username.as_deref().unwrap_or(name)
}

/// The certificate that proves the identity, in the bundle's form.
pub(in super::super) fn certificate(spec: &CredentialSpec) -> Option<CertificateMatch> {
    let certificate = spec.certificate.as_ref()?;
    let subject = certificate.subject.clone().map(CertificateMatch::Subject);
    subject.or_else(|| {
        let digits = fingerprint(certificate.fingerprint_sha256.as_deref()?)?;
        Some(CertificateMatch::FingerprintSha256(digits))
    })
}

/// What passwords are verified with; `None` means that none is accepted. An error is a password to be hashed first.
fn verifier(
    view: &View<'_>,
    (who, version): (Who<'_>, &Version),
    spec: &CredentialSpec,
    problems: &mut Vec<Problem>,
) -> Result<Option<SecretString>, Wanted> {
    const FIELD: &str = "spec.passwordSecretRef.name";
    let Some(reference) = &spec.password_secret_ref else { return Ok(None) };
    let name = (&*who.key.namespace, &*reference.name);
    let proof = secret::readable(view.secret(who, &reference.name), name, "credential", FIELD)
        .and_then(|content| secret::proof(content, &reference.name, FIELD));
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
fn roles(
    view: &View<'_>,
    who: Who<'_>,
    spec: &CredentialSpec,
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let realm = &spec.realm_ref.name;
    for (i, role) in spec.roles.iter().enumerate() {
        if !view.has_role(who, realm, role) {
            let message = format!(
                "Realm `{realm}` has no valid Role with the name or role key `{role}`: create it, or correct the name"
            );
            problems.push(Problem::error(format!("spec.roles[{i}]"), Reason::RefNotFound, message));
        }
    }
    let mut roles = spec.roles.clone();
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
