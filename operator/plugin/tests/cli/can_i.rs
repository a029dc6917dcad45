use insta::assert_snapshot;

use crate::run::{Run, moat, moat_with};

const QUICKSTART: &str = "config/samples/quickstart";

fn can(question: &str) -> Run {
    let words: Vec<_> = question.split(' ').collect();
    moat(&[&["can-i", "-f", QUICKSTART], &words[..]].concat())
}

/// Asks about the given text instead of the quickstart.
fn can_in(yaml: &str, question: &str) -> Run {
    let words: Vec<_> = question.split(' ').collect();
    moat_with(&[&["can-i", "-f", "-"], &words[..]].concat(), yaml.as_bytes())
}

#[test]
fn the_quickstart_answers_as_its_story_says() {
    for (question, code) in [
        ("frontendclient publish topic/x/status --client-id x", 0),
        ("frontendclient publish topic/y/status --client-id x", 1),
        ("frontendclient publish topic/x/status", 3),
        ("frontendclient publish topic/x/status --client-id x --retain", 1),
        ("frontendclient publish topic/x/status --client-id x --qos 2", 0),
        ("frontendclient subscribe topic/x/status --client-id x", 1),
        ("frontendclient publish topic/+/status --client-id +", 2),
        ("frontendclient publish topic/a/b/status --client-id a/b", 1),
        ("backendservice subscribe topic/+/status", 0),
        ("backendservice subscribe topic/x/status --qos 2", 0),
        ("backendservice subscribe topic/#", 1),
        ("backendservice subscribe $share/g/topic/+/status", 1),
        ("backendservice publish topic/x/status", 1),
        ("superuser subscribe #", 0),
        ("superuser subscribe $share/g/#", 0),
        ("superuser publish any/thing --retain", 0),
        ("superuser subscribe $SYS/#", 1),
        ("nobody publish topic/x/status", 1),
        ("somebody publish topic/somebody/status --role frontend --client-id somebody", 0),
        ("superuser publish any/thing --role backend", 1),
        ("frontendclient publish topic/z/status --var mqtt-clientid=z", 0),
        ("superuser subscribe # --listener plain", 0),
    ] {
        let run = can(question);
        assert_eq!(run.code, code, "{question}: {}{}", run.out, run.err);
        let word = ["yes\n", "no\n", "", "undecidable\n"][code as usize];
        assert!(run.out.starts_with(word) && (code != 2 || run.out.is_empty()), "{question}: {}", run.out);
    }
}

#[test]
fn the_other_samples_answer_as_their_comments_say() {
    for (sample, question, code) in [
        ("smallest", "anybody publish any/thing", 0),
        ("role-keys", "anna publish commands/stop --qos 1", 0),
        ("role-keys", "anna subscribe alarms/#", 0),
        ("role-keys", "otto publish commands/stop --qos 1", 1),
        ("own-permissions", "meter-1 publish measurements/meter-1 --qos 1", 0),
        ("own-permissions", "meter-1 subscribe firmware/beta", 0),
        ("own-permissions", "meter-2 publish measurements/meter-2 --qos 1", 1),
        ("shared-work", "worker subscribe $share/workers/jobs/#", 0),
        ("shared-work", "worker subscribe jobs/#", 1),
        ("shared-work", "worker subscribe $share/others/jobs/#", 1),
        ("shared-work", "planner publish jobs/1", 0),
        ("shared-work", "planner subscribe jobs/1", 1),
        ("two-listeners", "sensor publish sensors/sensor/heat --listener sensors", 0),
        ("two-listeners", "sensor publish sensors/other/heat --listener sensors", 1),
        ("two-listeners", "nobody publish sensors/other/heat --listener lab", 0),
        ("two-listeners", "nobody publish sensors/other/heat", 2),
        ("mtls", "car-17 publish car/car-17/speed", 0),
        ("mtls", "car-18 publish car/car-17/speed", 1),
        ("mtls", "car-18 publish car/car-18/speed", 0),
        ("ese-passwords", "superuser subscribe #", 0),
        ("ese-passwords", "backendservice subscribe topic/+/status", 0),
    ] {
        let path = format!("config/samples/{sample}");
        let words: Vec<_> = question.split(' ').collect();
        let run = moat(&[&["can-i", "-f", &path], &words[..]].concat());
        assert_eq!(run.code, code, "{sample}: {question}: {}{}", run.out, run.err);
    }
}

#[test]
fn answers_name_the_permission_that_decides() {
    assert_snapshot!(can("frontendclient publish topic/x/status --client-id x").out);
    assert_snapshot!(can("frontendclient publish topic/y/status --client-id x").out);
    assert_snapshot!(can("frontendclient publish topic/x/status").out);
    assert_snapshot!(can("backendservice publish topic/x/status").out);
    assert_snapshot!(can("superuser subscribe $SYS/#").out);
    assert_snapshot!(can("nobody publish topic/x/status").out);
}

