//! A session's view of the policy.

use std::sync::Arc;

use moat_mqtt::codec::{QoS, reason};
use moat_mqtt::guard::{self, Guard, PublishRights, Standing};
use moat_policy::{Authorized, Rejudged};

use super::log::AccessLog;
use crate::policy::PolicyStore;

/// Answers for one session from its resolved grants.
pub(super) struct SessionGuard {
    store: Arc<PolicyStore>,
    log: Arc<AccessLog>,
    authorized: Authorized,
    /// The identity has ended: everything is refused until a newer policy brings it back.
    ended: bool,
    client_id: Box<str>,
}

impl SessionGuard {
    pub(super) fn new(
        store: Arc<PolicyStore>,
        log: Arc<AccessLog>,
        authorized: Authorized,
        client_id: &str,
    ) -> Self {
        Self { store, log, authorized, ended: false, client_id: client_id.into() }
    }
}

impl Guard for SessionGuard {
    fn renew(&mut self) -> Standing {
        let was_ended = std::mem::take(&mut self.ended);
        match self.store.load().rejudge(&self.authorized) {
            Rejudged::Same if was_ended => Standing::Changed,
            Rejudged::Same => Standing::Unchanged,
            Rejudged::Changed(authorized) => {
                self.authorized = authorized;
                Standing::Changed
            }
            Rejudged::Ended(ended) => {
                self.ended = true;
                self.log.ended(&self.client_id, ended.reason());
                let (reason_code, text) = match ended {
                    moat_policy::Ended::CredentialChanged => {
                        (reason::ADMINISTRATIVE_ACTION, "the credential changed: connect again")
                    }
                    moat_policy::Ended::CredentialGone
                    | moat_policy::Ended::CredentialDisabled
                    | moat_policy::Ended::PipelineGone
                    | moat_policy::Ended::RealmGone => (reason::NOT_AUTHORIZED, "access was withdrawn"),
                };
                Standing::Ended(guard::Ended { reason_code, text })
            }
        }
    }

    fn publish_rights(&self, topic: &str) -> PublishRights {
        if self.ended {
            return PublishRights::NONE;
        }
        let rights = self.authorized.grants.publish_rights(topic);
        let mut granted = PublishRights::NONE;
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            for retain in [false, true] {
                if rights.allows(qos as u8, retain) {
                    granted = granted.with(qos, retain);
                }
            }
        }
        granted
    }

    fn may_subscribe(&self, filter: &str, share: Option<&str>, qos: QoS) -> bool {
        !self.ended && self.authorized.grants.may_subscribe(filter, share, qos as u8)
    }

    fn on_revocation(&self) -> guard::OnRevocation {
        match self.store.load().settings().on_revocation {
            moat_policy::OnRevocation::Suspend => guard::OnRevocation::Suspend,
            moat_policy::OnRevocation::Unsubscribe => guard::OnRevocation::Unsubscribe,
            moat_policy::OnRevocation::Disconnect => guard::OnRevocation::Disconnect,
        }
    }

    fn publish_denied(&self, topic: &str, qos: QoS, retain: bool) {
        self.log.denied(&self.client_id, || {
            self.authorized.grants.explain_publish(topic, qos as u8, retain).to_string()
        });
    }

    fn subscribe_denied(&self, filter: &str, share: Option<&str>, qos: QoS) {
        self.log.denied(&self.client_id, || {
            self.authorized.grants.explain_subscribe(filter, share, qos as u8).to_string()
        });
    }
}
