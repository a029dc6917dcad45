//! Names of shards, and which of a shard's two objects counts.

use std::fmt;
use std::str::FromStr;

use moat_policy::Digest;
use moat_policy::bundle::{Family, Prefix};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The text is not what a manifest writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShardText {
    /// No name of a shard.
    #[error("a shard must be named `plain-` or `secret-` and then `root` or up to 64 of `0` and `1`")]
    Name,
    /// No slot and digest.
    #[error("a shard must be told as `a@` or `b@` and then `sha256:` and 64 hexadecimal digits")]
    Reference,
}

/// Names one shard of a bundle. Prints as `plain-root` or `secret-0101`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardName {
    /// Whether it holds secrets.
    pub family: Family,
    /// The prefix that the hashes of its keys share.
    pub prefix: Prefix,
}

impl ShardName {
    /// The prefix as it stands in names of objects.
    pub(super) fn place(&self) -> String {
        if self.prefix == Prefix::default() { "root".to_owned() } else { self.prefix.to_string() }
    }
}

impl fmt::Display for ShardName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = match self.family {
            Family::Plain => "plain",
            Family::Secret => "secret",
        };
        write!(f, "{family}-{}", self.place())
    }
}

impl FromStr for ShardName {
    type Err = InvalidShardText;

    fn from_str(text: &str) -> Result<Self, InvalidShardText> {
        let (family, place) = text.split_once('-').ok_or(InvalidShardText::Name)?;
        let family = match family {
            "plain" => Family::Plain,
            "secret" => Family::Secret,
            _ => return Err(InvalidShardText::Name),
        };
        let prefix = match place {
            "root" => Prefix::default(),
            "-" => return Err(InvalidShardText::Name),
            bits => bits.parse().map_err(|_| InvalidShardText::Name)?,
        };
        Ok(Self { family, prefix })
    }
}

/// Which of a shard's two objects. A write goes to the one that the manifest in force does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// Where a shard's content is, and which it is. Prints as `a@sha256:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardRef {
    /// The slot that counts.
    pub slot: Slot,
    /// SHA-256 over the content before it was packed.
    pub digest: Digest,
}

impl fmt::Display for ShardRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.slot, self.digest)
    }
}

impl FromStr for ShardRef {
    type Err = InvalidShardText;

    fn from_str(text: &str) -> Result<Self, InvalidShardText> {
        let (slot, digest) = text.split_once('@').ok_or(InvalidShardText::Reference)?;
        let slot = match slot {
            "a" => Slot::A,
            "b" => Slot::B,
            _ => return Err(InvalidShardText::Reference),
        };
        Ok(Self { slot, digest: digest.parse().map_err(|_| InvalidShardText::Reference)? })
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(ShardName);
serde_as_text!(ShardRef);
