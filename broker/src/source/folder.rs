//! What the files of a folder say, now and since the last look.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use moat_crds::compile::{Change, Diagnostic, ResourceKey};
use moat_crds::file::{
    Assembly, FILE_BYTES_MAX, Finding, Outcome, Place, Reading, Severity, YamlProblem, assemble, read,
};
use sha2::{Digest, Sha256};

use super::listing::{Listing, Look};

/// A file, as it was read last.
struct Known {
    look: Look,
    /// Whether it may have changed since without looking so.
    recent: bool,
    digest: [u8; 32],
    /// What it says. When its newest content is no YAML, the findings are about that, and the entries are those of
    /// the last content that was.
    reading: Reading,
}

/// A folder, and what its files say.
pub(crate) struct FolderSource {
    dir: PathBuf,
    files: BTreeMap<PathBuf, Known>,
    /// Files that someone is writing: they are read when that is over.
    busy: BTreeSet<PathBuf>,
    assembly: Assembly,
    /// What could not be looked at or read.
    troubles: Vec<Finding>,
    /// The resources that were rejected where they were read.
    rejected: BTreeSet<ResourceKey>,
}

impl FolderSource {
    /// A folder that has not been looked at yet.
    ///
    /// # Errors
    /// If it is no folder, or cannot be listed.
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        std::fs::read_dir(dir)?;
        Ok(Self {
            // Events name files by absolute paths.
            dir: std::path::absolute(dir)?,
            files: BTreeMap::new(),
            busy: BTreeSet::new(),
            assembly: Assembly::default(),
            troubles: Vec::new(),
            rejected: BTreeSet::new(),
        })
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sets the files that someone is writing.
    pub(super) fn set_busy(&mut self, busy: BTreeSet<PathBuf>) {
        self.busy = busy;
    }

    /// Whether a file looks changed, came or went; reads no content.
    pub(super) fn looks_changed(&self) -> bool {
        let listing = Listing::of(&self.dir);
        let same = |(path, look): (&PathBuf, &Look)| {
            self.busy.contains(path)
                || self.files.get(path).is_some_and(|known| known.look == *look && !known.recent)
        };
        self.misses(&listing) || !listing.files.iter().all(same)
    }

    /// Whether a file is gone that was there: perhaps only until its replacement has its name.
    pub(super) fn has_lost(&self) -> bool {
        self.misses(&Listing::of(&self.dir))
    }

    fn misses(&self, listing: &Listing) -> bool {
        self.files.keys().any(|path| !listing.files.contains_key(path) && !listing.may_hide(path))
    }

    /// Reads what looks changed and says what that changes; none if nothing is different, not even what there is to
    /// say.
    pub(crate) fn refresh(&mut self) -> Option<Vec<Change>> {
        let listing = Listing::of(&self.dir);
        let before = self.files.len();
        self.files.retain(|path, _| listing.files.contains_key(path) || listing.may_hide(path));
        let mut changed = self.files.len() != before;
        let mut troubles = self.troubles_of(&listing);
        for (path, look) in listing.files {
            if self.busy.contains(&path) {
                continue;
            }
            match self.read_file(&path, look) {
                Ok(new) => changed |= new,
                // Gone since the listing: the next look sees that. What it said stays until then.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => troubles.push(self.unreadable(&path, &error)),
            }
        }
        if !changed && troubles == self.troubles {
            return None;
        }
        self.troubles = troubles;
        let readings = || self.files.values().map(|known| &known.reading);
        let assembly = assemble(readings());
        let changes = assembly.changes_since(&self.assembly);
        self.rejected = readings()
            .flat_map(|reading| &reading.entries)
            .filter(|entry| matches!(entry.outcome, Outcome::Rejected(_)))
            .map(|entry| entry.key.clone())
            .collect();
        self.assembly = assembly;
        Some(changes)
    }

