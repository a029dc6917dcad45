//! The user's language: types, CEL and texts of the six kinds, the reader of YAML files, `validate()` and `compile()`.
//! Nothing here does I/O or reads a clock.
//!
//! - The types are in the kinds' modules; [`definition`] makes the CRDs of them, which lie beside this crate as YAML.
//! - [`schema::check`] judges an object by its CRD's own schema and rules, as the API server does.
//! - [`file::read`] makes resources of a file and [`file::assemble`] one input of several.
//! - [`mod@compile`] makes the policy of resources.
//! - [`delivery`] is how that policy travels to the pods.

mod cluster;
pub mod compile;
mod credential;
pub mod definition;
pub mod delivery;
pub mod file;
mod object;
mod permission;
mod pipeline;
mod realm;
mod role;
mod rule;
pub mod schema;

pub use cluster::{
    ClientAuth, Listener, ListenerTls, MqttCluster, MqttClusterSpec, MqttClusterStatus, OnRevocation,
    PolicySettings, Protocol, SessionIdentity, Storage, SubscriptionMatching,
};
pub use credential::{CertificateMatch, Credential, CredentialSpec};
pub use object::{LocalRef, Status};
pub use permission::{
    Activity, NoQos, Permission, PermissionForm, PermissionItem, PermissionSpec, Qos, Tristate,
};
pub use pipeline::{
    AllowAll, Authentication, AuthenticationManager, Authorization, AuthorizationManager,
    KubernetesAuthentication, KubernetesAuthorization, Pipeline, PipelineSpec,
};
pub use realm::{KubernetesRealm, Realm, RealmSpec};
pub use role::{Role, RoleSpec};

/// The API group of all kinds.
pub const GROUP: &str = "moat.dev";
/// The version of all kinds.
pub const VERSION: &str = "v1alpha1";
/// The `apiVersion` of all kinds.
pub const API_VERSION: &str = "moat.dev/v1alpha1";
/// The label without which Moat does not read a Secret.
pub const USE_LABEL: &str = "moat.dev/use";
