use moat_realms::hash::{Limits, Scratch, StoredHash};

use crate::run::{moat, moat_with};

fn verifies(text: &str, password: &[u8]) -> bool {
    let stored = StoredHash::parse(text).unwrap();
    stored.verify(password, &Limits::default(), &mut Scratch::default()).unwrap()
}

#[test]
fn the_default_is_argon2id_with_a_fresh_salt() {
    let run = || moat_with(&["hash-password", "--stdin"], b"s3cret\n");
    let (one, two) = (run(), run());
    assert_eq!((one.code, one.err.as_str()), (0, ""));
    assert!(one.out.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && one.out.ends_with('\n'), "{}", one.out);
    assert_ne!(one.out, two.out);
    assert!(verifies(&one.out, b"s3cret") && !verifies(&one.out, b"s3cret\n"));
}

#[test]
fn known_hashes_are_made_again() {
    for (algorithm, iterations, hash) in [
        ("MD5", "10", "FEZXLgoeDSdbbR7FHWHVsQ=="),
        (
            "sha512",
            "10",
            "Oat8l5/qDJ/1u1iw1gCaGVlIkpEOwry8N+rLgD9guzFUa3/4+MszZLCN3tu7fvCKpGmI4WVkMvCj0l6M06WtWA==",
        ),
        ("PKCS5S2", "10", "3tX9NqzigBkQgHCstazJ24kusEIw9x7Np3wNv5fjio0="),
        ("BCRYPT", "10", "9QWSrHiFIROKU05wpfM66ejEgCqhDNTw"),
        ("ARGON2ID_7168KB", "5", "JzWNLXOlID8L2wYniJNhEwcBjP2JWcy4/0LkxDdLAGI="),
    ] {
        let arguments = [
            "hash-password",
            "--stdin",
            "--algorithm",
            algorithm,
            "--iterations",
            iterations,
            "--salt",
            "c2FsdA==",
        ];
        let run = moat_with(&arguments, b"password");
        let expected = format!("ese:{}:{iterations}:c2FsdA==:{hash}\n", algorithm.to_uppercase());
        assert_eq!((run.code, run.out), (0, expected));
        let weak = ["MD5", "sha512"].contains(&algorithm);
        assert_eq!(run.err.starts_with("warning: "), weak, "{}", run.err);
    }
    let arguments =
        ["hash-password", "--stdin", "--memory", "64", "--iterations", "3", "--salt", "c29tZXNhbHQ="];
    assert!(moat_with(&arguments, b"password").out.starts_with("$argon2id$v=19$m=64,t=3,p=1$c29tZXNhbHQ$"));
}

#[test]
fn a_printed_secret_lets_its_credential_log_in_and_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    // A name of digits is a number to YAML unless it is quoted.
    let run = moat_with(&["hash-password", "--stdin", "--secret", "17", "--namespace", "iot"], b"s3cret");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let credential = "
apiVersion: moat.dev/v1alpha1
kind: MqttCluster
metadata: { name: fleet, namespace: iot }
spec: { listeners: [{ name: plain, protocol: mqtt, port: 1883 }] }
---
apiVersion: moat.dev/v1alpha1
kind: Realm
metadata: { name: devices, namespace: iot }
spec: { clusterRef: { name: fleet }, kubernetes: {} }
---
apiVersion: moat.dev/v1alpha1
kind: Pipeline
metadata: { name: plain, namespace: iot }
spec:
  clusterRef: { name: fleet }
  listener: plain
  authentication: { manager: { kubernetes: { realm: devices } } }
  authorization: { manager: { kubernetes: { realm: devices } } }
---
apiVersion: moat.dev/v1alpha1
kind: Credential
metadata: { name: car, namespace: iot }
spec:
  realmRef: { name: devices }
  username: car
  passwordSecretRef: { name: '17' }
  permissions: [{ topicFilter: news, activity: [publish] }]
---
";
    std::fs::write(folder.path().join("all.yaml"), format!("{credential}{}", run.out)).unwrap();
    let folder = folder.path().to_str().unwrap();
    let validated = moat(&["validate", folder]);
    assert_eq!(validated.code, 0, "{}", validated.out);
    let asked = moat(&["can-i", "-f", folder, "car", "publish", "news"]);
    assert_eq!(asked.code, 0, "{}{}", asked.out, asked.err);
    let hash =
        run.out.lines().find_map(|line| line.trim().strip_prefix("hash: '")?.strip_suffix('\'')).unwrap();
    assert!(verifies(hash, b"s3cret"));
}

#[test]
fn what_cannot_be_hashed_is_refused_with_a_way_out() {
    for (arguments, input, words) in [
        (&["--stdin"][..], &b""[..], "must not be empty"),
        (&["--stdin"], b"\n", "must not be empty"),
        (&["--stdin"], &[b'x'; 65_536], "65535 bytes"),
        (&["--stdin", "--algorithm", "scrypt"], b"p", "use argon2id"),
        (&["--stdin", "--algorithm", "BCRYPT", "--iterations", "31"], b"p", "above the limit of 15"),
        (&["--stdin", "--algorithm", "BCRYPT", "--iterations", "3"], b"p", "must be 4 to 31"),
        (&["--stdin", "--memory", "9999999"], b"p", "above the limit of 262144"),
        (&["--stdin", "--algorithm", "MD5", "--memory", "8"], b"p", "argon2id only"),
        (&["--stdin", "--salt", "?"], b"p", "--salt must be Base64"),
        (&["--stdin", "--secret", "a: b"], b"p", "lower-case letters"),
    ] {
        let run = moat_with(&[&["hash-password"], arguments].concat(), input);
        assert_eq!(run.code, 2, "{arguments:?}");
        assert!(run.out.is_empty() && run.err.contains(words), "{arguments:?}: {}", run.err);
    }
}
