//! What one resource names and claims, and which changes of a target those who name it must notice.

use std::sync::Arc;

use moat_policy::CertificateMatch;
use moat_policy::bundle::ALL_LISTENERS;

use super::build::{authorization_key, certificate};
use super::graph::{Claim, Footprint, Node, Standing};
use super::key::{Kind, ResourceKey};
use super::resource::{Content, Spec};
use super::{ClusterSelection, Conflicts, Options};
use crate::{CredentialSpec, MqttClusterSpec, PermissionItem, PipelineSpec, RealmSpec, RoleSpec};

/// Collects a footprint.
struct Tracks<'a> {
    who: &'a ResourceKey,
    created: i64,
    references: Vec<Node>,
    claims: Vec<(Claim, Standing)>,
}

impl Tracks<'_> {
    fn resource(&mut self, kind: Kind, name: &str) {
        self.references.push(Node::Resource(self.who.sibling(kind, name)));
    }

    fn realm(&mut self, name: &str) -> ResourceKey {
        self.resource(Kind::Realm, name);
        self.who.sibling(Kind::Realm, name)
    }

    fn permissions(&mut self, items: &[PermissionItem]) {
        for name in items.iter().filter_map(|item| item.reference.as_deref()) {
            self.resource(Kind::Permission, name);
        }
    }

    fn claim(&mut self, rank: u8, claim: Claim) {
        self.claims.push((claim, Standing { rank, created: self.created, who: self.who.clone() }));
    }
}

/// The footprint of a resource in the form that is in force (of a refused Pipeline: that could be read).
pub(super) fn footprint(
    options: &Options,
    who: &ResourceKey,
    created: Option<i64>,
    spec: &Spec,
) -> Footprint {
    let created = match options.conflicts {
        Conflicts::OldestServes => created.unwrap_or(i64::MAX),
        Conflicts::AreErrors => i64::MAX,
    };
    let mut tracks = Tracks { who, created, references: Vec::new(), claims: Vec::new() };
    match spec {
        Spec::MqttCluster(spec) => cluster(&mut tracks, &options.cluster, spec),
        Spec::Realm(RealmSpec { cluster_ref, .. }) => tracks.resource(Kind::MqttCluster, &cluster_ref.name),
        Spec::Pipeline(spec) => pipeline(&mut tracks, spec),
        Spec::Role(spec) => role(&mut tracks, spec),
        Spec::Permission(_) => {}
        Spec::Credential(spec) => credential(&mut tracks, spec),
    }
    let Tracks { mut references, mut claims, .. } = tracks;
    references.sort_unstable();
    references.dedup();
    claims.sort_unstable();
    claims.dedup_by(|a, b| a.0 == b.0);
    Footprint { references, claims }
}

fn cluster(tracks: &mut Tracks<'_>, selection: &ClusterSelection, spec: &MqttClusterSpec) {
    for listener in &spec.listeners {
        if let Some(tls) = &listener.tls {
            tracks.resource(Kind::Secret, &tls.secret_name);
        }
        let scope = Claim::Scope { cluster: tracks.who.clone(), listener: Arc::from(listener.name.as_str()) };
        tracks.references.push(Node::Claim(scope));
    }
    let all = Claim::Scope { cluster: tracks.who.clone(), listener: Arc::from(ALL_LISTENERS) };
    tracks.references.push(Node::Claim(all));
    if *selection == ClusterSelection::Only {
        tracks.claim(0, Claim::Cluster);
    }
}

fn pipeline(tracks: &mut Tracks<'_>, spec: &PipelineSpec) {
    let PipelineSpec { cluster_ref, listener, authentication, authorization } = spec;
    tracks.resource(Kind::MqttCluster, &cluster_ref.name);
    let realms = [
        authentication.manager.kubernetes.as_ref().map(|manager| &manager.realm),
        authorization.manager.kubernetes.as_ref().map(|manager| &manager.realm),
    ];
    for realm in realms.into_iter().flatten() {
        tracks.realm(realm);
    }
    let cluster = tracks.who.sibling(Kind::MqttCluster, &cluster_ref.name);
    tracks.claim(1, Claim::Scope { cluster, listener: Arc::from(listener.as_str()) });
}

fn role(tracks: &mut Tracks<'_>, spec: &RoleSpec) {
    let RoleSpec { realm_ref, role_keys, permissions } = spec;
    let realm = tracks.realm(&realm_ref.name);
    tracks.permissions(permissions);
    tracks.claim(0, Claim::RoleKey { realm: realm.clone(), key: tracks.who.name.clone() });
    for key in role_keys.iter().filter(|key| ***key != *tracks.who.name) {
        tracks.claim(1, Claim::RoleKey { realm: realm.clone(), key: Arc::from(key.as_str()) });
    }
}

fn credential(tracks: &mut Tracks<'_>, spec: &CredentialSpec) {
    let realm = tracks.realm(&spec.realm_ref.name);
    tracks.permissions(&spec.permissions);
    for role in &spec.roles {
        let claim = Claim::RoleKey { realm: realm.clone(), key: Arc::from(role.as_str()) };
        tracks.references.push(Node::Claim(claim));
    }
    if let Some(secret) = &spec.password_secret_ref {
        tracks.resource(Kind::Secret, &secret.name);
    }
    let key = Arc::from(authorization_key(tracks.who, spec));
    tracks.claim(1, Claim::Identity { realm: realm.clone(), key });
    if let Some(certificate) = certificate(spec) {
        let certificate = match certificate {
            CertificateMatch::Subject(subject) => Arc::from(format!("subject {subject}")),
            CertificateMatch::FingerprintSha256(digits) => Arc::from(format!("sha256 {digits}")),
        };
        tracks.claim(1, Claim::Certificate { realm, certificate });
    }
}

/// Whether those of kind `referrer` who name a resource see no difference between two of its contents. It must be
/// false wherever `build` may look; it is true where one edit would else rebuild all members of a realm.
pub(super) fn same_for(referrer: Kind, old: Option<&Content>, new: Option<&Content>) -> bool {
    let (old, new) = match (old, new) {
        (None, None) => return true,
        (Some(Content::Spec(old)), Some(Content::Spec(new))) => (&**old, &**new),
        (Some(old), Some(new)) => return old == new,
        (Some(_), None) | (None, Some(_)) => return false,
    };
    match (old, new) {
        (Spec::MqttCluster(old), Spec::MqttCluster(new)) => {
            let names =
                |spec: &'_ MqttClusterSpec| spec.listeners.iter().map(|l| l.name.clone()).collect::<Vec<_>>();
            referrer != Kind::Pipeline || names(old) == names(new)
        }
        (Spec::Realm(old), Spec::Realm(new)) => {
            old.cluster_ref == new.cluster_ref && (referrer != Kind::Pipeline || old.enabled == new.enabled)
        }
        (old, new) => old == new,
    }
}
