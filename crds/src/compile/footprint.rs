//! What one resource names and claims, and which changes of a target those who name it must notice.

use std::sync::Arc;

use moat_policy::CertificateMatch;
use moat_policy::bundle::ALL_LISTENERS;

use super::build::{authorization_key, certificate};
use super::graph::{Claim, Field, Footprint, Node, Rank, Standing};
use super::key::Kind;
use super::member::Member;
use super::names::{Id, Names};
use super::permission::Form;
use super::resource::{Content, Spec};
use super::{Conflicts, Rules};
use crate::{MqttClusterSpec, PipelineSpec, RealmSpec};

/// Collects what one resource, in the form that is in force (of a refused Pipeline: that could be read), names and
/// claims. All that it names gets a number.
pub(super) struct Tracks<'a> {
    names: &'a mut Names,
    rules: &'a Rules,
    who: Id,
    created: i64,
    references: Vec<Node>,
    claims: Vec<(Claim, Standing)>,
}

impl<'a> Tracks<'a> {
    pub(super) fn new(names: &'a mut Names, rules: &'a Rules, who: Id, created: Option<i64>) -> Self {
        let created = match rules.conflicts {
            Conflicts::OldestServes => created.unwrap_or(i64::MAX),
            Conflicts::AreErrors => i64::MAX,
        };
        Self { names, rules, who, created, references: Vec::new(), claims: Vec::new() }
    }

    pub(super) fn footprint(self) -> Footprint {
        let Self { mut references, mut claims, .. } = self;
        references.sort_unstable();
        references.dedup();
        claims.sort_by(|a, b| (&a.0, a.1.rank).cmp(&(&b.0, b.1.rank)));
        claims.dedup_by(|a, b| a.0 == b.0);
        Footprint { references, claims }
    }

    pub(super) fn spec(&mut self, spec: &Spec) {
        match spec {
            Spec::MqttCluster(spec) => self.cluster(spec),
            Spec::Realm(RealmSpec { cluster_ref, .. }) => {
                self.resource(Kind::MqttCluster, &cluster_ref.name);
            }
            Spec::Pipeline(spec) => self.pipeline(spec),
            Spec::Role(spec) => self.member(&spec.into()),
            Spec::Permission(_) => {}
            Spec::Credential(spec) => self.member(&spec.into()),
        }
    }

    fn cluster(&mut self, spec: &MqttClusterSpec) {
        let scope = Field::Scope(self.who);
        for listener in &spec.listeners {
            if let Some(tls) = &listener.tls {
                self.resource(Kind::Secret, &tls.secret_name);
            }
            self.on_claim(scope, &listener.name);
        }
        self.on_claim(scope, ALL_LISTENERS);
        if self.rules.is_the_only_one() {
            self.claim(Rank::Own, Field::Cluster, "");
        }
    }

    pub(super) fn pipeline(&mut self, spec: &PipelineSpec) {
        let PipelineSpec { cluster_ref, listener, authentication, authorization } = spec;
        let cluster = self.resource(Kind::MqttCluster, &cluster_ref.name);
        let realms = [
            authentication.manager.kubernetes.as_ref().map(|manager| &manager.realm),
            authorization.manager.kubernetes.as_ref().map(|manager| &manager.realm),
        ];
        for realm in realms.into_iter().flatten() {
            self.resource(Kind::Realm, realm);
        }
        self.claim(Rank::Chosen, Field::Scope(cluster), listener);
    }

    pub(super) fn member(&mut self, member: &Member<'_>) {
        let Member { realm, keys, permissions, identity } = member;
        let realm = self.resource(Kind::Realm, realm);
        for form in permissions {
            if let Form::Reference(name) = form {
                self.resource(Kind::Permission, name);
            }
        }
        let own = self.names.name(self.who).clone();
        let Some(identity) = identity else {
            self.claim(Rank::Own, Field::RoleKey(realm), &own);
            for key in keys.iter().filter(|key| **key != &*own) {
                self.claim(Rank::Chosen, Field::RoleKey(realm), key);
            }
            return;
        };
        for role in keys {
            self.on_claim(Field::RoleKey(realm), role);
        }
        if let Some(secret) = identity.secret {
            self.resource(Kind::Secret, secret);
        }
        self.claim(Rank::Chosen, Field::Identity(realm), authorization_key(&own, identity));
        if let Some(certificate) = certificate(identity) {
            let certificate = match certificate {
                CertificateMatch::Subject(subject) => format!("subject {subject}"),
                CertificateMatch::FingerprintSha256(digits) => format!("sha256 {digits}"),
            };
            self.claim(Rank::Chosen, Field::Certificate(realm), &certificate);
        }
    }

    fn resource(&mut self, kind: Kind, name: &str) -> Id {
        let id = self.names.number_sibling(self.who, kind, name);
        self.references.push(Node::Resource(id));
        id
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
