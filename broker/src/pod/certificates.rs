//! Certificates and keys of the listeners: which Secrets must be read for a manifest, and what is used meanwhile.
//! No I/O.
//!
//! A manifest names, for each listener, its Secret and the revision of the content that the operator accepted. What a
//! listener has stays until that revision, or a newer one that the operator has named since, is here and usable.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use moat_crds::compile::{ListenerSpec, TlsMaterial, TlsSpec};
use moat_crds::delivery::{DeliveredListener, DeliveredTls};
use moat_crds::{ClientAuth, USE_LABEL};
use moat_policy::Digest;

use super::error::ApiError;
use crate::net::tls_config;

/// What the listeners have, by their names.
#[derive(Default)]
pub(super) struct Certificates {
    held: BTreeMap<String, Held>,
    problems: BTreeMap<String, String>,
}

struct Held {
    revision: Digest,
    material: TlsMaterial,
}

impl Certificates {
    /// Takes what a listener had before this process started.
    pub(super) fn restore(&mut self, materials: BTreeMap<String, TlsMaterial>) {
        self.held =
            materials.into_iter().map(|(listener, material)| (listener, Held::new(material))).collect();
    }

    /// What is kept for a later start.
    pub(super) fn materials(&self) -> BTreeMap<String, TlsMaterial> {
        self.held.iter().map(|(listener, held)| (listener.clone(), held.material.clone())).collect()
    }

    /// Forgets listeners that are gone, and says which Secrets must be read for the others.
    pub(super) fn wanted(&mut self, listeners: &[DeliveredListener]) -> BTreeSet<String> {
        let secured = |name: &String| listeners.iter().any(|l| l.name == *name && l.tls.is_some());
        self.held.retain(|name, _| secured(name));
        self.problems.retain(|name, _| secured(name));
        let mut wanted = BTreeSet::new();
        for (name, tls) in with_tls(listeners) {
            match tls.revision {
                Some(revision) if self.has(name, revision) => {
                    self.problems.remove(name);
                }
                Some(_) => {
                    wanted.insert(tls.secret_name.clone());
                }
                None => self.problem(name, tls, "cannot be used; the MqttCluster's status says why"),
            }
        }
        wanted
    }

    /// Takes what was read of a Secret; none if it does not exist. True if a listener has something else now.
    pub(super) fn take(
        &mut self,
        listeners: &[DeliveredListener],
        name: &str,
        read: &Result<Option<Secret>, ApiError>,
    ) -> bool {
        let mut changed = false;
        for (listener, tls) in with_tls(listeners).filter(|(_, tls)| tls.secret_name == name) {
            let Some(expected) = tls.revision.filter(|revision| !self.has(listener, *revision)) else {
                continue;
            };
            match material(read, tls.client_auth) {
                Ok(material) if material.revision() == expected => {
                    self.problems.remove(listener);
                    self.held.insert(listener.to_owned(), Held::new(material));
                    changed = true;
                }
                Ok(material) if !self.held.contains_key(listener) && is_labelled(read) => {
                    self.held.insert(listener.to_owned(), Held::new(material));
                    let message = format!(
                        "Secret `{name}` holds something else than the operator accepted, and is used because the listener \
                         had nothing before"
                    );
                    self.problems.insert(listener.to_owned(), message);
                    changed = true;
                }
                Ok(_) => self.problem(listener, tls, "holds something else than the operator accepted"),
                Err(text) => self.problem(listener, tls, &text),
            }
        }
        changed
    }

    /// The listeners with what they have.
    pub(super) fn specs(&self, listeners: &[DeliveredListener]) -> Vec<ListenerSpec> {
        let spec = |listener: &DeliveredListener| ListenerSpec {
            name: listener.name.clone(),
            protocol: listener.protocol,
            port: listener.port,
            session_identity: listener.session_identity,
            tls: listener.tls.as_ref().map(|tls| TlsSpec {
                secret_name: tls.secret_name.clone(),
                client_auth: tls.client_auth,
                material: self.held.get(&listener.name).map(|held| held.material.clone()),
            }),
        };
        listeners.iter().map(spec).collect()
    }

    /// Why a listener does not have what the manifest names.
    pub(super) fn problem_of(&self, listener: &str) -> Option<&str> {
        self.problems.get(listener).map(String::as_str)
    }

    fn has(&self, listener: &str, revision: Digest) -> bool {
        self.held.get(listener).is_some_and(|held| held.revision == revision)
    }

    fn problem(&mut self, listener: &str, tls: &DeliveredTls, text: &str) {
        let meanwhile = match self.held.get(listener) {
            Some(_) => "its previous content stays in use",
            None => "the listener had nothing before and stays closed",
        };
        let message = format!("Secret `{}` {text}; {meanwhile}", tls.secret_name);
        self.problems.insert(listener.to_owned(), message);
    }
}

impl Held {
    fn new(material: TlsMaterial) -> Self {
        Self { revision: material.revision(), material }
    }
}

fn with_tls(listeners: &[DeliveredListener]) -> impl Iterator<Item = (&str, &DeliveredTls)> {
    listeners.iter().filter_map(|listener| Some((listener.name.as_str(), listener.tls.as_ref()?)))
}

/// Whether its owner has given a Secret to listeners. The operator has seen to that for the revision that it names.
fn is_labelled(read: &Result<Option<Secret>, ApiError>) -> bool {
    let labels = read.as_ref().ok().and_then(|secret| secret.as_ref()?.metadata.labels.as_ref());
    labels.and_then(|labels| labels.get(USE_LABEL)).is_some_and(|used_for| used_for == "listener")
}

/// Certificate and key that a listener can use.
///
/// # Errors
/// A text that goes on after the Secret's name.
fn material(read: &Result<Option<Secret>, ApiError>, client_auth: ClientAuth) -> Result<TlsMaterial, String> {
    let secret = match read {
        Ok(Some(secret)) => secret.clone(),
        Ok(None) => return Err("was not found: create it again".to_owned()),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let material = TlsMaterial::of(secret, client_auth)
        .map_err(|problem| format!("cannot be used: {}", problem.message))?;
    tls_config::build(&material, client_auth).map_err(|error| format!("cannot be used: {error}"))?;
    Ok(material)
}
