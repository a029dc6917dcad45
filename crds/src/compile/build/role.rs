//! A Role, and the permissions that Roles and Credentials list.

use moat_policy::{Entry, EntryKey, PermissionEntry, RoleEntry};

use super::super::diagnostic::Problem;
use super::super::key::{Kind, ResourceKey};
use super::super::permission::{self, Form};
use super::{Built, Membership, View, not_found};
use crate::{PermissionItem, RoleSpec};

pub(super) fn build(view: &View<'_>, key: &ResourceKey, spec: &RoleSpec) -> Option<Built> {
    let problem = match view.of_realm(key, &spec.realm_ref.name) {
        Membership::Others => return None,
        Membership::Dangling(problem) => Some(problem),
        Membership::Ours => view.conflict(key),
    };
    if let Some(problem) = problem {
        return Some(Built { problems: vec![problem], ..Built::default() });
    }
    let mut problems = Vec::new();
    let mut role_keys: Vec<_> =
        spec.role_keys.iter().filter(|role_key| **role_key != *key.name).cloned().collect();
    role_keys.sort_unstable();
    role_keys.dedup();
    let permissions = permissions(view, key, &spec.permissions, &mut problems);
    let entry = Entry::Role(RoleEntry { source: key.short(), role_keys, permissions });
    let entry_key = EntryKey::role(&*spec.realm_ref.name, &*key.name);
    Some(Built { entry: Some((entry_key, entry)), problems, ..Built::default() })
}

/// The permissions that a list grants; what it names and does not exist grants nothing.
pub(super) fn permissions(
    view: &View<'_>,
    key: &ResourceKey,
    items: &[PermissionItem],
    problems: &mut Vec<Problem>,
) -> Vec<PermissionEntry> {
    let mut entries = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        match permission::form(item) {
            Some(Form::Inline(body)) => {
                entries.push(permission::entry(&body, format!("{} permissions[{i}]", key.short())));
            }
            Some(Form::Reference(name)) => {
                let permission = key.sibling(Kind::Permission, name);
                match view.permission(&permission) {
                    Some(spec) => entries.push(permission::entry(&spec.into(), permission.short())),
                    None => problems.push(not_found(format!("spec.permissions[{i}].ref"), &permission)),
                }
            }
            // Refused by `validate`, so that no form in force has it; if one had, it would grant nothing.
            None => {}
        }
    }
    entries
}
