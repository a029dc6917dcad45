//! Bad resources beside good ones: each says what is wrong with it and how to mend it, the good ones stay in force, and
//! so does the last good form of one that was edited badly.

use std::fmt::Write as _;

use anyhow::{Result, ensure};
use moat_e2e::clients::Paho;
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::{resources, until};

use crate::people::{connect, is_connected, is_let_in, may_subscribe};

/// Resources that the API server takes and nobody can use, each after its kind, name, reason and way out.
const BAD: &[(&str, &str, &str, &str, &str)] = &[
    ("mrealm", "lost", "RefNotFound", "create it, or correct the name", "
kind: Realm
metadata: { name: lost }
spec: { clusterRef: { name: nowhere }, kubernetes: {} }"),
    ("mpipe", "nowhere", "ListenerNotFound", "use one of plain, or ALL", "
kind: Pipeline
metadata: { name: nowhere }
spec:
  clusterRef: { name: quickstart }
  listener: nowhere
  authentication: { manager: { allowAll: {} } }
  authorization: { manager: { allowAll: {} } }"),
    ("mpipe", "second", "Conflict", "change or remove one of the two", "
kind: Pipeline
metadata: { name: second }
spec:
  clusterRef: { name: quickstart }
  listener: plain
  authentication: { manager: { allowAll: {} } }
  authorization: { manager: { allowAll: {} } }"),
    ("mrole", "dangling", "RefNotFound", "create it, or correct the name", "
kind: Role
metadata: { name: dangling }
spec: { realmRef: { name: people }, permissions: [ { ref: nothing } ] }"),
    ("mrole", "usurper", "Conflict", "change or remove one of the two", "
kind: Role
metadata: { name: usurper }
spec:
  realmRef: { name: people }
  roleKeys: [frontend]
  permissions: [ { topicFilter: \"#\", activity: [publish, subscribe] } ]"),
    ("mcred", "secretless", "SecretNotFound", "kubectl label secret nothing -n ", "
kind: Credential
metadata: { name: secretless }
spec: { realmRef: { name: people }, username: secretless, passwordSecretRef: { name: nothing }, roles: [superuser] }"),
    ("mcred", "twofold", "SecretInvalid", "remove one of the two", "
kind: Credential
metadata: { name: twofold }
spec: { realmRef: { name: people }, username: twofold, passwordSecretRef: { name: twofold }, roles: [superuser] }"),
    ("mcred", "thief", "Conflict", "change or remove one of the two", "
kind: Credential
metadata: { name: thief }
spec: { realmRef: { name: people }, username: superuser, passwordSecretRef: { name: thief }, roles: [superuser] }"),
    ("mcred", "aimless", "RefNotFound", "create it, or correct the name", "
kind: Credential
metadata: { name: aimless }
spec: { realmRef: { name: nowhere }, username: aimless, passwordSecretRef: { name: thief }, roles: [superuser] }"),
];

/// Everything that is bad, and the Secrets that it names.
fn bad() -> String {
    let mut yaml = resources::secret("twofold", "credential", &[("password", "a"), ("hash", "b")]);
    yaml += &resources::secret("thief", "credential", &[("password", "thief")]);
    for (_, _, _, _, text) in BAD {
        // Writing to a string cannot fail.
        let _ = writeln!(yaml, "---\napiVersion: moat.dev/v1alpha1{text}");
    }
    yaml
}

/// A Role of the quickstart that takes more than can be distributed.
fn too_large() -> String {
    let filter = "x/".repeat(100) + &"y".repeat(500);
    let permission = format!("{{ topicFilter: \"{filter}\", activity: [publish] }}");
    resources::role("backend", &vec![permission.as_str(); 900])
}

/// The quickstart works as it always did, for who is connected and for who comes.
fn the_good_is_in_force(namespace: &Namespace<'_>, connected: &mut Paho) -> Result<()> {
    is_connected(connected, "topic/x/status")?;
    let listener = namespace.listener("quickstart", "plain")?;
    ensure!(is_let_in(&listener, "superuser", "superuser")?, "who may come in is let in");
    for (user, password) in
        [("superuser", "thief"), ("superuser", "wrong"), ("twofold", "a"), ("secretless", "")]
    {
        ensure!(!is_let_in(&listener, user, password)?, "{user} is let in with {password:?}");
    }
    let mut backend = connect(&listener, "backend", "backendservice")?;
    ensure!(may_subscribe(&mut backend, "topic/+/status")?, "a right is lost");
    ensure!(!may_subscribe(&mut backend, "topic/#")?, "a right was won");
    Ok(())
}

#[test]
fn bad_resources_say_what_to_do_and_harm_nobody() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("bad")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let mut client = connect(&namespace.listener("quickstart", "plain")?, "x", "frontendclient")?;
    namespace.apply(&bad())?;
    for (kind, name, reason, way_out, _) in BAD {
        let message = namespace.refused(kind, name, reason)?;
        ensure!(message.contains(way_out), "{kind} {name} does not say {way_out:?}: {message}");
        let events = namespace.events(&kubernetes.get(kind, name, &namespace)?)?;
        let told = events.iter().any(|event| event["reason"] == *reason && event["type"] == "Warning");
        ensure!(told, "{kind} {name} has no event {reason}: {events:#?}");
    }
    the_good_is_in_force(&namespace, &mut client)?;
    for good in ["mqc/quickstart", "mrealm/people", "mpipe/plain", "mrole/frontend", "mcred/superuser"] {
        let (kind, name) = good.split_once('/').unwrap_or_default();
        namespace.enforced(kind, name)?;
    }

    // What was missing comes, what was in the way goes.
    namespace.apply(&resources::secret("nothing", "credential", &[("password", "found")]))?;
    namespace.enforced("mcred", "secretless")?;
    ensure!(is_let_in(&namespace.listener("quickstart", "plain")?, "secretless", "found")?, "it heals");
    namespace.kubectl(&["delete", "mcred", "superuser"])?;
    namespace.enforced("mcred", "thief")?;
    ensure!(
        is_let_in(&namespace.listener("quickstart", "plain")?, "superuser", "thief")?,
        "the name is free"
    );
    is_connected(&mut client, "topic/x/status")
}

#[test]
fn a_bad_edit_keeps_the_last_good_form() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("bad")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let listener = namespace.listener("quickstart", "plain")?;
    let mut client = connect(&listener, "x", "frontendclient")?;
    let mut backend = connect(&listener, "there-before", "backendservice")?;
    ensure!(may_subscribe(&mut backend, "topic/+/status")?);

    namespace.kubectl_stdin(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &too_large())?;
    let message = namespace.refused("mrole", "backend", "TooLarge")?;
    ensure!(message.contains("spread them over several Roles"), "{message}");
    the_good_is_in_force(&namespace, &mut client)?;
    client.publish("topic/x/status", "heard", 1)?;
    until::holds("the subscription from before to go on", || {
        Ok(backend.try_message()?.is_some_and(|(_, payload)| payload == "heard"))
    })?;

    // The next good form counts, and nothing of the old one.
    let other = resources::role("backend", &["{ topicFilter: \"other\", activity: [subscribe] }"]);
    namespace.kubectl_stdin(&["apply", "--server-side", "--force-conflicts", "-f", "-"], &other)?;
    namespace.enforced("mrole", "backend")?;
    ensure!(may_subscribe(&mut backend, "other")?, "the new right is there");
    ensure!(!may_subscribe(&mut backend, "topic/y/status")?, "the old right is gone");

    // A form that was never good is nothing that could stay.
    namespace.kubectl(&["delete", "mrole", "backend"])?;
    namespace.apply(&too_large())?;
    namespace.refused("mrole", "backend", "TooLarge")?;
    until::holds("no right to be left", || Ok(!may_subscribe(&mut backend, "other")?))
}
