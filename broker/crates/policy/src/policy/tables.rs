//! Persistent look-up tables: a clone costs nothing, an edit copies a few nodes.

use std::sync::{Arc, OnceLock};

use foldhash::quality::RandomState;
use rpds::HashTrieMapSync;
use smallvec::SmallVec;

use crate::bundle::{
    AuthorizationManager, CertificateMatch, CredentialEntry, CredentialIdentity, Entry, PipelineEntry,
    RoleEntry,
};
use crate::grants;
use crate::rules::RuleSet;

/// A persistent hash map. It goes by every bit of the hash, hence the hasher that mixes all of them well.
pub(super) type Table<K, V> = HashTrieMapSync<K, V, RandomState>;

/// A role and its permissions, compiled when the first client holds it and kept until the role changes.
#[derive(Debug)]
pub(super) struct Role {
    entry: Arc<Entry>,
    rules: OnceLock<Arc<RuleSet>>,
}

impl Role {
    pub(super) fn rules(&self) -> Arc<RuleSet> {
        let compile = || match &*self.entry {
            Entry::Role(role) => RuleSet::new(&role.source, &role.permissions),
            _ => RuleSet::new("", &[]),
        };
        Arc::clone(self.rules.get_or_init(|| Arc::new(compile())))
    }
}

/// A credential and its own permissions, compiled like a role's.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) name: Arc<str>,
    entry: Arc<Entry>,
    rules: OnceLock<Arc<RuleSet>>,
}

impl Credential {
    /// The entry. It is one of a credential, because nothing else is put here; anything else would be no one.
    pub(super) fn entry(&self) -> Option<&CredentialEntry> {
        match &*self.entry {
            Entry::Credential(credential) => Some(credential),
            _ => None,
        }
    }

    /// Its own permissions; `None` when it has none.
    pub(super) fn rules(&self) -> Option<Arc<RuleSet>> {
        let credential = self.entry().filter(|credential| !credential.permissions.is_empty())?;
        let compile = || Arc::new(RuleSet::new(&credential.source, &credential.permissions));
        Some(Arc::clone(self.rules.get_or_init(compile)))
    }
}

/// A pipeline, with the rule set of an authorization manager that allows all.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) entry: PipelineEntry,
    pub(super) allow_all: Option<Arc<RuleSet>>,
}

impl Pipeline {
    pub(super) fn new(entry: &PipelineEntry) -> Self {
        let allow_all = match entry.authorization {
            AuthorizationManager::AllowAll {} => Some(Arc::new(grants::allow_all(&entry.source))),
            AuthorizationManager::Kubernetes { .. } => None,
        };
        Self { entry: entry.clone(), allow_all }
    }
}

/// Names of resources in their order; where several claim one key, the first has it.
type Names = SmallVec<[Arc<str>; 1]>;

/// From a key to the resources that claim it.
#[derive(Debug, Clone, Default)]
struct Claims(Table<Box<str>, Names>);

impl Claims {
    fn add(&mut self, key: &str, name: &Arc<str>) {
        let Some(names) = self.0.get_mut(key) else {
            self.0.insert_mut(key.into(), Names::from_iter([Arc::clone(name)]));
            return;
        };
        if let Err(at) = names.binary_search(name) {
            names.insert(at, Arc::clone(name));
        }
    }

    fn drop(&mut self, key: &str, name: &str) {
        let Some(names) = self.0.get_mut(key) else { return };
        names.retain(|known| &**known != name);
        if names.is_empty() {
            self.0.remove_mut(key);
        }
    }

    fn first(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.first().map(|name| &**name)
    }
}

/// A realm's roles and credentials, by everything that a login knows them by.
#[derive(Debug, Clone, Default)]
pub(super) struct Realm {
    /// Whether the realm is enabled; `None` while only its members are known.
    pub(super) enabled: Option<bool>,
    roles: Table<Arc<str>, Arc<Role>>,
    role_keys: Claims,
    credentials: Table<Arc<str>, Arc<Credential>>,
    usernames: Claims,
    subjects: Claims,
    fingerprints: Claims,
    authorization_keys: Claims,
}

impl Realm {
    /// A role by name, else by role key.
    pub(super) fn role(&self, key: &str) -> Option<&Arc<Role>> {
        self.roles.get(key).or_else(|| self.roles.get(self.role_keys.first(key)?))
    }

    pub(super) fn credential(&self, name: &str) -> Option<&Arc<Credential>> {
        self.credentials.get(name)
    }

    /// The credential that a username logs in with.
    pub(super) fn by_username(&self, username: &str) -> Option<&Arc<Credential>> {
        self.credentials.get(self.usernames.first(username)?)
    }

    /// The credential of a certificate: by fingerprint, which names one certificate, before subject.
    pub(super) fn by_certificate(&self, subject: &str, fingerprint: &str) -> Option<&Arc<Credential>> {
        let name = self.fingerprints.first(fingerprint).or_else(|| self.subjects.first(subject))?;
        self.credentials.get(name)
    }

    pub(super) fn by_authorization_key(&self, key: &str) -> Option<&Arc<Credential>> {
        self.credentials.get(self.authorization_keys.first(key)?)
    }

    pub(super) fn set_role(&mut self, name: &str, entry: &Arc<Entry>, role: &RoleEntry) {
        self.remove_role(name);
        let name: Arc<str> = name.into();
        role.role_keys.iter().for_each(|key| self.role_keys.add(key, &name));
        self.roles.insert_mut(name, Arc::new(Role { entry: Arc::clone(entry), rules: OnceLock::new() }));
    }

    pub(super) fn remove_role(&mut self, name: &str) {
        let Some(old) = self.roles.get(name).cloned() else { return };
        self.roles.remove_mut(name);
        if let Entry::Role(role) = &*old.entry {
            role.role_keys.iter().for_each(|key| self.role_keys.drop(key, name));
        }
    }

    pub(super) fn set_credential(&mut self, name: &str, entry: &Arc<Entry>, credential: &CredentialEntry) {
        self.remove_credential(name);
        let name: Arc<str> = name.into();
        if let Some((claims, key)) = self.claims(&credential.identity) {
            claims.add(key, &name);
        }
        self.authorization_keys.add(&credential.authorization_key, &name);
        let new = Credential { name: Arc::clone(&name), entry: Arc::clone(entry), rules: OnceLock::new() };
        self.credentials.insert_mut(name, Arc::new(new));
    }

    pub(super) fn remove_credential(&mut self, name: &str) {
        let Some(old) = self.credentials.get(name).cloned() else { return };
        self.credentials.remove_mut(name);
        if let Some(credential) = old.entry() {
            if let Some((claims, key)) = self.claims(&credential.identity) {
                claims.drop(key, name);
            }
            self.authorization_keys.drop(&credential.authorization_key, name);
        }
    }

    /// Where an identity is looked up, and by what.
    fn claims<'a>(&mut self, identity: &'a CredentialIdentity) -> Option<(&mut Claims, &'a str)> {
        Some(match identity {
            CredentialIdentity::Password { username, .. } => (&mut self.usernames, username),
            CredentialIdentity::Certificate(CertificateMatch::Subject(subject)) => {
                (&mut self.subjects, subject)
            }
            CredentialIdentity::Certificate(CertificateMatch::FingerprintSha256(fingerprint)) => {
                (&mut self.fingerprints, fingerprint)
            }
        })
    }
}
