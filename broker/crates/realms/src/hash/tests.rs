//! Published and computed vectors, both notations, bounds.

mod vectors;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> StoredHash {
    StoredHash::parse(text).unwrap()
}

fn refused(text: &str) -> HashError {
    StoredHash::parse(text).unwrap_err()
}

fn verifies(stored: &StoredHash, password: &[u8]) -> bool {
    stored.verify(password, &Limits::default(), &mut Scratch::default()).unwrap()
}

#[test]
fn a_new_hash_of_every_scheme_verifies_its_password_only() {
    let schemes = [
        DEFAULT_SCHEME,
        Scheme::Argon2id { memory_kib: 64, passes: 3, lanes: 4 },
        Scheme::EseArgon2id { memory_kib: 32, passes: 2 },
        Scheme::Plain,
        Scheme::Md5 { iterations: 3 },
        Scheme::Sha512 { iterations: 100 },
        Scheme::Pkcs5s2 { iterations: 10 },
        Scheme::Bcrypt { cost: 4 },
    ];
    for scheme in schemes {
        let stored = StoredHash::create(scheme, b"correct horse", &Limits::default()).unwrap();
        let again = parsed(&stored.to_text());
        assert_eq!(again, stored, "{scheme:?}");
        assert_eq!(again.salt.len(), SALT_BYTES);
        assert!(verifies(&again, b"correct horse"), "{scheme:?}");
        for wrong in [&b"correct horsf"[..], b"", b"correct horse ", b"correct hors"] {
            assert!(!verifies(&again, wrong), "{scheme:?}");
        }
        // HMAC pads its key with zero bytes, so PBKDF2 cannot tell these two; every implementation agrees in this.
        let padded = verifies(&again, b"correct horse\0");
        assert_eq!(padded, matches!(scheme, Scheme::Pkcs5s2 { .. }), "{scheme:?}");
    }
}

#[test]
fn two_hashes_of_one_password_differ_by_their_salt() {
    let make = || NewHash::default().make(b"same", &Limits::default()).unwrap();
    assert_ne!(*make(), *make());
}

#[test]
fn short_salts_are_computed_like_the_argon2_crate_computes_long_ones() {
    // Both ways of computing must agree where both exist; lanes, passes and lengths that divide badly included.
    for (memory_kib, passes, lanes, length) in
        [(8, 1, 1, 32), (9, 2, 1, 32), (32, 3, 4, 16), (1300, 2, 1, 64), (77, 1, 3, 32), (4100, 1, 2, 24)]
    {
        let inputs = argon2id::Inputs { memory_kib, passes, lanes, salt: b"12345678", password: b"pass" };
        let mut own = vec![0; length];
        argon2id::hash(&inputs, &mut own).unwrap();
        let scheme = Scheme::Argon2id { memory_kib, passes, lanes };
        let crates = compute::digest(&scheme, b"12345678", b"pass", length, &mut Scratch::default()).unwrap();
        assert_eq!(own, **crates, "m={memory_kib} t={passes} p={lanes} length={length}");
    }
}

#[test]
fn used_scratch_memory_does_not_change_an_answer() {
    let mut scratch = Scratch::default();
    let limits = Limits::default();
    let large = StoredHash::create(DEFAULT_SCHEME, b"one", &limits).unwrap();
    let small = Scheme::Argon2id { memory_kib: 64, passes: 1, lanes: 1 };
    let small = StoredHash::create(small, b"two", &limits).unwrap();
    for _ in 0..2 {
        assert!(large.verify(b"one", &limits, &mut scratch).unwrap());
        assert!(small.verify(b"two", &limits, &mut scratch).unwrap());
        assert!(!large.verify(b"two", &limits, &mut scratch).unwrap());
    }
    scratch.release();
    assert!(large.verify(b"one", &limits, &mut scratch).unwrap());
}

