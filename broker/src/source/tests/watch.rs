//! Changes of a real folder, as they are noticed. Each test waits for a condition, with a deadline.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::{TempDir, tempdir};

use super::super::watch::Watch;
use super::super::{FolderSource, watch};
use super::{permission, short, write};

/// Far more than any machine needs.
const DEADLINE: Duration = Duration::from_secs(60);

struct Followed {
    changes: Receiver<Vec<String>>,
    _watch: Watch,
}

impl Followed {
    fn new(dir: &Path) -> Self {
        let mut source = FolderSource::open(dir).unwrap();
        source.refresh();
        let (to, changes) = channel();
        let watch = watch(source, move |source| {
            // The test may be over.
            let _ = source.refresh().map(|changes| to.send(short(&changes)));
        });
        Self { changes, _watch: watch.unwrap() }
    }

    /// Everything that was noticed until `last` was.
    fn until(&self, last: &str) -> Vec<String> {
        let begun = Instant::now();
        let mut all = Vec::new();
        while !all.iter().any(|change| change == last) {
            let left = DEADLINE.saturating_sub(begun.elapsed());
            all.extend(
                self.changes
                    .recv_timeout(left)
                    .unwrap_or_else(|_| panic!("{last} was not seen, only {all:?}")),
            );
        }
        all
    }
}

fn folder() -> (TempDir, Followed) {
    let dir = tempdir().unwrap();
    write(dir.path(), "one.yaml", &permission("a", "a"));
    let followed = Followed::new(dir.path());
    (dir, followed)
}

#[test]
fn a_file_that_is_made_changed_and_removed_is_noticed() {
    let (dir, followed) = folder();
    write(dir.path(), "two.yaml", &permission("b", "b"));
    assert_eq!(followed.until("+b"), ["+b"]);
    write(dir.path(), "two.yaml", &permission("b", "changed"));
    assert_eq!(followed.until("+b"), ["+b"]);
    std::fs::remove_file(dir.path().join("two.yaml")).unwrap();
    assert_eq!(followed.until("-b"), ["-b"]);
}

#[test]
fn an_editor_that_renames_and_replaces_causes_no_gap() {
    let (dir, followed) = folder();
    for turn in 0..8 {
        write(dir.path(), ".one.yaml.swp", &permission("a", &format!("turn/{turn}")));
        let began = Instant::now();
        std::fs::rename(dir.path().join("one.yaml"), dir.path().join("one.yaml~")).unwrap();
        std::fs::rename(dir.path().join(".one.yaml.swp"), dir.path().join("one.yaml")).unwrap();
        let gap = began.elapsed();
        let seen = followed.until("+a");
        // A machine that does not run this thread for so long makes a gap that no editor makes.
        assert!(seen == ["+a"] || gap > Duration::from_millis(100), "never gone, changed once: {seen:?}");
    }
}

#[test]
fn a_mounted_config_map_that_is_swapped_is_noticed() {
    let dir = tempdir().unwrap();
    let version = |turn: u8| {
        let name = format!("..v{turn}");
        std::fs::create_dir(dir.path().join(&name)).unwrap();
        write(&dir.path().join(&name), "one.yaml", &permission("a", &name));
        symlink(&name, dir.path().join("..data_tmp")).unwrap();
        std::fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    };
    version(0);
    symlink("..data/one.yaml", dir.path().join("one.yaml")).unwrap();
    let followed = Followed::new(dir.path());
    for turn in 1..4 {
        version(turn);
        assert_eq!(followed.until("+a"), ["+a"]);
    }
}

#[test]
fn a_file_in_a_new_directory_is_noticed() {
    let (dir, followed) = folder();
    std::fs::create_dir_all(dir.path().join("deep/er")).unwrap();
    write(dir.path(), "deep/er/two.yaml", &permission("b", "b"));
    assert_eq!(followed.until("+b"), ["+b"]);
    write(dir.path(), "deep/er/two.yaml", &permission("b", "changed"));
    assert_eq!(followed.until("+b"), ["+b"]);
}

#[test]
fn a_file_that_is_written_in_pieces_is_read_as_a_whole() {
    let (dir, followed) = folder();
    let mut file = std::fs::File::create(dir.path().join("two.yaml")).unwrap();
    let text = permission("b", "b");
    for piece in text.as_bytes().chunks(8) {
        file.write_all(piece).unwrap();
        file.flush().unwrap();
    }
    drop(file);
    assert_eq!(followed.until("+b"), ["+b"]);
}

#[test]
fn a_folder_behind_a_link_that_moves_on_is_followed() {
    let base = tempdir().unwrap();
    for release in ["one", "two"] {
        std::fs::create_dir(base.path().join(release)).unwrap();
        write(&base.path().join(release), "a.yaml", &permission("a", release));
    }
    let current = base.path().join("current");
    symlink("one", &current).unwrap();
    let followed = Followed::new(&current);
    symlink("two", base.path().join("next")).unwrap();
    std::fs::rename(base.path().join("next"), &current).unwrap();
    assert_eq!(followed.until("+a"), ["+a"]);
    write(&base.path().join("two"), "b.yaml", &permission("b", "b"));
    assert_eq!(followed.until("+b"), ["+b"]);
}

#[test]
fn what_changed_before_the_watch_began_is_noticed() {
    let dir = tempdir().unwrap();
    let mut source = FolderSource::open(dir.path()).unwrap();
    source.refresh();
    write(dir.path(), "one.yaml", &permission("a", "a"));
    let (to, changes) = channel();
    let watch = watch(source, move |source| {
        let _ = source.refresh().map(|changes| to.send(short(&changes)));
    });
    assert_eq!(changes.recv_timeout(DEADLINE).unwrap(), ["+a"]);
    drop(watch);
    assert!(changes.recv().is_err(), "a dropped watch ends its thread, and with it what the callback holds");
}
