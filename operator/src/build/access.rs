//! Who the pods are, and what of the API they may read: objects by name, and where their peers are. Nothing to write.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::ResourceExt;
use moat_crds::delivery::names;

use super::{BROKER, Inputs, metadata};

/// The pods' account. Its token reaches a pod only through the template, which asks for it.
pub(super) fn service_account(inputs: &Inputs<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(inputs.cluster, account(inputs), BROKER),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

pub(super) fn role(inputs: &Inputs<'_>) -> Role {
    let mut rules = Vec::new();
    rules.extend(named("configmaps", inputs.config_maps));
    rules.extend(named("secrets", inputs.secrets));
    rules.push(PolicyRule {
        api_groups: Some(vec!["discovery.k8s.io".to_owned()]),
        resources: Some(vec!["endpointslices".to_owned()]),
        verbs: read(),
        ..PolicyRule::default()
    });
    Role { metadata: metadata(inputs.cluster, account(inputs), BROKER), rules: Some(rules) }
}

pub(super) fn role_binding(inputs: &Inputs<'_>) -> RoleBinding {
    RoleBinding {
        metadata: metadata(inputs.cluster, account(inputs), BROKER),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".to_owned(),
            kind: "Role".to_owned(),
            name: account(inputs),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: account(inputs),
            namespace: inputs.cluster.namespace(),
            ..Subject::default()
        }]),
    }
}

pub(super) fn account(inputs: &Inputs<'_>) -> String {
    names::account(&inputs.cluster.name_any())
}

/// Reading these objects of the core group. Without names there is no rule: one with an empty list means all objects.
fn named(resource: &str, names: &[String]) -> Option<PolicyRule> {
    (!names.is_empty()).then(|| PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec![resource.to_owned()]),
        resource_names: Some(names.to_vec()),
        verbs: read(),
        ..PolicyRule::default()
    })
}

fn read() -> Vec<String> {
    ["get", "list", "watch"].map(str::to_owned).into()
}
