//! From an accepted socket to an authenticated CONNECT.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use moat_mqtt::codec::{self, ConnAck, ConnAckProperties, Connect, DecodeError, Packet, Version, reason};
use moat_mqtt::core::{Connecting, home_core};
use moat_mqtt::session::Will;
use rustls::ServerConnection;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::accept::{Handoff, adopt, refuse};
use super::listener::Listener;
use super::socket::Socket;
use super::tls::TlsSession;
use super::worker::{Command, Worker};
use crate::auth::{Attempt, Refused, certificate};

/// Time from the accepted socket to the complete CONNECT, TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest CONNECT: four fields of 64 KiB and properties.
const MAX_CONNECT: u32 = 320 << 10;

/// Why a connection did not get as far as a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("no complete CONNECT within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout,
    #[error("failed to read or write: {0}")]
    Io(#[from] io::Error),
    #[error("the first packet must be a valid CONNECT: {0}")]
    Packet(#[from] DecodeError),
    #[error("failed to set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the client certificate cannot be read: {0}")]
    Certificate(#[from] certificate::CertificateError),
    #[error("the first packet must be CONNECT")]
    NotConnect,
}

/// A socket before it has a session.
struct Newcomer {
    stream: TcpStream,
    tls: Option<Box<TlsSession>>,
    /// What was received and not yet used, decrypted.
    input: Vec<u8>,
}

/// Takes a new socket through TLS, CONNECT and authentication, and gives it to its core.
pub(crate) async fn greet(
    worker: &Rc<Worker>,
    listener: &Listener,
    stream: TcpStream,
    peer: SocketAddr,
) -> Result<(), HandshakeError> {
    stream.set_nodelay(true)?;
    let tls = match &listener.tls {
        Some(config) => Some(Box::new(TlsSession::new(ServerConnection::new(config.load_full())?))),
        None => None,
    };
    let mut newcomer = Newcomer { stream, tls, input: Vec::new() };
    let length = tokio::time::timeout(CONNECT_TIMEOUT, newcomer.read_connect())
        .await
        .map_err(|_| HandshakeError::Timeout)??;
    let frame: Vec<u8> = newcomer.input.drain(..length).collect();
    let connect = match codec::decode(&frame, Version::V311) {
        Ok(Packet::Connect(connect)) => connect,
        Ok(_) => return Err(HandshakeError::NotConnect),
        Err(error) => {
            if let Some((version, code)) = answer_to(&frame, &error) {
                newcomer.refuse(version, code).await;
            }
            return Err(error.into());
        }
    };
    match admit(worker, listener, &newcomer, &connect, peer).await? {
        Ok(connecting) => newcomer.hand_over(worker, connecting),
        Err(refused) => {
            newcomer.refuse(connect.version, refused.reason_code).await;
            Ok(())
        }
    }
}

/// Authenticates the sender of a CONNECT.
async fn admit(
    worker: &Rc<Worker>,
    listener: &Listener,
    newcomer: &Newcomer,
    connect: &Connect<'_>,
    peer: SocketAddr,
) -> Result<Result<Connecting, Refused>, HandshakeError> {
    if connect.properties.auth_method.is_some() {
        return Ok(Err(Refused { reason_code: reason::BAD_AUTHENTICATION_METHOD }));
    }
    let client_id = match connect.client_id {
        "" => assigned_client_id(),
        given => given.into(),
    };
    let certificate = match newcomer.tls.as_ref().and_then(|tls| tls.peer_certificate()) {
        Some(der) => Some(certificate::identify(der)?),
        None => None,
    };
    let attempt = Attempt {
        listener: &listener.name,
        client_id: &client_id,
        username: connect.username,
        password: connect.password,
        certificate,
        peer: peer.ip().to_canonical(),
    };
    let admission = match worker.hub.authenticator.authenticate(&attempt).await {
        Ok(admission) => admission,
        Err(refused) => return Ok(Err(refused)),
    };
    Ok(Ok(Connecting {
        assigned: connect.client_id.is_empty(),
        version: connect.version,
        clean_start: connect.clean_start,
        keep_alive: connect.keep_alive,
        session_expiry: session_expiry(connect),
        receive_maximum: connect.properties.receive_maximum,
        max_packet: connect.properties.max_packet_size,
        problem_information: connect.properties.request_problem_info,
        will: will(connect),
        identity: admission.identity,
        any_identity: listener.any_identity,
        guard: admission.guard,
        judged_at: admission.judged_at,
        client_id,
    }))
}

impl Newcomer {
    /// Reads until a whole CONNECT is there; returns its length.
    async fn read_connect(&mut self) -> Result<usize, HandshakeError> {
        loop {
            if let Some(first) = self.input.first()
                && first >> 4 != 1
            {
                return Err(HandshakeError::NotConnect);
            }
            if let Some(length) = codec::frame_len(&self.input, MAX_CONNECT)?
                && length <= self.input.len()
            {
                return Ok(length);
            }
            self.read_some().await?;
        }
    }

    /// Reads what the socket has; for TLS also answers the handshake.
    async fn read_some(&mut self) -> Result<(), HandshakeError> {
        let mut buffer = [0; 4096];
        let n = loop {
            let wants_write = self.tls.as_ref().is_some_and(|tls| tls.wants_write());
            let interest =
                if wants_write { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            let ready = self.stream.ready(interest).await?;
            if ready.is_writable() {
                self.write_tls()?;
            }
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(n) => break n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        };
        let Some(tls) = &mut self.tls else {
            self.input.extend_from_slice(&buffer[..n]);
            return Ok(());
        };
        let outcome = tls.decrypt(&buffer[..n], &mut self.input);
        // Whether the handshake goes on or fails, the peer is told.
        self.write_tls()?;
        outcome.map_err(HandshakeError::from)
    }

    fn write_tls(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        match tls.write_to(&self.stream, &mut false) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    async fn refuse(self, version: Version, code: u8) {
        let (_read, write) = self.stream.into_split();
        refuse(&Socket::new(write, self.tls), version, code).await;
    }

    /// Gives the connection to the core that owns its client identifier.
    fn hand_over(self, worker: &Rc<Worker>, connecting: Connecting) -> Result<(), HandshakeError> {
        let home = home_core(&connecting.client_id, worker.hub.shared.cores);
        if home == worker.id {
            adopt(worker, self.stream, self.tls, self.input, connecting);
            return Ok(());
        }
        let stream = self.stream.into_std()?;
        let handoff = Handoff { stream, tls: self.tls, rest: self.input, connecting };
        if let Some(handle) = worker.hub.workers.get(usize::from(home)) {
            // A worker that is gone is one that stops, and so does this one.
            let _ = handle.commands.send(Command::Adopt(Box::new(handoff)));
        }
        Ok(())
    }
}

/// The CONNACK, if any, that answers a CONNECT that cannot be read.
fn answer_to(frame: &[u8], error: &DecodeError) -> Option<(Version, u8)> {
    if let DecodeError::UnsupportedVersion(level) = error {
        let version = if *level > 4 { Version::V5 } else { Version::V311 };
        return Some((version, reason::UNSUPPORTED_PROTOCOL_VERSION));
    }
    match codec::connect_version(frame)? {
        Version::V5 => Some((Version::V5, error.reason_code())),
        // Older versions know an answer to few errors; a malformed packet is not among them [MQTT-4.8.0-1].
        version if *error == DecodeError::ClientIdRequired => {
            Some((version, reason::CLIENT_IDENTIFIER_NOT_VALID))
        }
        _ => None,
    }
}

/// An encoded CONNACK that refuses, in the words of the client's version.
pub(crate) fn refusal(version: Version, reason_code: u8) -> Vec<u8> {
    let reason = if version == Version::V5 {
        reason_code
    } else {
        match reason_code {
            reason::UNSUPPORTED_PROTOCOL_VERSION => 1,
            reason::CLIENT_IDENTIFIER_NOT_VALID => 2,
            reason::SERVER_UNAVAILABLE
            | reason::SERVER_BUSY
            | reason::QUOTA_EXCEEDED
            | reason::CONNECTION_RATE_EXCEEDED => 3,
            _ => 5,
        }
    };
    let mut out = Vec::new();
    let connack = ConnAck { session_present: false, reason, properties: ConnAckProperties::default() };
    // A code and no properties: it cannot be too long.
    let _ = codec::encode_connack(&mut out, version, &connack);
    out
}

/// An identifier for a client that sent none [MQTT-3.1.3-6].
fn assigned_client_id() -> Box<str> {
    format!("auto-{:032x}", rand::random::<u128>()).into()
}

/// MQTT 3's clean session 0 is a session without end, as far as the broker's bound allows.
fn session_expiry(connect: &Connect<'_>) -> u32 {
    match connect.version {
        Version::V5 => connect.properties.session_expiry,
        _ if connect.clean_start => 0,
        _ => u32::MAX,
    }
}

fn will(connect: &Connect<'_>) -> Option<Will> {
    let will = connect.will.as_ref()?;
    let mut properties = Vec::new();
    will.properties.append_forwardable(&mut properties);
    Some(Will {
        topic: will.topic.into(),
        payload: Bytes::copy_from_slice(will.payload),
        qos: will.qos,
        retain: will.retain,
        properties: properties.into(),
        expiry: will.properties.message_expiry,
        delay: will.properties.delay,
    })
}
