//! From the listeners that are wanted to the sockets that are open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use moat_crds::SessionIdentity;
use moat_crds::compile::{ListenerSpec, TlsSpec};

use super::listener::Listener;
use super::tls_config;
use super::worker::{Command, Hub};

/// A listener that could not be opened or changed as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListenerProblem {
    pub(crate) listener: String,
    pub(crate) message: String,
}

struct Open {
    spec: ListenerSpec,
    listener: Arc<Listener>,
}

/// The open listeners. One bad listener leaves the others serving.
pub(crate) struct Listeners {
    hub: Arc<Hub>,
    address: Option<IpAddr>,
    open: HashMap<String, Open>,
}

impl Listeners {
    pub(crate) fn new(hub: Arc<Hub>, address: Option<IpAddr>) -> Self {
        Self { hub, address, open: HashMap::new() }
    }

    /// How many listeners accept connections.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether a listener accepts connections.
    pub(crate) fn is_open(&self, listener: &str) -> bool {
        self.open.contains_key(listener)
    }

    /// Opens, changes and closes listeners. Connections of closed ones stay; a changed certificate serves new
    /// handshakes.
    pub(crate) fn reconcile(&mut self, wanted: &[ListenerSpec]) -> Vec<ListenerProblem> {
        let mut problems = Vec::new();
        let before = self.open.len();
        self.open
            .retain(|name, open| wanted.iter().any(|spec| spec.name == *name && spec.port == open.spec.port));
        let mut changed = self.open.len() != before;
        if changed {
            // Ports are freed before others are bound: a port may pass from one listener to another.
            self.announce();
        }
        for spec in wanted {
            let same = self.open.get(&spec.name).is_some_and(|open| open.spec == *spec);
            if same {
                continue;
            }
            match self.open_or_change(spec) {
                Ok(()) => changed = true,
                Err(message) => problems.push(ListenerProblem { listener: spec.name.clone(), message }),
            }
        }
        if changed {
            self.announce();
        }
        problems
    }

    fn open_or_change(&mut self, spec: &ListenerSpec) -> Result<(), String> {
        let any_identity = spec.session_identity == SessionIdentity::Any;
        let tls = spec.tls.as_ref().map(tls_parameters).transpose()?;
        if let Some(open) = self.open.get_mut(&spec.name)
            && let (Some(current), Some(tls)) = (&open.listener.tls, &tls)
            && open.spec.session_identity == spec.session_identity
        {
            current.store(Arc::clone(tls));
            open.spec = spec.clone();
            tracing::info!(listener = spec.name, "TLS parameters changed");
            return Ok(());
        }
        if self.open.remove(&spec.name).is_some() {
            self.announce();
        }
        let workers = self.hub.shared.cores;
        let sockets = self.bind(spec, workers)?;
        let listener = Listener::new(&spec.name, tls, any_identity, sockets);
        self.open.insert(spec.name.clone(), Open { spec: spec.clone(), listener: Arc::new(listener) });
        Ok(())
    }

    fn bind(&self, spec: &ListenerSpec, workers: u16) -> Result<Vec<Option<std::net::TcpListener>>, String> {
        Listener::bind(&spec.name, self.address, spec.port, workers).map_err(|error| {
            format!("failed to listen on port {}: {error}; free the port or choose another", spec.port)
        })
    }

    /// Tells all workers what to accept on.
    fn announce(&self) {
        for worker in &self.hub.workers {
            let listeners = self.open.values().map(|open| Arc::clone(&open.listener)).collect();
            // A worker that is gone is one that stops.
            let _ = worker.commands.send(Command::Listen(listeners));
        }
    }
}

fn tls_parameters(tls: &TlsSpec) -> Result<Arc<rustls::ServerConfig>, String> {
    let named = |error: &dyn std::fmt::Display| format!("Secret {}: {error}", tls.secret_name);
    let Some(material) = &tls.material else {
        return Err(named(&"cannot be used; see the diagnostic of the MqttCluster"));
    };
    tls_config::build(material, tls.client_auth).map(Arc::new).map_err(|error| named(&error))
}
