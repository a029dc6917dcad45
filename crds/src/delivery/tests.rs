use moat_policy::bundle::{Family, Prefix};
use moat_policy::{Digest, Entry, EntryKey};
use sha2::{Digest as _, Sha256};

use super::*;

fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

fn manifest() -> Manifest {
    let mut bundle = moat_policy::Bundle::new();
    bundle.set(EntryKey::settings(), Entry::Settings(moat_policy::Settings::default()).into()).unwrap();
    let shards = bundle
        .shards()
        .map(|shard| {
            let name = ShardName { family: shard.family(), prefix: shard.prefix() };
            (name, ShardRef { slot: Slot::B, digest: shard.digest() })
        })
        .collect();
    Manifest {
        schema: SCHEMA,
        cluster: "5e0c4f3a-0f52-4a1c-9a39-1f6f3f1c2c11".to_owned(),
        generation: 7,
        digest: bundle.digest(),
        listeners: vec![DeliveredListener {
            name: "internet".to_owned(),
            protocol: crate::Protocol::Mqtts,
            port: 8883,
            session_identity: crate::SessionIdentity::Owner,
            tls: Some(DeliveredTls {
                secret_name: "fleet-tls".to_owned(),
                client_auth: crate::ClientAuth::Optional,
                revision: Some(digest_of(b"material")),
            }),
        }],
        shards,
    }
}

#[test]
fn a_manifest_survives_its_text() {
    let manifest = manifest();
    assert_eq!(Manifest::read(&manifest.to_json()).unwrap(), manifest);
}

#[test]
fn a_manifest_reads_like_this() {
    insta::assert_snapshot!(manifest().to_json());
}

#[test]
fn a_half_written_manifest_is_malformed_wherever_it_ends() {
    let text = manifest().to_json();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        let error = Manifest::read(&text[..end]).unwrap_err();
        assert_eq!(error.reason(), "ManifestMalformed", "{}", &text[..end]);
    }
}

#[test]
fn a_manifest_of_another_version_is_told_even_when_it_says_more() {
    let newer = r#"{"schema":2,"colour":"red"}"#;
    assert_eq!(Manifest::read(newer).unwrap_err().reason(), "SchemaTooNew");
    let older = r#"{"schema":0}"#;
    assert_eq!(Manifest::read(older).unwrap_err().reason(), "SchemaTooOld");
    let unknown = manifest().to_json().replacen('{', r#"{"colour":"red","#, 1);
    assert_eq!(Manifest::read(&unknown).unwrap_err().reason(), "ManifestMalformed");
}

#[test]
fn a_shard_is_unpacked_only_when_it_is_the_one_that_was_named() {
    let json = b"[{\"key\":1}]";
    let packed = pack(json).unwrap();
    assert_eq!(unpack(&packed, digest_of(json)).unwrap(), json);
    assert_eq!(unpack(&packed, digest_of(b"other")).unwrap_err().reason(), "ShardMismatch");
    for end in 0..packed.len() {
        assert_eq!(unpack(&packed[..end], digest_of(json)).unwrap_err().reason(), "ShardMismatch", "{end}");
    }
    for at in 0..packed.len() {
        let mut altered = packed.clone();
        altered[at] ^= 0x40;
        if let Ok(content) = unpack(&altered, digest_of(json)) {
            assert_eq!(content, json, "only a frame that says the same may pass");
        }
    }
}

#[test]
fn a_shard_that_unpacks_into_too_much_is_refused_without_being_held() {
    let bomb = pack(&vec![b' '; 64 * 1024 * 1024]).unwrap();
    assert!(bomb.len() < SHARD_BYTES_MAX);
    assert_eq!(unpack(&bomb, digest_of(b"")).unwrap_err().reason(), "ShardTooLarge");
    let large = vec![0; SHARD_BYTES_MAX + 1];
    assert_eq!(unpack(&large, digest_of(b"")).unwrap_err().reason(), "ShardTooLarge");
}

#[test]
fn names_of_shards_survive_their_text_and_nothing_else_parses() {
    let bits: Prefix = "0101".parse().unwrap();
    for (name, text) in [
        (ShardName { family: Family::Plain, prefix: Prefix::default() }, "plain-root"),
        (ShardName { family: Family::Secret, prefix: bits }, "secret-0101"),
    ] {
        assert_eq!(name.to_string(), text);
        assert_eq!(text.parse(), Ok(name));
    }
    let long = format!("plain-{}", "0".repeat(65));
    for bad in ["", "plain", "plain-", "plain--", "other-root", "secret-012", "root", &long] {
        assert_eq!(bad.parse::<ShardName>(), Err(InvalidShardText::Name), "{bad}");
    }
    for bad in ["", "a", "c@sha256:00", "a@", "a@md5:00"] {
        assert_eq!(bad.parse::<ShardRef>(), Err(InvalidShardText::Reference), "{bad}");
    }
}

#[test]
fn objects_are_named_after_cluster_shard_and_slot() {
    let bits: Prefix = "01".parse().unwrap();
    let plain = ShardName { family: Family::Plain, prefix: Prefix::default() };
    let secret = ShardName { family: Family::Secret, prefix: bits };
    assert_eq!(names::shard("fleet", &plain, Slot::A), "fleet-policy-root-a");
    assert_eq!(names::shard("fleet", &secret, Slot::B), "fleet-credentials-01-b");
}
