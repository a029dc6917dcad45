//! Why newer policy is not taken. What was good stays in force meanwhile.

use moat_crds::delivery::{ManifestError, ReportProblem, UnpackError};
use moat_policy::{BundleError, Digest};

/// Why the API server did not give what it was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum ApiError {
    /// 401: it does not know this pod's token.
    #[error(
        "the API server does not know this pod: {0}; its ServiceAccount or its token is gone, and the pod must be started \
         again if this lasts"
    )]
    Unauthorized(String),
    /// 403: this pod may not read that.
    #[error(
        "the API server refuses: {0}; the operator keeps the pods' Role, so see the MqttCluster's status if this lasts"
    )]
    Forbidden(String),
    /// 404: there is nothing of that name, or no such path.
    #[error("the API server does not find what it was asked for: {0}; asking again")]
    NotFound(String),
    /// It answered with another error.
    #[error("the API server answered with an error: {0}; asking again")]
    Failed(String),
    /// It did not answer.
    #[error("the API server cannot be reached: {0}; asking again")]
    Unreachable(String),
}

impl ApiError {
    /// A stable word for reports and metrics.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Unauthorized(_) => "ApiUnauthorized",
            Self::Forbidden(_) => "ApiForbidden",
            Self::NotFound(_) | Self::Failed(_) => "ApiFailed",
            Self::Unreachable(_) => "ApiUnreachable",
        }
    }
}

/// Why a manifest, or what it names, is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// There is none.
    #[error(
        "ConfigMap `{object}` was not found: the operator writes it once the MqttCluster is accepted; see whether the \
         operator runs, and the MqttCluster's status"
    )]
    ManifestMissing {
        /// Its name.
        object: String,
    },
    /// Its object does not hold it.
    #[error(
        "ConfigMap `{object}` has no key `{key}`: it was edited; the operator writes it again, unless it is not running"
    )]
    ManifestEmpty {
        /// Its name.
        object: String,
        /// The key.
        key: &'static str,
    },
    /// It cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It is another cluster's.
    #[error(
        "the manifest belongs to the cluster with uid {found}, and this pod to {expected}: it is left over, and the operator \
         will write a new one"
    )]
    ForeignCluster {
        /// The uid that it names.
        found: String,
        /// The uid of this pod's cluster.
        expected: String,
    },
    /// It is older than what is in force.
    #[error(
        "the manifest has generation {found}, and {live} is in force already: an older one was put back; the operator \
         writes a newer one, unless it is not running"
    )]
    OlderGeneration {
        /// The generation that it names.
        found: u64,
        /// The one in force.
        live: u64,
    },
    /// It has the generation of another.
    #[error(
        "the manifest has generation {generation} like the one in force, and another content: it was edited; the \
         operator writes a newer one, unless it is not running"
    )]
    GenerationReused {
        /// The generation.
        generation: u64,
    },
    /// An object that it names is not there, or does not hold a shard.
    #[error(
        "the shard in `{object}` is missing: it was removed or edited, or is being written; asking again"
    )]
    ShardMissing {
        /// Name of the ConfigMap or Secret.
        object: String,
    },
    /// An object that it names holds something else.
    #[error("`{object}`: {source}")]
    Shard {
        /// Name of the ConfigMap or Secret.
        object: String,
        /// What is wrong.
        source: UnpackError,
    },
    /// Its shards are what it names, and no bundle.
    #[error("the shards that the manifest names are no policy: {0}")]
    Bundle(#[from] BundleError),
    /// Its shards are what it names, and not the bundle that it names.
    #[error(
        "the shards that the manifest names make the policy {found}, and it names {expected}: it was edited; the operator \
         writes it again, unless it is not running"
    )]
    BundleMismatch {
        /// Digest that it names.
        expected: Digest,
        /// Digest of its shards together.
        found: Digest,
    },
    /// The API server did not give something.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// All words of [`LoadError::reason`], as a metric's labels.
pub(crate) const REASONS: [&str; 19] = [
    "ApiFailed",
    "ApiForbidden",
    "ApiUnauthorized",
    "ApiUnreachable",
    "BundleMismatch",
    "Duplicate",
    "EntryTooLarge",
    "ForeignCluster",
    "GenerationReused",
    "KindMismatch",
    "MalformedShard",
    "ManifestMalformed",
    "ManifestMissing",
    "OlderGeneration",
    "SchemaTooNew",
    "SchemaTooOld",
    "ShardMismatch",
    "ShardMissing",
    "ShardTooLarge",
];

impl LoadError {
    /// A stable word for reports and metrics.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::ManifestMissing { .. } => "ManifestMissing",
            Self::ManifestEmpty { .. } => "ManifestMalformed",
            Self::Manifest(error) => error.reason(),
            Self::ForeignCluster { .. } => "ForeignCluster",
            Self::OlderGeneration { .. } => "OlderGeneration",
            Self::GenerationReused { .. } => "GenerationReused",
            Self::ShardMissing { .. } => "ShardMissing",
            Self::Shard { source, .. } => source.reason(),
            Self::Bundle(error) => error.reason(),
            Self::BundleMismatch { .. } => "BundleMismatch",
            Self::Api(error) => error.reason(),
        }
    }

    /// Whether asking again may help: the others stay until the manifest changes, which is watched.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Api(_) | Self::ShardMissing { .. } | Self::Shard { .. })
    }

    /// For the report.
    pub(super) fn to_problem(&self) -> ReportProblem {
        ReportProblem { reason: self.reason().to_owned(), message: self.to_string() }
    }
}
