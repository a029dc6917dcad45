//! The semantic version of a credential: sessions end when it changes, and must not when it need not.

use super::*;

fn version(credential: Value, secret: Resource) -> u64 {
    let compiled = compiled(with([resource("Credential", "car", credential), secret]));
    credential_entry(&compiled, "car").version
}

fn base() -> Value {
    json!({ "realmRef": { "name": "devices" }, "username": "u", "passwordSecretRef": { "name": "car" } })
}

fn hash() -> Resource {
    secret("car", "credential", json!({ "hash": HASH }))
}

#[test]
fn what_a_client_must_show_makes_the_version() {
    let first = version(base(), hash());
    let changed = |field: &str, value: Value| {
        let mut spec = base();
        spec[field] = value;
        version(spec, hash())
    };
    assert_ne!(first, changed("enabled", json!(false)));
    assert_ne!(first, changed("username", json!("v")));
    assert_ne!(first, changed("passwordSecretRef", json!({ "name": "gone" })));
    assert_ne!(
        first,
        version(base(), secret("car", "credential", json!({ "hash": HASH.replace("t=2", "t=3") })))
    );
    assert_eq!(first, changed("roles", json!(["r"])));
    assert_eq!(first, changed("permissions", json!([{ "topicFilter": "a", "activity": ["publish"] }])));
}

#[test]
fn relabelling_a_secret_or_renaming_it_changes_nothing() {
    let labels = json!({ crate::USE_LABEL: "credential", "team": "fleet" });
    let relabelled = of_metadata(
        "Secret",
        json!({ "namespace": "iot", "name": "car", "labels": labels }),
        json!({ "hash": HASH, "note": "x" }),
    );
    assert_eq!(version(base(), hash()), version(base(), relabelled));
    let mut moved = base();
    moved["passwordSecretRef"]["name"] = json!("elsewhere");
    assert_eq!(
        version(base(), hash()),
        version(moved, secret("elsewhere", "credential", json!({ "hash": HASH })))
    );
}

#[test]
fn a_certificate_credential_has_its_name_or_username_as_authorization_key() {
    let spec = |username: Option<&str>| {
        let certificate = json!({ "fingerprintSha256": vec!["AB"; 32].join(":") });
        json!({ "realmRef": { "name": "devices" }, "username": username, "certificate": certificate })
    };
    let entry = |spec| credential_entry(&compiled(with([resource("Credential", "car", spec)])), "car");
    assert_eq!(entry(spec(None)).authorization_key, "car");
    assert_eq!(entry(spec(Some("u"))).authorization_key, "u");
    let digits = moat_policy::CertificateMatch::FingerprintSha256("ab".repeat(32));
    assert_eq!(entry(spec(None)).identity, moat_policy::CredentialIdentity::Certificate(digits));
    assert_ne!(entry(spec(None)).version, entry(spec(Some("u"))).version);
}
