//! `validate`: everything that is wrong with files, each with its place: text, schema, rules, references, hashes.

use std::collections::BTreeSet;
use std::io::{self, Write};

use k8s_openapi::api::core::v1::Secret;
use moat_crds::USE_LABEL;
use moat_crds::compile::{
    self, ClusterSelection, Compiled, Conflicts, Diagnostic, Kind, LastGood, Options, Reason, Resource,
    ResourceKey, Verifiers,
};
use moat_crds::file::{Entry, Outcome, Place, Reading};
use moat_realms::hash::{HashError, Limits, StoredHash};

use crate::Answer;
use crate::cli::Validate;
use crate::files::{Files, Line};
use crate::text::amount;

pub(crate) fn run(arguments: &Validate) -> anyhow::Result<Answer> {
    let files = Files::read(&arguments.paths)?;
    let lines = findings(&files);
    let mut out = io::stdout().lock();
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    let input =
        format!("{} in {}", amount(files.assembly.len(), "resource"), amount(files.readings.len(), "file"));
    let wrong = lines.iter().filter(|line| line.wrong).count();
    if wrong == 0 {
        writeln!(out, "valid: {input}")?;
        return Ok(Answer::Yes);
    }
    writeln!(out, "not valid: {} in {input}", amount(wrong, "error"))?;
    Ok(Answer::No)
}

/// Everything there is to say, in the order of the files; each thing once.
fn findings(files: &Files) -> Vec<Line> {
    let mut lines: BTreeSet<Line> = files.lines().collect();
    lines.extend(files.entries().filter_map(|(reading, entry)| hash_line(reading, entry)));
    let told = |key: &ResourceKey| {
        files.entries().any(|(_, entry)| entry.key == *key && matches!(entry.outcome, Outcome::Rejected(_)))
    };
    // The reader has told of a rejected resource already, with the very words that `compile` was handed.
    let news = |diagnostic: &&Diagnostic| diagnostic.reason != Reason::Invalid || !told(&diagnostic.resource);
    for compiled in compile_each(files) {
        lines.extend(compiled.diagnostics.iter().filter(news).map(|diagnostic| files.line_of(diagnostic)));
    }
    lines.into_iter().collect()
}

/// Compiles for every cluster that the files have, or for none, so that what belongs to none is told of too.
fn compile_each(files: &Files) -> Vec<Compiled> {
    let resources = files.assembly.resources();
    let clusters: BTreeSet<&ResourceKey> =
        files.entries().map(|(_, entry)| &entry.key).filter(|key| key.kind == Kind::MqttCluster).collect();
    let named = |key: &ResourceKey| ClusterSelection::Named {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
    };
    let mut selections: Vec<_> = clusters.into_iter().map(named).collect();
    if selections.is_empty() && !files.assembly.is_empty() {
        selections.push(ClusterSelection::Only);
    }
    let compile = |cluster| {
        let options = Options { cluster, conflicts: Conflicts::AreErrors };
        compile::compile(&options, resources.clone(), &LastGood::new(), &Verifiers::new())
    };
    selections.into_iter().map(compile).collect()
}

/// What a login would find out about a hash: that it cannot be read, or asks for more work than a login may take.
fn hash_line(reading: &Reading, entry: &Entry) -> Option<Line> {
    let Outcome::Valid(resource) = &entry.outcome else { return None };
    let Resource::Secret(secret) = &**resource else { return None };
    let (field, problem) = hash_problem(secret)?;
    let spot = entry.spot.find(field);
    Some(Line {
        place: Some(Place { file: reading.file.clone(), line: spot.line, column: spot.column }),
        resource: entry.key.short(),
        field: field.to_owned(),
        reason: problem.reason(),
        message: problem.to_string(),
        wrong: true,
    })
}

fn hash_problem(secret: &Secret) -> Option<(&'static str, HashError)> {
    if secret.metadata.labels.as_ref()?.get(USE_LABEL)? != "credential" {
        return None;
    }
    // As in the API server, what stands in `stringData` counts.
    let text = secret.string_data.as_ref().and_then(|values| values.get("hash")).map(String::as_bytes);
    let data = || secret.data.as_ref().and_then(|values| values.get("hash")).map(|value| value.0.as_slice());
    let (field, bytes) =
        text.map(|text| ("stringData.hash", text)).or_else(|| data().map(|data| ("data.hash", data)))?;
    let judged = match std::str::from_utf8(bytes) {
        Ok(text) => StoredHash::parse(text).and_then(|hash| Limits::default().check(&hash.scheme())),
        Err(_) => Err(HashError::Malformed("it is not UTF-8 text")),
    };
    Some((field, judged.err()?))
}
