//! Reads what the command line names. What the text means is [`moat_crds::file`]'s part; here is only the disk.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use moat_crds::file::{Assembly, Entry, FILE_BYTES_MAX, Place, Reading, Severity, assemble, read};

/// All files of one command, as one input.
pub(crate) struct Files {
    pub(crate) readings: Vec<Reading>,
    pub(crate) assembly: Assembly,
}

/// One thing to say about the files, in the form in which it is printed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) place: Option<Place>,
    /// `Kind/name`, or empty when the text could not be read that far.
    pub(crate) resource: String,
    /// Empty for the whole.
    pub(crate) field: String,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// Whether it makes the files wrong.
    pub(crate) wrong: bool,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if !self.wrong {
            f.write_str("warning: ")?;
        }
        for part in [&self.resource, &self.field].into_iter().filter(|part| !part.is_empty()) {
            write!(f, "{part}: ")?;
        }
        write!(f, "{}: {}", self.reason, self.message)
    }
}

impl Files {
    /// Reads files and folders. In a folder, and in the folders in it, count files that end in `.yaml` or `.yml` and
    /// whose name does not begin with a dot: editors' and mounted volumes' own files do. `-` is standard input.
    pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mut readings = Vec::new();
        for path in paths {
            if path.as_os_str() == "-" {
                let bytes = read_bounded(&mut io::stdin().lock()).context("failed to read standard input")?;
                readings.push(read("-", &bytes));
            } else if fs::metadata(path)
                .with_context(|| format!("failed to read {}", path.display()))?
                .is_dir()
            {
                let before = readings.len();
                read_folder(path, &mut readings)?;
                if readings.len() == before {
                    bail!("{} has no files that end in .yaml or .yml", path.display());
                }
            } else {
                readings.push(read_file(path)?);
            }
        }
        Ok(Self { assembly: assemble(&readings), readings })
    }

    /// Every resource that could be read, with the file it stands in.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Reading, &Entry)> {
        self.readings.iter().flat_map(|reading| reading.entries.iter().map(move |entry| (reading, &**entry)))
    }

    /// What the reader says about the files.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        self.assembly.findings().iter().map(|finding| {
            // The API server's words begin with the field, which the line has before the reason.
            let message =
                finding.message.strip_prefix(&*finding.field).and_then(|rest| rest.strip_prefix(": "));
            Line {
                place: Some(finding.place.clone()),
                resource: finding.resource.clone().unwrap_or_default(),
                field: finding.field.clone(),
                reason: finding.reason,
                message: message.unwrap_or(&finding.message).to_owned(),
                wrong: finding.severity == Severity::Error,
            }
        })
    }

    /// What `compile` says about the resources, at its place.
    pub(crate) fn line_of(&self, diagnostic: &moat_crds::compile::Diagnostic) -> Line {
        let field = diagnostic.field.clone().unwrap_or_default();
        Line {
            place: self.assembly.place(&diagnostic.resource, &field),
            // What is said of a cluster that does not exist has no name.
            resource: diagnostic.resource.short().trim_end_matches('/').to_owned(),
            field,
            reason: diagnostic.reason.as_str(),
            message: diagnostic.message.clone(),
            wrong: diagnostic.severity == moat_crds::compile::Severity::Error,
        }
    }
}

fn read_folder(folder: &Path, readings: &mut Vec<Reading>) -> anyhow::Result<()> {
    let problem = || format!("failed to read {}", folder.display());
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).with_context(problem)?.collect();
    let mut entries = entries.with_context(problem)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        // Not through links, which could lead back to where they are.
        if entry.file_type().with_context(problem)?.is_dir() {
            read_folder(&path, readings)?;
        } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            readings.push(read_file(&path)?);
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> anyhow::Result<Reading> {
    let name = path.display().to_string();
    let bytes = File::open(path).and_then(|mut file| read_bounded(&mut file));
    Ok(read(&name, &bytes.with_context(|| format!("failed to read {name}"))?))
}

/// One byte more than a file may have, so that the reader sees that it is too long.
fn read_bounded(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
