//! A folder of resources, edited as people and programs edit such folders.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A temporary folder of YAML files; gone when dropped.
pub struct Folder {
    root: TempDir,
}

impl Folder {
    /// An empty folder.
    ///
    /// # Errors
    ///
    /// When the system's folder for temporary files cannot be written.
    pub fn new() -> Result<Self> {
        let root = tempfile::Builder::new().prefix("moat-e2e-").tempdir()?;
        fs::create_dir(root.path().join("resources"))?;
        Ok(Self { root })
    }

    /// A copy of a folder of the repository, such as `config/samples/quickstart`.
    ///
    /// # Errors
    ///
    /// When the folder is not there or a file of it cannot be copied.
    pub fn copy_of(path_in_repository: &str) -> Result<Self> {
        let folder = Self::new()?;
        let source = crate::programs::repository().join(path_in_repository);
        for entry in fs::read_dir(&source).with_context(|| format!("failed to read {}", source.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
            }
        }
        Ok(folder)
    }

    /// Where the resources lie: what the broker is started on.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.root.path().join("resources")
    }

    /// A place beside the resources, for logs and keys that the broker does not read.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file in place, as `cat > file` does: a reader may see half of it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path().join(name);
        fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))
    }

    /// Writes a new file and renames it over the old one, as editors do.
    ///
    /// # Errors
    ///
    /// When the file cannot be written or renamed.
    pub fn replace(&self, name: &str, text: &str) -> Result<()> {
        let draft = self.path().join(format!(".{name}.swp"));
        fs::write(&draft, text)?;
        fs::rename(&draft, self.path().join(name)).with_context(|| format!("failed to replace {name}"))
    }

    /// Replaces `from` by `to` in a file, which must hold `from`.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, or does not hold `from`.
    pub fn edit(&self, name: &str, from: &str, to: &str) -> Result<()> {
        let text = self.read(name)?;
        anyhow::ensure!(text.contains(from), "{name} does not hold {from:?}");
        self.replace(name, &text.replace(from, to))
    }

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn read(&self, name: &str) -> Result<String> {
        let path: &Path = &self.path().join(name);
        fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
    }

    /// Deletes a file.
    ///
    /// # Errors
    ///
    /// When the file is not there.
    pub fn remove(&self, name: &str) -> Result<()> {
        fs::remove_file(self.path().join(name)).with_context(|| format!("failed to remove {name}"))
    }
}