    /// What is wrong with the files, beside what compiling tells about the resources in them.
    pub(crate) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.troubles.iter().chain(self.assembly.findings())
    }

    /// Whether the findings hold what this diagnostic says: its resource was rejected where it was read.
    pub(crate) fn has_said(&self, diagnostic: &Diagnostic) -> bool {
        diagnostic.reason == moat_crds::compile::Reason::Invalid
            && self.rejected.contains(&diagnostic.resource)
    }

    /// A diagnostic with the place that it is about.
    pub(crate) fn placed(&self, diagnostic: &Diagnostic) -> String {
        let field = diagnostic.field.as_deref().unwrap_or_default();
        match self.assembly.place(&diagnostic.resource, field) {
            Some(place) => format!("{place}: {diagnostic}"),
            None => diagnostic.to_string(),
        }
    }

    /// Reads a file if it may have changed; true if it says something new.
    fn read_file(&mut self, path: &Path, look: Look) -> io::Result<bool> {
        let known = self.files.get_mut(path);
        if known.as_ref().is_some_and(|known| known.look == look && !known.recent) {
            return Ok(false);
        }
        let recent = look.is_recent(SystemTime::now());
        let bytes = read_bounded(path)?;
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        if let Some(known) = known.filter(|known| known.digest == digest) {
            (known.look, known.recent) = (look, recent);
            return Ok(false);
        }
        let mut reading = match bytes.len() {
            length if length > FILE_BYTES_MAX => self.too_large(path, look),
            _ => read(&self.name(path), &bytes),
        };
        if let Some(known) = self.files.get(path) {
            keep_doubtful(&mut reading, &known.reading);
        }
        self.files.insert(path.to_owned(), Known { look, recent, digest, reading });
        Ok(true)
    }

    /// The name of a file in messages.
    fn name(&self, path: &Path) -> String {
        let name = path.strip_prefix(&self.dir).unwrap_or(path);
        if name.as_os_str().is_empty() { path.display().to_string() } else { name.display().to_string() }
    }

    fn finding(&self, path: &Path, reason: &'static str, message: String) -> Finding {
        let place = Place { file: Arc::from(self.name(path)), line: 1, column: 1 };
        Finding { place, severity: Severity::Error, resource: None, field: String::new(), reason, message }
    }

    fn unreadable(&self, path: &Path, error: &io::Error) -> Finding {
        let message =
            format!("cannot be read ({error}), and what it said before stays: give the broker access to it");
        self.finding(path, "Unreadable", message)
    }

    fn troubles_of(&self, listing: &Listing) -> Vec<Finding> {
        let hidden = listing.hidden.iter().map(|(path, error)| self.unreadable(path, error));
        let odd = listing.odd.iter().map(|path| {
            let message = "is no regular file and is left out: rename or remove it".to_owned();
            self.finding(path, "NotAFile", message)
        });
        hidden.chain(odd).collect()
    }

    /// What a file says that is too large to be read.
    fn too_large(&self, path: &Path, look: Look) -> Reading {
        let problem = YamlProblem::TooLarge(usize::try_from(look.length).unwrap_or(usize::MAX));
        let finding = self.finding(path, problem.reason(), problem.to_string());
        let file = finding.place.file.clone();
        Reading { file, broken: true, entries: Vec::new(), findings: vec![finding] }
    }
}

/// Reads a file, but not more than one byte too many.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Keeps of what a file said before what its new content may still mean: everything, when it is no YAML and perhaps
/// half-written; what is missing now, when a document of it cannot be told, which may be just that.
fn keep_doubtful(reading: &mut Reading, before: &Reading) {
    let told: BTreeSet<_> = reading.entries.iter().map(|entry| entry.key.short()).collect();
    let nameless = |finding: &Finding| {
        finding.severity == Severity::Error
            && finding.resource.as_ref().is_none_or(|name| !told.contains(name))
    };
    if reading.broken || reading.findings.iter().any(nameless) {
        let keys: BTreeSet<_> = reading.entries.iter().map(|entry| entry.key.clone()).collect();
        let missing = before.entries.iter().filter(|entry| !keys.contains(&entry.key)).cloned();
        reading.entries.extend(missing);
    }
}
