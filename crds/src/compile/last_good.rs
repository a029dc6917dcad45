//! The last valid form of every resource: an explicit input, so that a digest stays a function of inputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::key::ResourceKey;
use super::resource::{Spec, Version};

/// Last valid forms, by resource.
///
/// A form is used only for the object (by uid) that had it, and only while that object's spec is invalid. What such
/// a form refers to is looked up anew each time: a right whose Permission, Role or Secret is gone does not come back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<(ResourceKey, Form)>", into = "Vec<(ResourceKey, Form)>")]
pub struct LastGood(BTreeMap<ResourceKey, Form>);

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
        self.0.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The resources of which a form is known, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &ResourceKey> {
        self.0.keys()
    }

    /// Keeps only the forms of these resources.
    pub fn retain(&mut self, mut keep: impl FnMut(&ResourceKey) -> bool) {
        self.0.retain(|key, _| keep(key));
    }

    pub(super) fn into_forms(self) -> impl Iterator<Item = (ResourceKey, Version, Arc<Spec>)> {
        self.0.into_iter().map(|(key, Form { version, spec })| (key, version, spec))
    }

    /// The form of this very object.
    pub(super) fn get(&self, key: &ResourceKey, version: &Version) -> Option<&Arc<Spec>> {
        self.0.get(key).filter(|form| form.version.uid == version.uid).map(|form| &form.spec)
    }

    pub(super) fn set(&mut self, key: ResourceKey, version: Version, spec: Arc<Spec>) {
        self.0.insert(key, Form { version, spec });
    }

    pub(super) fn remove(&mut self, key: &ResourceKey) {
        self.0.remove(key);
    }
}

impl From<Vec<(ResourceKey, Form)>> for LastGood {
    fn from(forms: Vec<(ResourceKey, Form)>) -> Self {
        Self(forms.into_iter().collect())
    }
}

impl From<LastGood> for Vec<(ResourceKey, Form)> {
    fn from(all: LastGood) -> Self {
        all.0.into_iter().collect()
    }
}
