//! An MqttCluster: its settings and its listeners.

use moat_policy::bundle::ALL_LISTENERS;
use moat_policy::{Entry, EntryKey, OnRevocation, Settings, SubscriptionMatching};

use super::super::diagnostic::{Problem, Reason};
use super::super::graph::Field;
use super::super::secret::{TlsMaterial, readable, tls_material};
use super::{Built, View, Who};
use crate::{ClientAuth, Listener, MqttClusterSpec, Protocol, SessionIdentity};

/// A listener, with what its Secret holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSpec {
    /// Its name.
    pub name: String,
    /// What is spoken on the port.
    pub protocol: Protocol,
    /// The TCP port.
    pub port: u16,
    /// Who may take over a stored session.
    pub session_identity: SessionIdentity,
    /// TLS, with protocol mqtts.
    pub tls: Option<TlsSpec>,
}

/// TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    /// The Secret's name, for messages.
    pub secret_name: String,
    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,
    /// What the Secret holds; `None` when it cannot be used, which a diagnostic explains. A listener that is already
    /// open keeps what it has; one that is not cannot be opened.
    pub material: Option<TlsMaterial>,
}

pub(super) fn build(view: &View<'_>, who: Who<'_>, spec: &MqttClusterSpec) -> Option<Built> {
    if !view.compiles(who.id) {
        return view.conflict(who).map(Built::from);
    }
    let settings = Settings {
        on_revocation: match spec.policy.on_revocation {
            crate::OnRevocation::Suspend => OnRevocation::Suspend,
            crate::OnRevocation::Unsubscribe => OnRevocation::Unsubscribe,
            crate::OnRevocation::Disconnect => OnRevocation::Disconnect,
        },
        subscription_matching: match spec.policy.subscription_matching {
            crate::SubscriptionMatching::Containment => SubscriptionMatching::Containment,
            crate::SubscriptionMatching::LevelByLevel => SubscriptionMatching::LevelByLevel,
        },
    };
    let mut problems = Vec::new();
    let listeners = spec.listeners.iter().enumerate();
    let listeners =
        listeners.map(|(i, listener)| self::listener(view, who, (i, listener), &mut problems)).collect();
    Some(Built {
        entry: Some((who.id, EntryKey::settings(), Entry::Settings(settings))),
        problems,
        wanted: None,
        listeners: Some(listeners),
    })
}

fn listener(
    view: &View<'_>,
    who: Who<'_>,
    (i, listener): (usize, &Listener),
    problems: &mut Vec<Problem>,
) -> ListenerSpec {
    let has_pipeline = |scope: &str| view.graph.holder(Field::Scope(who.id), scope).is_some();
    if !has_pipeline(&listener.name) && !has_pipeline(ALL_LISTENERS) {
        let message = format!(
            "listener `{0}` refuses everyone because no Pipeline is for it: make one with `listener: {0}` or \
             `listener: ALL`",
            listener.name
        );
        problems.push(Problem::warning(format!("spec.listeners[{i}]"), Reason::NoPipeline, message));
    }
    let tls = listener.tls.as_ref().map(|tls| {
        let field = format!("spec.listeners[{i}].tls.secretName");
        let name = (&*who.key.namespace, &*tls.secret_name);
        let material = readable(view.secret(who, &tls.secret_name), name, "listener", &field)
            .and_then(|content| tls_material(content, tls.client_auth, &tls.secret_name, &field));
        let material = material.map_err(|problem| problems.push(problem)).ok();
        TlsSpec { secret_name: tls.secret_name.clone(), client_auth: tls.client_auth, material }
    });
    ListenerSpec {
        name: listener.name.clone(),
        protocol: listener.protocol,
        port: listener.port,
        session_identity: listener.session_identity,
        tls,
    }
}
