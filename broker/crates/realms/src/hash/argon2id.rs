//! Argon2id 1.3 (RFC 9106) without the lower bound on the salt.
//!
//! Stored hashes with salts under 8 bytes exist (three of ESE's published vectors have 4), and the `argon2` crate
//! refuses them. This module computes only those; a test holds it equal to the crate wherever both can be used.

use blake2::digest::Output;
use blake2::digest::block_api::{UpdateCore, VariableOutputCore};
use blake2::digest::block_buffer::LazyBuffer;
use blake2::{Blake2b512, Blake2bVarCore, Digest};
use zeroize::{Zeroize, Zeroizing};

use super::HashError;

/// 64-bit words of one block of 1 KiB.
const WORDS: usize = 128;
/// Slices of a pass: blocks of one slice may refer only to finished slices of other lanes.
const SLICES: usize = 4;
/// The number by which RFC 9106 names Argon2id.
const TYPE_ID: u32 = 2;
/// Version 1.3.
const VERSION: u32 = 0x13;

type Words = [u64; WORDS];

/// What is hashed, with its parameters; these must be within RFC 9106's bounds.
pub(super) struct Inputs<'a> {
    pub(super) memory_kib: u32,
    pub(super) passes: u32,
    pub(super) lanes: u32,
    pub(super) salt: &'a [u8],
    pub(super) password: &'a [u8],
}

/// The matrix of blocks, `lanes` rows of `lane_length`.
struct Matrix {
    blocks: Vec<Words>,
    lanes: usize,
    lane_length: usize,
    passes: u32,
}

/// Where in the computation a block stands.
#[derive(Clone, Copy)]
struct Position {
    pass: u32,
    slice: usize,
    lane: usize,
}

/// Computes Argon2id into `out` (its length is part of what is hashed).
pub(super) fn hash(inputs: &Inputs<'_>, out: &mut [u8]) -> Result<(), HashError> {
    let mut matrix = Matrix::new(inputs, out.len())?;
    for pass in 0..inputs.passes {
        for slice in 0..SLICES {
            for lane in 0..matrix.lanes {
                matrix.fill_segment(Position { pass, slice, lane });
            }
        }
    }
    let mut last = matrix.blocks[matrix.lane_length - 1];
    for lane in 1..matrix.lanes {
        xor(&mut last, &matrix.blocks[(lane + 1) * matrix.lane_length - 1]);
    }
    let mut bytes = Zeroizing::new([0_u8; WORDS * 8]);
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(last) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    last.zeroize();
    long_hash(&[bytes.as_slice()], out);
    Ok(())
}

impl Matrix {
    fn new(inputs: &Inputs<'_>, out_length: usize) -> Result<Self, HashError> {
        let lanes = inputs.lanes as usize;
        let lane_length = inputs.memory_kib as usize / (SLICES * lanes) * SLICES;
        let count = lane_length * lanes;
        let mut blocks: Vec<Words> = Vec::new();
        blocks.try_reserve_exact(count).map_err(|_| HashError::OutOfMemory { kib: count as u64 })?;
        blocks.resize(count, [0; WORDS]);
        let seed = initial_hash(inputs, out_length);
        let mut bytes = Zeroizing::new([0_u8; WORDS * 8]);
        for lane in 0..lanes {
            for column in 0..2 {
                let (column_le, lane_le) = ((column as u32).to_le_bytes(), (lane as u32).to_le_bytes());
                long_hash(&[seed.as_slice(), &column_le, &lane_le], bytes.as_mut_slice());
                let block = &mut blocks[lane * lane_length + column];
                for (word, chunk) in block.iter_mut().zip(bytes.chunks_exact(8)) {
                    *word = chunk.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
                }
            }
        }
        Ok(Self { blocks, lanes, lane_length, passes: inputs.passes })
    }

    fn fill_segment(&mut self, at: Position) {
        let segment = self.lane_length / SLICES;
        // Argon2id takes its addresses from a counter in the first half of the first pass, then from the data.
        let mut addresses = (at.pass == 0 && at.slice < SLICES / 2).then(|| self.addresses(at));
        let first = if at.pass == 0 && at.slice == 0 { 2 } else { 0 };
        for index in first..segment {
            let column = at.slice * segment + index;
            let current = at.lane * self.lane_length + column;
            let previous = if column == 0 { current + self.lane_length - 1 } else { current - 1 };
            let random = match &mut addresses {
                Some(addresses) => addresses.at(index),
                None => self.blocks[previous][0],
            };
            let reference = self.reference(at, index, random);
            let mut block = compress(&self.blocks[previous], &self.blocks[reference]);
            if at.pass > 0 {
                xor(&mut block, &self.blocks[current]);
            }
            self.blocks[current] = block;
        }
    }

    /// RFC 9106, 3.4.2: which block a random word refers to.
    fn reference(&self, at: Position, index: usize, random: u64) -> usize {
        let segment = self.lane_length / SLICES;
        let own_lane_only = at.pass == 0 && at.slice == 0;
        let lane = if own_lane_only { at.lane } else { (random >> 32) as usize % self.lanes };
        let finished = if at.pass == 0 { at.slice * segment } else { self.lane_length - segment };
        let area = if lane == at.lane { finished + index - 1 } else { finished - usize::from(index == 0) };
        let squared = ((random & 0xffff_ffff) * (random & 0xffff_ffff)) >> 32;
        let relative = area - 1 - ((area as u64 * squared) >> 32) as usize;
        let start = if at.pass > 0 && at.slice + 1 < SLICES { (at.slice + 1) * segment } else { 0 };
        lane * self.lane_length + (start + relative) % self.lane_length
    }

