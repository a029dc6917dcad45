//! A pod, driven stage by stage, and as a whole against an API server that a test plays.

mod admin;
mod certificates;
mod follow;
mod loader;
mod server;
mod store;

use std::collections::HashMap;

use moat_crds::delivery::{DeliveredListener, Manifest, SCHEMA, ShardName, ShardRef, Slot, pack};
use moat_crds::{Protocol, SessionIdentity};
use moat_policy::bundle::{
    CredentialEntry, CredentialIdentity, Entry, EntryKey, RealmEntry, RoleEntry, Settings,
};
use moat_policy::{Bundle, Digest, SecretString};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair,
};

/// The cluster's name and uid in all tests.
const CLUSTER: &str = "fleet";
const UID: &str = "5e0c4f3a-0f52-4a1c-9a39-1f6f3f1c2c11";

/// Sets a role that is about `bytes` large.
fn set_role(bundle: &mut Bundle, name: &str, bytes: usize) {
    let role_keys = vec!["k".repeat(bytes)];
    let role = RoleEntry { source: "Role/r".to_owned(), role_keys, permissions: Vec::new() };
    bundle.set(EntryKey::role("devices", name), Entry::Role(role).into()).unwrap();
}

/// Sets a credential with a verifier of so many bytes.
fn set_credential(bundle: &mut Bundle, name: &str, version: u64, bytes: usize) {
    let credential = CredentialEntry {
        source: format!("Credential/{name}"),
        identity: CredentialIdentity::Password {
            username: name.to_owned(),
            verifier: Some(SecretString::from("v".repeat(bytes))),
        },
        authorization_key: name.to_owned(),
        enabled: true,
        version,
        roles: Vec::new(),
        permissions: Vec::new(),
    };
    bundle.set(EntryKey::credential("devices", name), Entry::Credential(credential).into()).unwrap();
}

/// A bundle of several shards of both families.
fn bundle() -> Bundle {
    let mut bundle = Bundle::new();
    bundle.set(EntryKey::settings(), Entry::Settings(Settings::default()).into()).unwrap();
    bundle.set(EntryKey::realm("devices"), Entry::Realm(RealmEntry { enabled: true }).into()).unwrap();
    for i in 0..12 {
        set_role(&mut bundle, &i.to_string(), 20_000);
        set_credential(&mut bundle, &i.to_string(), i, 20_000);
    }
    assert!(bundle.shards().count() > 4);
    bundle
}

/// The manifest of a bundle; its generation also says which slots it uses.
fn manifest(bundle: &Bundle, generation: u64) -> Manifest {
    let slot = if generation.is_multiple_of(2) { Slot::A } else { Slot::B };
    let shards = bundle.shards().map(|shard| {
        let name = ShardName { family: shard.family(), prefix: shard.prefix() };
        (name, ShardRef { slot, digest: shard.digest() })
    });
    Manifest {
        schema: SCHEMA,
        cluster: UID.to_owned(),
        generation,
        digest: bundle.digest(),
        listeners: Vec::new(),
        shards: shards.collect(),
    }
}

/// The packed shards of a bundle.
fn packed(bundle: &Bundle) -> HashMap<Digest, Vec<u8>> {
    bundle.shards().map(|shard| (shard.digest(), pack(&shard.to_json()).unwrap())).collect()
}

/// A listener without TLS.
fn plain_listener(name: &str, port: u16) -> DeliveredListener {
    DeliveredListener {
        name: name.to_owned(),
        protocol: Protocol::Mqtt,
        port,
        session_identity: SessionIdentity::Owner,
        tls: None,
    }
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// An authority that signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate chain and its key, in PEM.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = named(&["authority"]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server for `localhost`.
    fn server(&self) -> Identity {
        let mut params = named(&["server"]);
        params.subject_alt_names = vec![rcgen::SanType::DnsName("localhost".try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// A client whose subject has these common names.
    fn client(&self, common_names: &[&str]) -> Identity {
        let mut params = named(common_names);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

fn named(common_names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // By its number the second one does not take the place of the first.
    let kinds = [DnType::CommonName, DnType::CustomDnType(vec![2, 5, 4, 3])];
    for (kind, name) in kinds.into_iter().zip(common_names) {
        params.distinguished_name.push(kind, *name);
    }
    params
}

/// A Secret with a certificate, its key and an authority of clients, for the use of listeners.
fn certificate_secret(
    name: &str,
    identity: &Identity,
    client_ca: &str,
) -> k8s_openapi::api::core::v1::Secret {
    let Identity { certificate, key } = identity;
    serde_json::from_value(serde_json::json!({
        "metadata": { "name": name, "labels": { "moat.dev/use": "listener" } },
        "stringData": { "tls.crt": certificate, "tls.key": key, "ca.crt": client_ca },
    }))
    .unwrap()
}
