use std::path::Path;

use insta::assert_snapshot;

use crate::run::{Run, moat, moat_with};

fn validate(yaml: &str) -> Run {
    moat_with(&["validate", "-"], yaml.as_bytes())
}

/// Something valid to break.
const BASE: &str = "\
apiVersion: moat.dev/v1alpha1
kind: MqttCluster
metadata: { name: fleet }
spec: { listeners: [{ name: plain, protocol: mqtt, port: 1883 }] }
---
apiVersion: moat.dev/v1alpha1
kind: Realm
metadata: { name: devices }
spec: { clusterRef: { name: fleet }, kubernetes: {} }
---
apiVersion: moat.dev/v1alpha1
kind: Pipeline
metadata: { name: plain }
spec:
  clusterRef: { name: fleet }
  listener: plain
  authentication: { manager: { kubernetes: { realm: devices } } }
  authorization: { manager: { kubernetes: { realm: devices } } }
---
";

fn with_base(yaml: &str) -> Run {
    validate(&format!("{BASE}{yaml}"))
}

#[test]
fn the_samples_are_valid() {
    let run = moat(&["validate", "config/samples/"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let last = run.out.lines().last().unwrap();
    assert!(last.starts_with("valid: "), "{last}");
    assert_eq!(moat(&["validate", "config/samples/quickstart"]).code, 0);
}

#[test]
fn findings_name_file_line_column_resource_field_and_reason() {
    let run = with_base(
        "\
apiVersion: moat.dev/v1alpha1
kind: Role
metadata: { name: wrong }
spec:
  realmRef: { name: devices }
  permissions:
    - { topicFilter: a/#/b, activity: [publish] }
    - { topicFilter: a, activity: [shout] }
    - topicFilter: 17
  extra: 1
---
apiVersion: moat.dev/v1alpha1
kind: Credential
metadata: { name: car-17 }
spec:
  realmRef: { name: devices }
  username: car-17
  passwordSecretRef: { name: missing }
  roles: [nobody]
---
apiVersion: v1
kind: Secret
metadata: { name: bomb, labels: { moat.dev/use: credential } }
stringData:
  hash: 'ese:BCRYPT:31::AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: other }
",
    );
    assert_eq!(run.code, 1);
    assert_snapshot!(run.out);
}

#[test]
fn text_that_is_no_yaml_is_1_and_a_file_that_cannot_be_read_2() {
    for yaml in ["a: [", "a: 1\na: 2", "\u{0}", "x: &a [*a]"] {
        let run = validate(yaml);
        assert_eq!(run.code, 1, "{yaml:?}: {}", run.out);
        assert!(run.out.starts_with("-:") && run.out.lines().count() == 2, "{}", run.out);
    }
    let alone = validate(BASE.split("---").nth(1).unwrap());
    assert_eq!(alone.code, 1, "{}", alone.out);
    assert!(alone.out.contains("MqttCluster: ClusterNotFound: "), "{}", alone.out);
    for path in ["no/such/file.yaml", "operator/plugin/src"] {
        let run = moat(&["validate", path]);
        assert_eq!(run.code, 2, "{path}");
        assert!(run.out.is_empty() && run.err.contains(path), "{}", run.err);
    }
}

#[test]
fn hashes_that_no_login_could_use_are_found() {
    let secret = |hash: &str| {
        let run = with_base(&format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{ name: s, labels: {{ moat.dev/use: credential }} }}\n\
             stringData: {{ hash: '{hash}' }}\n"
        ));
        (run.code, run.out)
    };
    let (code, out) = secret("ese:MD5:10:c2FsdA==:FEZXLgoeDSdbbR7FHWHVsQ==");
    assert_eq!(code, 0, "{out}");
    for (hash, reason) in [
        ("hunter2", "HashMalformed"),
        ("ese:SHA512:2147483648::AAAA", "HashMalformed"),
        ("ese:ARGON2ID_9999999KB:1::AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "HashTooExpensive"),
        ("ese:SCRYPT:1::AAAA", "HashAlgorithmUnknown"),
    ] {
        let (code, out) = secret(hash);
        assert_eq!(code, 1, "{hash}: {out}");
        assert!(out.contains("Secret/s: stringData.hash: ") && out.contains(reason), "{hash}: {out}");
        assert!(!out.contains("hunter2"), "{out}");
    }
}

#[test]
fn folders_are_read_as_a_whole_and_hidden_files_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("base.yaml", BASE);
    write(
        "deeper/role.yml",
        "apiVersion: moat.dev/v1alpha1\nkind: Role\nmetadata: { name: r }\nspec: { realmRef: { name: devices }, permissions: [] }\n",
    );
    write(".hidden.yaml", "a: [");
    write("..data/base.yaml", BASE);
    write("notes.txt", "a: [");
    let path = folder.path().to_str().unwrap();
    let run = moat(&["validate", path]);
    assert_eq!((run.code, run.out.as_str()), (0, "valid: 4 resources in 2 files\n"));
    write("again.yaml", BASE);
    let run = moat(&["validate", path]);
    assert_eq!(run.code, 1, "{}", run.out);
    assert!(run.out.contains(&format!("{}:3:", Path::new(path).join("base.yaml").display())), "{}", run.out);
    assert!(run.out.contains("DuplicateResource"), "{}", run.out);
}
