//! The entries of a bundle: the typed, resolved form of the user's resources.

use serde::{Deserialize, Serialize};

use super::permission::PermissionEntry;
use crate::secret::{self, SecretString};

/// What an entry is. The order is the order of entries in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EntryKind {
    /// The cluster's settings; exactly one, with an empty name.
    Settings,
    /// A realm.
    Realm,
    /// A pipeline; its name is the listener's or `ALL`.
    Pipeline,
    /// A role of a realm.
    Role,
    /// A credential of a realm.
    Credential,
}

/// The key of an entry: kind, realm (empty where the kind has none) and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntryKey {
    /// What the entry is.
    pub kind: EntryKind,
    /// The realm of a role or credential, else empty.
    pub realm: String,
    /// The resource's `metadata.name`; for a pipeline the listener's name or `ALL`; for the settings empty.
    pub name: String,
}

impl EntryKey {
    /// The key of the cluster's settings.
    #[must_use]
    pub fn settings() -> Self {
        Self { kind: EntryKind::Settings, realm: String::new(), name: String::new() }
    }

    /// The key of a realm.
    pub fn realm(name: impl Into<String>) -> Self {
        Self { kind: EntryKind::Realm, realm: String::new(), name: name.into() }
    }

    /// The key of the pipeline of a listener (or `ALL`).
    pub fn pipeline(listener: impl Into<String>) -> Self {
        Self { kind: EntryKind::Pipeline, realm: String::new(), name: listener.into() }
    }

    /// The key of a role.
    pub fn role(realm: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: EntryKind::Role, realm: realm.into(), name: name.into() }
    }

    /// The key of a credential.
    pub fn credential(realm: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: EntryKind::Credential, realm: realm.into(), name: name.into() }
    }
}

/// The name of the pipeline that serves every listener without one of its own.
pub const ALL_LISTENERS: &str = "ALL";

/// One entry of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// The cluster's settings.
    Settings(Settings),
    /// A realm.
    Realm(RealmEntry),
    /// A pipeline.
    Pipeline(PipelineEntry),
    /// A role.
    Role(RoleEntry),
    /// A credential.
    Credential(CredentialEntry),
}

impl Entry {
    /// The kind that this entry's key must have.
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::Settings(_) => EntryKind::Settings,
            Self::Realm(_) => EntryKind::Realm,
            Self::Pipeline(_) => EntryKind::Pipeline,
            Self::Role(_) => EntryKind::Role,
            Self::Credential(_) => EntryKind::Credential,
        }
    }
}

/// What happens to a subscription whose right was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnRevocation {
    /// It stays, and nothing is delivered through it until the right returns. The default.
    #[default]
    Suspend,
    /// It is removed.
    Unsubscribe,
    /// The client is disconnected.
    Disconnect,
}

/// How a requested topic filter is held against a permission's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SubscriptionMatching {
    /// Every topic of the requested filter must lie in one permission's filter. The default.
    #[default]
    Containment,
    /// ESE's reading: the requested filter is compared level by level as if it were a topic, so that a permission
    /// `a/+` also allows `a/#`. It grants more than the permission describes.
    LevelByLevel,
}

/// Cluster-wide settings of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// What happens to a subscription whose right was revoked.
    pub on_revocation: OnRevocation,
    /// How subscriptions are held against permissions.
    pub subscription_matching: SubscriptionMatching,
}

/// A realm. It is of the kubernetes type, whose roles and credentials are entries of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RealmEntry {
    /// A disabled realm lets no one in and grants nothing.
    pub enabled: bool,
}

/// How a client of a listener becomes an authorized session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PipelineEntry {
    /// The resource, for explanations: `Pipeline/internet`.
    pub source: String,
    /// Who decides that a client is who it says.
    pub authentication: AuthenticationManager,
    /// Who decides what it may do.
    pub authorization: AuthorizationManager,
}

/// Who decides that a client is who it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AuthenticationManager {
    /// The credentials of a kubernetes realm.
    #[serde(rename_all = "camelCase")]
    Kubernetes {
        /// The realm's name.
        realm: String,
    },
    /// Everyone is let in, unverified and without an authorization key.
    AllowAll {},
}

/// Who decides what a client may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum AuthorizationManager {
    /// The roles and credentials of a kubernetes realm.
    #[serde(rename_all = "camelCase")]
    Kubernetes {
        /// The realm's name.
        realm: String,
        /// Whether the permissions of the credential with the client's authorization key apply.
        use_authorization_key: bool,
        /// Whether the permissions of the client's roles apply.
        use_authorization_role_key: bool,
    },
    /// Everything is allowed but topics whose first level begins with `$`, which need a permission that names them.
    AllowAll {},
}

/// A role: a named list of permissions, shared by all who hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleEntry {
    /// The resource, for explanations: `Role/frontend`.
    pub source: String,
    /// Further role keys that mean this role; its name always does.
    pub role_keys: Vec<String>,
    /// What it allows.
    pub permissions: Vec<PermissionEntry>,
}

/// A credential: how a client proves an identity, and what that identity holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialEntry {
    /// The resource, for explanations: `Credential/car-17`.
    pub source: String,
    /// What the client shows.
    pub identity: CredentialIdentity,
    /// The key under which authorization looks the client up.
    pub authorization_key: String,
    /// A disabled credential lets no one in and ends the sessions that it let in.
    pub enabled: bool,
    /// Changes whenever the secret, the certificate or `enabled` changes in meaning; a session whose credential has
    /// another version ends.
    pub version: u64,
    /// Role keys that the client holds: names of roles, or any of their `roleKeys`.
    pub roles: Vec<String>,
    /// Permissions of its own, beside those of its roles.
    pub permissions: Vec<PermissionEntry>,
}

/// What a client shows to be who it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum CredentialIdentity {
    /// A username and password.
    #[serde(rename_all = "camelCase")]
    Password {
        /// The username of the CONNECT packet.
        username: String,
        /// What the password is verified with; `None` means that no password is accepted (authorization only).
        #[serde(default, with = "secret::in_bundle", skip_serializing_if = "Option::is_none")]
        verifier: Option<SecretString>,
    },
    /// A client certificate.
    Certificate(CertificateMatch),
}

/// Which client certificates a credential stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CertificateMatch {
    /// Every certificate that the listener's CA issued to this subject (RFC 4514 string, compared as it is).
    Subject(String),
    /// One certificate, by the SHA-256 of its DER form: 64 lower-case hexadecimal digits.
    FingerprintSha256(String),
}
