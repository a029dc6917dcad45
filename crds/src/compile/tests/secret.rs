//! Secrets: every way in which one can be unusable is told, and lets no one in.

use super::super::{ClusterSelection, Compiler};
use super::*;
use moat_policy::SecretString;

fn with_secret(secret: Option<Resource>) -> Compiled {
    let mut all = with([credential("car", "car-17", &[])]);
    secret.into_iter().for_each(|secret| all.insert(secret));
    compiled(all)
}

fn refused(secret: Option<Resource>, reason: &str, says: &str) {
    let compiled = with_secret(secret);
    assert_eq!(said(&compiled, Kind::Credential, "car"), [format!("{reason} spec.passwordSecretRef.name")]);
    let message = messages(&compiled, Kind::Credential, "car");
    assert!(message.contains(says), "{message}");
    assert_eq!(verifier(&compiled, "car"), None);
    assert_eq!(compiled.wanted, []);
}

#[test]
fn a_secret_that_cannot_be_used_lets_no_one_in() {
    let unlabelled =
        of_metadata("Secret", json!({ "namespace": "iot", "name": "car" }), json!({ "hash": HASH }));
    let command = "kubectl label secret car -n iot moat.dev/use=credential";
    refused(None, "SecretNotFound", command);
    refused(Some(unlabelled), "SecretNotLabelled", command);
    let listener = secret("car", "listener", json!({ "hash": HASH }));
    refused(Some(listener), "SecretNotLabelled", &format!("{command} --overwrite"));
    let of = |data: Value| Some(secret("car", "credential", data));
    refused(of(json!({})), "SecretInvalid", "needs the key `password`");
    refused(of(json!({ "pasword": "x" })), "SecretInvalid", "needs the key `password`");
    refused(of(json!({ "password": "x", "hash": HASH })), "SecretInvalid", "remove one of the two");
    refused(of(json!({ "password": "" })), "SecretInvalid", "must not be empty");
    for hash in [
        "hunter2",
        "$2b$12$abc",
        "$argon2id$v=19$m=1,t=1$a$b",
        "ese:ROT13:1:YQ==:YQ==",
        "ese:MD5:x:YQ==:YQ==",
    ] {
        refused(of(json!({ "hash": hash })), "SecretInvalid", "kubectl moat hash-password");
    }
}

#[test]
fn a_secret_with_bytes_that_are_no_text_is_refused() {
    let mut binary = secret("car", "credential", json!({}));
    let Resource::Secret(inner) = &mut binary else { panic!() };
    inner.data = Some([("password".to_owned(), k8s_openapi::ByteString(vec![0xff]))].into());
    refused(Some(binary), "SecretInvalid", "must be UTF-8 text");
}

#[test]
fn hashes_are_taken_as_they_are() {
    let vectors = [
        HASH.to_owned(),
        "ese:PKCS5S2:100:c2FsdA==:aGFzaA==".to_owned(),
        "ese:ARGON2ID_65536KB:3:c2FsdA==:aGFzaA==".to_owned(),
        "ese:PLAIN:0::aGFzaA==".to_owned(),
    ];
    for hash in vectors {
        let compiled = with_secret(Some(secret("car", "credential", json!({ "hash": format!("{hash}\n") }))));
        assert_eq!(compiled.diagnostics, []);
        assert_eq!(verifier(&compiled, "car"), Some(hash));
    }
}

#[test]
fn a_password_waits_for_its_verifier_and_never_shows() {
    let mut compiler = Compiler::new(Options::default(), LastGood::new(), Verifiers::new());
    let password = secret("car", "credential", json!({ "password": "hunter2-is-long" }));
    let all = with([credential("car", "car-17", &[]), password]);
    let before = compiler.apply(all.into_changes());
    assert_eq!(verifier(&before, "car"), None);
    let [wanted] = &before.wanted[..] else { panic!("{:?}", before.wanted) };
    assert_eq!(wanted.password.expose(), "hunter2-is-long");
    assert_eq!(wanted.key.credential, key(Kind::Credential, "car"));
    let after = compiler.apply([Change::Verified(wanted.key.clone(), SecretString::from(HASH))]);
    assert_eq!(after.wanted, []);
    assert_eq!(verifier(&after, "car").unwrap(), HASH);
    assert_ne!(credential_entry(&before, "car").version, credential_entry(&after, "car").version);
    let shards: Vec<u8> = after.bundle.shards().flat_map(|shard| shard.to_json()).collect();
    assert!(!String::from_utf8(shards).unwrap().contains("hunter2"));
    assert!(!format!("{after:?}{before:?}").contains("hunter2"));
    let rotated = secret("car", "credential", json!({ "password": "another" }));
    let rotated = compiler.apply([Change::Upsert(rotated)]);
    assert_eq!(
        verifier(&rotated, "car"),
        None,
        "the verifier of the old password does not serve the new one"
    );
    assert_eq!(rotated.wanted.len(), 1);
}

