//! Puts policies and listeners in force: load, swap, judge again, open and close ports. Every journey of a policy
//! ends here.
//!
//! Runs on the thread of its journey, so that nothing here ever stops a core.

use std::net::IpAddr;
use std::sync::Arc;

use moat_crds::compile::ListenerSpec;
use moat_policy::{Bundle, CredentialIdentity, Entry, EntryKey, Policy, SecretString};
use moat_realms::census::Census;
use moat_realms::hash::Limits;
use tracing::{error, info};

use crate::net::reconcile::{ListenerProblem, Listeners};
use crate::net::worker::{Command, Hub};
use crate::process::Process;
use crate::status::Status;

/// What is in force.
pub(crate) struct Supervisor {
    hub: Arc<Hub>,
    status: Arc<Status>,
    listeners: Listeners,
    bundle: Bundle,
    census: Census,
}

impl Supervisor {
    /// Nothing is in force yet. Listeners will bind `address`, or all addresses.
    pub(crate) fn new(process: &Process, address: Option<IpAddr>) -> Self {
        let (hub, status) = (Arc::clone(&process.hub), Arc::clone(&process.status));
        Self {
            listeners: Listeners::new(Arc::clone(&hub), address),
            hub,
            status,
            bundle: Bundle::new(),
            census: Census::default(),
        }
    }

    /// Whether any policy is in force.
    pub(crate) fn enforces(&self) -> bool {
        self.status.figures().digest.is_some()
    }

    /// The bounds of what may be hashed.
    pub(crate) fn hash_limits(&self) -> &Limits {
        self.hub.authenticator.verifier.limits()
    }

    /// Puts a policy in force for logins from now on and has all sessions judged by it. `errors` is the number of
    /// resources that are not in it as they are written.
    pub(crate) fn enforce(&mut self, bundle: Bundle, errors: usize) {
        let digest = bundle.digest();
        let changed = bundle.diff(&self.bundle);
        if changed.is_empty() && self.enforces() {
            self.status.policy_in_force(digest.to_string(), errors);
            return;
        }
        self.count_verifiers(&bundle, &changed);
        let policy = if self.enforces() {
            self.hub.authenticator.store.load().apply(&bundle, &changed)
        } else {
            Policy::load(&bundle)
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

    /// Opens, changes and closes listeners, and says which of them are not as wanted.
    pub(crate) fn listen(&mut self, wanted: &[ListenerSpec]) -> Vec<ListenerProblem> {
        let problems = self.listeners.reconcile(wanted);
        self.status.listeners(wanted.len(), self.listeners.len());
        problems
    }

    /// Whether a listener accepts connections.
    pub(crate) fn is_open(&self, listener: &str) -> bool {
        self.listeners.is_open(listener)
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
