//! Which YAML files a folder holds, and how they look from outside.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Directories nest no deeper.
const MAX_DEPTH: usize = 16;
/// Within this time of its last change a file may change again and look the same: file systems tell times by ticks.
const TICK_NANOSECONDS: i128 = 2_000_000_000;

/// How a file looked from outside. Two contents of one file look different, unless it is [recent](Self::is_recent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    device: u64,
    inode: u64,
    pub(super) length: u64,
    /// When content or attributes changed; programs cannot set it, unlike the time of modification.
    changed_nanoseconds: i128,
}

impl Look {
    fn of(metadata: &Metadata) -> Self {
        let changed_nanoseconds =
            i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
        Self { device: metadata.dev(), inode: metadata.ino(), length: metadata.len(), changed_nanoseconds }
    }

    /// Whether the file changed so lately that its next change might not show.
    pub(super) fn is_recent(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).ok().and_then(|time| i128::try_from(time.as_nanos()).ok());
        now.is_none_or(|now| now - self.changed_nanoseconds < TICK_NANOSECONDS)
    }
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The YAML files.
    pub(super) files: BTreeMap<PathBuf, Look>,
    /// What could not be looked at: files below it may be there or not.
    pub(super) hidden: BTreeMap<PathBuf, io::Error>,
    /// Names of YAML files that are something else.
    pub(super) odd: Vec<PathBuf>,
}

impl Listing {
    /// Looks at all YAML files below `dir`. Names that begin with a dot are not files of the user's: among them is
    /// the `..data` of a mounted ConfigMap, to which the visible names are links. Links are followed.
    pub(super) fn of(dir: &Path) -> Self {
        let mut listing = Self::default();
        match std::fs::metadata(dir) {
            Ok(metadata) => listing.look_into(dir, &mut vec![(metadata.dev(), metadata.ino())]),
            Err(error) => {
                listing.hidden.insert(dir.to_owned(), error);
            }
        }
        listing
    }

    /// Whether a file that is not listed may be there all the same.
    pub(super) fn may_hide(&self, file: &Path) -> bool {
        self.hidden.keys().any(|hidden| file.starts_with(hidden))
    }

    /// `above` are the directories on the way, so that a link to one of them is not followed round and round.
    fn look_into(&mut self, dir: &Path, above: &mut Vec<(u64, u64)>) {
        let names = std::fs::read_dir(dir).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()
        });
        let names = match names {
            Ok(names) => names,
            // Gone since its parent was listed, which is no failure to look; the folder itself is expected to be.
            Err(error) if error.kind() == io::ErrorKind::NotFound && above.len() > 1 => return,
            Err(error) => {
                self.hidden.insert(dir.to_owned(), error);
                return;
            }
        };
        for name in names {
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = dir.join(name);
            match std::fs::metadata(&path) {
                Ok(metadata) => self.look_at(path, &metadata, above),
                // Gone since it was listed, or a link to nothing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    self.hidden.insert(path, error);
                }
            }
        }
    }

    fn look_at(&mut self, path: PathBuf, metadata: &Metadata, above: &mut Vec<(u64, u64)>) {
        let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if metadata.is_dir() {
            let this = (metadata.dev(), metadata.ino());
            if above.len() < MAX_DEPTH && !above.contains(&this) {
                above.push(this);
                self.look_into(&path, above);
                above.pop();
            }
        } else if yaml && metadata.is_file() {
            self.files.insert(path, Look::of(metadata));
        } else if yaml {
            // A pipe or device would be read for ever.
            self.odd.push(path);
        }
    }
}
