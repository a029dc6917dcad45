//! What a folder says, look by look.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use moat_crds::compile::{Compiler, Conflicts, LastGood, Options, Verifiers};
use moat_crds::file::FILE_BYTES_MAX;
use tempfile::{TempDir, tempdir};

use super::super::FolderSource;
use super::{findings, look, permission, write};

/// A folder with one file `one.yaml` of one Permission `a`, already read.
fn folder() -> (TempDir, FolderSource) {
    let dir = tempdir().unwrap();
    write(dir.path(), "one.yaml", &permission("a", "a"));
    let mut source = FolderSource::open(dir.path()).unwrap();
    assert_eq!(look(&mut source).unwrap(), ["+a"]);
    (dir, source)
}

#[test]
fn files_come_change_and_go() {
    let (dir, mut source) = folder();
    assert_eq!(look(&mut source), None);
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    write(dir.path(), "sub/two.yml", &format!("{}---\n{}", permission("b", "b"), permission("c", "c")));
    write(dir.path(), "notes.txt", "not ours");
    assert_eq!(look(&mut source).unwrap(), ["+b", "+c"]);
    write(dir.path(), "sub/two.yml", &permission("b", "b/changed"));
    assert_eq!(look(&mut source).unwrap(), ["+b", "-c"]);
    std::fs::remove_dir_all(dir.path().join("sub")).unwrap();
    assert!(source.has_lost() && source.looks_changed());
    assert_eq!(look(&mut source).unwrap(), ["-b"]);
}

#[test]
fn a_content_of_the_same_length_is_seen() {
    let (dir, mut source) = folder();
    for filter in ["b", "c", "d"] {
        write(dir.path(), "one.yaml", &permission("a", filter));
        assert_eq!(look(&mut source).unwrap(), ["+a"]);
    }
}

#[test]
fn a_resource_that_moves_to_another_file_does_not_go() {
    let (dir, mut source) = folder();
    std::fs::rename(dir.path().join("one.yaml"), dir.path().join("other.yaml")).unwrap();
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
}

#[test]
fn a_broken_file_says_what_it_said_before_and_where_it_is_broken() {
    let (dir, mut source) = folder();
    write(dir.path(), "one.yaml", "apiVersion: moat.dev/v1alpha1\nkind: Permission\nmetadata: {name: [}\n");
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    let [finding] = &findings(&source)[..] else { panic!("{:?}", findings(&source)) };
    assert!(finding.starts_with("one.yaml:3:"), "{finding}");
    write(dir.path(), "one.yaml", &permission("a", "mended"));
    assert_eq!(look(&mut source).unwrap(), ["+a"]);
    assert_eq!(findings(&source), [""; 0]);
}

#[test]
fn a_file_that_was_always_broken_says_nothing_but_that() {
    let dir = tempdir().unwrap();
    write(dir.path(), "one.yaml", "{");
    let mut source = FolderSource::open(dir.path()).unwrap();
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    assert_eq!(findings(&source).len(), 1);
    std::fs::remove_file(dir.path().join("one.yaml")).unwrap();
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    assert_eq!(findings(&source).len(), 0);
}

#[test]
fn a_document_that_cannot_be_told_may_be_what_is_missing() {
    let (dir, mut source) = folder();
    write(dir.path(), "one.yaml", &permission("a", "a").replace("kind: Permission", "kind: Permision"));
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    assert_eq!(findings(&source).len(), 1);
    write(dir.path(), "one.yaml", "# nothing is left\n");
    assert_eq!(look(&mut source).unwrap(), ["-a"]);
}

#[test]
fn a_resource_that_breaks_a_rule_is_rejected_and_keeps_its_last_valid_form() {
    let (dir, _) = folder();
    let cluster = "---\napiVersion: moat.dev/v1alpha1\nkind: MqttCluster\nmetadata: {name: c}\nspec: {listeners: \
                   [{name: l, protocol: mqtt, port: 1883}]}\n";
    let role = "---\napiVersion: moat.dev/v1alpha1\nkind: Realm\nmetadata: {name: r}\nspec: {clusterRef: {name: c}, \
                kubernetes: {}}\n---\napiVersion: moat.dev/v1alpha1\nkind: Role\nmetadata: {name: role}\nspec: \
                {realmRef: {name: r}, permissions: [{ref: a}]}\n";
    write(dir.path(), "two.yaml", &format!("{cluster}{role}"));
    let options = Options { conflicts: Conflicts::AreErrors, ..Options::default() };
    let mut compiler = Compiler::new(options, LastGood::new(), Verifiers::new());
    let mut source = FolderSource::open(dir.path()).unwrap();
    let good = compiler.apply(source.refresh().unwrap());
    write(dir.path(), "one.yaml", &format!("# moved down\n{}", permission("a", "a/#/b")));
    let changes = source.refresh().unwrap();
    assert_eq!(super::short(&changes), ["!a"]);
    let bad = compiler.apply(changes);
    assert_eq!(bad.bundle.digest(), good.bundle.digest());
    let [finding] = &findings(&source)[..] else { panic!("{:?}", findings(&source)) };
    assert!(finding.starts_with("one.yaml:7:3: error: Permission/a: spec.topicFilter"), "{finding}");
    let about_a = bad.diagnostics.iter().find(|d| &*d.resource.name == "a").unwrap();
    assert!(source.has_said(about_a));
    assert!(source.placed(about_a).starts_with("one.yaml:7:3: error: Permission default/a"));
    let about_l = bad.diagnostics.iter().find(|d| &*d.resource.name == "c").unwrap();
    assert!(!source.has_said(about_l));
    assert!(source.placed(about_l).starts_with("two.yaml:"));
}

