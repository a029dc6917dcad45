//! What goes into `compile`: resources, those that could not be used, and changes to both.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use moat_policy::SecretString;
use serde::{Deserialize, Serialize};

use super::diagnostic::Problem;
use super::key::{Kind, ResourceKey};
use super::member::Packed;
use super::secret::{KNOWN_KEYS, USES};
use super::verifiers::VerifierKey;
use crate::{
    Credential, CredentialSpec, MqttCluster, MqttClusterSpec, Permission, PermissionSpec, Pipeline,
    PipelineSpec, Realm, RealmSpec, Role, RoleSpec,
};

/// The namespace of a resource whose file names none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A resource whose schema and rules were checked where it entered, by the API server or the reader of files.
#[derive(Clone, Debug)]
pub enum Resource {
    /// A broker cluster.
    MqttCluster(MqttCluster),
    /// A source of identities and rights.
    Realm(Realm),
    /// How a client of a listener becomes an authorized session.
    Pipeline(Pipeline),
    /// A named set of permissions.
    Role(Role),
    /// One permission that others refer to.
    Permission(Permission),
    /// A username and password, or a certificate, with roles.
    Credential(Credential),
    /// A Secret. Its `stringData` counts as the API server would count it.
    Secret(Secret),
}

impl Resource {
    /// Which resource it is.
    pub fn key(&self) -> ResourceKey {
        let (kind, meta) = match self {
            Self::MqttCluster(resource) => (Kind::MqttCluster, &resource.metadata),
            Self::Realm(resource) => (Kind::Realm, &resource.metadata),
            Self::Pipeline(resource) => (Kind::Pipeline, &resource.metadata),
            Self::Role(resource) => (Kind::Role, &resource.metadata),
            Self::Permission(resource) => (Kind::Permission, &resource.metadata),
            Self::Credential(resource) => (Kind::Credential, &resource.metadata),
            Self::Secret(resource) => (Kind::Secret, &resource.metadata),
        };
        let namespace = meta.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        ResourceKey::new(kind, namespace, meta.name.as_deref().unwrap_or_default())
    }

    /// Its content and version, without the rest of the metadata: labels of policy resources mean nothing.
    pub(super) fn split(self) -> (Version, Read) {
        let (metadata, spec) = match self {
            Self::MqttCluster(MqttCluster { metadata, spec, .. }) => (metadata, Spec::MqttCluster(spec)),
            Self::Realm(Realm { metadata, spec, .. }) => (metadata, Spec::Realm(spec)),
            Self::Pipeline(Pipeline { metadata, spec, .. }) => (metadata, Spec::Pipeline(spec)),
            Self::Role(Role { metadata, spec, .. }) => (metadata, Spec::Role(spec)),
            Self::Permission(Permission { metadata, spec, .. }) => (metadata, Spec::Permission(spec)),
            Self::Credential(Credential { metadata, spec, .. }) => (metadata, Spec::Credential(spec)),
            // Which version of a Secret it is means nothing: its content does.
            Self::Secret(secret) => {
                return (Version::default(), Read::Secret(SecretContent::of(secret).into()));
            }
        };
        (Version::of(&metadata), Read::Spec(spec))
    }
}

/// What was read of a resource, before it is judged.
pub(super) enum Read {
    /// A resource of ours.
    Spec(Spec),
    /// A Secret.
    Secret(Box<SecretContent>),
    /// Nothing.
    Nothing,
}

/// A resource that broke a rule before it reached `compile`: its last valid form stays in force, if it had one.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Which resource.
    pub key: ResourceKey,
    /// Which version of it.
    pub version: Version,
    /// What is wrong; at least one finding.
    pub problems: Vec<Problem>,
    /// What could be read of it in spite of that. It grants nothing; but a Pipeline that cannot be used keeps its
    /// listener from falling to the Pipeline of `ALL`, which may let in more.
    pub readable: Option<Spec>,
}

/// Which object, and which version of it, a content belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// `metadata.uid`; `None` in files.
    pub uid: Option<Arc<str>>,
    /// `metadata.generation`; `None` in files.
    pub generation: Option<i64>,
    /// `metadata.creationTimestamp` in seconds since 1970; `None` in files.
    pub created: Option<i64>,
}

impl Version {
    /// The version that metadata tells.
    pub fn of(meta: &ObjectMeta) -> Self {
        Self {
            uid: meta.uid.as_deref().map(Into::into),
            generation: meta.generation,
            created: meta.creation_timestamp.as_ref().map(|time| time.0.as_second()),
        }
    }
}

/// The spec of a resource of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Spec {
    /// Of an MqttCluster.
    MqttCluster(MqttClusterSpec),
    /// Of a Realm.
    Realm(RealmSpec),
    /// Of a Pipeline.
    Pipeline(PipelineSpec),
    /// Of a Role.
    Role(RoleSpec),
    /// Of a Permission.
    Permission(PermissionSpec),
    /// Of a Credential.
    Credential(CredentialSpec),
}