#[test]
fn a_late_verifier_of_an_old_password_is_not_used() {
    let of = |password: &str| secret("car", "credential", json!({ "password": password }));
    let mut compiler = Compiler::new(Options::default(), LastGood::new(), Verifiers::new());
    let first = compiler.apply(with([credential("car", "car-17", &[]), of("one")]).into_changes());
    compiler.apply([Change::Upsert(of("two"))]);
    let late = compiler.apply([Change::Verified(first.wanted[0].key.clone(), SecretString::from(HASH))]);
    assert_eq!(verifier(&late, "car"), None);
    assert_eq!(late.wanted[0].password.expose(), "two");
}

#[test]
fn a_line_break_at_the_end_of_a_password_is_told() {
    let compiled = with_secret(Some(secret("car", "credential", json!({ "password": "x\n" }))));
    assert_eq!(said(&compiled, Kind::Credential, "car"), ["SecretSuspicious spec.passwordSecretRef.name"]);
    assert_eq!(compiled.wanted[0].password.expose(), "x\n");
}

fn tls(client_auth: &str, secret: Option<Resource>) -> Compiled {
    let listener = json!({
        "name": "internet", "protocol": "mqtts", "port": 8883,
        "tls": { "secretName": "tls", "clientAuth": client_auth },
    });
    let plain = json!({ "name": "backend", "protocol": "mqtt", "port": 1883 });
    let mut all = with([resource("MqttCluster", "fleet", json!({ "listeners": [listener, plain] }))]);
    secret.into_iter().for_each(|secret| all.insert(secret));
    compiled(all)
}

#[test]
fn a_listener_without_a_usable_secret_is_told_and_the_others_serve() {
    let pem = "-----BEGIN X-----";
    let of = |data: Value| Some(secret("tls", "listener", data));
    let cases = [
        ("none", None, "SecretNotFound", "moat.dev/use=listener"),
        ("none", Some(secret("tls", "credential", json!({}))), "SecretNotLabelled", "--overwrite"),
        ("none", of(json!({ "tls.crt": pem })), "SecretInvalid", "`tls.key` is missing"),
        ("none", of(json!({ "tls.crt": "x", "tls.key": pem })), "SecretInvalid", "must be PEM"),
        ("required", of(json!({ "tls.crt": pem, "tls.key": pem })), "SecretInvalid", "`ca.crt`"),
        ("optional", of(json!({ "tls.crt": pem, "tls.key": pem })), "SecretInvalid", "clientAuth: none"),
    ];
    for (client_auth, secret, reason, says) in cases {
        let compiled = tls(client_auth, secret);
        let found = said(&compiled, Kind::MqttCluster, "fleet");
        assert_eq!(found, [format!("{reason} spec.listeners[0].tls.secretName")]);
        assert!(messages(&compiled, Kind::MqttCluster, "fleet").contains(says));
        assert_eq!(compiled.listeners[0].tls.as_ref().unwrap().material, None);
        assert_eq!(compiled.listeners[1].port, 1883);
    }
    let good = tls("required", of(json!({ "tls.crt": pem, "tls.key": pem, "ca.crt": pem })));
    assert_eq!(good.diagnostics, []);
    assert!(good.listeners[0].tls.as_ref().unwrap().material.as_ref().unwrap().client_ca.is_some());
}

#[test]
fn a_named_cluster_that_does_not_exist_is_told_by_its_name() {
    let cluster = ClusterSelection::Named { namespace: "iot".into(), name: "gone".into() };
    let options = Options { cluster, ..Options::default() };
    let compiled = compile(&options, ground(), &LastGood::new(), &Verifiers::new());
    assert_eq!(said(&compiled, Kind::MqttCluster, "gone"), ["ClusterNotFound -"]);
    assert!(compiled.bundle.is_empty());
}
