//! `Permission`: one thing that a client may do, and its inline form in Roles and Credentials.
#![expect(
    clippy::duplicated_attributes,
    reason = "clippy takes the printer columns, each an argument, for one attribute"
)]
#![expect(unreachable_pub, reason = "KubeSchema repeats every type inside a function, with its visibility")]

use std::borrow::Cow;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::{Status, rule};

/// One thing that a client may do. There is no denial: what no permission allows is refused.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "moat.dev",
    version = "v1alpha1",
    kind = "Permission",
    plural = "permissions",
    namespaced,
    status = "Status",
    derive = "PartialEq",
    shortname = "mperm",
    category = "moat",
    doc = "One thing that a client may do. Roles and Credentials of the same namespace name it with `ref`; alone it \
           grants nothing. There is no denial: what no permission allows is refused.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(name = "Filter", type_ = "string", json_path = ".spec.topicFilter"),
    printcolumn(name = "Activity", type_ = "string", json_path = ".spec.activity"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rule::shared_group_needs_shared())]
pub struct PermissionSpec {
    /// MQTT topic filter of the topics that this is about, at most 768 characters and 128 levels, with `+` and `#` as MQTT has
    /// them. `$` topics are covered only by a filter whose first level names them. The placeholders
    /// `${mqtt-clientid}`, `${mqtt-username}`, `${authentication-key}`, `${authorization-key}` and `${string-…}`
    /// stand for values of the session; one whose value is empty, unknown, or holds `+`, `#`, `/` or NUL drops the
    /// permission for that session. Hot.
    #[schemars(length(min = 1, max = 768))]
    #[x_kube(
        validation = rule::filter_wildcards(),
        validation = rule::filter_not_shared(),
        validation = rule::filter_levels(),
        validation = rule::filter_dollar(),
        validation = rule::placeholders("topicFilter")
    )]
    pub topic_filter: String,

    /// What may be done: `publish`, `subscribe` or both. Hot.
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub activity: Vec<Activity>,

    /// The qualities of service, of 0, 1 and 2, with which it may be done. Default all three. A request with another
    /// one is refused, not lowered. Hot.
    #[serde(default = "every_qos")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub qos: Vec<Qos>,

    /// Retained messages when publishing: `never` (default; a publish with the retain flag is refused), `any` (with
    /// or without) or `only` (without the flag it is refused). Means nothing for subscribing. Hot.
    #[serde(default)]
    pub retain: Tristate,

    /// Shared subscriptions when subscribing: `never` (default; `$share/…` is refused), `any` (shared or not) or
    /// `only` (a plain subscription is refused). Means nothing for publishing. Hot.
    #[serde(default)]
    pub shared_subscription: Tristate,

    /// The one group that a shared subscription may use; empty, `#` or absent allows any. At most 256 characters,
    /// without `/`, `+` and `#`; placeholders as in `topicFilter`. Needs `sharedSubscription: any` or `only`. Hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::shared_group(), validation = rule::placeholders("sharedGroup"))]
    pub shared_group: Option<String>,
}

/// A permission inside a Role or Credential: the name of a Permission, or its fields in place.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rule::one_permission_form(),
    validation = rule::reference_stands_alone(),
    validation = rule::inline_needs_activity(),
    validation = rule::inline_shared_group_needs_shared()
)]
pub struct PermissionItem {
    /// Name of a Permission in the same namespace. Either this or `topicFilter` with its companions. Hot.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "ref")]
    #[schemars(length(min = 1, max = 253), regex(pattern = rule::DNS_SUBDOMAIN))]
    pub reference: Option<String>,

    /// MQTT topic filter, as `topicFilter` of a Permission; at most 768 characters. Needs `activity`. Hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 768))]
    #[x_kube(
        validation = rule::filter_wildcards(),
        validation = rule::filter_not_shared(),
        validation = rule::filter_levels(),
        validation = rule::filter_dollar(),
        validation = rule::placeholders("topicFilter")
    )]
    pub topic_filter: Option<String>,

    /// What may be done: `publish`, `subscribe` or both; required with `topicFilter`. Hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub activity: Option<Vec<Activity>>,

    /// The qualities of service with which it may be done; all three if absent. Hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub qos: Option<Vec<Qos>>,

    /// Retained messages when publishing: `never` (if absent), `any` or `only`. Hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<Tristate>,

    /// Shared subscriptions when subscribing: `never` (if absent), `any` or `only`. Hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_subscription: Option<Tristate>,

    /// The one group that a shared subscription may use; empty, `#` or absent allows any. At most 256 characters.
    /// Needs `sharedSubscription: any` or `only`. Hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(validation = rule::shared_group(), validation = rule::placeholders("sharedGroup"))]
    pub shared_group: Option<String>,
}

/// The two forms of a [`PermissionItem`].
#[derive(Clone, Debug, PartialEq)]
pub enum PermissionForm<'a> {
    /// The name of a Permission.
    Reference(&'a str),
    /// A permission in place, absent fields filled with the defaults of `Permission.spec`.
    Inline(PermissionSpec),
}

impl PermissionItem {
    /// The form that the item has; `None` if it has none or both, which the schema's rules refuse before.
    pub fn form(&self) -> Option<PermissionForm<'_>> {
        match (&self.reference, &self.topic_filter) {
            (Some(name), None) => Some(PermissionForm::Reference(name)),
            (None, Some(filter)) => Some(PermissionForm::Inline(PermissionSpec {
                topic_filter: filter.clone(),
                activity: self.activity.clone()?,
                qos: self.qos.clone().unwrap_or_else(every_qos),
                retain: self.retain.unwrap_or_default(),
                shared_subscription: self.shared_subscription.unwrap_or_default(),
                shared_group: self.shared_group.clone(),
            })),
            _ => None,
        }
    }
}

/// What a client does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// Sends messages, wills included.
    Publish,
    /// Asks for messages.
    Subscribe,
}

/// Whether something may be so, must be so, or may not.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[serde(rename_all = "lowercase")]
pub enum Tristate {
    /// So or not so.
    Any,
    /// So, and not otherwise.
    Only,
    /// Not so.
    #[default]
    Never,
}

/// A quality of service of MQTT: 0, 1 or 2, as a number.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[serde(try_from = "u8", into = "u8")]
pub enum Qos {
    /// At most once.
    AtMostOnce,
    /// At least once.
    AtLeastOnce,
    /// Exactly once.
    ExactlyOnce,
}

/// A number that is no quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("quality of service must be 0, 1 or 2, not {0}")]
pub struct NoQos(u8);

impl TryFrom<u8> for Qos {
    type Error = NoQos;

    fn try_from(level: u8) -> Result<Self, NoQos> {
        match level {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            other => Err(NoQos(other)),
        }
    }
}

impl From<Qos> for u8 {
    fn from(level: Qos) -> Self {
        match level {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => 1,
            Qos::ExactlyOnce => 2,
        }
    }
}

impl JsonSchema for Qos {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Qos".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "format": "int32", "enum": [0, 1, 2] })
    }
}

/// All three qualities of service: what a permission covers that names none.
fn every_qos() -> Vec<Qos> {
    vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce]
}
