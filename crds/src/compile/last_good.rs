//! The last valid form of every resource: an explicit input, so that a digest stays a function of inputs.

use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use super::key::ResourceKey;
use super::resource::{Spec, Version};

/// The last valid forms, by resource. Clones are cheap and share what later edits leave alone.
///
/// A form is used only for the object (by uid) that had it, and only while that object's spec is invalid. What such
/// a form refers to is looked up anew each time: a right whose Permission, Role or Secret is gone does not come back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(ResourceKey, Form)>", into = "Vec<(ResourceKey, Form)>")]
pub struct LastGood(RedBlackTreeMapSync<ResourceKey, Form>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Form {
    version: Version,
    spec: Arc<Spec>,
}

impl LastGood {
    /// None: as at the first start.
    pub fn new() -> Self {
        Self::default()
    }

    /// For how many resources a form is known.
    pub fn len(&self) -> usize {
        self.0.size()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The form of this very object.
    pub(super) fn get(&self, key: &ResourceKey, version: &Version) -> Option<&Arc<Spec>> {
        self.0.get(key).filter(|form| form.version.uid == version.uid).map(|form| &form.spec)
    }

    pub(super) fn set(&mut self, key: &ResourceKey, version: &Version, spec: &Arc<Spec>) {
        let form = Form { version: version.clone(), spec: spec.clone() };
        self.0.insert_mut(key.clone(), form);
    }

    pub(super) fn remove(&mut self, key: &ResourceKey) {
        // Looked at first: the way down unshares.
        if self.0.contains_key(key) {
            self.0.remove_mut(key);
        }
    }

    /// Keeps only forms of resources that `exists`.
    pub(super) fn retain(&mut self, mut exists: impl FnMut(&ResourceKey) -> bool) {
        let gone: Vec<_> = self.0.keys().filter(|key| !exists(key)).cloned().collect();
        gone.iter().for_each(|key| self.remove(key));
    }
}

impl From<Vec<(ResourceKey, Form)>> for LastGood {
    fn from(forms: Vec<(ResourceKey, Form)>) -> Self {
        Self(forms.into_iter().collect())
    }
}

impl From<LastGood> for Vec<(ResourceKey, Form)> {
    fn from(all: LastGood) -> Self {
        all.0.iter().map(|(key, form)| (key.clone(), form.clone())).collect()
    }
}
