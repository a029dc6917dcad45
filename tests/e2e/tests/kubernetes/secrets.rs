//! The Secret of a Credential is changed, labelled, unlabelled and deleted.

use anyhow::{Context, Result, ensure};
use moat_e2e::clients::{Login, Paho, Target, Version};
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::{resources, until};
use serde_json::Value;

use crate::people::{is_connected, is_let_in};

/// A cluster with two users, of whom only one has a Secret that changes.
struct Story<'a> {
    namespace: Namespace<'a>,
    listener: Target,
    bystander: Paho,
}

const OLD: &str = "the old password";
const NEW: &str = "the new password";

fn story<'a>(kubernetes: &'a Kubernetes) -> Result<Story<'a>> {
    let namespace = kubernetes.namespace("secrets")?;
    let text = [
        resources::open_to_passwords(1883),
        resources::role("chat", &["{ topicFilter: \"chat/#\", activity: [publish, subscribe] }"]),
        resources::user("alice", OLD, &["chat"]),
        resources::user("bob", "bob", &["chat"]),
    ];
    namespace.apply(&text.concat())?;
    namespace.ready()?;
    let listener = namespace.listener("story", "plain")?;
    let bystander = connect(&listener, "bob", "bob")?;
    Ok(Story { namespace, listener, bystander })
}

fn connect(listener: &Target, user: &str, password: &str) -> Result<Paho> {
    Paho::connect(&Login::new(Version::V5, listener.clone(), user, Some((user, password))))
}

impl Story<'_> {
    /// Applies Alice's Secret with this password.
    fn password(&self, password: &str) -> Result<()> {
        self.namespace.apply(&resources::secret("alice", "credential", &[("password", password)])).map(drop)
    }

    fn alice_is_let_in(&self, password: &str) -> Result<bool> {
        is_let_in(&self.listener, "alice", password)
    }

    /// The manifest that is live.
    fn manifest(&self) -> Result<Value> {
        let object = self.namespace.get("configmap", "story-policy")?;
        Ok(serde_json::from_str(object["data"]["manifest.json"].as_str().context("a manifest")?)?)
    }
}

/// The shards with credentials that a manifest names: slot and digest.
fn credentials(manifest: &Value) -> Vec<&Value> {
    let shards = manifest["shards"].as_object().into_iter().flatten();
    shards.filter(|(name, _)| name.starts_with("secret-")).map(|(_, shard)| shard).collect()
}

#[test]
fn a_new_password_ends_the_old_session_and_opens_a_new_one() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut story = story(kubernetes)?;
    let mut alice = connect(&story.listener, "alice", OLD)?;
    is_connected(&mut alice, "chat/alice")?;
    story.password(NEW)?;
    alice.ended()?;
    ensure!(!story.alice_is_let_in(OLD)?, "the old password is over");
    // It is hashed first, which takes its time where others hash too.
    until::holds("the new password to count", || story.alice_is_let_in(NEW))?;
    let mut alice = connect(&story.listener, "alice", NEW)?;
    is_connected(&mut alice, "chat/alice")?;
    is_connected(&mut story.bystander, "chat/bob")?;
    story.namespace.enforced("mcred", "alice")
}

#[test]
fn what_is_written_beside_the_password_changes_nothing() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let story = story(kubernetes)?;
    let mut alice = connect(&story.listener, "alice", OLD)?;
    let before = story.manifest()?;
    story.namespace.kubectl(&[
        "label",
        "secret",
        "alice",
        "team=red",
        "moat.dev/use=credential",
        "--overwrite",
    ])?;
    story.namespace.kubectl(&["annotate", "secret", "alice", "looked-at=yes"])?;
    story.password(OLD)?;
    // An edit that does change something shows that what came before it was seen.
    story.namespace.apply(&resources::role("marker", &[]))?;
    story.namespace.enforced("mrole", "marker")?;
    let after = story.manifest()?;
    let generation = |manifest: &Value| manifest["generation"].as_u64().context("a generation");
    ensure!(generation(&after)? == generation(&before)? + 1, "one edit: {before:#} and then {after:#}");
    let (was, is) = (credentials(&before), credentials(&after));
    ensure!(!was.is_empty() && was == is, "nothing secret was written again: {was:?} and then {is:?}");
    is_connected(&mut alice, "chat/alice")
}

#[test]
fn without_its_label_a_secret_is_not_read_until_the_command_in_the_status_is_typed() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut story = story(kubernetes)?;
    let digest = story.manifest()?["digest"].clone();
    let mut alice = connect(&story.listener, "alice", OLD)?;
    story.namespace.kubectl(&["label", "secret", "alice", "moat.dev/use-"])?;
    alice.ended()?;
    ensure!(!story.alice_is_let_in(OLD)?, "a secret that is not read lets no one in");
    let message = story.namespace.refused("mcred", "alice", "SecretNotFound")?;

    // As a person does: what stands between the backticks after "kubectl" is typed as it is.
    let command = message.split('`').find_map(|part| part.strip_prefix("kubectl "));
    let command = command.with_context(|| format!("the message has a command: {message}"))?;
    kubernetes.kubectl(&command.split(' ').collect::<Vec<_>>())?;
    story.namespace.enforced("mcred", "alice")?;
    ensure!(story.alice_is_let_in(OLD)?, "with the label it is read again");
    ensure!(story.manifest()?["digest"] == digest, "the same resources give the same policy as before");

    // A label for another use is none.
    story.namespace.kubectl(&["label", "secret", "alice", "moat.dev/use=listener", "--overwrite"])?;
    let message = story.namespace.refused("mcred", "alice", "SecretNotLabelled")?;
    let command = message.split('`').find_map(|part| part.strip_prefix("kubectl "));
    let command = command.with_context(|| format!("the message has a command: {message}"))?;
    kubernetes.kubectl(&command.split(' ').collect::<Vec<_>>())?;
    story.namespace.enforced("mcred", "alice")?;
    ensure!(story.alice_is_let_in(OLD)?);
    is_connected(&mut story.bystander, "chat/bob")
}

#[test]
fn a_deleted_secret_lets_no_one_in_and_a_new_one_does() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut story = story(kubernetes)?;
    let mut alice = connect(&story.listener, "alice", OLD)?;
    story.namespace.kubectl(&["delete", "secret", "alice"])?;
    alice.ended()?;
    ensure!(!story.alice_is_let_in(OLD)?, "without a Secret there is no password");
    let message = story.namespace.refused("mcred", "alice", "SecretNotFound")?;
    ensure!(message.contains("create it"), "{message}");
    story.password(NEW)?;
    story.namespace.enforced("mcred", "alice")?;
    ensure!(story.alice_is_let_in(NEW)? && !story.alice_is_let_in(OLD)?, "the new Secret counts");
    is_connected(&mut story.bystander, "chat/bob")
}
