//! The entries of a bundle as they may be shown: without verifiers, and without what is made of them (the version of a
//! credential, by which a guess could be tried).

use moat_policy::{
    AuthenticationManager, AuthorizationManager, Bundle, CertificateMatch, CredentialEntry,
    CredentialIdentity, Entry, PermissionEntry, Settings,
};
use serde::Serialize;

/// All entries, by kind, realm and name.
#[derive(Debug, Default, Serialize)]
pub(super) struct Entries {
    pub(super) settings: Option<Settings>,
    pub(super) realms: Vec<Realm>,
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) roles: Vec<Role>,
    pub(super) credentials: Vec<Credential>,
}

#[derive(Debug, Serialize)]
pub(super) struct Realm {
    pub(super) name: String,
    pub(super) enabled: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Pipeline {
    /// The listener's name, or `ALL`.
    pub(super) listener: String,
    pub(super) source: String,
    pub(super) authentication: AuthenticationManager,
    pub(super) authorization: AuthorizationManager,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Role {
    pub(super) realm: String,
    pub(super) name: String,
    pub(super) source: String,
    pub(super) role_keys: Vec<String>,
    pub(super) permissions: Vec<PermissionEntry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credential {
    pub(super) realm: String,
    pub(super) name: String,
    pub(super) source: String,
    pub(super) identity: Identity,
    pub(super) authorization_key: String,
    pub(super) enabled: bool,
    pub(super) roles: Vec<String>,
    pub(super) permissions: Vec<PermissionEntry>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Identity {
    #[serde(rename_all = "camelCase")]
    Password {
        username: String,
        /// Whether there is a password that lets in.
        has_password: bool,
    },
    Certificate(CertificateMatch),
}

impl Entries {
    pub(super) fn of(bundle: &Bundle) -> Self {
        let mut all: Vec<_> = bundle.iter().collect();
        all.sort_by(|a, b| a.0.cmp(b.0));
        let mut entries = Self::default();
        for (key, entry) in all {
            let (realm, name) = (key.realm.clone(), key.name.clone());
            match &**entry {
                Entry::Settings(settings) => entries.settings = Some(*settings),
                Entry::Realm(entry) => entries.realms.push(Realm { name, enabled: entry.enabled }),
                Entry::Pipeline(entry) => entries.pipelines.push(Pipeline {
                    listener: name,
                    source: entry.source.clone(),
                    authentication: entry.authentication.clone(),
                    authorization: entry.authorization.clone(),
                }),
                Entry::Role(entry) => entries.roles.push(Role {
                    realm,
                    name,
                    source: entry.source.clone(),
                    role_keys: entry.role_keys.clone(),
                    permissions: entry.permissions.clone(),
                }),
                Entry::Credential(entry) => entries.credentials.push(credential(realm, name, entry)),
            }
        }
        entries
    }
}

/// Names every field, so that a new one is not shown before someone has thought about it.
fn credential(realm: String, name: String, entry: &CredentialEntry) -> Credential {
    let CredentialEntry { source, identity, authorization_key, enabled, version: _, roles, permissions } =
        entry.clone();
    let identity = match identity {
        CredentialIdentity::Password { username, verifier } => {
            Identity::Password { username, has_password: verifier.is_some() }
        }
        CredentialIdentity::Certificate(certificate) => Identity::Certificate(certificate),
    };
    Credential { realm, name, source, identity, authorization_key, enabled, roles, permissions }
}
