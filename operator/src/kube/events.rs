//! Events on users' objects: what changed, once per change.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tracing::debug;

/// The API server takes no longer notes.
const NOTE_BYTES: usize = 1000;
/// Nor longer actions.
const ACTION_BYTES: usize = 128;

/// Publishes events; clones share what was said, so that repetitions become one series.
#[derive(Clone)]
pub(crate) struct Events(Arc<Recorder>);

impl Events {
    pub(crate) fn new(client: kube::Client, instance: String) -> Self {
        let reporter = Reporter { controller: "moat-operator".to_owned(), instance: Some(instance) };
        Self(Arc::new(Recorder::new(client, reporter)))
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
        let recorder = Arc::clone(&self.0);
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(cut(note, NOTE_BYTES).to_owned()),
            action: cut(action, ACTION_BYTES).to_owned(),
            secondary: None,
        };
        tokio::spawn(async move {
            if let Err(error) = recorder.publish(&event, &about).await {
                debug!(%error, reason = event.reason, "an event could not be published");
            }
        });
    }
}

fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}
