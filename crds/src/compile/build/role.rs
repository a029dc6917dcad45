//! A Role, and the permissions that Roles and Credentials list.

use moat_policy::{Entry, EntryKey, PermissionEntry, RoleEntry};

use super::super::diagnostic::Problem;
use super::super::key::Kind;
use super::super::member::Member;
use super::super::names::Id;
use super::super::permission::{self, Form};
use super::{Built, View, Who, not_found};

pub(super) fn build(view: &View<'_>, (who, cluster): (Who<'_>, Id), member: &Member<'_>) -> Built {
    let mut problems = Vec::new();
    let role_keys = member.keys.iter().filter(|role_key| **role_key != &*who.key.name);
    let mut role_keys: Vec<_> = role_keys.copied().map(str::to_owned).collect();
    role_keys.sort_unstable();
    role_keys.dedup();
    let permissions = permissions(view, who, &member.permissions, &mut problems);
    let entry = Entry::Role(RoleEntry { source: who.key.short(), role_keys, permissions });
    let entry_key = EntryKey::role(member.realm, &*who.key.name);
    Built { entry: Some((cluster, entry_key, entry)), problems, ..Built::default() }
}

/// The permissions that a list grants; what it names and does not exist grants nothing.
pub(super) fn permissions(
    view: &View<'_>,
    who: Who<'_>,
    forms: &[Form<'_>],
    problems: &mut Vec<Problem>,
) -> Vec<PermissionEntry> {
    let mut entries = Vec::with_capacity(forms.len());
    for (i, form) in forms.iter().enumerate() {
        match form {
            Form::Inline(body) => {
                entries.push(permission::entry(body, format!("{} permissions[{i}]", who.key.short())));
            }
            Form::Reference(name) => match view.permission(who, name) {
                Some(spec) => {
                    entries.push(permission::entry(&spec.into(), format!("{}/{name}", Kind::Permission)));
                }
                None => {
                    let field = format!("spec.permissions[{i}].ref");
                    problems.push(not_found(who, field, Kind::Permission, name));
                }
            },
        }
    }
    entries
}
