//! From changed resources to a policy in force: compile, load, swap, judge again, listeners.
//!
//! Runs on one thread of its own, so that nothing here ever stops a core.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use moat_crds::compile::{
    Change, Compiled, Compiler, Conflicts, Diagnostic, LastGood, Options, Severity, Verifiers,
};
use moat_crds::file::Severity as Weight;
use moat_policy::{Bundle, CredentialIdentity, Entry, EntryKey, Policy, SecretString};
use moat_realms::census::Census;
use moat_realms::hash::{DEFAULT_SCHEME, StoredHash};
use tracing::{error, info, warn};

use crate::net::reconcile::{ListenerProblem, Listeners};
use crate::net::worker::{Command, Hub};
use crate::source::FolderSource;
use crate::status::Status;

/// Keeps the policy and the listeners what the resources say.
pub(crate) struct Supervisor {
    hub: Arc<Hub>,
    status: Arc<Status>,
    compiler: Compiler,
    listeners: Listeners,
    bundle: Bundle,
    census: Census,
    /// What was said about the resources last, so that only news is logged.
    said: BTreeSet<String>,
    listener_problems: Vec<ListenerProblem>,
}

impl Supervisor {
    pub(crate) fn new(hub: Arc<Hub>, status: Arc<Status>, address: Option<IpAddr>) -> Self {
        let options = Options { conflicts: Conflicts::AreErrors, ..Options::default() };
        Self {
            listeners: Listeners::new(Arc::clone(&hub), address),
            hub,
            status,
            compiler: Compiler::new(options, LastGood::default(), Verifiers::new()),
            bundle: Bundle::new(),
            census: Census::default(),
            said: BTreeSet::new(),
            listener_problems: Vec::new(),
        }
    }

    /// Takes what changed in a folder into force.
    pub(crate) fn follow(&mut self, source: &mut FolderSource) {
        let Some(changes) = source.refresh() else {
            if self.status.figures().digest.is_none() {
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
        self.put_in_force(compiled.bundle, errors);
        self.listener_problems = self.listeners.reconcile(&compiled.listeners);
        for ListenerProblem { listener, message } in &self.listener_problems {
            error!(listener, "{message}");
        }
        self.status.listeners(compiled.listeners.len(), self.listeners.len());
    }

    /// Hashes the plain passwords that the compiler asks for.
    fn hash(&self, compiled: &Compiled) -> Vec<Change> {
        let limits = self.hub.authenticator.verifier.limits();
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

    fn put_in_force(&mut self, bundle: Bundle, errors: usize) {
        let digest = bundle.digest();
        let changed = bundle.diff(&self.bundle);
        if changed.is_empty() && self.status.figures().digest.is_some() {
            self.status.policy_in_force(digest.to_string(), errors);
            return;
        }
        self.count_verifiers(&bundle, &changed);
        let policy = if self.status.figures().digest.is_none() {
            Policy::load(&bundle)
        } else {
            self.hub.authenticator.store.load().apply(&bundle, &changed)
        };
        self.hub.authenticator.store.swap(policy, &self.hub.shared);
        for worker in &self.hub.workers {
            // A worker that is gone is one that stops.
            let _ = worker.commands.send(Command::Judge);
        }
        info!(%digest, changed = changed.len(), "policy in force");
        self.status.policy_in_force(digest.to_string(), errors);
        self.bundle = bundle;
    }

    /// Keeps the count of hash schemes, so that a login with an unknown username costs what others cost.
    fn count_verifiers(&mut self, bundle: &Bundle, changed: &[EntryKey]) {
        for key in changed {
            if let Some(verifier) = verifier_of(self.bundle.get(key)) {
                self.census.remove(&key.realm, verifier.expose());
            }
            if let Some(verifier) = verifier_of(bundle.get(key)) {
                self.census.add(&key.realm, verifier.expose());
            }
        }
        if let Err(error) = self.hub.authenticator.verifier.set_census(&self.census) {
            error!(%error, "the cost of unknown usernames could not be set; the previous one stays");
        }
    }
}

fn verifier_of(entry: Option<&Arc<Entry>>) -> Option<SecretString> {
    match entry.map(AsRef::as_ref) {
        Some(Entry::Credential(credential)) => match &credential.identity {
            CredentialIdentity::Password { verifier, .. } => verifier.clone(),
            CredentialIdentity::Certificate(_) => None,
        },
        _ => None,
    }
}
