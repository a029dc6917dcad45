//! Arbitrary bytes as what the operator delivers: a manifest, a packed shard, the content of shards. Reading never panics
//! and stays within its bounds, what is read is written back to the same, and a bundle loaded piece by piece is the bundle
//! loaded at once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moat_crds::delivery::{Manifest, SHARD_BYTES_MAX, pack, unpack};
use moat_policy::{Bundle, Digest};
use sha2::{Digest as _, Sha256};

/// Stands between two shards: no JSON holds it.
const BETWEEN: u8 = 0xff;

fuzz_target!(|bytes: &[u8]| {
    read_manifest(bytes);
    read_packed(bytes);
    let mut shards = bytes.splitn(2, |byte| *byte == BETWEEN);
    let (Some(first), second) = (shards.next(), shards.next()) else { return };
    let Ok(bundle) = Bundle::from_shards([first]) else { return };
    check(&bundle);
    let Some(second) = second else { return };
    let all: Vec<_> = bundle.shards().map(|shard| (shard.family(), shard.prefix())).collect();
    // Everything replaced by the second shard is the second shard alone.
    let replaced = bundle.replace(&all, [second]);
    let alone = Bundle::from_shards([second]);
    assert_eq!(replaced.is_ok(), alone.is_ok());
    if let (Ok(replaced), Ok(alone)) = (replaced, alone) {
        assert_eq!(replaced.digest(), alone.digest());
        check(&replaced);
    }
    // Both one after the other are both at once.
    let added = bundle.replace(&[], [second]);
    let both = Bundle::from_shards([first, second]);
    assert_eq!(added.is_ok(), both.is_ok());
    if let (Ok(added), Ok(both)) = (added, both) {
        assert_eq!(added.digest(), both.digest());
        check(&added);
    }
});

fn read_manifest(bytes: &[u8]) {
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    match Manifest::read(json) {
        Ok(manifest) => {
            let again = Manifest::read(&manifest.to_json()).expect("what was written can be read");
            assert_eq!(again, manifest);
        }
        Err(error) => assert!(!error.reason().is_empty() && !error.to_string().is_empty()),
    }
}

fn read_packed(bytes: &[u8]) {
    let digest = |bytes: &[u8]| Digest(Sha256::digest(bytes).into());
    // Whatever it unpacks into, it is not what a digest of something else names.
    assert!(unpack(bytes, digest(b"something else")).is_err());
    let packed = pack(bytes).expect("anything can be packed");
    let unpacked = unpack(&packed, digest(bytes));
    assert_eq!(unpacked.is_ok(), bytes.len() <= SHARD_BYTES_MAX);
    assert!(unpacked.is_err() || unpacked.is_ok_and(|unpacked| unpacked == bytes));
}

/// What a bundle writes is what it is.
fn check(bundle: &Bundle) {
    let shards: Vec<_> = bundle.shards().map(|shard| (shard.to_json(), shard.digest())).collect();
    for (json, digest) in &shards {
        assert_eq!(
            unpack(&pack(json).expect("anything can be packed"), *digest).expect("its own digest"),
            *json
        );
    }
    let again = Bundle::from_shards(shards.iter().map(|(json, _)| json.as_slice())).expect("its own shards");
    assert_eq!(again.digest(), bundle.digest());
}
