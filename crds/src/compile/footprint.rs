//! What one resource names and claims, and which changes of a target those who name it must notice.

use std::sync::Arc;

use moat_policy::CertificateMatch;
use moat_policy::bundle::ALL_LISTENERS;

use super::build::{authorization_key, certificate};
use super::graph::{Claim, Field, Footprint, Node, Rank, Standing};
use super::key::Kind;
use super::names::{Id, Names};
use super::resource::{Content, Spec};
use super::{Conflicts, Rules};
use crate::{CredentialSpec, MqttClusterSpec, PermissionItem, PipelineSpec, RealmSpec, RoleSpec};

/// Collects a footprint.
struct Tracks<'a> {
    names: &'a mut Names,
    who: Id,
    created: i64,
    references: Vec<Node>,
    claims: Vec<(Claim, Standing)>,
}

impl Tracks<'_> {
    fn resource(&mut self, kind: Kind, name: &str) -> Id {
        let id = self.names.number_sibling(self.who, kind, name);
        self.references.push(Node::Resource(id));
        id
    }

    fn permissions(&mut self, items: &[PermissionItem]) {
        for name in items.iter().filter_map(|item| item.reference.as_deref()) {
            self.resource(Kind::Permission, name);
        }
    }

    fn on_claim(&mut self, field: Field, text: &str) {
        self.references.push(Node::Claim(Claim { field, text: Arc::from(text) }));
    }

    fn claim(&mut self, rank: Rank, field: Field, text: &str) {
        let own = self.names.name(self.who);
        let text = if **own == *text { own.clone() } else { Arc::from(text) };
        let standing = Standing { rank, created: self.created, who: self.who };
        self.claims.push((Claim { field, text }, standing));
    }
}

/// The footprint of a resource in the form that is in force (of a refused Pipeline: that could be read). All that it
/// names gets a number.
pub(super) fn footprint(
    names: &mut Names,
    rules: &Rules,
    who: Id,
    created: Option<i64>,
    spec: &Spec,
) -> Footprint {
    let created = match rules.conflicts {
        Conflicts::OldestServes => created.unwrap_or(i64::MAX),
        Conflicts::AreErrors => i64::MAX,
    };
    let mut tracks = Tracks { names, who, created, references: Vec::new(), claims: Vec::new() };
    match spec {
        Spec::MqttCluster(spec) => cluster(&mut tracks, rules, spec),
        Spec::Realm(RealmSpec { cluster_ref, .. }) => {
            tracks.resource(Kind::MqttCluster, &cluster_ref.name);
        }
        Spec::Pipeline(spec) => pipeline(&mut tracks, spec),
        Spec::Role(spec) => role(&mut tracks, spec),
        Spec::Permission(_) => {}
        Spec::Credential(spec) => credential(&mut tracks, spec),
    }
    let Tracks { mut references, mut claims, .. } = tracks;
    references.sort_unstable();
    references.dedup();
    claims.sort_by(|a, b| (&a.0, a.1.rank).cmp(&(&b.0, b.1.rank)));
    claims.dedup_by(|a, b| a.0 == b.0);
    Footprint { references, claims }
}

fn cluster(tracks: &mut Tracks<'_>, rules: &Rules, spec: &MqttClusterSpec) {
    let scope = Field::Scope(tracks.who);
    for listener in &spec.listeners {
        if let Some(tls) = &listener.tls {
            tracks.resource(Kind::Secret, &tls.secret_name);
        }
        tracks.on_claim(scope, &listener.name);
    }
    tracks.on_claim(scope, ALL_LISTENERS);
    if rules.is_the_only_one() {
        tracks.claim(Rank::Own, Field::Cluster, "");
    }
}

fn pipeline(tracks: &mut Tracks<'_>, spec: &PipelineSpec) {
    let PipelineSpec { cluster_ref, listener, authentication, authorization } = spec;
    let cluster = tracks.resource(Kind::MqttCluster, &cluster_ref.name);
    let realms = [
        authentication.manager.kubernetes.as_ref().map(|manager| &manager.realm),
        authorization.manager.kubernetes.as_ref().map(|manager| &manager.realm),
    ];
    for realm in realms.into_iter().flatten() {
        tracks.resource(Kind::Realm, realm);
    }
    tracks.claim(Rank::Chosen, Field::Scope(cluster), listener);
}

fn role(tracks: &mut Tracks<'_>, spec: &RoleSpec) {
    let RoleSpec { realm_ref, role_keys, permissions } = spec;
    let realm = tracks.resource(Kind::Realm, &realm_ref.name);
    tracks.permissions(permissions);
    let own = tracks.names.name(tracks.who).clone();
    tracks.claim(Rank::Own, Field::RoleKey(realm), &own);
    for key in role_keys.iter().filter(|key| ***key != *own) {
        tracks.claim(Rank::Chosen, Field::RoleKey(realm), key);
    }
}

fn credential(tracks: &mut Tracks<'_>, spec: &CredentialSpec) {
    let realm = tracks.resource(Kind::Realm, &spec.realm_ref.name);
    tracks.permissions(&spec.permissions);
    for role in &spec.roles {
        tracks.on_claim(Field::RoleKey(realm), role);
    }
    if let Some(secret) = &spec.password_secret_ref {
        tracks.resource(Kind::Secret, &secret.name);
    }
    let own = tracks.names.name(tracks.who).clone();
    tracks.claim(Rank::Chosen, Field::Identity(realm), authorization_key(&own, spec));
    if let Some(certificate) = certificate(spec) {
        let certificate = match certificate {
            CertificateMatch::Subject(subject) => format!("subject {subject}"),
            CertificateMatch::FingerprintSha256(digits) => format!("sha256 {digits}"),
        };
        tracks.claim(Rank::Chosen, Field::Certificate(realm), &certificate);
    }
}

/// The Permissions that a form names.
pub(super) fn permissions(spec: &Spec) -> impl Iterator<Item = &str> {
    let items: &[PermissionItem] = match spec {
        Spec::Role(RoleSpec { permissions, .. }) | Spec::Credential(CredentialSpec { permissions, .. }) => permissions,
        Spec::MqttCluster(_) | Spec::Realm(_) | Spec::Pipeline(_) | Spec::Permission(_) => &[],
    };
    items.iter().filter_map(|item| item.reference.as_deref())
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
