//! From a bundle to a policy, whole or by what changed.

use std::sync::Arc;

use super::Policy;
use super::tables::{Pipeline, Realm, Table};
use crate::bundle::{Bundle, Entry, EntryKey, EntryKind, Settings};

impl Policy {
    /// Loads a whole bundle. Roles are indexed, not compiled: that happens when the first client holds them. With many
    /// thousands of entries this takes a while, and so does dropping the last clone: both belong off the connections'
    /// cores.
    #[must_use]
    pub fn load(bundle: &Bundle) -> Self {
        let mut policy = Self {
            settings: Settings::default(),
            digest: bundle.digest(),
            realms: Table::default(),
            pipelines: Table::default(),
        };
        for (key, entry) in bundle.iter() {
            policy.set(key, entry);
        }
        policy
    }

    /// The policy of a newer bundle, given the keys that differ (`new.diff(&old)`). Costs by their number; whatever
    /// did not change is shared, compiled rule sets included. This policy stays as it is.
    #[must_use]
    pub fn apply(&self, new: &Bundle, changed: &[EntryKey]) -> Self {
        let mut policy = self.clone();
        policy.digest = new.digest();
        for key in changed {
            match new.get(key) {
                Some(entry) => policy.set(key, entry),
                None => policy.remove(key),
            }
        }
        policy
    }

    fn set(&mut self, key: &EntryKey, entry: &Arc<Entry>) {
        match &**entry {
            Entry::Settings(settings) => self.settings = *settings,
            Entry::Realm(realm) => {
                self.edit_realm(&key.name, |edited| edited.enabled = Some(realm.enabled));
            }
            Entry::Pipeline(pipeline) => {
                self.pipelines.insert_mut(key.name.as_str().into(), Arc::new(Pipeline::new(pipeline)));
            }
            Entry::Role(role) => {
                self.edit_realm(&key.realm, |realm| realm.set_role(&key.name, entry, role));
            }
            Entry::Credential(credential) => {
                self.edit_realm(&key.realm, |realm| realm.set_credential(&key.name, entry, credential));
            }
        }
    }

    fn remove(&mut self, key: &EntryKey) {
        match key.kind {
            EntryKind::Settings => self.settings = Settings::default(),
            EntryKind::Realm => self.edit_realm(&key.name, |realm| realm.enabled = None),
            EntryKind::Pipeline => {
                self.pipelines.remove_mut(key.name.as_str());
            }
            EntryKind::Role => self.edit_realm(&key.realm, |realm| realm.remove_role(&key.name)),
            EntryKind::Credential => {
                self.edit_realm(&key.realm, |realm| realm.remove_credential(&key.name));
            }
        }
    }

    /// Changes the tables of a realm, made if need be: entries come in any order. Empty ones of realms that are gone
    /// are harmless, because a realm without its own entry lets no one in.
    fn edit_realm(&mut self, name: &str, edit: impl FnOnce(&mut Realm)) {
        if let Some(realm) = self.realms.get_mut(name) {
            return edit(realm);
        }
        let mut realm = Realm::default();
        edit(&mut realm);
        self.realms.insert_mut(name.into(), realm);
    }
}
