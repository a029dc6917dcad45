//! The Eclipse Foundation's Python client, driven line by line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::target::{self, Target};
use crate::programs;
use crate::until::PATIENCE;

const SCRIPT: &str = include_str!("paho.py");

/// MQTT version of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "u8")]
pub enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.0.
    V5,
}

impl From<Version> for u8 {
    /// The protocol level on the wire.
    fn from(version: Version) -> Self {
        match version {
            Version::V311 => 4,
            Version::V5 => 5,
        }
    }
}

/// How a client connects. Start from [`Login::new`] and change what matters to the story.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Login {
    /// Name or address of the broker.
    pub host: String,
    /// Port of the listener.
    pub port: u16,
    /// Network namespace that the client's process runs in; none is this one.
    #[serde(skip)]
    pub netns: Option<PathBuf>,
    /// MQTT version.
    pub version: Version,
    /// Client identifier; empty asks the broker to assign one.
    pub client_id: String,
    /// Username, if any.
    pub username: Option<String>,
    /// Password, if any.
    pub password: Option<String>,
    /// Clean session (3.1.1) or clean start (5.0).
    pub clean_start: bool,
    /// Session expiry interval in seconds; 5.0 only.
    pub session_expiry: u32,
    /// Keep-alive in seconds.
    pub keep_alive: u16,
    /// Will, if any.
    pub will: Option<Will>,
    /// TLS, if the listener asks for it.
    pub tls: Option<Tls>,
}

/// A will message.
#[derive(Clone, Debug, Serialize)]
pub struct Will {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: String,
    /// QoS.
    pub qos: u8,
    /// Retain flag.
    pub retain: bool,
}

/// Files for a TLS connection, in PEM.
#[derive(Clone, Debug, Serialize)]
pub struct Tls {
    /// Certificate of the authority that signed the broker's.
    pub ca: PathBuf,
    /// The client's own certificate, if the listener asks for one.
    pub certificate: Option<PathBuf>,
    /// The key to it.
    pub key: Option<PathBuf>,
}

impl Login {
    /// A clean session of `client_id` on a listener, with username and password.
    #[must_use]
    pub fn new(
        version: Version,
        target: impl Into<Target>,
        client_id: &str,
        login: Option<(&str, &str)>,
    ) -> Self {
        let Target { host, port, netns } = target.into();
        Self {
            host,
            port,
            netns,
            version,
            client_id: client_id.to_owned(),
            username: login.map(|(username, _)| username.to_owned()),
            password: login.map(|(_, password)| password.to_owned()),
            clean_start: true,
            session_expiry: 0,
            keep_alive: 60,
            will: None,
            tls: None,
        }
    }
}

/// What happened to a client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Event {
    /// CONNACK. In 3.1.1, paho reports refusals by the reason code of 5.0 that means the same.
    Connected {
        /// Reason code; zero is success.
        reason: u8,
        /// Whether the broker had a session of this client.
        session_present: bool,
        /// Client identifier that the broker chose, if it did.
        assigned_client_id: Option<String>,
    },
    /// SUBACK.
    Subscribed {
        /// A code per filter, in the order of the SUBSCRIBE.
        reasons: Vec<u8>,
    },
    /// UNSUBACK.
    Unsubscribed,
    /// The message is on its way (QoS 0) or the exchange has ended (QoS 1 and 2).
    Published {
        /// Reason code; always zero in 3.1.1.
        reason: u8,
    },
    /// A message arrived.
    Message {
        /// Topic.
        topic: String,
        /// Payload.
        payload: String,
        /// QoS of this delivery.
        qos: u8,
        /// Retain flag of this delivery.
        retain: bool,
    },
    /// The connection ended.
    Disconnected {
        /// The broker's reason in 5.0, if its DISCONNECT has more than a reason (paho overlooks the short form,
        /// which is zero here then); else paho's own for "closed".
        reason: u8,
    },
    /// Paho raised an exception, such as a refused TLS handshake.
    Failed {
        /// The exception's kind and words.
        error: String,
    },
}

/// A client; dropping it ends its process.
pub struct Paho {
    child: Child,
    commands: ChildStdin,
    events: Receiver<Result<Event, String>>,
    /// Events that came while another was waited for.
    early: VecDeque<Event>,
}

impl Paho {
    /// Starts the client's process and sends CONNECT; see [`Self::connect`] for the answer.
    ///
    /// # Errors
    ///
    /// When Python or the client cannot be had.
    pub fn start(login: &Login) -> Result<Self> {
        let mut child = target::command(login.netns.as_deref(), &programs::python()?)
            .args(["-u", "-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start the Python client")?;
        let commands = child.stdin.take().context("the Python client has no standard input")?;
        let output = child.stdout.take().context("the Python client has no standard output")?;
        let (sender, events) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).map_err(|error| format!("{error} in {line:?}"));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let mut client = Self { child, commands, events, early: VecDeque::new() };
        let mut command = serde_json::to_value(login)?;
        command["op"] = "connect".into();
        client.command(&command)?;
        Ok(client)
    }

    /// Starts a client and waits until it is connected.
    ///
    /// # Errors
    ///
    /// When the broker refuses it.
    pub fn connect(login: &Login) -> Result<Self> {
        let mut client = Self::start(login)?;
        match client.connack()? {
            Event::Connected { reason: 0, .. } => Ok(client),
            other => bail!("{} was not let in: {other:?}", login.client_id),
        }
    }

