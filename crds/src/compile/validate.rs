//! The rules of one spec alone. The schema and CEL were judged where the resource entered; what is checked here again
//! is what the rest of `compile` relies on, and what needs the policy's own parser.

use std::collections::HashSet;

use moat_policy::bundle::MAX_ENTRY_BYTES;

use super::diagnostic::{Problem, Reason};
use super::permission::{self, Form};
use super::resource::Spec;
use crate::{CredentialSpec, MqttClusterSpec, PermissionItem, PipelineSpec, Protocol, RealmSpec, RoleSpec};

/// What is wrong with the spec itself; empty when it can be used.
pub(super) fn validate(spec: &Spec) -> Vec<Problem> {
    match spec {
        Spec::MqttCluster(spec) => cluster(spec),
        Spec::Realm(spec) => realm(spec),
        Spec::Pipeline(spec) => pipeline(spec),
        Spec::Role(spec) => role(spec),
        Spec::Permission(spec) => below("spec", permission::check(&spec.into())),
        Spec::Credential(spec) => credential(spec),
    }
}

fn invalid(field: impl Into<String>, message: impl Into<String>) -> Problem {
    Problem::error(field, Reason::Invalid, message)
}

fn cluster(spec: &MqttClusterSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (mut names, mut ports) = (HashSet::new(), HashSet::new());
    for (i, listener) in spec.listeners.iter().enumerate() {
        let at = |field: &str| format!("spec.listeners[{i}].{field}");
        if !names.insert(&listener.name) {
            problems
                .push(invalid(at("name"), "every listener needs a name of its own: rename one of the two"));
        }
        if !ports.insert(listener.port) {
            problems
                .push(invalid(at("port"), "every listener needs a port of its own: change one of the two"));
        }
        match (listener.protocol, &listener.tls) {
            (Protocol::Mqtts, None) => {
                problems.push(invalid(at("tls"), "a listener with protocol mqtts needs tls.secretName"));
            }
            (Protocol::Mqtt, Some(_)) => {
                problems
                    .push(invalid(at("tls"), "a listener with protocol mqtt is not encrypted: use mqtts"));
            }
            (Protocol::Mqtts, Some(_)) | (Protocol::Mqtt, None) => {}
        }
    }
    problems
}

fn realm(spec: &RealmSpec) -> Vec<Problem> {
    if spec.kubernetes.is_some() {
        return Vec::new();
    }
    vec![invalid("spec", "exactly one realm type must be given: add 'kubernetes: {}'")]
}

fn pipeline(spec: &PipelineSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    let (authentication, authorization) = (&spec.authentication.manager, &spec.authorization.manager);
    let mut one = |stage: &str, kubernetes: bool, allow_all: bool| {
        if kubernetes == allow_all {
            let message =
                format!("exactly one {stage} manager must be given: keep one of kubernetes and allowAll");
            problems.push(invalid(format!("spec.{stage}.manager"), message));
        }
    };
    one("authentication", authentication.kubernetes.is_some(), authentication.allow_all.is_some());
    one("authorization", authorization.kubernetes.is_some(), authorization.allow_all.is_some());
    problems
}

fn role(spec: &RoleSpec) -> Vec<Problem> {
    let keys = spec.role_keys.iter().map(|key| key.len()).sum();
    permissions(&spec.permissions, keys)
}

fn credential(spec: &CredentialSpec) -> Vec<Problem> {
    let roles = spec.roles.iter().map(|role| role.len()).sum();
    let mut problems = permissions(&spec.permissions, roles);
    let named = spec.username.as_ref().is_some_and(|name| !name.is_empty());
    if !named && spec.certificate.is_none() {
        problems
            .push(invalid("spec", "a credential needs a name to be found by: add username, or certificate"));
    }
    if let Some(certificate) = &spec.certificate {
        if spec.password_secret_ref.is_some() {
            let message = "a credential has one proof of identity: keep passwordSecretRef or certificate";
            problems.push(invalid("spec", message));
        }
        if certificate.subject.is_some() == certificate.fingerprint_sha256.is_some() {
            let message = "exactly one of subject and fingerprintSha256 must be given: remove or add one";
            problems.push(invalid("spec.certificate", message));
        }
        if certificate.fingerprint_sha256.as_deref().is_some_and(|text| fingerprint(text).is_none()) {
            let message = "not a SHA-256 fingerprint: write 64 hexadecimal digits, or 32 pairs with colons";
            problems.push(invalid("spec.certificate.fingerprintSha256", message));
        }
    }
    problems
}

/// 64 lower-case hexadecimal digits, from the forms that users may write.
pub(super) fn fingerprint(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
    (digits.len() == 64 && digits.bytes().all(|c| c.is_ascii_hexdigit())).then_some(digits)
}

/// The permissions of a Role or Credential; `others` is the size in bytes of its other lists.
fn permissions(items: &[PermissionItem], others: usize) -> Vec<Problem> {
    let size = others + items.iter().map(item_size).sum::<usize>();
    if size > MAX_ENTRY_BYTES {
        return vec![too_large(size)];
    }
    let mut problems = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let found = match permission::form(item) {
            Some(Form::Reference(_)) => continue,
            Some(Form::Inline(body)) => permission::check(&body),
            None => vec![invalid("", "a permission is a ref, or a topicFilter with an activity")],
        };
        if !found.is_empty() {
            problems.extend(below(&format!("spec.permissions[{i}]"), found));
        }
    }
    problems
}

/// The problems of a part, as problems of the whole.
fn below(at: &str, mut problems: Vec<Problem>) -> Vec<Problem> {
    for problem in &mut problems {
        problem.field =
            if problem.field.is_empty() { at.to_owned() } else { format!("{at}.{}", problem.field) };
    }
    problems
}

/// About what an item takes in the bundle: its texts, and the names of its fields. What a reference brings is
/// measured when it is resolved.
fn item_size(item: &PermissionItem) -> usize {
    const FIELDS: usize = 120;
    FIELDS
        + item.topic_filter.as_ref().map_or(0, String::len)
        + item.shared_group.as_ref().map_or(0, String::len)
}

/// Why something of `size` bytes cannot be used.
pub(super) fn too_large(size: usize) -> Problem {
    let message = format!(
        "its permissions take {} KiB, and at most {} KiB can be distributed: spread them over several Roles and list \
         all of them in the Credentials",
        size.div_ceil(1024),
        MAX_ENTRY_BYTES / 1024
    );
    Problem::error("spec.permissions", Reason::TooLarge, message)
}
