//! The one question a session asks the security policy, as seen from MQTT.
//!
//! This crate does not know what a policy looks like: the broker hands every session a [`Guard`] made for its
//! identity. The core memoizes the guard's answers per topic under the policy epoch of [`crate::core::Shared`].

use std::fmt;

use crate::codec::QoS;

/// Which combinations of QoS and retain a session may use when it publishes to one topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishRights(u8);

impl PublishRights {
    /// Nothing is allowed.
    pub const NONE: Self = Self(0);
    /// Every QoS, retained or not.
    pub const ALL: Self = Self(0b11_1111);

    /// These rights and the one for `qos` and `retain`.
    #[must_use]
    pub fn with(self, qos: QoS, retain: bool) -> Self {
        Self(self.0 | Self::bit(qos, retain))
    }

    /// Whether a PUBLISH with `qos` and `retain` is allowed.
    #[inline]
    #[must_use]
    pub fn allows(self, qos: QoS, retain: bool) -> bool {
        self.0 & Self::bit(qos, retain) != 0
    }

    #[inline]
    fn bit(qos: QoS, retain: bool) -> u8 {
        1 << (qos as u8 + if retain { 3 } else { 0 })
    }
}

/// What became of a session's standing when it was judged again by a newer policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Same identity, same rights.
    Unchanged,
    /// Same identity, other rights: memoized answers and subscriptions have to be checked again.
    Changed,
    /// The identity is gone, disabled or no longer the same: the connection ends with this reason.
    Ended(Ended),
}

/// Why an identity ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// MQTT 5 reason code of the DISCONNECT, e.g. 0x87 or 0x98.
    pub reason_code: u8,
    /// Text for the log and, where the client asked for it, the reason string.
    pub text: &'static str,
}

/// What happens to a subscription whose filter a newer policy no longer allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRevocation {
    /// The subscription stays, delivery is masked until the right returns.
    #[default]
    Suspend,
    /// The subscription is removed.
    Unsubscribe,
    /// The connection ends with 0x87 and the subscription is removed.
    Disconnect,
}

/// A session's view of the policy. Implementations answer from memory and never block.
pub trait Guard: Send {
    /// Judges the identity by the newest policy. Called when the policy epoch moved since the last call.
    fn renew(&mut self) -> Standing;
    /// The rights to publish to `topic`, a valid topic name.
    fn publish_rights(&self, topic: &str) -> PublishRights;
    /// Whether `filter`, a valid topic filter without its `$share/group/` part, may be subscribed with `qos`.
    fn may_subscribe(&self, filter: &str, share: Option<&str>, qos: QoS) -> bool;
    /// What to do with subscriptions that are no longer allowed.
    fn on_revocation(&self) -> OnRevocation;
    /// Told once for each refused PUBLISH or will, for the log. Never affects the answer.
    fn publish_denied(&self, topic: &str, qos: QoS, retain: bool);
    /// Told once for each refused filter of a SUBSCRIBE, for the log. Never affects the answer.
    fn subscribe_denied(&self, filter: &str, share: Option<&str>, qos: QoS);
}

impl fmt::Debug for dyn Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_separate_per_qos_and_retain() {
        let rights = PublishRights::NONE.with(QoS::AtLeastOnce, true);
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for retain in [false, true] {
                assert_eq!(rights.allows(qos, retain), qos == QoS::AtLeastOnce && retain);
                assert!(PublishRights::ALL.allows(qos, retain));
            }
        }
    }
}
