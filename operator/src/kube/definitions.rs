//! Whether a kind's CustomResourceDefinition is there, and still the one that it was: when it goes, the API server
//! deletes every object of the kind, which is no one's wish.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use moat_crds::compile::Kind;

/// What is known of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It is the one that it was: what is deleted was deleted by someone.
    Same,
    /// It was deleted and made anew since it was first seen.
    Replaced,
    /// It is not there, or being deleted.
    Missing,
    /// The API server did not say.
    Unknown,
}

/// The definitions of our kinds.
pub(crate) struct Definitions {
    api: Api<CustomResourceDefinition>,
    uids: BTreeMap<Kind, String>,
}

impl Definitions {
    pub(crate) fn new(client: kube::Client) -> Self {
        Self { api: Api::all(client), uids: BTreeMap::new() }
    }

    /// Looks at the definition of a kind. The first that is seen is the one that it shall stay.
    pub(crate) async fn look(&mut self, kind: Kind) -> State {
        let Some(name) = name(kind) else { return State::Same };
        match self.api.get_metadata_opt(name).await {
            Ok(None) => State::Missing,
            Ok(Some(found)) if found.metadata.deletion_timestamp.is_some() => State::Missing,
            Ok(Some(found)) => {
                let uid = found.metadata.uid.unwrap_or_default();
                match self.uids.get(&kind) {
                    Some(known) if *known != uid => State::Replaced,
                    Some(_) => State::Same,
                    None => {
                        self.uids.insert(kind, uid);
                        State::Same
                    }
                }
            }
            // Who may not see definitions must believe what the kind's own watch says.
            Err(kube::Error::Api(status)) if status.code == 403 => State::Same,
            Err(_) => State::Unknown,
        }
    }

    /// The definitions as they are known, by kind.
    pub(crate) fn uids(&self) -> &BTreeMap<Kind, String> {
        &self.uids
    }

    /// From now on, the definition that is there is the one that it shall stay.
    pub(crate) async fn accept(&mut self, kind: Kind) {
        let before = self.uids.remove(&kind);
        if self.look(kind).await != State::Same
            && let Some(before) = before
        {
            self.uids.insert(kind, before);
        }
    }
}

/// The definition's name; none for kinds that need none.
fn name(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::MqttCluster => "mqttclusters.moat.dev",
        Kind::Realm => "realms.moat.dev",
        Kind::Pipeline => "pipelines.moat.dev",
        Kind::Role => "roles.moat.dev",
        Kind::Permission => "permissions.moat.dev",
        Kind::Credential => "credentials.moat.dev",
        Kind::Secret => return None,
    })
}
