//! Listeners come, change and go, and so do their certificates, under clients that stay connected; no pod is replaced.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use moat_e2e::certificates::{Authority, Identity};
use moat_e2e::clients::{Event, Login, Paho, Target, Tls, Version};
use moat_e2e::kube::story::FOLLOWING;
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::{resources, until};
use serde_json::Value;

use crate::people::{connect, is_connected};

const PLAIN: &str = "{ name: plain, protocol: mqtt, port: 1883 }";

/// A cluster whose listeners change, a client that came by the first of them, and the pod that must stay.
struct Story<'a> {
    namespace: Namespace<'a>,
    files: tempfile::TempDir,
    resident: Paho,
    pod: Value,
}

fn story<'a>(kubernetes: &'a Kubernetes) -> Result<Story<'a>> {
    let namespace = kubernetes.namespace("listeners")?;
    let text = [
        resources::cluster(&[PLAIN.to_owned()], ""),
        resources::realm(resources::REALM),
        resources::pipeline("all", "ALL", resources::REALM),
        resources::role("chat", &["{ topicFilter: \"chat/#\", activity: [publish, subscribe] }"]),
        resources::user("alice", "alice", &["chat"]),
    ];
    namespace.apply(&text.concat())?;
    namespace.ready()?;
    let resident = connect(&namespace.listener("story", "plain")?, "resident", "alice")?;
    let pod = namespace.get("pod", "story-0")?;
    Ok(Story { namespace, files: tempfile::tempdir()?, resident, pod })
}

impl Story<'_> {
    /// Applies the cluster with these listeners.
    fn listeners(&self, listeners: &[&str]) -> Result<()> {
        let listeners: Vec<_> = listeners.iter().map(|listener| (*listener).to_owned()).collect();
        self.namespace.apply(&resources::cluster(&listeners, "")).map(drop)
    }

    /// Applies the certificate of the TLS listener.
    fn certificate(&self, server: &Identity) -> Result<()> {
        let entries = [("tls.crt", &*server.certificate), ("tls.key", &server.key)];
        self.namespace.apply(&resources::secret("tls", "listener", &entries)).map(drop)
    }

    /// A login of Alice's over TLS that trusts this authority alone.
    fn login(&self, listener: &Target, client_id: &str, trusted: &Authority) -> Result<Login> {
        let ca: PathBuf = self.files.path().join(format!("{client_id}.crt"));
        std::fs::write(&ca, trusted.certificate())?;
        let mut login = Login::new(Version::V5, listener.clone(), client_id, Some(("alice", "alice")));
        login.tls = Some(Tls { ca, certificate: None, key: None });
        Ok(login)
    }

    /// It is the same pod, its container was never started again, and its template was never written again.
    fn no_pod_was_replaced(&mut self) -> Result<()> {
        is_connected(&mut self.resident, "chat/resident")?;
        let pod = self.namespace.get("pod", "story-0")?;
        ensure!(pod["metadata"]["uid"] == self.pod["metadata"]["uid"], "it is another pod");
        let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
        ensure!(*restarts == 0, "the broker was started again {restarts} times");
        let workload = self.namespace.get("statefulset", "story")?;
        ensure!(workload["metadata"]["generation"] == 1, "the StatefulSet was changed: {workload:#}");
        Ok(())
    }
}

/// Waits until nobody answers any more where a listener was.
fn is_closed(kubernetes: &Kubernetes, listener: &Target) -> Result<()> {
    until::holds(&format!("{listener:?} to be closed"), || {
        Ok(kubernetes.connect(&listener.host, listener.port).is_err())
    })
}

#[test]
fn listeners_come_change_and_go_and_no_pod_is_replaced() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut story = story(kubernetes)?;

    // One more.
    story.listeners(&[PLAIN, "{ name: second, protocol: mqtt, port: 80 }"])?;
    let second = story.namespace.listener("story", "second")?;
    ensure!(second.port == 80, "a port that only root opens elsewhere");
    let mut guest = connect(&second, "guest", "alice")?;
    is_connected(&mut guest, "chat/guest")?;
    story.namespace.enforced("mqc", "story")?;

    // On another port: those who came by the old one may stay or go, but nobody comes by it any more.
    story.listeners(&[PLAIN, "{ name: second, protocol: mqtt, port: 8080 }"])?;
    let moved = |service: &Value| service["spec"]["ports"][0]["port"] == 8080;
    story.namespace.watch("service", "story-second")?.until(FOLLOWING, moved)?;
    let moved = story.namespace.listener("story", "second")?;
    let pod = story.pod["status"]["podIP"].as_str().context("a pod has an address")?;
    is_closed(kubernetes, &kubernetes.target(pod, 80))?;
    let mut guest = connect(&moved, "guest", "alice")?;

    // And none: nobody comes by it any more, and those who did stay, as they have the rights that they had.
    story.listeners(&[PLAIN])?;
    is_closed(kubernetes, &kubernetes.target(pod, 8080))?;
    is_connected(&mut guest, "chat/guest")?;
    story.namespace.gone("service", "story-second")?;
    story.namespace.enforced("mqc", "story")?;
    story.no_pod_was_replaced()
}

#[test]
fn a_certificate_is_replaced_and_connections_stay() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let mut story = story(kubernetes)?;

    // Without its certificate a listener stays closed, says so, and the others go on.
    let tls = "{ name: tls, protocol: mqtts, port: 8883, tls: { secretName: tls } }";
    story.listeners(&[PLAIN, tls])?;
    let message = story.namespace.refused("mqc", "story", "SecretNotFound")?;
    ensure!(message.contains("kubectl label secret tls"), "{message}");
    is_connected(&mut story.resident, "chat/resident")?;
    let service = story.namespace.get("service", "story-tls")?;
    let address: IpAddr = service["spec"]["clusterIP"].as_str().context("an address")?.parse()?;

    let (first, second) = (Authority::new("the first authority")?, Authority::new("the second authority")?);
    story.certificate(&first.server_at(address)?)?;
    story.namespace.enforced("mqc", "story")?;
    let listener = story.namespace.listener("story", "tls")?;
    let mut guest = Paho::connect(&story.login(&listener, "first", &first)?)?;
    is_connected(&mut guest, "chat/guest")?;

    story.certificate(&second.server_at(address)?)?;
    let login = story.login(&listener, "second", &second)?;
    until::holds("the new certificate", || {
        Ok(matches!(Paho::start(&login)?.connack()?, Event::Connected { reason: 0, .. }))
    })?;
    let refused = Paho::start(&story.login(&listener, "third", &first)?)?.connack()?;
    ensure!(matches!(refused, Event::Failed { .. }), "the old certificate is shown no more: {refused:?}");
    is_connected(&mut guest, "chat/guest")?;

    // A certificate that cannot be used replaces none.
    let broken =
        Identity { certificate: second.certificate(), key: "-----BEGIN PRIVATE KEY-----".to_owned() };
    story.certificate(&broken)?;
    let ready = story.namespace.condition("mqc", "story", "Ready", |ready| ready["status"] == "False")?;
    ensure!(
        ready["message"].as_str().is_some_and(|it| it.contains("`tls`") || it.contains("tls")),
        "{ready}"
    );
    ensure!(
        matches!(Paho::start(&login)?.connack()?, Event::Connected { reason: 0, .. }),
        "the last good one serves"
    );
    is_connected(&mut guest, "chat/guest")?;

    story.certificate(&second.server_at(address)?)?;
    story.namespace.enforced("mqc", "story")?;
    story.no_pod_was_replaced()
}
