//! Which of several operators writes: the holder of a Lease. The others watch and compile, and are ready to go on.
//!
//! Clocks of different machines are not compared: a follower takes over when the Lease has not changed for its whole
//! duration by the follower's own clock, and a holder counts itself out when it could not renew for less than that.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, PostParams};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{info, warn};

/// Name of the Lease.
const NAME: &str = "moat-operator";
/// A Lease that did not change for so long is free.
const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for so long holds it no more.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often a holder renews.
const RENEW: Duration = Duration::from_secs(3);
/// How often a follower looks.
const LOOK: Duration = Duration::from_secs(1);

/// What came of an attempt to take or renew the Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Held,
    /// Another operator holds it.
    Taken,
    /// Nobody knows.
    Failed,
}

/// The Lease, as one operator sees it.
pub(crate) struct Election {
    api: Api<Lease>,
    identity: String,
    seen: Option<(String, Instant)>,
}

impl Election {
    pub(crate) fn new(client: kube::Client, namespace: &str, identity: String) -> Self {
        Self { api: Api::namespaced(client, namespace), identity, seen: None }
    }

    /// Waits until the Lease is held, keeps it, and returns when it is lost. `leading` says which; the future may be
    /// dropped at any time.
    pub(crate) async fn hold(&mut self, leading: &watch::Sender<bool>) {
        while self.try_take().await != Attempt::Held {
            tokio::time::sleep(LOOK).await;
        }
        info!(identity = self.identity, "leading");
        let _ = leading.send(true);
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RENEW).await;
            match tokio::time::timeout_at(renewed + DEADLINE, self.try_take()).await {
                Ok(Attempt::Held) => renewed = Instant::now(),
                Ok(Attempt::Failed) if renewed.elapsed() + RENEW < DEADLINE => {}
                Ok(Attempt::Failed | Attempt::Taken) | Err(_) => break,
            }
        }
        warn!("the Lease is lost");
        let _ = leading.send(false);
    }

    /// Gives the Lease back, so that another operator need not wait for it.
    pub(crate) async fn release(&mut self) {
        let Ok(mut lease) = self.api.get(NAME).await else { return };
        let Some(spec) = lease.spec.as_mut() else { return };
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = Some(String::new());
            // Another operator takes over when the Lease has run out.
            let _ = self.api.replace(NAME, &PostParams::default(), &lease).await;
        }
    }

    async fn try_take(&mut self) -> Attempt {
        match self.attempt().await {
            Ok(true) => Attempt::Held,
            Ok(false) => Attempt::Taken,
            Err(error) => {
                warn!(%error, "the Lease cannot be read or written; it is tried again");
                Attempt::Failed
            }
        }
    }

    async fn attempt(&mut self) -> kube::Result<bool> {
        let Some(mut lease) = self.api.get_opt(NAME).await? else {
            let meta = ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() };
            let lease = Lease { metadata: meta, spec: Some(self.spec(0)) };
            return match self.api.create(&PostParams::default(), &lease).await {
                Ok(lease) => Ok(self.saw(&lease)),
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
                Err(error) => Err(error),
            };
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        let ours = holder == self.identity;
        if !ours && !holder.is_empty() && !self.has_run_out(&lease) {
            return Ok(false);
        }
        let transitions = spec.lease_transitions.unwrap_or_default();
        let renewed = self.spec(transitions + i32::from(!ours));
        let acquired = if ours { spec.acquire_time } else { renewed.acquire_time.clone() };
        lease.spec = Some(LeaseSpec { acquire_time: acquired, ..renewed });
        // The resourceVersion that was read makes this fail if another operator was faster.
        match self.api.replace(NAME, &PostParams::default(), &lease).await {
            Ok(lease) => Ok(self.saw(&lease)),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn spec(&self, transitions: i32) -> LeaseSpec {
        let now = MicroTime(k8s_openapi::jiff::Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }

    /// Remembers our own write.
    fn saw(&mut self, lease: &Lease) -> bool {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        self.seen = Some((version, Instant::now()));
        true
    }

    /// Whether another's Lease has not changed for its duration.
    fn has_run_out(&mut self, lease: &Lease) -> bool {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        match &self.seen {
            Some((seen, since)) if *seen == version => since.elapsed() >= DURATION,
            _ => {
                self.seen = Some((version, Instant::now()));
                false
            }
        }
    }
}
