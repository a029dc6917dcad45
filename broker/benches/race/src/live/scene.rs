//! The folders that the broker serves while it is measured, and the edits in them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::resources::{self, Door};

/// Who publishes, and whose rights stay.
pub(crate) const TELLER: &str = "teller";

/// Who listens, and whose right comes and goes.
pub(crate) const HEARER: &str = "hearer";

/// The topic that the two share.
pub(crate) const TOPIC: &str = "live/news";

/// Permissions of each role of a fleet.
const PERMISSIONS: usize = 10;

/// How many resources stand beside those that matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    /// Roles of 10 permissions each.
    pub(crate) roles: usize,
    /// Credentials with a Secret and a role each.
    pub(crate) credentials: usize,
    /// Files that they are spread over.
    pub(crate) files: usize,
}

impl Fleet {
    /// In words, for the table.
    pub(crate) fn title(&self) -> String {
        format!(
            "{} roles × {PERMISSIONS} permissions, {} credentials, {} files",
            self.roles, self.credentials, self.files
        )
    }

    /// One of the fleet's files. Every role, Credential and Secret of it differs between revisions.
    fn file(&self, number: usize, revision: usize) -> String {
        let mine = |all: usize| (number..all).step_by(self.files);
        let roles = mine(self.roles).map(|role| {
            let filter = |p| format!("site/{role}/rev-{revision}/line-{p}/${{mqtt-clientid}}/#");
            resources::role(&format!("role-{role}"), "publish, subscribe", (0..PERMISSIONS).map(filter))
        });
        let credentials = mine(self.credentials).map(|device| {
            let role = (device + revision) % self.roles.max(1);
            let hash = hash(device, revision);
            resources::user(&format!("device-{device}"), &hash, &format!("role-{role}"))
        });
        roles.chain(credentials).collect()
    }

    /// Writes all files of a revision.
    pub(crate) fn write(&self, folder: &Path, revision: usize) -> Result<()> {
        (0..self.files).try_for_each(|number| {
            let file = folder.join(name(number));
            fs::write(&file, self.file(number, revision))
                .with_context(|| format!("failed to write {}", file.display()))
        })
    }

    /// Makes `folder` look like a mounted ConfigMap: links to `..data`, which is a link to a revision's folder.
    pub(crate) fn mount(&self, folder: &Path, revision: &Path) -> Result<()> {
        swap(folder, revision)?;
        (0..self.files).try_for_each(|number| {
            let name = name(number);
            symlink(Path::new("..data").join(&name), folder.join(&name)).context("failed to link a file")
        })
    }
}

/// Lets `..data` point to another revision, as the kubelet does; returns the moment before.
pub(crate) fn swap(folder: &Path, revision: &Path) -> Result<Instant> {
    let next = folder.join("..data_tmp");
    symlink(revision, &next).context("failed to link a revision")?;
    let now = Instant::now();
    fs::rename(&next, folder.join("..data")).context("failed to swap revisions")?;
    Ok(now)
}

fn name(number: usize) -> String {
    format!("fleet-{number:03}.yaml")
}

/// An Argon2id verifier of no password, of its own for each Credential.
fn hash(device: usize, revision: usize) -> String {
    format!("$argon2id$v=19$m=19456,t=2,p=1${device:0>21}A${revision:0>42}A")
}

/// A folder in which one right of a live client comes and goes.
pub(crate) struct Scene {
    edited: PathBuf,
    /// What else stands in the edited file.
    beside: String,
}

impl Scene {
    /// Fills `folder`, which is empty: the two users beside nothing, or beside a fleet. The edited file is one of the
    /// fleet's.
    pub(crate) fn build(folder: &Path, port: u16, fleet: Option<&Fleet>) -> Result<Self> {
        let hearer = resources::user(HEARER, resources::ARGON2ID, HEARER);
        fs::write(folder.join("live.yaml"), live(port, resources::ARGON2ID) + &hearer)?;
        let scene = match fleet {
            None => Self { edited: folder.join("right.yaml"), beside: String::new() },
            Some(fleet) => {
                fleet.write(folder, 0)?;
                let middle = fleet.files / 2;
                Self { edited: folder.join(name(middle)), beside: fleet.file(middle, 0) }
            }
        };
        fs::write(&scene.edited, scene.text(true))?;
        Ok(scene)
    }

    fn text(&self, granted: bool) -> String {
        let filter = if granted { TOPIC } else { "elsewhere/#" };
        let role = resources::role(HEARER, "subscribe", [filter.to_owned()]);
        format!("{}{role}", self.beside)
    }

    /// Grants or revokes the right by putting a new file in the place of the old one; returns the moment before.
    pub(crate) fn edit(&self, granted: bool) -> Result<Instant> {
        let next = self.edited.with_extension("next");
        fs::write(&next, self.text(granted)).context("failed to write an edit")?;
        let now = Instant::now();
        fs::rename(&next, &self.edited).context("failed to rename an edit")?;
        Ok(now)
    }
}

/// A broker that lets [`TELLER`] in, with the verifier `hash` of its password.
pub(crate) fn live(port: u16, hash: &str) -> String {
    [
        resources::foundation(port, Door::Realm),
        resources::user(TELLER, hash, TELLER),
        resources::role(TELLER, "publish, subscribe", ["live/#".to_owned()]),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: Fleet = Fleet { roles: 25, credentials: 70, files: 8 };

    #[test]
    fn every_resource_of_a_fleet_stands_in_one_file_and_differs_between_revisions() {
        let all: String = (0..FLEET.files).map(|number| FLEET.file(number, 0)).collect();
        let documents = |text: &str| text.split("---\n").map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(all.matches("kind: Role\n").count(), FLEET.roles);
        assert_eq!(all.matches("kind: Credential\n").count(), FLEET.credentials);
        assert_eq!(all.matches("topicFilter:").count(), FLEET.roles * PERMISSIONS);
        let next: String = (0..FLEET.files).map(|number| FLEET.file(number, 1)).collect();
        let pairs = documents(&all).into_iter().zip(documents(&next)).skip(1);
        assert!(pairs.into_iter().all(|(old, new)| old != new));
    }

    #[test]
    fn an_edit_changes_one_right_and_nothing_else() {
        let scene = Scene { edited: PathBuf::new(), beside: FLEET.file(4, 0) };
        let (granted, revoked) = (scene.text(true), scene.text(false));
        assert_eq!(granted.replace(TOPIC, "elsewhere/#"), revoked);
    }
}
