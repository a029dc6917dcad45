//! From a folder's changed resources to a policy in force: compile, hash passwords, say what is wrong.
//!
//! Runs on one thread of its own, so that nothing here ever stops a core.

use std::collections::BTreeSet;

use moat_crds::compile::{
    Change, Compiled, Compiler, Conflicts, Diagnostic, LastGood, Options, Severity, Verifiers,
};
use moat_crds::file::Severity as Weight;
use moat_policy::SecretString;
use moat_realms::hash::{DEFAULT_SCHEME, StoredHash};
use tracing::{error, info, warn};

use crate::net::reconcile::ListenerProblem;
use crate::source::FolderSource;
use crate::supervisor::Supervisor;

/// Keeps the policy and the listeners what the folder's resources say.
pub(super) struct FolderPolicy {
    supervisor: Supervisor,
    compiler: Compiler,
    /// What was said about the resources last, so that only news is logged.
    said: BTreeSet<String>,
}

impl FolderPolicy {
    pub(super) fn new(supervisor: Supervisor) -> Self {
        let options = Options { conflicts: Conflicts::AreErrors, ..Options::default() };
        let compiler = Compiler::new(options, LastGood::default(), Verifiers::new());
        Self { supervisor, compiler, said: BTreeSet::new() }
    }

    /// Takes what changed in a folder into force.
    pub(super) fn follow(&mut self, source: &mut FolderSource) {
        let Some(changes) = source.refresh() else {
            if !self.supervisor.enforces() {
                self.apply(Vec::new(), source);
            }
            return;
        };
        self.apply(changes, source);
    }

    fn apply(&mut self, changes: Vec<Change>, source: &FolderSource) {
        let mut compiled = self.compiler.apply(changes);
        if !compiled.wanted.is_empty() {
            let verified = self.hash(&compiled);
            compiled = self.compiler.apply(verified);
        }
        let errors = self.say(&compiled.diagnostics, source);
        self.supervisor.enforce(compiled.bundle, errors);
        for ListenerProblem { listener, message } in self.supervisor.listen(&compiled.listeners) {
            error!(listener, "{message}");
        }
    }

    /// Hashes the plain passwords that the compiler asks for.
    fn hash(&self, compiled: &Compiled) -> Vec<Change> {
        let limits = self.supervisor.hash_limits();
        let hashed = compiled.wanted.iter().filter_map(|wanted| {
            match StoredHash::create(DEFAULT_SCHEME, wanted.password.expose().as_bytes(), limits) {
                Ok(hash) => {
                    let verifier = SecretString::new(hash.to_text().to_string());
                    Some(Change::Verified(wanted.key.clone(), verifier))
                }
                Err(error) => {
                    error!(credential = ?wanted.key.credential, %error, "a password could not be hashed");
                    None
                }
            }
        });
        hashed.collect()
    }

    /// Logs what is new among findings and diagnostics; returns the number of errors.
    fn say(&mut self, diagnostics: &[Diagnostic], source: &FolderSource) -> usize {
        let findings =
            source.findings().map(|finding| (finding.to_string(), finding.severity == Weight::Error));
        let diagnostics = diagnostics
            .iter()
            // What the reader of the file has said about its own resource is not said twice.
            .filter(|diagnostic| !source.has_said(diagnostic))
            .map(|diagnostic| (source.placed(diagnostic), diagnostic.severity == Severity::Error));
        let mut said = BTreeSet::new();
        let mut errors = 0;
        for (line, is_error) in findings.chain(diagnostics) {
            errors += usize::from(is_error);
            if !self.said.contains(&line) {
                if is_error {
                    error!("{line}");
                } else {
                    warn!("{line}");
                }
            }
            said.insert(line);
        }
        for gone in self.said.difference(&said) {
            info!("mended: {gone}");
        }
        self.said = said;
        errors
    }
}
