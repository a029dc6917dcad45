//! Why a manifest or a shard is not taken.

use moat_policy::Digest;

use super::{SCHEMAS, pack::SHARD_BYTES_MAX};

/// Why a manifest cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The text is no manifest: half-written, or edited by hand.
    #[error("the manifest cannot be read ({0}); the operator writes it again, unless it is not running")]
    Malformed(#[source] serde_json::Error),
    /// It is of a version that this program does not know.
    #[error(
        "the manifest has schema {found}, and {min} to {max} are understood here: use the operator of this version, or \
         a newer version here",
        min = SCHEMAS.min,
        max = SCHEMAS.max
    )]
    Schema {
        /// The version that it names.
        found: u32,
    },
}

impl ManifestError {
    /// A stable word for conditions, reports and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "ManifestMalformed",
            Self::Schema { found } if *found > SCHEMAS.max => "SchemaTooNew",
            Self::Schema { .. } => "SchemaTooOld",
        }
    }
}

/// Why a shard is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It is no zstd frame.
    #[error("the shard cannot be unpacked ({0}): it was altered")]
    Malformed(#[source] std::io::Error),
    /// It is, or unpacks into, more than a shard may be.
    #[error("the shard is larger than {SHARD_BYTES_MAX} bytes: it was altered")]
    TooLarge,
    /// Its content is not what the manifest names.
    #[error("the shard has the digest {found} instead of {expected}: it was altered, or is being written")]
    Digest {
        /// What the manifest names.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
}

impl UnpackError {
    /// A stable word for conditions, reports and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::Digest { .. } => "ShardMismatch",
            Self::TooLarge => "ShardTooLarge",
        }
    }
}
