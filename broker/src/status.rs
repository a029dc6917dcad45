//! Whether the broker serves, and with which policy.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// What the journey of the policy tells the health port.
#[derive(Default)]
pub(crate) struct Status(Mutex<State>);

#[derive(Default)]
struct State {
    /// Digest of the policy in force.
    digest: Option<String>,
    listeners_wanted: usize,
    listeners_open: usize,
    stopping: bool,
    /// Resources and files with errors.
    errors: usize,
    policies: u64,
    delivery: Option<Delivery>,
    /// Why there is no newer policy.
    problem: Option<String>,
}

/// Figures of a pod whose policy is delivered to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    /// Generation of the manifest in force.
    pub(crate) generation: Option<u64>,
    /// Generation of the manifest on the volume.
    pub(crate) saved: Option<u64>,
    /// When the API server answered last.
    contact: Option<Instant>,
    /// Attempts to take newer policy that failed, by reason.
    pub(crate) failures: BTreeMap<&'static str, u64>,
}

impl Delivery {
    /// How long the API server has said nothing.
    pub(crate) fn silence(&self) -> Option<Duration> {
        self.contact.map(|contact| contact.elapsed())
    }
}

/// Figures for metrics.
pub(crate) struct Figures {
    pub(crate) digest: Option<String>,
    pub(crate) listeners_open: usize,
    pub(crate) errors: usize,
    pub(crate) policies: u64,
    /// None without Kubernetes.
    pub(crate) delivery: Option<Delivery>,
}

impl Status {
    pub(crate) fn policy_in_force(&self, digest: String, errors: usize) {
        let mut state = self.0.lock();
        if state.digest.as_ref() != Some(&digest) {
            state.policies += 1;
        }
        state.digest = Some(digest);
        state.errors = errors;
    }

    pub(crate) fn listeners(&self, wanted: usize, open: usize) {
        let mut state = self.0.lock();
        state.listeners_wanted = wanted;
        state.listeners_open = open;
    }

    pub(crate) fn stopping(&self) {
        self.0.lock().stopping = true;
    }

    pub(crate) fn generation_in_force(&self, generation: u64) {
        self.delivery(|delivery| delivery.generation = Some(generation));
    }

    pub(crate) fn generation_saved(&self, generation: u64) {
        self.delivery(|delivery| delivery.saved = Some(generation));
    }

    /// The API server has answered.
    pub(crate) fn contact(&self) {
        self.delivery(|delivery| delivery.contact = Some(Instant::now()));
    }

    /// An attempt to take newer policy failed.
    pub(crate) fn delivery_failed(&self, reason: &'static str) {
        self.delivery(|delivery| *delivery.failures.entry(reason).or_default() += 1);
    }

    pub(crate) fn problem(&self, problem: Option<String>) {
        self.0.lock().problem = problem;
    }

    fn delivery(&self, change: impl FnOnce(&mut Delivery)) {
        change(self.0.lock().delivery.get_or_insert_default());
    }

    /// Why no clients should be sent here; none when they should.
    pub(crate) fn not_ready(&self) -> Option<String> {
        let state = self.0.lock();
        if state.stopping {
            return Some("stopping".to_owned());
        }
        if state.digest.is_none() {
            let why = state.problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
            return Some(format!("no policy is in force yet{why}"));
        }
        if state.listeners_open == 0 {
            return Some("no listener is open".to_owned());
        }
        // A pod that is not ready loses the clients of all its listeners, so one bad listener does not take it out: the
        // operator hears of it and tells.
        (state.delivery.is_none() && state.listeners_open < state.listeners_wanted)
            .then(|| format!("{} of {} listeners are open", state.listeners_open, state.listeners_wanted))
    }

    pub(crate) fn figures(&self) -> Figures {
        let state = self.0.lock();
        Figures {
            digest: state.digest.clone(),
            listeners_open: state.listeners_open,
            errors: state.errors,
            policies: state.policies,
            delivery: state.delivery.clone(),
        }
    }
}