impl Spec {
    /// The kind of the resource.
    pub fn kind(&self) -> Kind {
        match self {
            Self::MqttCluster(_) => Kind::MqttCluster,
            Self::Realm(_) => Kind::Realm,
            Self::Pipeline(_) => Kind::Pipeline,
            Self::Role(_) => Kind::Role,
            Self::Permission(_) => Kind::Permission,
            Self::Credential(_) => Kind::Credential,
        }
    }
}

/// What a resource says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// A resource of ours.
    Spec(Arc<Spec>),
    /// A Role or Credential.
    Member(Packed),
    /// A Secret.
    Secret(Box<SecretContent>),
}

impl From<&Arc<Spec>> for Content {
    /// Of a spec that is valid: what cannot be read of a Role or Credential is not taken along.
    fn from(spec: &Arc<Spec>) -> Self {
        match &**spec {
            Spec::Role(spec) => Self::Member(Packed::new(&spec.into())),
            Spec::Credential(spec) => Self::Member(Packed::new(&spec.into())),
            Spec::MqttCluster(_) | Spec::Realm(_) | Spec::Pipeline(_) | Spec::Permission(_) => {
                Self::Spec(spec.clone())
            }
        }
    }
}

impl Content {
    /// The spec, unless it is a Secret.
    pub(super) fn spec(&self) -> Option<Arc<Spec>> {
        match self {
            Self::Spec(spec) => Some(spec.clone()),
            Self::Member(packed) => Some(Arc::new(packed.member().to_spec())),
            Self::Secret(_) => None,
        }
    }
}

/// What Moat reads of a Secret: the values of the keys that it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretContent {
    /// The value of the label [`crate::USE_LABEL`].
    pub(super) used_for: Option<Cow<'static, str>>,
    /// The values in the order of [`KNOWN_KEYS`].
    values: Box<[(&'static str, SecretValue)]>,
}

/// A value of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SecretValue {
    /// Text.
    Text(SecretString),
    /// Something else.
    Bytes,
}

impl SecretContent {
    pub(super) fn of(secret: Secret) -> Self {
        let Secret { metadata, data, string_data, .. } = secret;
        let used_for = metadata.labels.and_then(|mut labels| labels.remove(crate::USE_LABEL));
        let used_for = used_for.map(|used_for| {
            let usual = USES.into_iter().find(|usual| *usual == used_for);
            usual.map_or(Cow::Owned(used_for), Cow::Borrowed)
        });
        let (mut data, mut texts) = (data.unwrap_or_default(), string_data.unwrap_or_default());
        let text = |text| SecretValue::Text(SecretString::new(text));
        let values = KNOWN_KEYS.into_iter().filter_map(|key| {
            let value = texts.remove(key).map(text).or_else(|| {
                let bytes = data.remove(key)?.0;
                Some(String::from_utf8(bytes).map_or(SecretValue::Bytes, text))
            });
            Some((key, value?))
        });
        Self { used_for, values: values.collect() }
    }

    /// The value of one of [`KNOWN_KEYS`].
    pub(super) fn value(&self, key: &str) -> Option<&SecretValue> {
        self.values.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }
}

/// One change to what is compiled.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all changes are of the largest kind, and are moved once"
)]
pub enum Change {
    /// A resource was made or changed.
    Upsert(Resource),
    /// A resource was made or changed, and cannot be used as it is.
    Reject(Rejected),
    /// A resource is gone.
    Delete(ResourceKey),
    /// A password that [`super::Compiled::wanted`] asked for was hashed.
    Verified(VerifierKey, SecretString),
}

/// Everything that is compiled, one form per resource; what is inserted later replaces.
#[derive(Clone, Debug, Default)]
pub struct Resources(BTreeMap<ResourceKey, Change>);

impl Resources {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a resource.
    pub fn insert(&mut self, resource: Resource) {
        self.0.insert(resource.key(), Change::Upsert(resource));
    }

    /// Adds a resource that cannot be used as it is.
    pub fn reject(&mut self, rejected: Rejected) {
        self.0.insert(rejected.key.clone(), Change::Reject(rejected));
    }

    /// Takes a resource out.
    pub fn remove(&mut self, key: &ResourceKey) {
        self.0.remove(key);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes that make them out of nothing.
    pub fn into_changes(self) -> impl Iterator<Item = Change> {
        self.0.into_values()
    }
}

impl FromIterator<Resource> for Resources {
    fn from_iter<I: IntoIterator<Item = Resource>>(resources: I) -> Self {
        let mut all = Self::new();
        resources.into_iter().for_each(|resource| all.insert(resource));
        all
    }
}