#[test]
fn questions_that_cannot_be_asked_are_2() {
    for (question, words) in [
        ("superuser publish a/#", "cannot hold"),
        ("superuser subscribe a/#/b", "last level"),
        ("superuser subscribe $share/g", "$share/GROUP/FILTER"),
        ("superuser subscribe a --retain", "--retain"),
        ("superuser publish a --var nonsense=1", "no such string variable"),
        ("superuser publish a --role nonsense", "no Role with the name or role key `nonsense`"),
        ("superuser publish a --listener nonsense", "it has plain"),
    ] {
        let run = can(question);
        assert_eq!(run.code, 2, "{question}");
        assert!(run.out.is_empty() && run.err.contains(words), "{question}: {}", run.err);
    }
    let run = moat(&["can-i", "-f", "no/such/folder", "u", "publish", "a"]);
    assert!(run.code == 2 && run.err.contains("no/such/folder"), "{}", run.err);
}

#[test]
fn files_that_are_not_valid_answer_nothing() {
    let run = can_in(
        "apiVersion: moat.dev/v1alpha1\nkind: Role\nmetadata: { name: r }\nspec: { rolls: [] }\n",
        "u publish a",
    );
    assert_eq!(run.code, 2);
    assert!(run.out.is_empty() && run.err.contains("-:4:") && run.err.contains("rolls"), "{}", run.err);
    let run = can_in("", "u publish a");
    assert_eq!(run.code, 2, "no cluster, no answer: {}", run.err);
}

const FLEET: &str = "
apiVersion: moat.dev/v1alpha1
kind: MqttCluster
metadata: { name: fleet }
spec:
  listeners:
    - { name: inside, protocol: mqtt, port: 1883 }
    - { name: outside, protocol: mqtt, port: 1884 }
---
apiVersion: moat.dev/v1alpha1
kind: Realm
metadata: { name: devices }
spec: { clusterRef: { name: fleet }, kubernetes: {} }
---
apiVersion: moat.dev/v1alpha1
kind: Pipeline
metadata: { name: inside }
spec:
  clusterRef: { name: fleet }
  listener: inside
  authentication: { manager: { kubernetes: { realm: devices } } }
  authorization: { manager: { kubernetes: { realm: devices } } }
---
apiVersion: moat.dev/v1alpha1
kind: Credential
metadata: { name: plaintext }
spec:
  realmRef: { name: devices }
  username: plain-user
  passwordSecretRef: { name: plaintext }
  permissions: [{ topicFilter: 'site/${string-site}/up', activity: [publish] }]
---
apiVersion: v1
kind: Secret
metadata: { name: plaintext, labels: { moat.dev/use: credential } }
stringData: { password: open sesame }
---
apiVersion: moat.dev/v1alpha1
kind: Credential
metadata: { name: car-17 }
spec:
  realmRef: { name: devices }
  certificate: { subject: 'CN=car-17' }
  permissions:
    - { topicFilter: 'cars/${authorization-key}/up', activity: [publish] }
    - { topicFilter: 'users/${mqtt-username}/up', activity: [publish] }
---
apiVersion: moat.dev/v1alpha1
kind: Credential
metadata: { name: rights-only }
spec: { realmRef: { name: devices }, username: rights-only, permissions: [{ topicFilter: a, activity: [publish] }] }
";

#[test]
fn an_answer_that_depends_on_the_listener_asks_for_it() {
    let question = "car-17 publish cars/car-17/up";
    let run = can_in(FLEET, question);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("inside: yes, outside: no"), "{}", run.err);
    assert_eq!(can_in(FLEET, &format!("{question} --listener inside")).code, 0);
    let outside = can_in(FLEET, &format!("{question} --listener outside"));
    assert!(outside.code == 1 && outside.out.contains("no pipeline"), "{}", outside.out);
    let nobody = can_in(FLEET, "nobody publish a");
    assert_eq!(nobody.code, 1, "both say no: {}", nobody.err);
    assert!(
        nobody.out.contains("listener inside: ") && nobody.out.contains("listener outside: "),
        "{}",
        nobody.out
    );
}

#[test]
fn every_way_to_log_in_is_judged_without_a_password() {
    for (question, code) in [
        ("car-17 publish cars/car-17/up", 0),
        ("car-17 publish cars/car-18/up", 1),
        ("car-17 publish users/anna/up", 3),
        ("car-17 publish users/anna/up --var mqtt-username=anna", 0),
        ("plain-user publish site/berlin/up", 1),
        ("plain-user publish site/berlin/up --var string-site=berlin", 0),
        ("plain-user publish site/berlin/up --var string-site=#", 1),
        ("rights-only publish a", 1),
    ] {
        let run = can_in(FLEET, &format!("{question} --listener inside"));
        assert_eq!(run.code, code, "{question}: {}{}", run.out, run.err);
        assert!(!run.out.contains("sesame") && !run.err.contains("sesame"));
    }
}
