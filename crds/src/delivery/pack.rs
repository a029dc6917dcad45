//! A shard as it lies in its object: its canonical JSON in one zstd frame.

use std::io::{self, Read};

use moat_policy::Digest;
use sha2::{Digest as _, Sha256};

use super::UnpackError;

/// No shard's content is larger, packed or not.
pub const SHARD_BYTES_MAX: usize = 512 * 1024;

/// Fast enough to be nothing beside the write, and hashes hardly shrink at any level.
const LEVEL: i32 = 3;

/// Packs a shard's canonical JSON.
///
/// # Errors
/// When the compressor refuses, which it does only for want of memory.
pub fn pack(json: &[u8]) -> io::Result<Vec<u8>> {
    zstd::encode_all(json, LEVEL)
}

/// The canonical JSON of a packed shard, if it is the one that the manifest names. Takes at most
/// [`SHARD_BYTES_MAX`], whatever the bytes say.
///
/// # Errors
/// When the bytes are too many, cannot be unpacked, or are of another content.
pub fn unpack(packed: &[u8], expected: Digest) -> Result<Vec<u8>, UnpackError> {
    if packed.len() > SHARD_BYTES_MAX {
        return Err(UnpackError::TooLarge);
    }
    let json = unpack_bounded(packed, SHARD_BYTES_MAX)?;
    let found = Digest(Sha256::digest(&json).into());
    if found == expected { Ok(json) } else { Err(UnpackError::Digest { expected, found }) }
}

/// What [`pack`] packed, if it is not more than `bytes_max`; who wrote it is for the caller to know.
///
/// # Errors
/// When the bytes cannot be unpacked, or into too much.
pub fn unpack_bounded(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, UnpackError> {
    let mut content = Vec::new();
    let decoder = zstd::Decoder::with_buffer(packed).map_err(UnpackError::Malformed)?;
    decoder.take(bytes_max as u64 + 1).read_to_end(&mut content).map_err(UnpackError::Malformed)?;
    if content.len() > bytes_max { Err(UnpackError::TooLarge) } else { Ok(content) }
}
