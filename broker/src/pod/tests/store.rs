//! What a volume gives back after whatever happened to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use moat_crds::compile::TlsMaterial;
use tempfile::TempDir;

use super::super::store::{Found, Saved, Store};
use super::*;

fn saved(bundle: &Bundle, generation: u64) -> Saved {
    let material = TlsMaterial {
        certificate_chain: "chain".into(),
        private_key: format!("key {generation}").as_str().into(),
        client_ca: generation.is_multiple_of(2).then(|| "ca".into()),
    };
    Saved {
        manifest: manifest(bundle, generation),
        bundle: bundle.clone(),
        certificates: [("internet".to_owned(), material)].into(),
    }
}

fn read(dir: &Path) -> Found {
    Store::new(dir).read(Some(UID))
}

fn assert_holds(found: &Found, saved: &Saved) {
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    let (manifest, bundle) = found.policy.as_ref().unwrap();
    assert_eq!((manifest, bundle.digest()), (&saved.manifest, saved.bundle.digest()));
    assert_eq!(found.certificates, saved.certificates);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn a_volume_gives_back_what_was_in_force_and_keeps_nothing_else() {
    let dir = TempDir::new().unwrap();
    assert!(read(dir.path()).policy.is_none());
    let mut store = Store::new(dir.path());
    let mut bundle = bundle();
    for generation in 1..6 {
        set_role(&mut bundle, "3", 1_000 * usize::try_from(generation).unwrap());
        let saved = saved(&bundle, generation);
        store.write(&saved).unwrap();
        assert_holds(&read(dir.path()), &saved);
        assert_eq!(files(dir.path()).len(), bundle.shards().count() + 2);
    }
    let mut again = Store::new(dir.path());
    assert!(again.read(Some(UID)).problems.is_empty());
    let saved = saved(&Bundle::new(), 9);
    again.write(&saved).unwrap();
    assert_holds(&read(dir.path()), &saved);
}

#[test]
fn only_the_brokers_user_may_read_it() {
    let dir = TempDir::new().unwrap();
    Store::new(dir.path()).write(&saved(&bundle(), 1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("policy")), 0o700);
    assert_eq!(mode(&dir.path().join("policy/shards")), 0o700);
    assert!(files(dir.path()).iter().all(|file| mode(file) == 0o600));
}

#[test]
fn a_write_that_was_cut_off_anywhere_leaves_what_was_there() {
    let (old, new) = (bundle(), {
        let mut bundle = bundle();
        set_role(&mut bundle, "3", 10);
        set_credential(&mut bundle, "3", 99, 10);
        bundle
    });
    let (old, new) = (saved(&old, 1), saved(&new, 2));
    let dir = TempDir::new().unwrap();
    Store::new(dir.path()).write(&old).unwrap();
    let written = TempDir::new().unwrap();
    Store::new(written.path()).write(&new).unwrap();
    // The order of a write: shards, certificates, manifest. Each stays whole beside its name until it is renamed.
    let mut order = files(&written.path().join("policy/shards"));
    order.extend(["certificates.json", "manifest.json"].map(|name| written.path().join("policy").join(name)));
    for (i, from) in order.iter().enumerate() {
        let to = dir.path().join(from.strip_prefix(written.path()).unwrap());
        let bytes = fs::read(from).unwrap();
        for part in [0, bytes.len() / 2, bytes.len()] {
            fs::write(to.with_extension("new"), &bytes[..part]).unwrap();
            let found = read(dir.path());
            let (manifest, bundle) = found.policy.unwrap();
            assert_eq!((manifest.generation, bundle.digest()), (1, old.bundle.digest()), "{i} {part}");
        }
        fs::rename(to.with_extension("new"), &to).unwrap();
    }
    assert_holds(&read(dir.path()), &new);
    let mut store = Store::new(dir.path());
    store.read(Some(UID));
    store.write(&new).unwrap();
    assert_eq!(files(dir.path()).len(), new.bundle.shards().count() + 2, "what was left over is gone");
}

#[test]
fn whatever_is_broken_is_named_left_out_and_mended_by_the_next_write() {
    let bundle = bundle();
    let saved = saved(&bundle, 1);
    let whole = TempDir::new().unwrap();
    Store::new(whole.path()).write(&saved).unwrap();
    for file in files(whole.path()) {
        let bytes = fs::read(&file).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0x20;
        for damaged in [Some(Vec::new()), Some(bytes[..bytes.len() / 2].to_vec()), Some(flipped), None] {
            match &damaged {
                Some(damaged) => fs::write(&file, damaged).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let mut store = Store::new(whole.path());
            let found = store.read(Some(UID));
            let name = file.file_name().unwrap().to_str().unwrap();
            match name {
                "manifest.json" => assert!(found.policy.is_none() || found.problems.is_empty()),
                "certificates.json" => assert!(found.policy.is_some()),
                _ => assert!(found.policy.is_none() && found.problems.len() == 1, "{name}: {found:?}"),
            }
            store.write(&saved).unwrap();
            assert_holds(&read(whole.path()), &saved);
        }
    }
}

#[test]
fn the_policy_of_another_cluster_is_not_for_this_one() {
    let dir = TempDir::new().unwrap();
    let mut saved = saved(&bundle(), 7);
    saved.manifest.cluster = "another".to_owned();
    Store::new(dir.path()).write(&saved).unwrap();
    let found = read(dir.path());
    assert!(found.policy.is_none() && found.certificates.is_empty());
    assert!(found.problems[0].to_string().contains("another"));
    assert_holds(&Store::new(dir.path()).read(None), &saved);
}

#[test]
fn a_volume_that_cannot_be_written_says_so() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("policy"), "in the way").unwrap();
    let error = Store::new(dir.path()).write(&saved(&bundle(), 1)).unwrap_err();
    assert_eq!(error.to_problem().reason, "VolumeUnwritable");
    assert!(read(dir.path()).policy.is_none());
}
