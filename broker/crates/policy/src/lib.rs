//! The compiled policy: who may do what on which topic, in the form that brokers enforce.
//!
//! Three stations, none of which does I/O or reads a clock:
//!
//! 1. [`bundle`]: what `compile` writes and brokers load. A persistent, sharded map of typed entries with a digest.
//! 2. [`Policy`]: a bundle indexed for logins. `begin` finds the credential, `authorize` resolves rights, `rejudge`
//!    tells what a newer policy means for a session that already runs.
//! 3. [`Grants`]: what one session may do. `may_publish` stands on the packet path and never allocates.
//!
//! An error on the way to a decision is a denial: nothing here panics or falls back to "allow".
//!
//! ```
//! use std::sync::Arc;
//! use moat_policy::*;
//!
//! let permission = PermissionEntry {
//!     source: "Permission/own-status".into(),
//!     topic_filter: "topic/${mqtt-clientid}/status".into(),
//!     activity: Activities::PUBLISH,
//!     qos: QosSet::ALL,
//!     retain: RetainRule::Any,
//!     shared_subscription: SharedSubscriptionRule::Never,
//!     shared_group: None,
//! };
//! let role = Arc::new(RuleSet::new("Role/frontend", &[permission]));
//! let variables = Variables::new().with(&Variable::ClientId, Some("x".into()));
//! let grants = Grants::new(vec![role], Arc::new(variables), SubscriptionMatching::Containment);
//! assert!(grants.may_publish("topic/x/status", 1, false));
//! assert!(!grants.may_publish("topic/y/status", 1, false));
//! println!("{}", grants.explain_publish("topic/y/status", 1, false));
//! ```

pub mod bundle;
mod explain;
mod grants;
mod policy;
mod rights;
mod rules;
mod secret;
mod template;
mod variables;

pub use bundle::{
    ALL_LISTENERS, Activities, Activity, AuthenticationManager, AuthorizationManager, Bundle, BundleError,
    CertificateMatch, CredentialEntry, CredentialIdentity, Digest, Entry, EntryKey, EntryKind, OnRevocation,
    PermissionEntry, PipelineEntry, QosSet, RealmEntry, RetainRule, RoleEntry, Settings,
    SharedSubscriptionRule, SubscriptionMatching,
};
pub use explain::{Cause, Decision, Dependence, Field, Lost, Miss, Request, Verdict};
pub use grants::Grants;
pub use policy::{
    Attempt, Authorized, Begin, CertificateId, Ended, Identity, Pending, Policy, Refusal, Rejudged, RoleKeys,
};
pub use rights::PublishRights;
pub use rules::{InvalidPermission, RuleSet};
pub use secret::SecretString;
pub use template::{GroupTemplate, MAX_LEVELS, TemplateError, TemplateFault, TopicTemplate};
pub use variables::{ValueFault, Variable, Variables};
