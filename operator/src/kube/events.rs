//! Events on users' objects: what changed, once per change.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;

use super::error::{Cause, Problem};

/// The API server takes no longer notes.
const NOTE_BYTES: usize = 1000;
/// Nor longer actions.
const ACTION_BYTES: usize = 128;

/// Events that may wait. Those of a flood beyond it are lost; statuses say the same.
const WAITING: usize = 1024;
/// For so long nothing more is said about a namespace that is being deleted.
const SILENCE: Duration = Duration::from_secs(60);

/// Publishes events, one after the other.
#[derive(Clone)]
pub(crate) struct Events(mpsc::Sender<(Event, ObjectReference)>);

impl Events {
    pub(crate) fn new(client: kube::Client, instance: String) -> Self {
        let reporter = Reporter { controller: "moat-operator".to_owned(), instance: Some(instance) };
        let (said, saying) = mpsc::channel(WAITING);
        tokio::spawn(publish(Recorder::new(client, reporter), saying));
        Self(said)
    }

    /// Says something about an object, in the background: no reconcile waits for it, and one that is lost is lost.
    /// `action` is what was done or tried, and to which object: what differs in it is another event, and what does
    /// not is the same once more.
    pub(crate) fn say(
        &self,
        about: ObjectReference,
        type_: EventType,
        (reason, action): (&str, &str),
        note: &str,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(cut(note, NOTE_BYTES).to_owned()),
            action: cut(action, ACTION_BYTES).to_owned(),
            secondary: None,
        };
        let _ = self.0.try_send((event, about));
    }
}

async fn publish(recorder: Recorder, mut saying: mpsc::Receiver<(Event, ObjectReference)>) {
    // Namespaces take no events while they are being deleted, and everything in them has something to say then.
    let mut silent: HashMap<String, Instant> = HashMap::new();
    while let Some((event, about)) = saying.recv().await {
        let namespace = about.namespace.clone().unwrap_or_default();
        silent.retain(|_, since| since.elapsed() < SILENCE);
        if silent.contains_key(&namespace) {
            continue;
        }
        match recorder.publish(&event, &about).await {
            Ok(()) => {}
            Err(error) => {
                debug!(namespace, reason = event.reason, %error, "an event could not be published");
                if Problem::of("publish an event", &error).cause == Cause::NamespaceTerminating {
                    silent.insert(namespace, Instant::now());
                }
            }
        }
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
