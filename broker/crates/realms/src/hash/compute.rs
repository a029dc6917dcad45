//! The computations behind each scheme (reference: the six ESE procedures, and RFC 9106).

use argon2::{Algorithm, Argon2, Block, Params, Version};
use blowfish::Blowfish;
use md5::Md5;
use sha2::{Digest, Sha256, Sha512};
use zeroize::{Zeroize, Zeroizing};

use super::{HashError, Scheme, argon2id};

/// Memory that is kept from one Argon2id computation to the next: fresh pages would cost a tenth of it.
///
/// It belongs to one hashing thread, which gives it back ([`Scratch::release`]) when it has nothing to do.
#[derive(Default)]
pub struct Scratch {
    blocks: Vec<Block>,
}

impl Scratch {
    /// Gives the memory back to the allocator.
    pub fn release(&mut self) {
        self.blocks = Vec::new();
    }

    fn blocks(&mut self, count: usize) -> Result<&mut [Block], HashError> {
        if let Some(missing) = count.checked_sub(self.blocks.len()) {
            // A failed allocation is this login's error; `resize` alone would abort the process.
            self.blocks
                .try_reserve_exact(missing)
                .map_err(|_| HashError::OutOfMemory { kib: count as u64 })?;
            self.blocks.resize(count, Block::new());
        }
        Ok(&mut self.blocks[..count])
    }
}

/// Computes the digest of `password`. The parameters must have passed [`Scheme::check`].
pub(super) fn digest(
    scheme: &Scheme,
    salt: &[u8],
    password: &[u8],
    length: usize,
    scratch: &mut Scratch,
) -> Result<Zeroizing<Vec<u8>>, HashError> {
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    match *scheme {
        Scheme::Plain => out = Zeroizing::new(password.to_vec()),
        Scheme::Md5 { iterations } => out.extend_from_slice(&repeated::<Md5>(salt, password, iterations)),
        Scheme::Sha512 { iterations } => {
            out.extend_from_slice(&repeated::<Sha512>(salt, password, iterations));
        }
        Scheme::Pkcs5s2 { iterations } => {
            out.resize(length, 0);
            pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut out);
        }
        Scheme::Bcrypt { cost } => out.extend_from_slice(bcrypt(salt, password, cost).as_slice()),
        Scheme::EseArgon2id { memory_kib, passes } => {
            out.resize(length, 0);
            let inputs = argon2id::Inputs { memory_kib, passes, lanes: 1, salt, password };
            argon2id(&inputs, scratch, &mut out)?;
        }
        Scheme::Argon2id { memory_kib, passes, lanes } => {
            out.resize(length, 0);
            let inputs = argon2id::Inputs { memory_kib, passes, lanes, salt, password };
            argon2id(&inputs, scratch, &mut out)?;
        }
    }
    Ok(out)
}

/// SHA-256 of `bytes`.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// H(S‖P), then H of the digest until `iterations` hashes are done. ESE's loop starts at 1, so 0 is also one hash.
fn repeated<H: Digest>(salt: &[u8], password: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
    let mut digest = H::new().chain_update(salt).chain_update(password).finalize();
    for _ in 1..iterations {
        digest = H::digest(&digest);
    }
    let out = Zeroizing::new(digest.to_vec());
    digest.zeroize();
    out
}

/// The bcrypt core as ESE uses it: all 64 bytes of SHA-512(P) as key with no terminating NUL, MD5(S) as salt, and all
/// 24 bytes out. The usual modular-crypt form appends a NUL to the key and drops the last byte, so bcrypt libraries
/// cannot be used.
fn bcrypt(salt: &[u8], password: &[u8], cost: u32) -> Zeroizing<[u8; 24]> {
    let key: Zeroizing<[u8; 64]> = Zeroizing::new(Sha512::digest(password).into());
    let salt: [u8; 16] = Md5::digest(salt).into();
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(&salt, key.as_slice());
    for _ in 0..1_u64 << cost {
        state.bc_expand_key(key.as_slice());
        state.bc_expand_key(&salt);
    }
    let mut out = Zeroizing::new([0_u8; 24]);
    for (text, out) in b"OrpheanBeholderScryDoubt".chunks_exact(8).zip(out.chunks_exact_mut(8)) {
        let word = |at: usize| u32::from_be_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]);
        let mut halves = [word(0), word(4)];
        for _ in 0..64 {
            halves = state.bc_encrypt(halves);
        }
        out[..4].copy_from_slice(&halves[0].to_be_bytes());
        out[4..].copy_from_slice(&halves[1].to_be_bytes());
    }
    out
}

/// Argon2id: the `argon2` crate where it can be used, our own for salts that the crate refuses.
fn argon2id(inputs: &argon2id::Inputs<'_>, scratch: &mut Scratch, out: &mut [u8]) -> Result<(), HashError> {
    if inputs.salt.len() < argon2::MIN_SALT_LEN {
        return argon2id::hash(inputs, out);
    }
    let params = Params::new(inputs.memory_kib, inputs.passes, inputs.lanes, Some(out.len()))
        .map_err(|_| HashError::Malformed("its parameters are not Argon2id's"))?;
    let count = params.block_count();
    let blocks = scratch.blocks(count)?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(inputs.password, inputs.salt, out, blocks)
        .map_err(|_| HashError::Malformed("its parameters are not Argon2id's"))
}