#[test]
fn a_cost_bomb_is_refused_with_its_reason_and_not_run() {
    let b64 = |length: usize| STANDARD.encode(vec![0_u8; length]);
    let bombs = [
        format!("ese:SHA512:2147483648::{}", b64(64)),
        format!("ese:MD5:4294967295::{}", b64(16)),
        format!("ese:PKCS5S2:2147483648::{}", b64(32)),
        format!("ese:BCRYPT:31::{}", b64(24)),
        format!("ese:ARGON2ID_9999999KB:1::{}", b64(32)),
        format!("ese:ARGON2ID_8KB:4294967295::{}", b64(32)),
        format!("ese:ARGON2ID_262144KB:17::{}", b64(32)),
        "$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "$argon2id$v=19$m=65536,t=1,p=65$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    ];
    for bomb in bombs {
        // Running any of these would take minutes to hours: that the test ends is the proof.
        let error = parsed(&bomb).verify(b"x", &Limits::default(), &mut Scratch::default()).unwrap_err();
        assert!(matches!(error, HashError::TooExpensive { .. }), "{bomb}: {error}");
        assert_eq!(error.reason(), "HashTooExpensive");
    }
}

#[test]
fn limits_are_configurable_and_inclusive() {
    let scheme = Scheme::Sha512 { iterations: 100 };
    let limits = |digest_iterations| Limits { digest_iterations, ..Limits::default() };
    assert!(limits(100).check(&scheme).is_ok());
    let error = limits(99).check(&scheme).unwrap_err();
    assert_eq!(error, HashError::TooExpensive { parameter: "iterations", value: 100, maximum: 99 });
}

#[test]
fn parameters_without_meaning_are_refused_when_read() {
    let b64 = |length: usize| STANDARD.encode(vec![0_u8; length]);
    for text in [
        format!("ese:PKCS5S2:0::{}", b64(32)),
        format!("ese:BCRYPT:3::{}", b64(24)),
        format!("ese:BCRYPT:32::{}", b64(24)),
        format!("ese:ARGON2ID_7KB:1::{}", b64(32)),
        format!("ese:ARGON2ID_10000000KB:1::{}", b64(32)),
        format!("ese:ARGON2ID_8KB:0::{}", b64(32)),
        "$argon2id$v=19$m=15,t=1,p=2$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "$argon2id$v=19$m=8,t=0,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "$argon2id$v=19$m=8,t=1,p=0$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
    ] {
        assert_eq!(refused(&text).reason(), "HashParameterOutOfRange", "{text}");
    }
}

