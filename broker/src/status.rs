//! Whether the broker serves, and with which policy.

use parking_lot::Mutex;

/// What the supervisor tells the health port.
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
}

/// Figures for metrics.
pub(crate) struct Figures {
    pub(crate) digest: Option<String>,
    pub(crate) listeners_open: usize,
    pub(crate) errors: usize,
    pub(crate) policies: u64,
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

    /// Why no clients should be sent here; none when they should.
    pub(crate) fn not_ready(&self) -> Option<String> {
        let state = self.0.lock();
        if state.stopping {
            return Some("stopping".to_owned());
        }
        if state.digest.is_none() {
            return Some("no policy is in force yet".to_owned());
        }
        if state.listeners_open == 0 {
            return Some("no listener is open".to_owned());
        }
        (state.listeners_open < state.listeners_wanted)
            .then(|| format!("{} of {} listeners are open", state.listeners_open, state.listeners_wanted))
    }

    pub(crate) fn figures(&self) -> Figures {
        let state = self.0.lock();
        Figures {
            digest: state.digest.clone(),
            listeners_open: state.listeners_open,
            errors: state.errors,
            policies: state.policies,
        }
    }
}
