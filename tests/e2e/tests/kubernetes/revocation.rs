//! Rights come and go under clients that stay connected.

use anyhow::{Result, ensure};
use moat_e2e::clients::{Paho, Target};
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::until;

use crate::people::{connect, is_connected, is_let_in, may_subscribe};

/// The quickstart, whose backend service hears what its Role lets it hear.
struct Story<'a> {
    namespace: Namespace<'a>,
    listener: Target,
    backend: Paho,
    superuser: Paho,
}

fn story<'a>(kubernetes: &'a Kubernetes) -> Result<Story<'a>> {
    let namespace = kubernetes.namespace("revocation")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let listener = namespace.listener("quickstart", "plain")?;
    let backend = connect(&listener, "backend", "backendservice")?;
    let superuser = connect(&listener, "root", "superuser")?;
    Ok(Story { namespace, listener, backend, superuser })
}

impl Story<'_> {
    /// Changes what the backend service may hear, and waits until a client that is connected notices: a filter that it
    /// may subscribe now shows it.
    fn backend_may_hear(&mut self, filters: &[&str]) -> Result<()> {
        let permissions: Vec<_> = filters
            .iter()
            .map(|filter| format!("{{\"topicFilter\": \"{filter}\", \"activity\": [\"subscribe\"]}}"))
            .collect();
        let patch = format!("{{\"spec\": {{\"permissions\": [{}]}}}}", permissions.join(", "));
        self.namespace.kubectl(&["patch", "mrole", "backend", "--type=merge", "-p", &patch])?;
        let Some(last) = filters.last() else { return Ok(()) };
        until::holds("the new right", || may_subscribe(&mut self.backend, last))
    }

    /// Switches a Credential on or off, and waits until that is enforced.
    fn switch(&self, credential: &str, enabled: bool) -> Result<()> {
        let patch = format!("{{\"spec\": {{\"enabled\": {enabled}}}}}");
        self.namespace.kubectl(&["patch", "mcred", credential, "--type=merge", "-p", &patch])?;
        self.namespace.enforced("mcred", credential)
    }

    fn say(&mut self, topic: &str, payload: &str) -> Result<()> {
        self.superuser.publish(topic, payload, 1).map(drop)
    }
}

#[test]
fn a_subscription_is_masked_while_its_right_is_gone_and_resumes_with_it() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut story = story(kubernetes)?;
    ensure!(may_subscribe(&mut story.backend, "topic/+/status")?, "the right is there");
    story.say("topic/x/status", "heard")?;
    ensure!(story.backend.message()?.1 == "heard");

    story.backend_may_hear(&["mark/1"])?;
    story.say("topic/x/status", "unheard")?;
    story.say("mark/1", "masked")?;
    let (_, heard) = story.backend.message()?;
    ensure!(heard == "masked", "without the right nothing is delivered, but {heard:?} was");
    ensure!(!may_subscribe(&mut story.backend, "topic/z/status")?, "nor can it be subscribed");

    // The subscription was never made again: it is the same one.
    story.backend_may_hear(&["topic/+/status", "mark/2"])?;
    story.say("topic/x/status", "heard again")?;
    ensure!(story.backend.message()?.1 == "heard again");
    story.namespace.enforced("mrole", "backend")
}

#[test]
fn who_is_switched_off_or_deleted_is_disconnected_and_nobody_else() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut story = story(kubernetes)?;
    story.switch("backendservice", false)?;
    story.backend.ended()?;
    ensure!(
        !is_let_in(&story.listener, "backendservice", "backendservice")?,
        "who is switched off stays out"
    );
    story.switch("backendservice", true)?;

    story.backend = connect(&story.listener, "backend", "backendservice")?;
    story.namespace.kubectl(&["delete", "mcred", "backendservice"])?;
    story.backend.ended()?;
    ensure!(!is_let_in(&story.listener, "backendservice", "backendservice")?, "who is deleted stays out");
    is_connected(&mut story.superuser, "topic/x/status")
}