#[test]
fn malformed_texts_are_refused_without_repeating_them() {
    let b64 = STANDARD.encode([0_u8; 64]);
    let texts = [
        String::new(),
        "hunter2".to_owned(),
        "ese:".to_owned(),
        format!("ese:SHA512:100:{b64}"),
        format!("ese:SHA512:100::{b64}:more"),
        format!("ese:SHA512:+100::{b64}"),
        format!("ese:SHA512:-1::{b64}"),
        format!("ese:SHA512:4294967296::{b64}"),
        format!("ese:SHA512:100:hunter2!:{b64}"),
        "ese:SHA512:100::hunter2!".to_owned(),
        "ese:SHA512:100::AAAA".to_owned(),
        format!("ese:PLAIN:0:{}:AAAA", STANDARD.encode([0_u8; 1025])),
        "$argon2id$v=16$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "$argon2id$v=19$t=1,m=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "$argon2id$v=19$m=8,t=1,p=1,keyid=aa$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA".to_owned(),
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ".to_owned(),
        "a".repeat(200_000),
    ];
    for text in texts {
        let error = refused(&text);
        assert_eq!(error.reason(), "HashMalformed", "{text:.60}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    for text in
        ["$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAA", "$2b$10$abc", "ese:hunter2:1::AAAA", "ese:sha512:1::AAAA"]
    {
        let error = refused(text);
        assert_eq!(error, HashError::UnknownAlgorithm, "{text}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn surrounding_white_space_and_missing_padding_do_not_matter() {
    let stored = parsed("ese:MD5:10:c2FsdA==:FEZXLgoeDSdbbR7FHWHVsQ==");
    assert_eq!(parsed("  ese:MD5:10:c2FsdA:FEZXLgoeDSdbbR7FHWHVsQ\r\n"), stored);
    assert!(verifies(&stored, b"password"));
}

#[test]
fn debug_shows_the_scheme_and_nothing_secret() {
    let shown = format!("{:?}", parsed("ese:PLAIN:0:c2FsdA==:aHVudGVyMg=="));
    assert_eq!(shown, "StoredHash { scheme: Plain, .. }");
}

#[test]
fn options_of_hash_password_become_schemes() {
    let scheme = |algorithm: &str, iterations, memory_kib| {
        NewHash { algorithm: Some(algorithm.to_owned()), iterations, memory_kib, salt: None }.scheme()
    };
    assert_eq!(NewHash::default().scheme(), Ok(DEFAULT_SCHEME));
    assert_eq!(
        scheme("Argon2id", Some(3), Some(65_536)),
        Ok(Scheme::Argon2id { memory_kib: 65_536, passes: 3, lanes: 1 })
    );
    assert_eq!(scheme("sha512", Some(100), None), Ok(Scheme::Sha512 { iterations: 100 }));
    assert_eq!(scheme("BCRYPT", None, None), Ok(Scheme::Bcrypt { cost: 12 }));
    assert_eq!(
        scheme("ARGON2ID_47104KB", Some(1), None),
        Ok(Scheme::EseArgon2id { memory_kib: 47_104, passes: 1 })
    );
    assert_eq!(scheme("scrypt", None, None), Err(HashError::UnknownAlgorithm));
    assert_eq!(scheme("BCRYPT", Some(40), None).unwrap_err().reason(), "HashParameterOutOfRange");
    assert_eq!(scheme("SHA512", None, Some(8)).unwrap_err().reason(), "HashMalformed");
}

fn schemes() -> impl Strategy<Value = Scheme> {
    prop_oneof![
        Just(Scheme::Plain),
        any::<u32>().prop_map(|iterations| Scheme::Md5 { iterations }),
        any::<u32>().prop_map(|iterations| Scheme::Sha512 { iterations }),
        (1..=u32::MAX).prop_map(|iterations| Scheme::Pkcs5s2 { iterations }),
        (4_u32..=31).prop_map(|cost| Scheme::Bcrypt { cost }),
        (8_u32..=9_999_999, 1..=u32::MAX)
            .prop_map(|(memory_kib, passes)| Scheme::EseArgon2id { memory_kib, passes }),
        (1_u32..=1000, 1..=u32::MAX, 8000..=u32::MAX)
            .prop_map(|(lanes, passes, memory_kib)| Scheme::Argon2id { memory_kib, passes, lanes }),
    ]
}

proptest! {
    #[test]
    fn parse_never_panics(text in ".{0,200}") {
        let _ = StoredHash::parse(&text);
    }

    #[test]
    fn parse_of_nearly_right_texts_never_panics(
        text in "(ese:|\\$)(PLAIN|MD5|SHA512|PKCS5S2|BCRYPT|ARGON2ID_[0-9]{0,9}KB|argon2id)[:$]{0,2}[a-zA-Z0-9+/=:$,]{0,120}"
    ) {
        if let Ok(stored) = StoredHash::parse(&text) {
            prop_assert_eq!(StoredHash::parse(&stored.to_text()), Ok(stored));
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        scheme in schemes(),
        salt in proptest::collection::vec(any::<u8>(), 0..80),
        bytes in proptest::collection::vec(any::<u8>(), 64),
    ) {
        let length = scheme.digest_length().unwrap_or(salt.len());
        let digest = Secret::new(bytes.iter().copied().cycle().take(length).collect());
        let stored = StoredHash { scheme, salt, digest };
        prop_assert_eq!(StoredHash::parse(&stored.to_text()), Ok(stored));
    }
}
