//! The cluster that the stories of faults are told about: one broker, someone who is connected all the time and must
//! notice nothing, and a right that is given and taken so that everyone sees which policy is in force.

use std::cell::Cell;
use std::ops::Deref;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use moat_e2e::clients::{Event, Login, Paho, Target, Version};
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::{resources, until};
use serde_json::Value;

use crate::people::{REFUSED, connect, is_let_in, may_subscribe};

/// Name of the cluster.
pub(crate) const FLEET: &str = "story";

/// Name of its only pod.
pub(crate) const POD: &str = "story-0";

/// Port of its only listener, which is called `plain`.
pub(crate) const PORT: u16 = 1883;

/// How long it may take until something broken is what it should be again, on a busy machine.
pub(crate) const HEALING: Duration = Duration::from_secs(60);

/// How long an edit may take when nothing is broken any more.
pub(crate) const SECONDS: Duration = Duration::from_secs(10);

/// A cluster in a namespace of its own, with the users `resident` and `guest`. Both may use `home/#`, and listen in
/// whichever `room/…` is open.
pub(crate) struct Fleet<'a> {
    namespace: Namespace<'a>,
    rooms: Cell<u32>,
}

impl<'a> Deref for Fleet<'a> {
    type Target = Namespace<'a>;

    fn deref(&self) -> &Namespace<'a> {
        &self.namespace
    }
}

impl<'a> Fleet<'a> {
    /// Applies it and waits until everything is in force.
    pub(crate) fn found(kubernetes: &'a Kubernetes, prefix: &str) -> Result<Self> {
        let fleet = Self::prepare(kubernetes, prefix)?;
        fleet.apply(&Self::yaml(""))?;
        fleet.ready()?;
        Ok(fleet)
    }

    /// Only its namespace, for what has to be there before it.
    pub(crate) fn prepare(kubernetes: &'a Kubernetes, prefix: &str) -> Result<Self> {
        Ok(Self { namespace: kubernetes.namespace(prefix)?, rooms: Cell::new(0) })
    }

    /// Everything that it is made of, with further lines of the cluster's spec.
    pub(crate) fn yaml(more: &str) -> String {
        let listener = format!("{{ name: plain, protocol: mqtt, port: {PORT} }}");
        let home = "{ topicFilter: \"home/#\", activity: [publish, subscribe] }";
        [
            resources::cluster(&[listener], more),
            resources::realm(resources::REALM),
            resources::pipeline("plain", "plain", resources::REALM),
            resources::role("home", &[home]),
            room("0"),
            resources::user("resident", "resident", &["home", "rooms"]),
            resources::user("guest", "guest", &["home", "rooms"]),
        ]
        .concat()
    }

    /// Waits until the cluster is not ready for this reason, and gives its message.
    pub(crate) fn unready(&self, reason: &str) -> Result<String> {
        self.unready_for(reason, |_| true)
    }

    /// As [`Self::unready`], when the message is as wanted too.
    pub(crate) fn unready_for(&self, reason: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let message = |cluster: &Value| {
            let conditions = cluster["status"]["conditions"].as_array()?;
            let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
            let message = ready["message"].as_str()?;
            let found = ready["status"] == "False" && ready["reason"] == reason && wanted(message);
            found.then(|| message.to_owned())
        };
        // Longer than for other statuses: some troubles are told only when they do not pass by themselves.
        let cluster = self.watch("mqc", FLEET)?.until(HEALING, |cluster| message(cluster).is_some());
        let cluster = cluster.with_context(|| format!("it is not unready for {reason}"))?;
        message(&cluster).context("the condition vanished")
    }

    /// How often an event with this reason was told about the cluster that mentions `what`.
    pub(crate) fn told(&self, reason: &str, what: &str) -> Result<u64> {
        let events = self.events(&self.get("mqc", FLEET)?)?;
        let matching = events.iter().filter(|event| {
            event["reason"] == reason && event["note"].as_str().is_some_and(|note| note.contains(what))
        });
        Ok(matching.map(|event| event["series"]["count"].as_u64().unwrap_or(1)).sum())
    }

    /// Waits until such an event was told more often than `before`.
    pub(crate) fn tells(&self, reason: &str, what: &str, before: u64) -> Result<()> {
        until::holds(&format!("an event {reason} about {what}"), || Ok(self.told(reason, what)? > before))
    }

    /// The manifest that the pods shall enforce.
    pub(crate) fn manifest(&self) -> Result<Value> {
        manifest_in(&self.get("configmap", &format!("{FLEET}-policy"))?)
    }

    /// The manifest's generation.
    pub(crate) fn generation(&self) -> Result<u64> {
        self.manifest()?["generation"].as_u64().context("a manifest has a generation")
    }

    /// The broker's pod.
    pub(crate) fn pod(&self) -> Result<Value> {
        self.get("pod", POD)
    }

    /// Waits until the broker's pod is ready, and another one than before.
    pub(crate) fn next_pod(&self, before: &Value) -> Result<Value> {
        let other = |pod: &Value| pod["metadata"]["uid"] != before["metadata"]["uid"];
        self.watch("pod", POD)?.until(HEALING, |pod| other(pod) && is_ready(pod))
    }

