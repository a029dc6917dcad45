//! How a compiled policy travels from the operator to the pods, and what a pod says about it.
//!
//! A bundle's shards lie in objects of their own, packed; each shard has two of them (its slots), and the
//! [`Manifest`], which is written last, names the slot that counts and the digest of its content. A reader takes a
//! manifest into force only when every shard has the digest that it names and the whole has the bundle's. No I/O.

mod error;
mod manifest;
pub mod names;
mod pack;
mod report;
mod shard;

#[cfg(test)]
mod tests;

pub use error::{ManifestError, UnpackError};
pub use manifest::{DeliveredListener, DeliveredTls, Manifest};
pub use pack::{SHARD_BYTES_MAX, pack, unpack, unpack_bounded};
pub use report::{ListenerReport, Report, ReportProblem, Schemas};
pub use shard::{InvalidShardText, ShardName, ShardRef, Slot};

/// The version of manifest and shards that is written.
pub const SCHEMA: u32 = 1;

/// The versions that are understood.
pub const SCHEMAS: Schemas = Schemas { min: 1, max: SCHEMA };