    /// Waits for the answer to CONNECT, whatever it is.
    ///
    /// # Errors
    ///
    /// When nothing comes.
    pub fn connack(&mut self) -> Result<Event> {
        self.wait_for("the answer to CONNECT", |event| {
            matches!(event, Event::Connected { .. } | Event::Disconnected { .. } | Event::Failed { .. })
        })
    }

    /// Subscribes to one filter and gives the code of the SUBACK.
    ///
    /// # Errors
    ///
    /// When no SUBACK comes.
    pub fn subscribe(&mut self, filter: &str, qos: u8) -> Result<u8> {
        let reasons = self.subscribe_all(&[(filter, qos)])?;
        reasons.first().copied().context("the SUBACK has no code")
    }

    /// Subscribes to several filters by one packet and gives the codes of the SUBACK.
    ///
    /// # Errors
    ///
    /// When no SUBACK comes.
    pub fn subscribe_all(&mut self, filters: &[(&str, u8)]) -> Result<Vec<u8>> {
        self.command(&json!({ "op": "subscribe", "filters": filters }))?;
        let event = self.wait_for("SUBACK", |event| matches!(event, Event::Subscribed { .. }))?;
        let Event::Subscribed { reasons } = event else { bail!("not a SUBACK: {event:?}") };
        Ok(reasons)
    }

    /// Unsubscribes from a filter and waits for the UNSUBACK.
    ///
    /// # Errors
    ///
    /// When no UNSUBACK comes.
    pub fn unsubscribe(&mut self, filter: &str) -> Result<()> {
        self.command(&json!({ "op": "unsubscribe", "filter": filter }))?;
        self.wait_for("UNSUBACK", |event| *event == Event::Unsubscribed).map(drop)
    }

    /// Sends a message and waits for nothing.
    ///
    /// # Errors
    ///
    /// When the client's process is gone.
    pub fn send(&mut self, topic: &str, payload: &str, qos: u8, retain: bool) -> Result<()> {
        let (topic, payload) = (Value::from(topic), Value::from(payload));
        self.command(
            &json!({ "op": "publish", "topic": topic, "payload": payload, "qos": qos, "retain": retain }),
        )
    }

    /// Sends a message and waits until paho calls it published; gives the reason code.
    ///
    /// # Errors
    ///
    /// When the exchange does not end.
    pub fn publish(&mut self, topic: &str, payload: &str, qos: u8) -> Result<u8> {
        self.send(topic, payload, qos, false)?;
        let event =
            self.wait_for("the end of a publish", |event| matches!(event, Event::Published { .. }))?;
        let Event::Published { reason } = event else { bail!("not a PUBACK: {event:?}") };
        Ok(reason)
    }

    /// The next message, as topic and payload.
    ///
    /// # Errors
    ///
    /// When none comes.
    pub fn message(&mut self) -> Result<(String, String)> {
        let event = self.wait_for("a message", |event| matches!(event, Event::Message { .. }))?;
        let Event::Message { topic, payload, .. } = event else { bail!("not a message: {event:?}") };
        Ok((topic, payload))
    }

    /// A message that has arrived already, as topic and payload, if there is one.
    ///
    /// # Errors
    ///
    /// When the client said something that is no event.
    pub fn try_message(&mut self) -> Result<Option<(String, String)>> {
        while let Ok(event) = self.events.try_recv() {
            self.early.push_back(event.map_err(anyhow::Error::msg)?);
        }
        if self.early.iter().any(|event| matches!(event, Event::Message { .. })) {
            return self.message().map(Some);
        }
        Ok(None)
    }

    /// Waits until the connection has ended, and gives the reason as [`Event::Disconnected`] has it.
    ///
    /// # Errors
    ///
    /// When it goes on.
    pub fn ended(&mut self) -> Result<u8> {
        let event =
            self.wait_for("the end of the connection", |event| matches!(event, Event::Disconnected { .. }))?;
        let Event::Disconnected { reason } = event else { bail!("not the end: {event:?}") };
        Ok(reason)
    }

    /// Sends DISCONNECT and waits for the connection's end.
    ///
    /// # Errors
    ///
    /// When the client's process is gone.
    pub fn disconnect(&mut self) -> Result<()> {
        self.command(&json!({ "op": "disconnect" }))?;
        self.ended().map(drop)
    }

    /// Ends the connection without DISCONNECT, as when a device loses power: its will fires.
    ///
    /// # Errors
    ///
    /// When the client's process is gone.
    pub fn abort(&mut self) -> Result<()> {
        self.command(&json!({ "op": "abort" }))
    }

    /// Waits for the first event that `wanted` accepts; others are kept for later.
    ///
    /// # Errors
    ///
    /// When none comes; the message lists what came instead.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        if let Some(at) = self.early.iter().position(&wanted) {
            return self.early.remove(at).context("an event vanished");
        }
        loop {
            let event = match self.events.recv_timeout(PATIENCE) {
                Ok(event) => event.map_err(anyhow::Error::msg)?,
                Err(_) => bail!("{what} did not come; what came instead: {:?}", self.early),
            };
            if wanted(&event) {
                return Ok(event);
            }
            self.early.push_back(event);
        }
    }

    fn command(&mut self, command: &Value) -> Result<()> {
        writeln!(self.commands, "{command}").context("the Python client is gone")
    }
}

impl Drop for Paho {
    fn drop(&mut self) {
        // Nothing is left to do if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
