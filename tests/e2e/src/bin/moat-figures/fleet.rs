//! What stands beside the edited role: made through the API by many connections at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::api::Api;
use crate::scene;

/// Permissions of each role.
const PERMISSIONS: usize = 10;

/// Connections that make objects.
const CONNECTIONS: usize = 24;

/// Time between two words about the progress.
const TELL_EVERY: Duration = Duration::from_secs(20);

/// How many resources to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fleet {
    /// Roles of 10 permissions each.
    pub(crate) roles: usize,
    /// Credentials with a Secret and a role each.
    pub(crate) credentials: usize,
}

/// What was made.
pub(crate) struct Made {
    pub(crate) fleet: Fleet,
    pub(crate) objects: usize,
    pub(crate) took: Duration,
}

impl Made {
    /// In words, for the table.
    pub(crate) fn title(&self) -> String {
        let Fleet { roles, credentials } = self.fleet;
        format!("{roles} roles × {PERMISSIONS} permissions, {credentials} credentials with a Secret each")
    }

    /// Objects a second.
    pub(crate) fn rate(&self) -> f64 {
        self.objects as f64 / self.took.as_secs_f64()
    }
}

impl Fleet {
    /// How many objects the API server has to take.
    pub(crate) fn objects(&self) -> usize {
        self.roles + 2 * self.credentials
    }

    /// Object `index` and where it is made: roles first, then each Secret before its Credential.
    fn object(&self, namespace: &str, index: usize) -> (String, Value) {
        if index < self.roles {
            let filter = |p| format!("site/{index}/line-{p}/${{mqtt-clientid}}/#");
            let rights = (0..PERMISSIONS).map(|p| (filter(p), &["publish", "subscribe"][..]));
            return (scene::collection(namespace, "roles"), scene::role(&role(index), rights));
        }
        let (device, half) = ((index - self.roles) / 2, (index - self.roles) % 2);
        let name = format!("device-{device}");
        if half == 0 {
            return (scene::core(namespace, "secrets"), scene::secret(&name, &hash(device)));
        }
        let credential = scene::credential(&name, &role(device % self.roles.max(1)));
        (scene::collection(namespace, "credentials"), credential)
    }

    /// Makes as much of it as `patience` allows.
    pub(crate) fn make(self, api: &Api<'_>, namespace: &str, patience: Duration) -> Result<Made> {
        let began = Instant::now();
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            let mut connection = api.connect()?;
            while began.elapsed() < patience {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= self.objects() {
                    break;
                }
                let (collection, object) = self.object(namespace, index);
                connection.create(&collection, &object)?;
            }
            Ok(())
        };
        thread::scope(|scope| -> Result<()> {
            let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
            let mut told = began;
            while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
                crate::pace::rest(crate::pace::COARSE);
                if told.elapsed() >= TELL_EVERY {
                    told = Instant::now();
                    let made = next.load(Ordering::Relaxed).min(self.objects());
                    eprintln!("  {made} of {} objects after {:.0?}", self.objects(), began.elapsed());
                }
            }
            threads.into_iter().try_for_each(|thread| thread.join().ok().context("a thread panicked")?)
        })?;
        // Every number below was taken, and what was taken was made.
        let objects = next.into_inner().min(self.objects());
        let fleet =
            Self { roles: self.roles.min(objects), credentials: objects.saturating_sub(self.roles) / 2 };
        Ok(Made { fleet, objects, took: began.elapsed() })
    }
}

fn role(number: usize) -> String {
    format!("role-{number}")
}

/// An Argon2id verifier of no password, of its own for each Credential.
fn hash(device: usize) -> String {
    format!("$argon2id$v=19$m=19456,t=2,p=1${device:0>21}A${device:0>42}A")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_has_every_object_once() {
        let fleet = Fleet { roles: 3, credentials: 4 };
        let objects: Vec<(String, Value)> =
            (0..fleet.objects()).map(|index| fleet.object("n", index)).collect();
        let names = |kind: &str| -> Vec<&str> {
            let of_kind = objects.iter().filter(|(_, object)| object["kind"] == kind);
            of_kind.filter_map(|(_, object)| object["metadata"]["name"].as_str()).collect()
        };
        assert_eq!(names("Role"), ["role-0", "role-1", "role-2"]);
        assert_eq!(names("Credential"), ["device-0", "device-1", "device-2", "device-3"]);
        assert_eq!(names("Secret"), names("Credential"));
        let roles: Vec<&Value> = objects.iter().map(|(_, object)| &object["spec"]["roles"][0]).collect();
        assert_eq!(roles[10], "role-0");
    }
}
