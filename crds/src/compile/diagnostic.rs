//! What `compile` says about a resource: a stable reason, and a message that says what to do.

use std::fmt;

use super::key::ResourceKey;

/// Why a resource, or a part of it, is not in force. The words are stable: they become conditions, events and
/// metric labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The resource's own spec breaks a rule; its last valid form stays in force, if there was one.
    Invalid,
    /// The resource is larger than a bundle entry may be.
    TooLarge,
    /// Another resource already has this scope, username, certificate or role key.
    Conflict,
    /// A resource that this one names does not exist; that part grants nothing until it does.
    RefNotFound,
    /// A Pipeline names a listener that the cluster does not have.
    ListenerNotFound,
    /// A Pipeline relies on a Realm that is switched off: everyone is refused.
    RealmDisabled,
    /// A listener has no Pipeline: everyone is refused.
    NoPipeline,
    /// A Secret does not exist, or Moat may not see it because it has no label.
    SecretNotFound,
    /// A Secret exists but does not carry the label that lets Moat read it.
    SecretNotLabelled,
    /// A Secret lacks a key, has one too many, or a value of the wrong form.
    SecretInvalid,
    /// A Secret works, but probably not as its author meant.
    SecretSuspicious,
    /// There is no MqttCluster to compile for.
    ClusterNotFound,
}

impl Reason {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid",
            Self::TooLarge => "TooLarge",
            Self::Conflict => "Conflict",
            Self::RefNotFound => "RefNotFound",
            Self::ListenerNotFound => "ListenerNotFound",
            Self::RealmDisabled => "RealmDisabled",
            Self::NoPipeline => "NoPipeline",
            Self::SecretNotFound => "SecretNotFound",
            Self::SecretNotLabelled => "SecretNotLabelled",
            Self::SecretInvalid => "SecretInvalid",
            Self::SecretSuspicious => "SecretSuspicious",
            Self::ClusterNotFound => "ClusterNotFound",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The resource (or the part named) is not in force: `Accepted=False`.
    Error,
    /// The resource is in force, but does less than it seems to.
    Warning,
}

impl Severity {
    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One finding about one resource. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// The resource to change.
    pub resource: ResourceKey,
    /// Where in the resource, as `spec.permissions[1].topicFilter`; `None` when it is about the whole.
    pub field: Option<String>,
    /// Why, in one stable word.
    pub reason: Reason,
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong and what to do about it, for a person.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.severity.as_str(), self.resource)?;
        // The messages of broken rules begin with the field, as the API server writes them.
        if let Some(field) = self.field.as_deref().filter(|field| !self.message.starts_with(field)) {
            write!(f, ": {field}")?;
        }
        write!(f, ": {} ({})", self.message, self.reason)
    }
}

/// A finding before it is known which resource it is about: what a step that sees only one spec returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the resource; empty when it is about the whole.
    pub field: String,
    /// Why, in one stable word.
    pub reason: Reason,
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl Problem {
    /// An error at a field; an empty field means the whole resource.
    pub fn error(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Self {
        Self { field: field.into(), reason, severity: Severity::Error, message: message.into() }
    }

    /// A warning at a field; an empty field means the whole resource.
    pub fn warning(field: impl Into<String>, reason: Reason, message: impl Into<String>) -> Self {
        Self { field: field.into(), reason, severity: Severity::Warning, message: message.into() }
    }

    /// The finding as one about `resource`.
    pub fn about(self, resource: &ResourceKey) -> Diagnostic {
        Diagnostic {
            resource: resource.clone(),
            field: (!self.field.is_empty()).then_some(self.field),
            reason: self.reason,
            severity: self.severity,
            message: self.message,
        }
    }
}
