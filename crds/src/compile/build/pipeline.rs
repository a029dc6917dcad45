//! A Pipeline: what happens to the clients of a listener.
//!
//! Whatever is wrong with it, a Pipeline that belongs to a listener keeps it: without its entry the listener would
//! fall to the Pipeline of `ALL`, which may let in more.

use moat_policy::bundle::ALL_LISTENERS;
use moat_policy::{AuthenticationManager, AuthorizationManager, Entry, EntryKey, PipelineEntry};

use super::super::diagnostic::{Problem, Reason};
use super::super::key::Kind;
use super::super::names::Id;
use super::super::resource::Spec;
use super::{Built, Membership, View, Who, not_found};
use crate::PipelineSpec;

pub(super) fn build(view: &View<'_>, who: Who<'_>, spec: &PipelineSpec) -> Option<Built> {
    match place(view, who, spec)? {
        Err(problem) => Some(problem.into()),
        Ok(cluster) => {
            let mut problems = Vec::new();
            let authentication = match &spec.authentication.manager.kubernetes {
                Some(manager) => {
                    problems.extend(check_realm(view, (who, cluster), "authentication", &manager.realm));
                    AuthenticationManager::Kubernetes { realm: manager.realm.clone() }
                }
                None => AuthenticationManager::AllowAll {},
            };
            let authorization = match &spec.authorization.manager.kubernetes {
                Some(manager) => {
                    problems.extend(check_realm(view, (who, cluster), "authorization", &manager.realm));
                    AuthorizationManager::Kubernetes {
                        realm: manager.realm.clone(),
                        use_authorization_key: manager.use_authorization_key,
                        use_authorization_role_key: manager.use_authorization_role_key,
                    }
                }
                None => AuthorizationManager::AllowAll {},
            };
            Some(with_entry((who, cluster), spec, (authentication, authorization), problems))
        }
    }
}

/// The entry of a Pipeline that cannot be used: it relies on a realm that cannot exist, because names are not empty.
pub(super) fn refuse(view: &View<'_>, who: Who<'_>, spec: &PipelineSpec) -> Option<Built> {
    match place(view, who, spec)? {
        // What is wrong with it is said already; once that is corrected, this will be seen.
        Err(_) => Some(Built::default()),
        Ok(cluster) => {
            let nobody = AuthenticationManager::Kubernetes { realm: String::new() };
            let nothing = AuthorizationManager::Kubernetes {
                realm: String::new(),
                use_authorization_key: false,
                use_authorization_role_key: false,
            };
            Some(with_entry((who, cluster), spec, (nobody, nothing), Vec::new()))
        }
    }
}

/// The cluster, if the Pipeline's listener is its own; `None` when another cluster speaks about it.
fn place(view: &View<'_>, who: Who<'_>, spec: &PipelineSpec) -> Option<Result<Id, Problem>> {
    let cluster = match view.of_cluster(who, &spec.cluster_ref.name) {
        Membership::Others => return None,
        Membership::Dangling(problem) => return Some(Err(problem)),
        Membership::Of(cluster) => cluster,
    };
    if let Some(problem) = view.conflict(who) {
        return Some(Err(problem));
    }
    let Some(Spec::MqttCluster(of)) = view.spec(cluster) else { return Some(Ok(cluster)) };
    let names: Vec<_> = of.listeners.iter().map(|listener| listener.name.as_str()).collect();
    if spec.listener == ALL_LISTENERS || names.contains(&spec.listener.as_str()) {
        return Some(Ok(cluster));
    }
    let message = format!(
        "MqttCluster `{}` has no listener `{}`: use one of {}, or ALL",
        spec.cluster_ref.name,
        spec.listener,
        names.join(", ")
    );
    Some(Err(Problem::error("spec.listener", Reason::ListenerNotFound, message)))
}

/// What is wrong with the realm of a stage. A realm of another cluster is none of ours.
fn check_realm(view: &View<'_>, (who, cluster): (Who<'_>, Id), stage: &str, realm: &str) -> Option<Problem> {
    let field = format!("spec.{stage}.manager.kubernetes.realm");
    let spec = view.names.find_sibling(who.id, Kind::Realm, realm).and_then(|id| view.realm(id));
    match (view.of_realm(who, realm), spec) {
        (Membership::Of(of), Some(spec)) if of == cluster && spec.enabled => None,
        (Membership::Of(of), _) if of == cluster => {
            let message = format!(
                "Realm `{realm}` has `enabled: false`, so everyone is refused: enable it, or use another"
            );
            Some(Problem::warning(field, Reason::RealmDisabled, message))
        }
        (Membership::Of(_) | Membership::Others, _) => {
            let message = format!(
                "Realm `{realm}` belongs to another cluster, so everyone is refused: make the clusterRef of both the \
                 same"
            );
            Some(Problem::error(field, Reason::RefNotFound, message))
        }
        (Membership::Dangling(_), _) => {
            let mut problem = not_found(who, field, Kind::Realm, realm);
            problem.message.push_str("; until then everyone is refused");
            Some(problem)
        }
    }
}

fn with_entry(
    (who, cluster): (Who<'_>, Id),
    spec: &PipelineSpec,
    (authentication, authorization): (AuthenticationManager, AuthorizationManager),
    problems: Vec<Problem>,
) -> Built {
    let entry = PipelineEntry { source: who.key.short(), authentication, authorization };
    Built {
        entry: Some((cluster, EntryKey::pipeline(spec.listener.clone()), Entry::Pipeline(entry))),
        problems,
        ..Built::default()
    }
}
