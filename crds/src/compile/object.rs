//! A resource as the compiler holds it.

use std::sync::Arc;

use super::diagnostic::Problem;
use super::names::Table;
use super::resource::{Content, Spec, Version};

/// All resources by number.
pub(super) type Objects = Table<Option<Object>>;

/// A resource as the compiler holds it.
#[derive(PartialEq)]
pub(super) struct Object {
    pub(super) version: Version,
    /// The content in force: its own when valid, else the last valid one.
    pub(super) effective: Option<Content>,
    /// What is wrong with its own spec, if it is not valid.
    pub(super) flaw: Option<Box<Flaw>>,
}

/// What is wrong with a resource's own spec.
#[derive(PartialEq)]
pub(super) struct Flaw {
    /// At least one.
    pub(super) problems: Vec<Problem>,
    /// What could be read of a resource that has no content in force.
    pub(super) readable: Option<Arc<Spec>>,
}

impl Object {
    /// What is wrong with its own spec.
    pub(super) fn problems(&self) -> &[Problem] {
        self.flaw.as_ref().map_or(&[], |flaw| &flaw.problems)
    }

    /// What could be read of it, if nothing of it is in force.
    pub(super) fn readable(&self) -> Option<&Arc<Spec>> {
        self.flaw.as_ref()?.readable.as_ref()
    }

    /// Whether nothing can come of it by itself: a Secret that could be read speaks through those who name it.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.effective, Some(Content::Secret(_))) && self.flaw.is_none()
    }
}