#[test]
fn a_resource_that_is_there_twice_is_told_with_both_places() {
    let (dir, mut source) = folder();
    write(dir.path(), "two.yaml", &permission("a", "second"));
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    let [finding] = &findings(&source)[..] else { panic!("{:?}", findings(&source)) };
    assert!(finding.starts_with("two.yaml:4:3: error: ") && finding.contains("one.yaml:1:1"), "{finding}");
    std::fs::remove_file(dir.path().join("one.yaml")).unwrap();
    assert_eq!(look(&mut source).unwrap(), ["+a"], "the second takes over");
    assert_eq!(findings(&source), [""; 0]);
}

#[test]
fn a_mounted_config_map_is_read_through_its_links_once() {
    let dir = tempdir().unwrap();
    let version = |name: &str, filter: &str| {
        std::fs::create_dir(dir.path().join(name)).unwrap();
        write(&dir.path().join(name), "one.yaml", &permission("a", filter));
    };
    version("..v1", "a");
    symlink("..v1", dir.path().join("..data")).unwrap();
    symlink("..data/one.yaml", dir.path().join("one.yaml")).unwrap();
    let mut source = FolderSource::open(dir.path()).unwrap();
    assert_eq!(look(&mut source).unwrap(), ["+a"]);
    assert_eq!(findings(&source), [""; 0]);
    version("..v2", "b");
    symlink("..v2", dir.path().join("..data_tmp")).unwrap();
    std::fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    std::fs::remove_dir_all(dir.path().join("..v1")).unwrap();
    assert_eq!(look(&mut source).unwrap(), ["+a"]);
}

#[test]
fn a_link_to_where_it_stands_is_not_followed_for_ever() {
    let (dir, mut source) = folder();
    symlink(".", dir.path().join("loop")).unwrap();
    assert_eq!(look(&mut source), None);
}

#[test]
fn what_is_no_file_is_told_and_not_read() {
    let (dir, mut source) = folder();
    let _socket = UnixListener::bind(dir.path().join("pipe.yaml")).unwrap();
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    assert!(findings(&source)[0].contains("NotAFile"), "{:?}", findings(&source));
    assert_eq!(look(&mut source), None, "it is told once");
}

#[test]
fn what_cannot_be_looked_at_says_what_it_said_before() {
    let (dir, mut source) = folder();
    let path = dir.path().join("one.yaml");
    std::fs::remove_file(&path).unwrap();
    symlink("one.yaml", &path).unwrap();
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    assert!(
        findings(&source)[0].starts_with("one.yaml:1:1: error: cannot be read"),
        "{:?}",
        findings(&source)
    );
    std::fs::remove_file(&path).unwrap();
    assert_eq!(look(&mut source).unwrap(), ["-a"]);
}

#[test]
fn a_folder_that_is_gone_does_not_count_as_empty() {
    let (dir, mut source) = folder();
    let elsewhere = dir.path().with_extension("moved");
    std::fs::rename(dir.path(), &elsewhere).unwrap();
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    assert!(findings(&source)[0].contains("cannot be read"));
    std::fs::rename(&elsewhere, dir.path()).unwrap();
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    assert_eq!(findings(&source), [""; 0]);
}

#[test]
fn a_file_that_is_too_large_is_told_and_not_read_into_memory() {
    let (dir, mut source) = folder();
    let file = std::fs::File::options().write(true).open(dir.path().join("one.yaml")).unwrap();
    file.set_len(FILE_BYTES_MAX as u64 + 4096).unwrap();
    assert_eq!(look(&mut source).unwrap(), [""; 0]);
    assert!(findings(&source)[0].contains("FileTooLarge"), "{:?}", findings(&source));
}

#[test]
fn a_file_that_is_being_written_is_read_when_that_is_over() {
    let (dir, mut source) = folder();
    let path = std::path::absolute(dir.path().join("one.yaml")).unwrap();
    source.set_busy([path].into());
    write(dir.path(), "one.yaml", "");
    write(dir.path(), "two.yaml", &permission("b", "b"));
    assert_eq!(look(&mut source).unwrap(), ["+b"], "one.yaml is empty now, and still says what it said");
    write(dir.path(), "one.yaml", &permission("a", "whole"));
    source.set_busy([].into());
    assert_eq!(look(&mut source).unwrap(), ["+a"]);
}

#[test]
fn a_folder_must_be_one() {
    let dir = tempdir().unwrap();
    write(dir.path(), "file", "");
    assert!(FolderSource::open(&dir.path().join("file")).is_err());
    assert!(FolderSource::open(&dir.path().join("gone")).is_err());
}
