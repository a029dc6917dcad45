//! A login, a SUBSCRIBE or a will that straddles a change of policy is judged by the newer one.
//!
//! The real core runs on one thread, the change of policy on another, and shuttle tries the interleavings: every call
//! of the guard is a point at which the change may happen, before and after its answer is made.

use std::sync::Arc;

use bytes::Bytes;
use moat_mqtt::codec::{self, QoS, SubscribeOut, SubscriptionOptions, UserProperties, Version};
use moat_mqtt::core::{Connecting, ConnectionRef, Core, Shared};
use moat_mqtt::guard::{Ended, Guard, OnRevocation, PublishRights, Standing};
use moat_mqtt::limits::Limits;
use moat_mqtt::session::Will;
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread;

/// What the policy says: allowed at first, refused after the change.
struct Policy {
    allowed: Mutex<bool>,
    changed: AtomicBool,
}

struct Straddling {
    policy: Arc<Policy>,
    allowed: bool,
    ends: bool,
}

impl Straddling {
    fn answer(&self) -> bool {
        thread::yield_now();
        let answer = self.allowed;
        thread::yield_now();
        answer
    }
}

impl Guard for Straddling {
    fn renew(&mut self) -> Standing {
        self.allowed = *self.policy.allowed.lock().unwrap();
        thread::yield_now();
        if !self.allowed && self.ends {
            return Standing::Ended(Ended { reason_code: 0x87, text: "gone" });
        }
        Standing::Changed
    }

    fn publish_rights(&self, _topic: &str) -> PublishRights {
        if self.answer() { PublishRights::ALL } else { PublishRights::NONE }
    }

    fn may_subscribe(&self, _filter: &str, _share: Option<&str>, _qos: QoS) -> bool {
        self.answer()
    }

    fn on_revocation(&self) -> OnRevocation {
        OnRevocation::Suspend
    }

    fn publish_denied(&self, _topic: &str, _qos: QoS, _retain: bool) {}

    fn subscribe_denied(&self, _filter: &str, _share: Option<&str>, _qos: QoS) {}
}

struct Scene {
    core: Core,
    shared: Arc<Shared>,
    policy: Arc<Policy>,
}

impl Scene {
    /// A core, and a thread that takes the right away at some moment.
    fn open() -> (Self, thread::JoinHandle<()>) {
        let shared = Arc::new(Shared::new(1, Limits::default()));
        let policy = Arc::new(Policy { allowed: Mutex::new(true), changed: AtomicBool::new(false) });
        let (to_change, epochs) = (Arc::clone(&policy), Arc::clone(&shared));
        let change = thread::spawn(move || {
            *to_change.allowed.lock().unwrap() = false;
            // In this order, as `PolicyStore::swap` does it: who sees the epoch sees the policy.
            epochs.policy_changed();
            to_change.changed.store(true, Ordering::SeqCst);
        });
        (Self { core: Core::new(0, Arc::clone(&shared)), shared, policy }, change)
    }

    /// As the authenticator does: the epoch first, then the policy, then a moment passes.
    fn log_in(&mut self, client_id: &str, ends: bool, will: Option<Will>) -> Option<ConnectionRef> {
        let judged_at = self.shared.policy_epoch();
        let allowed = *self.policy.allowed.lock().unwrap();
        if ends && !allowed {
            return None;
        }
        thread::yield_now();
        let guard = Straddling { policy: Arc::clone(&self.policy), allowed, ends };
        let connecting = Connecting {
            client_id: client_id.into(),
            assigned: false,
            version: Version::V5,
            clean_start: true,
            keep_alive: 0,
            session_expiry: 0,
            receive_maximum: 100,
            max_packet: None,
            problem_information: true,
            will,
            identity: client_id.into(),
            any_identity: false,
            guard: Box::new(guard),
            judged_at,
        };
        self.core.connect(connecting).ok()
    }

    fn output(&mut self, connection: ConnectionRef) -> Vec<u8> {
        let Some(output) = self.core.output(connection) else { return Vec::new() };
        let mut bytes = Vec::new();
        while !output.is_empty() {
            bytes.extend_from_slice(output.chunk());
            output.consume(bytes.len());
        }
        bytes
    }

    /// The change has surely happened, and the sweep has been everywhere.
    fn finish(&mut self, change: thread::JoinHandle<()>) {
        change.join().unwrap();
        while self.core.sweep(1) {}
    }
}

fn will() -> Will {
    Will {
        topic: "will".into(),
        payload: Bytes::from_static(b"bye"),
        qos: QoS::AtMostOnce,
        retain: true,
        properties: Box::default(),
        expiry: None,
        delay: 0,
    }
}

fn check(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    shuttle::check_random(scenario, 2_000);
    shuttle::check_pct(scenario, 2_000, 3);
}

#[test]
fn a_subscribe_is_answered_by_the_policy_in_force() {
    check(|| {
        let (mut scene, change) = Scene::open();
        let client = scene.log_in("c", false, None).expect("logins are allowed throughout");
        scene.output(client);
        let mut bytes = Vec::new();
        let packet = SubscribeOut {
            packet_id: 1,
            subscription_identifier: None,
            user_properties: UserProperties::EMPTY,
            filters: &[("t", SubscriptionOptions::new(QoS::AtMostOnce))],
        };
        codec::encode_subscribe(&mut bytes, Version::V5, &packet).unwrap();
        scene.core.receive(client, &bytes);
        // Between the core's last look at the epoch and this line nothing else can run.
        let refused = scene.shared.policy_epoch() > 0;
        let suback = scene.output(client);
        assert_eq!(
            *suback.last().unwrap() >= 0x80,
            refused,
            "granted by a policy that is no longer in force"
        );
        scene.finish(change);
        assert!(scene.shared.router.route("t").is_empty(), "nothing is delivered after the sweep");
    });
}

#[test]
fn a_login_is_answered_by_the_policy_in_force() {
    check(|| {
        let (mut scene, change) = Scene::open();
        let client = scene.log_in("c", true, Some(will()));
        if client.is_some() {
            assert_eq!(scene.shared.policy_epoch(), 0, "let in by a policy that is no longer in force");
        }
        scene.finish(change);
        assert_eq!(scene.core.stats().connections, 0, "nobody whose identity has ended stays");
    });
}

#[test]
fn a_will_is_judged_by_the_policy_in_force() {
    check(|| {
        let (mut scene, change) = Scene::open();
        let watcher = scene.log_in("watcher", false, None).expect("logins are allowed throughout");
        scene.output(watcher);
        if let Some(client) = scene.log_in("c", false, Some(will())) {
            thread::yield_now();
            let changed_before = scene.policy.changed.load(Ordering::SeqCst);
            scene.core.closed(client);
            let sent = scene.shared.retained.get("will", 0).is_some();
            assert!(!(changed_before && sent), "a will fired by a right that was gone");
        }
        scene.finish(change);
    });
}
