//! The second half of a login: from a proven identity to its rights.

use std::sync::Arc;

use super::begin::{Pending, Proof};
use super::tables::{Credential, Pipeline, Role};
use super::{Policy, Refusal};
use crate::bundle::{AuthenticationManager, AuthorizationManager};
use crate::grants::Grants;
use crate::rules::RuleSet;
use crate::variables::{Variable, Variables};

/// Whose session it is. A stored session belongs to the identity that made it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The realm that verified it; empty where the pipeline lets everyone in.
    pub realm: Arc<str>,
    /// The authorization key; empty where the pipeline lets everyone in, because an unverified name is no identity.
    pub key: Arc<str>,
}

/// A client that is let in, with its rights, and all that is needed to judge it again under a newer policy.
#[derive(Debug, Clone)]
pub struct Authorized {
    /// What it may do.
    pub grants: Grants,
    /// Who it is.
    pub identity: Identity,
    pub(super) login: Pending,
}

impl Authorized {
    /// The name of the credential it logged in with, for logs; `None` where the pipeline lets everyone in.
    #[must_use]
    pub fn credential(&self) -> Option<&str> {
        match &self.login.proof {
            Proof::Credential { name, .. } => Some(name),
            Proof::None | Proof::Impossible(_) => None,
        }
    }
}

/// A credential as a login holds it.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    pub(super) realm: &'a Arc<str>,
    pub(super) credential: &'a Arc<Credential>,
}

impl Policy {
    /// Resolves the rights of a client whose proof was verified. Everything is looked up in this policy, whichever one
    /// the login began under.
    ///
    /// # Errors
    /// When the login has no leave to go on: its credential, realm or pipeline changed meanwhile, or never was there.
    pub fn authorize(&self, pending: &Pending) -> Result<Authorized, Refusal> {
        let pipeline = self.pipeline(&pending.listener).ok_or(Refusal::NoPipeline)?;
        let held = match (&pipeline.entry.authentication, &pending.proof) {
            (_, Proof::Impossible(refusal)) => return Err(*refusal),
            (AuthenticationManager::AllowAll {}, Proof::None) => None,
            (AuthenticationManager::Kubernetes { realm: by }, Proof::Credential { realm, .. })
                if **by == **realm =>
            {
                self.held(&pending.proof)?
            }
            _ => return Err(Refusal::PipelineChanged),
        };
        self.authorized(pipeline, pending.clone(), held)
    }

    /// The credential of a proof, if it still is what it was.
    pub(super) fn held<'a>(&'a self, proof: &'a Proof) -> Result<Option<Held<'a>>, Refusal> {
        let Proof::Credential { realm, name, version } = proof else { return Ok(None) };
        let credential = self.enabled_realm(realm)?.credential(name).ok_or(Refusal::CredentialChanged)?;
        let entry = credential.entry().ok_or(Refusal::CredentialChanged)?;
        if !entry.enabled {
            return Err(Refusal::CredentialDisabled);
        }
        if entry.version != *version {
            return Err(Refusal::CredentialChanged);
        }
        Ok(Some(Held { realm, credential }))
    }

    pub(super) fn authorized(
        &self,
        pipeline: &Pipeline,
        login: Pending,
        held: Option<Held<'_>>,
    ) -> Result<Authorized, Refusal> {
        let sets = self.rule_sets(pipeline, held)?;
        let key: Option<Arc<str>> = held
            .and_then(|held| held.credential.entry())
            .map(|entry| entry.authorization_key.as_str().into());
        let variables = Arc::new(variables(&login, held, key.clone()));
        let grants = Grants::new(sets, variables, self.settings.subscription_matching);
        let realm = held.map_or_else(|| "".into(), |held| Arc::clone(held.realm));
        let identity = Identity { realm, key: key.unwrap_or_else(|| "".into()) };
        Ok(Authorized { grants, identity, login })
    }

    /// The rule sets that a client holds: those of its roles in the order of their keys, then its own.
    pub(super) fn rule_sets(
        &self,
        pipeline: &Pipeline,
        held: Option<Held<'_>>,
    ) -> Result<Vec<Arc<RuleSet>>, Refusal> {
        let (realm_name, use_key, use_role_key) = match &pipeline.entry.authorization {
            AuthorizationManager::AllowAll {} => return Ok(pipeline.allow_all.iter().cloned().collect()),
            AuthorizationManager::Kubernetes { realm, use_authorization_key, use_authorization_role_key } => {
                (realm, *use_authorization_key, *use_authorization_role_key)
            }
        };
        let realm = match self.enabled_realm(realm_name) {
            Ok(realm) => realm,
            // A reference to nothing grants nothing; it does not end sessions.
            Err(Refusal::RealmMissing) => return Ok(Vec::new()),
            Err(refusal) => return Err(refusal),
        };
        let Some(held) = held else { return Ok(Vec::new()) };
        let Some(entry) = held.credential.entry() else { return Ok(Vec::new()) };
        // The same realm knows the client itself; another knows it by its authorization key.
        let known = if **held.realm == **realm_name {
            Some(held.credential)
        } else {
            let known = realm.by_authorization_key(&entry.authorization_key);
            known.filter(|known| known.entry().is_some_and(|entry| entry.enabled))
        };
        let known = known.filter(|_| use_key);
        let mut roles: Vec<&Arc<Role>> = Vec::new();
        if use_role_key {
            let of_known = known.and_then(|known| known.entry()).map_or(&[][..], |entry| &entry.roles);
            for role in entry.roles.iter().chain(of_known).filter_map(|key| realm.role(key)) {
                if !roles.iter().any(|seen| Arc::ptr_eq(seen, role)) {
                    roles.push(role);
                }
            }
        }
        Ok(roles.into_iter().map(|role| role.rules()).chain(known.and_then(|known| known.rules())).collect())
    }
}

/// The variables that permissions may name. Only what was verified becomes one: the username beside a certificate is
/// a claim, and counts only where it is the credential's own.
fn variables(login: &Pending, held: Option<Held<'_>>, key: Option<Arc<str>>) -> Variables {
    let username = login.username.clone().filter(|username| {
        held.and_then(|held| held.credential.entry()).is_some_and(|entry| match &entry.identity {
            crate::bundle::CredentialIdentity::Password { username: own, .. } => **own == **username,
            crate::bundle::CredentialIdentity::Certificate(_) => *entry.authorization_key == **username,
        })
    });
    let authentication_key = username.clone().or_else(|| key.clone());
    Variables::new()
        .with(&Variable::ClientId, Some(Arc::clone(&login.client_id)))
        .with(&Variable::Username, username)
        .with(&Variable::AuthenticationKey, authentication_key)
        .with(&Variable::AuthorizationKey, key)
}
