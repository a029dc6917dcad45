//! Arbitrary text as a stored password hash: reading it never panics, what is read is written back to an equal value,
//! and a check of whatever is within the limits ends with an answer or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moat_realms::hash::{Limits, Scratch, StoredHash};

/// Small, so that the fuzzer spends its time on texts and not on hashing.
const LIMITS: Limits = Limits {
    digest_iterations: 16,
    pbkdf2_iterations: 4,
    bcrypt_cost: 4,
    argon2_memory_kib: 64,
    argon2_work_kib: 128,
    argon2_lanes: 4,
};

fuzz_target!(|text: &str| {
    let Ok(stored) = StoredHash::parse(text) else { return };
    let written = stored.to_text();
    assert_eq!(StoredHash::parse(&written).as_ref(), Ok(&stored), "what is written is read back");
    assert_eq!(stored.shape().scheme, stored.scheme());
    let _ = stored.verify(text.as_bytes(), &LIMITS, &mut Scratch::default());
});
