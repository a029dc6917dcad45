//! Several files as one: what is there twice, what changed, and where a resource stands.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::sync::Arc;

use super::finding::{Finding, Place, Severity};
use super::load::{Entry, Outcome, Reading};
use crate::compile::{Change, ResourceKey, Resources};

/// The resources of a folder.
#[derive(Debug, Clone, Default)]
pub struct Assembly {
    entries: BTreeMap<ResourceKey, (Arc<str>, Arc<Entry>)>,
    findings: Vec<Finding>,
}

/// Puts files together. Of a resource that is there twice the first one counts, in the order of the files.
pub fn assemble<'a>(readings: impl IntoIterator<Item = &'a Reading>) -> Assembly {
    let mut assembly = Assembly::default();
    for reading in readings {
        assembly.findings.extend(reading.findings.iter().cloned());
        for entry in &reading.entries {
            match assembly.entries.entry(entry.key.clone()) {
                Slot::Vacant(slot) => {
                    slot.insert((reading.file.clone(), entry.clone()));
                }
                Slot::Occupied(slot) => {
                    let (file, first) = slot.get();
                    let first =
                        Place { file: file.clone(), line: first.spot.line, column: first.spot.column };
                    assembly.findings.push(duplicate(&reading.file, entry, &first));
                }
            }
        }
    }
    assembly
}

fn duplicate(file: &Arc<str>, entry: &Entry, first: &Place) -> Finding {
    const NAME: &str = "metadata.name";
    let spot = entry.spot.find(NAME);
    Finding {
        place: Place { file: file.clone(), line: spot.line, column: spot.column },
        severity: Severity::Error,
        resource: Some(entry.key.short()),
        field: NAME.to_owned(),
        reason: "DuplicateResource",
        message: format!("{} is already at {first}, and that one counts: rename or remove one", entry.key),
    }
}

impl Assembly {
    /// Everything there is to say about the files and what is in them.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many resources there are, rejected ones included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them, to compile.
    pub fn resources(&self) -> Resources {
        let mut resources = Resources::new();
        for (_, entry) in self.entries.values() {
            match &entry.outcome {
                Outcome::Valid(resource) => resources.insert(resource.as_ref().clone()),
                Outcome::Rejected(rejected) => resources.reject(rejected.as_ref().clone()),
            }
        }
        resources
    }

    /// What makes `older` into this one.
    pub fn changes_since(&self, older: &Self) -> Vec<Change> {
        let gone = older.entries.keys().filter(|key| !self.entries.contains_key(*key));
        let mut changes: Vec<_> = gone.cloned().map(Change::Delete).collect();
        for (key, (_, entry)) in &self.entries {
            let same =
                |(_, before): &(_, Arc<Entry>)| Arc::ptr_eq(before, entry) || before.content == entry.content;
            if older.entries.get(key).is_some_and(same) {
                continue;
            }
            changes.push(match &entry.outcome {
                Outcome::Valid(resource) => Change::Upsert(resource.as_ref().clone()),
                Outcome::Rejected(rejected) => Change::Reject(rejected.as_ref().clone()),
            });
        }
        changes
    }

    /// Where a field of a resource stands; of a field that is not written, what is around it.
    pub fn place(&self, key: &ResourceKey, field: &str) -> Option<Place> {
        let (file, entry) = self.entries.get(key)?;
        let spot = entry.spot.find(field);
        Some(Place { file: file.clone(), line: spot.line, column: spot.column })
    }
}
