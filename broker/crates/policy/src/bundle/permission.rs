//! A permission as it stands in a bundle, and the small vocabularies of its fields.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a client does with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Activity {
    /// Sending messages, wills included.
    Publish,
    /// Asking for messages.
    Subscribe,
}

impl Activity {
    const fn bit(self) -> u8 {
        match self {
            Self::Publish => 1,
            Self::Subscribe => 2,
        }
    }

    /// The word used in resources and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
        }
    }
}

/// A set of activities; serialises as a list such as `["publish","subscribe"]`. The empty set grants nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Activities(u8);

impl Activities {
    /// Publish and subscribe.
    pub const ALL: Self = Self(3);
    /// Publish only.
    pub const PUBLISH: Self = Self(1);
    /// Subscribe only.
    pub const SUBSCRIBE: Self = Self(2);

    /// Whether `activity` is in the set.
    #[must_use]
    pub const fn contains(self, activity: Activity) -> bool {
        self.0 & activity.bit() != 0
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, publish first.
    pub fn iter(self) -> impl Iterator<Item = Activity> {
        [Activity::Publish, Activity::Subscribe].into_iter().filter(move |a| self.contains(*a))
    }
}

impl FromIterator<Activity> for Activities {
    fn from_iter<I: IntoIterator<Item = Activity>>(activities: I) -> Self {
        Self(activities.into_iter().fold(0, |set, a| set | a.bit()))
    }
}

impl Serialize for Activities {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Activities {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Vec::<Activity>::deserialize(from)?.into_iter().collect())
    }
}

/// A set of quality-of-service levels; serialises as a list such as `[0,1,2]`. The empty set grants nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct QosSet(u8);

impl QosSet {
    /// QoS 0, 1 and 2.
    pub const ALL: Self = Self(7);

    /// Whether `qos` is in the set. A number above 2 never is.
    #[must_use]
    pub const fn contains(self, qos: u8) -> bool {
        qos <= 2 && self.0 & (1 << qos) != 0
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members in rising order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..=2).filter(move |qos| self.contains(*qos))
    }
}

/// Numbers above 2 are left out: they name no quality of service.
impl FromIterator<u8> for QosSet {
    fn from_iter<I: IntoIterator<Item = u8>>(levels: I) -> Self {
        Self(levels.into_iter().filter(|qos| *qos <= 2).fold(0, |set, qos| set | 1 << qos))
    }
}

impl Serialize for QosSet {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for QosSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let levels = Vec::<u8>::deserialize(from)?;
        match levels.iter().find(|qos| **qos > 2) {
            Some(qos) => Err(serde::de::Error::custom(format_args!("qos must be 0, 1 or 2, not {qos}"))),
            None => Ok(levels.into_iter().collect()),
        }
    }
}

/// Which publishes a permission covers by their retain flag. Ignored for subscribing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RetainRule {
    /// With and without the flag.
    Any,
    /// Retained messages only.
    Only,
    /// Messages without the flag only. The default.
    #[default]
    Never,
}

impl RetainRule {
    /// Whether a publish with this retain flag is covered.
    #[must_use]
    pub const fn covers(self, retain: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Only => retain,
            Self::Never => !retain,
        }
    }

    /// The word used in resources and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Only => "only",
            Self::Never => "never",
        }
    }
}

/// Which subscriptions a permission covers by being shared (`$share/group/filter`). Ignored for publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SharedSubscriptionRule {
    /// Shared and plain subscriptions.
    Any,
    /// Shared subscriptions only.
    Only,
    /// Plain subscriptions only. The default.
    #[default]
    Never,
}

impl SharedSubscriptionRule {
    /// Whether a subscription that is shared (or not) is covered.
    #[must_use]
    pub const fn covers(self, shared: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Only => shared,
            Self::Never => !shared,
        }
    }

    /// The word used in resources and texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Only => "only",
            Self::Never => "never",
        }
    }
}

/// One permission of a role or credential. Permissions only ever allow; what none allows is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PermissionEntry {
    /// Where it comes from, for explanations: `Permission/own-status` or `Role/frontend permissions[1]`.
    pub source: String,
    /// The topic filter with its placeholders, as the user wrote it.
    pub topic_filter: String,
    /// Publishing, subscribing or both.
    pub activity: Activities,
    /// The qualities of service that may be asked for; there is no downgrade.
    pub qos: QosSet,
    /// By retain flag; for publishing.
    pub retain: RetainRule,
    /// By being shared; for subscribing.
    pub shared_subscription: SharedSubscriptionRule,
    /// The only share group covered, placeholders allowed; `None`, empty and `#` mean any group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_group: Option<String>,
}
