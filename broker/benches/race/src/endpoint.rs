//! How the generator's connections come to be: TCP, then CONNECT and SUBSCRIBE, or the relay's hello.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::frames::{self, Protocol};
use crate::relay::{self, Hello, Side};

/// How long a broker may take for one step of a handshake. Password hashing is the longest of them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where and as what to connect.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Port on the loopback address.
    pub(crate) port: u16,
    /// MQTT version to speak.
    pub(crate) protocol: Protocol,
    /// Username and password, if the broker asks for them.
    pub(crate) login: Option<(&'static str, &'static str)>,
    /// Whether this is the raw relay, which speaks no MQTT.
    pub(crate) raw: bool,
}

impl Endpoint {
    /// Address of the broker.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Connects a publisher that will send messages of `frame` bytes.
    pub(crate) fn publisher(&self, index: usize, group: usize, frame: usize) -> Result<mio::net::TcpStream> {
        let mut stream = self.open()?;
        if self.raw {
            let hello = Hello { side: Side::Publisher, group: group as u16, frame: frame as u16 };
            relay::join(&mut stream, hello)?;
        } else {
            self.log_in(&mut stream, &format!("race-publisher-{index}"))?;
        }
        hand_over(stream)
    }

    /// Connects a subscriber and subscribes it.
    pub(crate) fn subscriber(
        &self,
        index: usize,
        group: usize,
        filter: &str,
        qos: u8,
    ) -> Result<mio::net::TcpStream> {
        let mut stream = self.open()?;
        if self.raw {
            let frame = frames::puback(1).len() as u16;
            relay::join(&mut stream, Hello { side: Side::Subscriber, group: group as u16, frame })?;
            return hand_over(stream);
        }
        self.log_in(&mut stream, &format!("race-subscriber-{index}"))?;
        self.subscribe(&mut stream, filter, qos)?;
        hand_over(stream)
    }

    /// Connects a client that its caller serves itself, by blocking calls.
    pub(crate) fn client(&self, client_id: &str) -> Result<TcpStream> {
        let mut stream = self.open()?;
        self.log_in(&mut stream, client_id)?;
        Ok(stream)
    }

    /// Subscribes a connected client to one filter.
    pub(crate) fn subscribe(&self, stream: &mut TcpStream, filter: &str, qos: u8) -> Result<()> {
        stream.write_all(&frames::subscribe(self.protocol, filter, qos))?;
        let (kind, body) = read_packet(stream).context("no answer to SUBSCRIBE")?;
        let granted = body.last().copied();
        ensure!(
            kind == 9 && granted == Some(qos),
            "the broker did not grant {filter:?} at QoS {qos}: packet type {kind}, code {granted:?}"
        );
        Ok(())
    }

    fn open(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address(), PATIENCE).context("failed to connect")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Sends CONNECT on an open connection and waits until it is granted.
    pub(crate) fn log_in(&self, stream: &mut TcpStream, client_id: &str) -> Result<()> {
        stream.write_all(&frames::connect(self.protocol, client_id, self.login))?;
        let (kind, body) = read_packet(stream).context("no answer to CONNECT")?;
        ensure!(
            kind == 2 && body.get(1) == Some(&0),
            "the broker refused {client_id}: packet type {kind}, code {:?}",
            body.get(1)
        );
        Ok(())
    }
}

fn hand_over(stream: TcpStream) -> Result<mio::net::TcpStream> {
    stream.set_nonblocking(true)?;
    Ok(mio::net::TcpStream::from_std(stream))
}

/// Reads one packet and not a byte more, so that nothing is missing when the generator takes over.
fn read_packet(stream: &mut TcpStream) -> Result<(u8, Vec<u8>)> {
    let mut header = [0; 5];
    stream.read_exact(&mut header[..2])?;
    let mut have = 2;
    let length = loop {
        if let Some((length, _)) = frames::remaining_length(&header[1..have])? {
            break length;
        }
        stream.read_exact(&mut header[have..=have])?;
        have += 1;
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((header[0] >> 4, body))
}
