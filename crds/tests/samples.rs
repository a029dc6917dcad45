//! What the comments of config/samples claim, held against the policy that the samples compile to. Every file must be
//! valid, alone and together with all others.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::fs;
use std::path::{Path, PathBuf};

use moat_crds::compile::{
    ClusterSelection, Compiled, Conflicts, Kind, LastGood, Options, Resource, Verifiers, compile,
};
use moat_crds::file::{Assembly, Outcome, Reading, assemble, read};
use moat_policy::{Attempt, Begin, CertificateId, Grants, Policy, SecretString};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/samples")
}

/// Every sample: the name of its folder, and what its files say.
fn folders() -> Vec<(String, Vec<Reading>)> {
    let mut folders: Vec<_> = fs::read_dir(samples())
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            assert!(path.is_dir(), "{}: a sample is a folder, to be served as it is", path.display());
            (path.file_name().unwrap().to_str().unwrap().to_owned(), readings(&path))
        })
        .collect();
    folders.sort_by(|a, b| a.0.cmp(&b.0));
    folders
}

fn readings(folder: &Path) -> Vec<Reading> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files.iter().map(|path| read(path.to_str().unwrap(), &fs::read(path).unwrap())).collect()
}

/// Compiles for the one cluster of a sample, with every password taken for hashed.
fn compiled(assembly: &Assembly, cluster: ClusterSelection) -> Compiled {
    let options = Options { cluster, conflicts: Conflicts::AreErrors };
    let first = compile(&options, assembly.resources(), &LastGood::new(), &Verifiers::new());
    let mut verifiers = Verifiers::new();
    for wanted in first.wanted {
        verifiers.insert(wanted.key, SecretString::new("$argon2id$stand-in".to_owned()));
    }
    compile(&options, assembly.resources(), &LastGood::new(), &verifiers)
}

struct Sample(Policy);

impl Sample {
    fn of(name: &str) -> Self {
        Self(Policy::load(
            &compiled(&assemble(&readings(&samples().join(name))), ClusterSelection::Only).bundle,
        ))
    }

    /// The rights of a client whose password, if it has one, is right.
    fn login(&self, attempt: &Attempt<'_>) -> Option<Grants> {
        let pending = match self.0.begin(attempt) {
            Begin::Refused(_) => return None,
            Begin::Verify { verifier, pending, .. } => {
                verifier?;
                pending
            }
            Begin::Accepted(pending) => pending,
        };
        self.0.authorize(&pending).ok().map(|authorized| authorized.grants)
    }

    fn user(&self, listener: &str, name: &str) -> Option<Grants> {
        self.login(&Attempt {
            listener,
            client_id: "x",
            username: Some(name),
            has_password: true,
            certificate: None,
        })
    }
}

#[test]
fn every_sample_is_valid_alone_and_together_with_all_others() {
    let folders = folders();
    assert!(folders.len() > 5);
    for (name, readings) in &folders {
        let assembly = assemble(readings);
        assert!(assembly.findings().is_empty(), "{name}: {:#?}", assembly.findings());
        let compiled = compiled(&assembly, ClusterSelection::Only);
        assert!(compiled.cluster.is_some(), "{name} has no cluster");
        assert_eq!(compiled.diagnostics, [], "{name}");
    }
    let together = assemble(folders.iter().flat_map(|(_, readings)| readings));
    assert!(together.findings().is_empty(), "{:#?}", together.findings());
    let clusters: Vec<_> = folders
        .iter()
        .flat_map(|(_, readings)| readings)
        .flat_map(|reading| &reading.entries)
        .filter(|entry| entry.key.kind == Kind::MqttCluster)
        .map(|entry| entry.key.clone())
        .collect();
    for key in clusters {
        let selection = ClusterSelection::Named { namespace: key.namespace.clone(), name: key.name.clone() };
        assert_eq!(compiled(&together, selection).diagnostics, [], "{key} beside the others");
    }
}

#[test]
fn every_sample_says_what_it_shows() {
    for (name, readings) in folders() {
        for reading in readings {
            let text = fs::read_to_string(&*reading.file).unwrap();
            let comment = text.lines().next().unwrap_or_default();
            assert!(
                comment.starts_with("# ") && comment.len() > 40,
                "{name}: {} has no comment",
                reading.file
            );
        }
    }
}

#[test]
fn smallest_lets_everyone_do_everything() {
    let rights = Sample::of("smallest").user("mqtt", "anyone").unwrap();
    assert!(rights.may_publish("a", 2, true) && rights.may_subscribe("#", None, 0));
}

#[test]
fn quickstart_is_the_story_of_three_users() {
    let sample = Sample::of("quickstart");
    let superuser = sample.user("plain", "superuser").unwrap();
    assert!(superuser.may_publish("any/topic", 2, true) && superuser.may_subscribe("#", None, 2));
    assert!(!superuser.may_subscribe("$SYS/#", None, 0));
    let frontend = sample.user("plain", "frontendclient").unwrap();
    assert!(
        frontend.may_publish("topic/x/status", 1, false) && !frontend.may_publish("topic/y/status", 1, false)
    );
    assert!(!frontend.may_subscribe("topic/x/status", None, 0));
    let backend = sample.user("plain", "backendservice").unwrap();
    assert!(backend.may_subscribe("topic/+/status", None, 1) && !backend.may_subscribe("topic/#", None, 1));
    assert!(!backend.may_publish("topic/x/status", 0, false));
    assert!(sample.user("plain", "somebody").is_none());
}

