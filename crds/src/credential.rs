//! `Credential`: who a client is, how it proves that, and what it may do.
#![expect(
    clippy::duplicated_attributes,
    reason = "clippy takes the printer columns, each an argument, for one attribute"
)]
#![expect(unreachable_pub, reason = "KubeSchema repeats every type inside a function, with its visibility")]

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{LocalRef, PermissionItem, Status, rule};

/// A username and password, or a certificate, with roles and permissions.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "moat.dev",
    version = "v1alpha1",
    kind = "Credential",
    plural = "credentials",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    shortname = "mcred",
    category = "moat",
    doc = "Who a client is, how it proves that (a password, or a certificate), and what it may do. One without \
           `passwordSecretRef` and `certificate` serves authorization only.",
    selectable = ".spec.realmRef.name",
    selectable = ".spec.username",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Realm", type_ = "string", json_path = ".spec.realmRef.name"),
    printcolumn(name = "Username", type_ = "string", json_path = ".spec.username"),
    printcolumn(name = "Roles", type_ = "string", json_path = ".spec.roles"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_proof(), validation = rule::username_or_certificate())]
pub struct CredentialSpec {
    /// The Realm of type `kubernetes`, in the same namespace, to which the credential belongs. Hot.
    pub realm_ref: LocalRef,

    /// The username with which the client connects, 1 to 1024 characters, unique in the realm: of two Credentials
    /// with one username the older counts. Required unless `certificate` is given; beside a certificate it is the
    /// authorization key, which is else `metadata.name`. Hot: sessions of the old name end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub username: Option<String>,

    /// The client certificate that proves the identity, on a listener with `clientAuth: optional` or `required`.
    /// Not together with `passwordSecretRef`. Hot: sessions of another certificate end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateMatch>,

    /// A Secret in the same namespace, labelled `moat.dev/use: credential`, with exactly one of the keys `hash`
    /// (what `kubectl moat hash-password` prints, or `ese:<ALGORITHM>:<iterations>:<salt>:<hash>` from a HiveMQ ESE
    /// database) and `password` (plain text; hashed before anything leaves the Secret). Hot: a changed Secret ends
    /// the sessions of the old password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<LocalRef>,

    /// Whether the credential may be used. Default true. With false its sessions end and its clients are refused.
    /// Hot.
    #[serde(default = "yes")]
    pub enabled: bool,

    /// Roles of the same realm, each by its `metadata.name` or one of its role keys; at most 256 of 1 to 512
    /// characters. One that does not exist grants nothing and shows in the status. Hot: sessions are judged again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 512)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub roles: Vec<String>,

    /// What this credential may do beside what its roles allow; at most 256 permissions, each the name of a
    /// Permission (`ref`) or one in place. Hot: sessions are judged again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub permissions: Vec<PermissionItem>,
}

/// Which client certificate it is: exactly one way to say so.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::one_certificate_match())]
pub struct CertificateMatch {
    /// Subject of the certificate as RFC 4514 writes it, most specific part first, for example
    /// `CN=car-17,OU=fleet,O=Example`; at most 1024 characters. Every valid certificate with this subject from an
    /// authority of the listener's `ca.crt` is meant, renewed ones included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = rule::subject())]
    pub subject: Option<String>,

    /// SHA-256 of the certificate (DER) in 64 hexadecimal digits, plain or in pairs with colons as openssl prints
    /// it. Exactly this certificate is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 64, max = 95))]
    #[x_kube(validation = rule::fingerprint())]
    pub fingerprint_sha256: Option<String>,
}

fn yes() -> bool {
    true
}
