//! A Role, and the permissions that Roles and Credentials list.

use moat_policy::{Entry, EntryKey, PermissionEntry, RoleEntry};

use super::super::diagnostic::Problem;
use super::super::key::Kind;
use super::super::permission::{self, Form};
use super::{Built, Membership, View, Who, not_found};
use crate::{PermissionItem, RoleSpec};

pub(super) fn build(view: &View<'_>, who: Who<'_>, spec: &RoleSpec) -> Option<Built> {
    let cluster = match view.of_realm(who, &spec.realm_ref.name) {
        Membership::Others => return None,
        Membership::Dangling(problem) => return Some(problem.into()),
        Membership::Of(cluster) => cluster,
    };
    if let Some(problem) = view.conflict(who) {
        return Some(problem.into());
    }
    let mut problems = Vec::new();
    let mut role_keys: Vec<_> =
        spec.role_keys.iter().filter(|role_key| **role_key != *who.key.name).cloned().collect();
    role_keys.sort_unstable();
    role_keys.dedup();
    let permissions = permissions(view, who, &spec.permissions, &mut problems);
    let entry = Entry::Role(RoleEntry { source: who.key.short(), role_keys, permissions });
    let entry_key = EntryKey::role(&*spec.realm_ref.name, &*who.key.name);
    Some(Built { entry: Some((cluster, entry_key, entry)), problems, ..Built::default() })
}

/// The permissions that a list grants; what it names and does not exist grants nothing.
pub(super) fn permissions(
    view: &View<'_>,
    who: Who<'_>,
    items: &[PermissionItem],
    problems: &mut Vec<Problem>,
) -> Vec<PermissionEntry> {
    let mut entries = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        match permission::form(item) {
            Some(Form::Inline(body)) => {
                entries.push(permission::entry(&body, format!("{} permissions[{i}]", who.key.short())));
            }
            Some(Form::Reference(name)) => match view.permission(who, name) {
                Some(spec) => {
                    entries.push(permission::entry(&spec.into(), format!("{}/{name}", Kind::Permission)));
                }
                None => {
                    let field = format!("spec.permissions[{i}].ref");
                    problems.push(not_found(who, field, Kind::Permission, name));
                }
            },
            // Refused by `validate`, so that no form in force has it; if one had, it would grant nothing.
            None => {}
        }
    }
    entries
}