    fn addresses(&self, at: Position) -> Addresses {
        let mut input = [0; WORDS];
        let memory = self.blocks.len() as u64;
        let fields = [
            u64::from(at.pass),
            at.lane as u64,
            at.slice as u64,
            memory,
            u64::from(self.passes),
            u64::from(TYPE_ID),
        ];
        input[..fields.len()].copy_from_slice(&fields);
        Addresses { input, block: [0; WORDS], generated: 0 }
    }
}

/// The counter-driven addresses of one segment, 128 at a time.
struct Addresses {
    input: Words,
    block: Words,
    /// How many blocks of addresses were made; word 6 of the input counts them from 1.
    generated: usize,
}

impl Addresses {
    fn at(&mut self, index: usize) -> u64 {
        while self.generated <= index / WORDS {
            self.generated += 1;
            self.input[6] = self.generated as u64;
            let zero = [0; WORDS];
            self.block = compress(&zero, &compress(&zero, &self.input));
        }
        self.block[index % WORDS]
    }
}

/// H0 of RFC 9106, 3.2: every parameter and input, each with its length.
fn initial_hash(inputs: &Inputs<'_>, out_length: usize) -> Zeroizing<[u8; 64]> {
    let mut hasher = Blake2b512::new();
    let fields = [inputs.lanes, out_length as u32, inputs.memory_kib, inputs.passes, VERSION, TYPE_ID];
    for field in fields {
        Digest::update(&mut hasher, field.to_le_bytes());
    }
    // The last two are the secret and the associated data, which no stored hash has.
    for bytes in [inputs.password, inputs.salt, &[], &[]] {
        Digest::update(&mut hasher, (bytes.len() as u32).to_le_bytes());
        Digest::update(&mut hasher, bytes);
    }
    Zeroizing::new(hasher.finalize().into())
}

/// H' of RFC 9106, 3.3: BLAKE2b with an output of any length.
fn long_hash(inputs: &[&[u8]], out: &mut [u8]) {
    let length = (out.len() as u32).to_le_bytes();
    if out.len() <= 64 {
        short_hash(std::iter::once(length.as_slice()).chain(inputs.iter().copied()), out);
        return;
    }
    let mut link = Zeroizing::new([0_u8; 64]);
    short_hash(std::iter::once(length.as_slice()).chain(inputs.iter().copied()), link.as_mut_slice());
    let mut rest = out;
    loop {
        let (head, tail) = rest.split_at_mut(32);
        head.copy_from_slice(&link[..32]);
        rest = tail;
        if rest.len() <= 64 {
            short_hash(std::iter::once(link.as_slice()), rest);
            return;
        }
        let mut next = Zeroizing::new([0_u8; 64]);
        short_hash(std::iter::once(link.as_slice()), next.as_mut_slice());
        link = next;
    }
}

/// BLAKE2b with an output of 1 to 64 bytes; other lengths, which nobody asks for, leave `out` as it is.
fn short_hash<'a>(inputs: impl Iterator<Item = &'a [u8]>, out: &mut [u8]) {
    let Ok(mut core) = <Blake2bVarCore as VariableOutputCore>::new(out.len()) else { return };
    let mut buffer = LazyBuffer::default();
    for input in inputs {
        buffer.digest_blocks(input, |blocks| core.update_blocks(blocks));
    }
    let mut full = Output::<Blake2bVarCore>::default();
    core.finalize_variable_core(&mut buffer, &mut full);
    out.copy_from_slice(&full[..out.len()]);
    full.as_mut_slice().zeroize();
}

fn xor(left: &mut Words, right: &Words) {
    for (left, right) in left.iter_mut().zip(right) {
        *left ^= right;
    }
}

/// G of RFC 9106, 3.5.
fn compress(left: &Words, right: &Words) -> Words {
    let mut mixed = *left;
    xor(&mut mixed, right);
    let input = mixed;
    for row in 0..8 {
        permute(&mut mixed, std::array::from_fn(|at| row * 16 + at));
    }
    for column in 0..8 {
        permute(&mut mixed, std::array::from_fn(|at| at / 2 * 16 + column * 2 + at % 2));
    }
    xor(&mut mixed, &input);
    mixed
}

/// P of RFC 9106, 3.6, over the sixteen words at `at`.
fn permute(block: &mut Words, at: [usize; 16]) {
    let mut v: [u64; 16] = at.map(|at| block[at]);
    for [a, b, c, d] in [[0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]] {
        mix(&mut v, a, b, c, d);
    }
    for [a, b, c, d] in [[0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]] {
        mix(&mut v, a, b, c, d);
    }
    for (at, word) in at.into_iter().zip(v) {
        block[at] = word;
    }
}

#[inline(always)]
fn mix(v: &mut [u64; 16], a: usize, b: usize, c: usize, d: usize) {
    for (rotate_d, rotate_b) in [(32, 24), (16, 63)] {
        v[a] = multiply_add(v[a], v[b]);
        v[d] = (v[d] ^ v[a]).rotate_right(rotate_d);
        v[c] = multiply_add(v[c], v[d]);
        v[b] = (v[b] ^ v[c]).rotate_right(rotate_b);
    }
}

#[inline(always)]
fn multiply_add(x: u64, y: u64) -> u64 {
    let product = (x & 0xffff_ffff).wrapping_mul(y & 0xffff_ffff);
    x.wrapping_add(y).wrapping_add(product.wrapping_mul(2))
}
