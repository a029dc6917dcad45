//! A folder as its follower sees it.

mod folder;
mod watch;

use std::path::Path;

use moat_crds::compile::Change;

use super::FolderSource;

/// A Permission with a topic filter, as a document.
fn permission(name: &str, filter: &str) -> String {
    format!(
        "apiVersion: moat.dev/v1alpha1\nkind: Permission\nmetadata:\n  name: {name}\nspec:\n  topicFilter: \
         {filter}\n  activity: [publish]\n"
    )
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
}

/// Changes in short: `+a` came or changed, `!a` was rejected, `-a` is gone.
fn short(changes: &[Change]) -> Vec<String> {
    let mut short: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Upsert(resource) => format!("+{}", resource.key().name),
            Change::Reject(rejected) => format!("!{}", rejected.key.name),
            Change::Delete(key) => format!("-{}", key.name),
            Change::Verified(key, _) => format!("?{}", key.credential.name),
        })
        .collect();
    short.sort();
    short
}

/// What a look at the folder brings; `None` when nothing is different.
fn look(source: &mut FolderSource) -> Option<Vec<String>> {
    source.refresh().map(|changes| short(&changes))
}

fn findings(source: &FolderSource) -> Vec<String> {
    source.findings().map(ToString::to_string).collect()
}