#[test]
fn mtls_knows_clients_by_subject_and_by_fingerprint() {
    let sample = Sample::of("mtls");
    let login = |subject: &str, fingerprint: &str| {
        sample.login(&Attempt {
            listener: "internet",
            client_id: "x",
            username: None,
            has_password: false,
            certificate: Some(CertificateId { subject, fingerprint_sha256: fingerprint }),
        })
    };
    let other = "00".repeat(32);
    let other = other.as_str();
    let by_subject = login("CN=car-17,OU=fleet,O=Example", other).unwrap();
    assert!(by_subject.may_publish("car/car-17/speed", 0, false));
    assert!(!by_subject.may_publish("car/car-18/speed", 0, false));
    let text = fs::read_to_string(samples().join("mtls/mtls.yaml")).unwrap();
    let hex = text.lines().find_map(|line| line.trim().strip_prefix("fingerprintSha256: ")).unwrap();
    let hex = hex.trim_matches('"').replace(':', "").to_lowercase();
    let by_fingerprint = login("CN=whatever", &hex).unwrap();
    assert!(by_fingerprint.may_subscribe("car/car-18/#", None, 1));
    assert!(!by_fingerprint.may_subscribe("car/#", None, 1));
    assert!(login("CN=car-18,OU=fleet,O=Example", other).is_none());
    assert!(sample.user("internet", "car-17").is_none());
}

#[test]
fn role_keys_are_further_names_of_a_role() {
    let sample = Sample::of("role-keys");
    let anna = sample.user("mqtt", "anna").unwrap();
    assert!(anna.may_publish("commands/stop", 1, false) && !anna.may_publish("commands/stop", 0, false));
    assert!(anna.may_subscribe("alarms/#", None, 0));
    let otto = sample.user("mqtt", "otto").unwrap();
    assert!(!otto.may_publish("commands/stop", 1, false) && !otto.may_subscribe("alarms/#", None, 0));
}

#[test]
fn own_permissions_stand_beside_those_of_roles_and_a_disabled_credential_is_refused() {
    let sample = Sample::of("own-permissions");
    let meter = sample.user("mqtt", "meter-1").unwrap();
    assert!(meter.may_publish("measurements/meter-1", 1, true));
    assert!(!meter.may_publish("measurements/meter-2", 1, true));
    assert!(meter.may_subscribe("firmware/beta", None, 1) && !meter.may_subscribe("firmware/+", None, 1));
    assert!(sample.user("mqtt", "meter-2").is_none());
}

#[test]
fn shared_work_is_subscribed_only_together() {
    let sample = Sample::of("shared-work");
    let worker = sample.user("mqtt", "worker").unwrap();
    assert!(worker.may_subscribe("jobs/#", Some("workers"), 1));
    assert!(!worker.may_subscribe("jobs/#", None, 1) && !worker.may_subscribe("jobs/#", Some("others"), 1));
    let planner = sample.user("mqtt", "planner").unwrap();
    assert!(planner.may_publish("jobs/1", 1, false) && !planner.may_subscribe("jobs/#", Some("workers"), 1));
}

#[test]
fn two_listeners_have_two_ways_in() {
    let sample = Sample::of("two-listeners");
    let sensor = sample.user("sensors", "sensor").unwrap();
    assert!(
        sensor.may_publish("sensors/sensor/1", 0, false) && !sensor.may_publish("sensors/other", 0, false)
    );
    assert!(sample.user("sensors", "anyone").is_none());
    let anyone = sample.user("lab", "anyone").unwrap();
    assert!(anyone.may_publish("sensors/sensor/1", 0, false) && anyone.may_subscribe("#", None, 2));
}

#[test]
fn ese_passwords_keep_their_hashes_and_their_users_keep_their_rights() {
    let sample = Sample::of("ese-passwords");
    let frontend = sample.user("mqtt", "frontendclient").unwrap();
    assert!(
        frontend.may_publish("topic/x/status", 1, true) && !frontend.may_publish("topic/y/status", 1, true)
    );
    assert!(sample.user("mqtt", "superuser").unwrap().may_subscribe("#", Some("g"), 1));
    assert!(sample.user("mqtt", "backendservice").unwrap().may_subscribe("topic/+/status", None, 1));
    let hashes: Vec<_> = readings(&samples().join("ese-passwords"))[0]
        .entries
        .iter()
        .filter_map(|entry| match &entry.outcome {
            Outcome::Valid(resource) => match &**resource {
                Resource::Secret(secret) => secret.string_data.as_ref()?.get("hash").cloned(),
                _ => None,
            },
            Outcome::Rejected(_) => None,
        })
        .collect();
    for algorithm in ["PLAIN", "MD5", "SHA512", "PKCS5S2", "BCRYPT", "ARGON2ID_19456KB"] {
        let start = format!("ese:{algorithm}:");
        assert!(hashes.iter().any(|hash| hash.starts_with(&start)), "no sample of {algorithm}");
    }
}
