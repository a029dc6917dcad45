//! What a client may do with one topic: a set small enough to memoize beside the topic.

/// For which qualities of service, with and without the retain flag, a topic may be published to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PublishRights(u8);

impl PublishRights {
    /// Nothing is allowed.
    pub const NONE: Self = Self(0);

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x3f)
    }

    /// Whether this publish is allowed. A quality of service above 2 never is.
    #[inline]
    #[must_use]
    pub const fn allows(self, qos: u8, retain: bool) -> bool {
        qos <= 2 && self.0 >> (qos * 2 + retain as u8) & 1 == 1
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}
