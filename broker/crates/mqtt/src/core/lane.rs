//! What one core tells another: messages for its sessions, in batches, and who may go on sending.
//!
//! Each pair of cores has one first-in, first-out lane, so the order of a publisher's messages on a topic is the
//! same on every core [MQTT-4.6.0-6]. A batch is what one turn of one core produced for another.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::connection::ConnectionRef;
use super::delivery::Class;
use crate::message::Message;
use crate::router::{Route, SessionRef, SharedGroup, Target};

/// Messages of one turn for the sessions of one other core.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) items: Vec<Item>,
    /// The frames of the runs.
    pub(crate) bytes: Vec<u8>,
}

#[derive(Debug)]
pub(crate) enum Item {
    /// QoS 0 frames of one topic, as the publisher sent them.
    Run { route: Arc<Route>, range: Range<usize>, count: u32, class: Class, publisher: SessionRef },
    /// One message for the route's targets on the receiving core.
    Message { route: Arc<Route>, message: Arc<Message> },
    /// One message for the member that a shared subscription picked.
    Shared { group: Arc<SharedGroup>, target: Target, message: Arc<Message> },
    /// The publisher asks to be told when what stands before has been taken.
    Credit(ConnectionRef),
}

/// One piece of mail between cores.
#[derive(Debug)]
pub enum Mail {
    /// Messages.
    Batch(Batch),
    /// A connection of the receiving core may send more.
    Credit(ConnectionRef),
}

/// A core's mailbox.
#[derive(Default)]
struct Inbox {
    mail: Mutex<Vec<Mail>>,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// The mailboxes of all cores.
pub struct Lanes(Vec<Inbox>);

impl std::fmt::Debug for Lanes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lanes({})", self.0.len())
    }
}

impl Lanes {
    pub(crate) fn new(cores: u16) -> Self {
        Self((0..cores).map(|_| Inbox::default()).collect())
    }

    /// Says how to wake `core` when it gets mail. Called once, when the core starts.
    pub fn on_mail(&self, core: u16, wake: impl Fn() + Send + Sync + 'static) {
        if let Some(inbox) = self.0.get(usize::from(core)) {
            // A second call would be a second runtime for one core, which the broker does not make.
            let _ = inbox.wake.set(Box::new(wake));
        }
    }

    /// Puts mail into a core's box and wakes it if the box was empty.
    pub(crate) fn post(&self, core: u16, mail: Mail) {
        let Some(inbox) = self.0.get(usize::from(core)) else { return };
        let was_empty = {
            let mut queue = inbox.mail.lock();
            queue.push(mail);
            queue.len() == 1
        };
        if was_empty && let Some(wake) = inbox.wake.get() {
            wake();
        }
    }

    /// Takes all mail of `core`; `spare` becomes the new, empty box.
    pub fn collect(&self, core: u16, spare: &mut Vec<Mail>) {
        spare.clear();
        if let Some(inbox) = self.0.get(usize::from(core)) {
            std::mem::swap(&mut *inbox.mail.lock(), spare);
        }
    }
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}
