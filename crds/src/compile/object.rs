//! A resource as the compiler holds it.

use super::diagnostic::Problem;
use super::names::Table;
use super::resource::{Content, Version};
use crate::PipelineSpec;

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
    /// What could be read of a Pipeline that has no content in force.
    pub(super) readable: Option<PipelineSpec>,
}

impl Object {
    /// What is wrong with its own spec, and what follows from that.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = self.flaw.as_ref().map(|flaw| flaw.problems.clone()).unwrap_or_default();
        let consequence = match self.effective {
            Some(_) => "; until then its last valid form stays in force",
            None => "; until then it is not in force",
        };
        problems.iter_mut().for_each(|problem| problem.message.push_str(consequence));
        problems
    }

    /// What could be read of a Pipeline, if nothing of it is in force.
    pub(super) fn readable(&self) -> Option<&PipelineSpec> {
        self.flaw.as_ref()?.readable.as_ref()
    }

    /// Whether nothing can come of it by itself: a Secret that could be read speaks through those who name it.
    pub(super) fn is_silent(&self) -> bool {
        matches!(self.effective, Some(Content::Secret(_))) && self.flaw.is_none()
    }
}