    /// The listener of the pod itself.
    pub(crate) fn pod_listener(&self) -> Result<Target> {
        let pod = self.pod()?;
        let address = pod["status"]["podIP"].as_str().context("the pod has an address")?;
        Ok(self.kubernetes().target(address, PORT))
    }

    /// The listener through its Service.
    pub(crate) fn service(&self) -> Result<Target> {
        self.listener(FLEET, "plain")
    }

    /// Connects a user who stays.
    pub(crate) fn resident(&self) -> Result<Resident> {
        Resident::on(&self.service()?, "resident", "resident")
    }

    /// Opens a room that was never open, and closes the one before: an edit of one Role. Gives its name.
    pub(crate) fn open_room(&self) -> Result<String> {
        self.rooms.set(self.rooms.get() + 1);
        let name = self.rooms.get().to_string();
        self.apply(&room(&name))?;
        Ok(name)
    }

    /// Edits, and waits until someone who is connected has the new right and has lost the old one. Gives the time
    /// from the edit's answer.
    pub(crate) fn edit_is_enforced(&self, resident: &mut Resident, patience: Duration) -> Result<Duration> {
        let before = self.rooms.get().to_string();
        let room = self.open_room()?;
        let begin = Instant::now();
        resident.gets_into(&room, patience).with_context(|| self.kubernetes().operator_log())?;
        let took = begin.elapsed();
        ensure!(!resident.may_enter(&before)?, "room {before} is closed since room {room} is open");
        Ok(took)
    }

    /// Writes a manifest's object by hand.
    pub(crate) fn write_manifest(&self, text: &str) -> Result<()> {
        let patch = serde_json::json!({ "data": { "manifest.json": text } }).to_string();
        let object = format!("{FLEET}-policy");
        self.kubectl(&["patch", "configmap", &object, "--type=merge", "-p", &patch]).map(drop)
    }
}

/// The manifest that an object holds.
pub(crate) fn manifest_in(object: &Value) -> Result<Value> {
    let text = object["data"]["manifest.json"].as_str().context("the manifest's object holds one")?;
    Ok(serde_json::from_str(text)?)
}

/// The Role `rooms` with one room open.
pub(crate) fn room(name: &str) -> String {
    resources::role("rooms", &[&format!("{{ topicFilter: \"room/{name}\", activity: [subscribe] }}")])
}

/// Whether a pod says that it is ready, and is not going.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let stays = pod["metadata"]["deletionTimestamp"].is_null();
    stays && conditions.into_iter().any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// Someone who is connected all the time. Its client never connects again by itself, so that a lost session shows.
pub(crate) struct Resident {
    client: Paho,
    name: String,
    said: u32,
}

impl Resident {
    /// Connects as a user and listens at home.
    pub(crate) fn on(listener: &Target, client_id: &str, user: &str) -> Result<Self> {
        let mut client = connect(listener, client_id, user)?;
        ensure!(may_subscribe(&mut client, "home/#")?, "{user} may listen at home");
        let mut resident = Self { client, name: client_id.to_owned(), said: 0 };
        resident.lives_on()?;
        Ok(resident)
    }

    /// Shows that the connection, the subscription and the right to publish are what they were.
    pub(crate) fn lives_on(&mut self) -> Result<()> {
        self.said += 1;
        let said = format!("{} {}", self.name, self.said);
        let answer = self.client.publish("home/here", &said, 1).context("the session is lost")?;
        ensure!(answer < REFUSED, "the right to publish at home is lost: {answer:#x}");
        loop {
            let (_, heard) = self.client.message().context("the subscription is lost")?;
            if heard == said {
                return Ok(());
            }
        }
    }

    /// Whether the right to enter a room is there. A refused SUBSCRIBE ends nothing, unlike a refused PUBLISH.
    pub(crate) fn may_enter(&mut self, room: &str) -> Result<bool> {
        may_subscribe(&mut self.client, &format!("room/{room}")).context("the session is lost")
    }

    /// Waits until a room may be entered.
    pub(crate) fn gets_into(&mut self, room: &str, patience: Duration) -> Result<()> {
        until::holds_within(patience, &format!("the right to enter room {room}"), || self.may_enter(room))
    }

    /// Waits until the connection has ended.
    pub(crate) fn ends(mut self) -> Result<()> {
        self.client.ended().map(drop)
    }
}

/// Waits until a user gets in and has what it had: a broker that has just started may not have opened its port yet, but
/// once it has, it refuses nobody who has rights.
pub(crate) fn comes_in(listener: &Target, user: &str) -> Result<Resident> {
    let name = format!("{user}-again");
    until::some_within(HEALING, &format!("{user} to get in"), || {
        let login = Login::new(Version::V5, listener.clone(), &name, Some((user, user)));
        match Paho::start(&login)?.connack()? {
            Event::Connected { reason: 0, .. } => Resident::on(listener, &name, user).map(Some),
            Event::Failed { .. } | Event::Disconnected { .. } => Ok(None),
            other => bail!("{user} is refused: {other:?}"),
        }
    })
}

/// Shows that a wrong password is refused: that rights are asked for at all.
pub(crate) fn stays_out(listener: &Target) -> Result<()> {
    ensure!(!is_let_in(listener, "resident", "wrong")?, "a stranger is let in");
    Ok(())
}
