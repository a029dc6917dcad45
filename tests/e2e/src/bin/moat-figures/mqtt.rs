//! The few MQTT 5 packets that a measurement needs, on purpose not by the broker's codec.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How long a broker may take for one step of a login. Password hashing is the longest of them.
const PATIENCE: Duration = Duration::from_secs(20);

/// Seconds without a packet that the broker has to bear: no pings are sent.
const KEEP_ALIVE: u16 = 3600;

const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const SUBACK: u8 = 9;
const DISCONNECT: u8 = 14;

/// A connected client that sends and receives numbers at QoS 0.
pub(crate) struct Client {
    stream: TcpStream,
}

/// Why a login did not work.
pub(crate) enum Refusal {
    /// Nobody was there, or the connection ended: it may work later.
    Unreachable,
    /// The broker said no, with this code.
    Refused(u8),
}

impl Client {
    /// Logs in on an open connection, with the username as client identifier.
    pub(crate) fn login(stream: TcpStream, username: &str, password: &str) -> Result<Self, Refusal> {
        let mut client = Self { stream };
        match client.log_in(username, password) {
            Ok(0) => Ok(client),
            Ok(code) => Err(Refusal::Refused(code)),
            Err(_) => Err(Refusal::Unreachable),
        }
    }

    fn log_in(&mut self, username: &str, password: &str) -> Result<u8> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let mut body = Vec::new();
        put_text(&mut body, "MQTT");
        // Version 5, then: username, password, clean start.
        body.extend([5, 0b1100_0010]);
        body.extend(KEEP_ALIVE.to_be_bytes());
        body.push(0);
        for text in [username, username, password] {
            put_text(&mut body, text);
        }
        self.stream.write_all(&packet(0x10, &body))?;
        let (kind, body) = self.read()?.context("the connection ended before a CONNACK")?;
        ensure!(kind == CONNACK, "packet {kind} instead of a CONNACK");
        body.get(1).copied().context("the CONNACK is too short")
    }

    /// Subscribes to a filter at QoS 0.
    pub(crate) fn subscribe(&mut self, filter: &str) -> Result<()> {
        let mut body = vec![0, 1, 0];
        put_text(&mut body, filter);
        body.push(0);
        self.stream.write_all(&packet(0x82, &body))?;
        let (kind, body) = self.read()?.context("the connection ended before a SUBACK")?;
        let granted = body.last() == Some(&0);
        ensure!(kind == SUBACK && granted, "{filter} was not granted: packet {kind}, {body:?}");
        Ok(())
    }

    /// Publishes a number.
    pub(crate) fn send(&mut self, topic: &str, number: u64) -> Result<()> {
        let mut body = Vec::new();
        put_text(&mut body, topic);
        body.push(0);
        body.extend(number.to_be_bytes());
        Ok(self.stream.write_all(&packet(PUBLISH << 4, &body))?)
    }

    /// The next number; none when the connection has ended.
    pub(crate) fn receive(&mut self) -> Result<Option<u64>> {
        loop {
            match self.read()? {
                None => return Ok(None),
                Some((PUBLISH, body)) => {
                    let number = body.last_chunk::<8>().context("a message is too short")?;
                    return Ok(Some(u64::from_be_bytes(*number)));
                }
                Some((DISCONNECT, body)) => bail!("the broker ended a client: {:?}", body.first()),
                Some(_) => {}
            }
        }
    }

    /// Waits for ever for a message.
    pub(crate) fn be_patient(&self) -> Result<()> {
        Ok(self.stream.set_read_timeout(None)?)
    }

    /// A handle by which another thread ends the connection.
    pub(crate) fn end(&self) -> Result<impl FnOnce() + Send + use<>> {
        let stream = self.stream.try_clone()?;
        Ok(move || {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        })
    }

    /// The next packet's type and body; none at the end of the connection.
    fn read(&mut self) -> Result<Option<(u8, Vec<u8>)>> {
        let Some(first) = self.byte()? else { return Ok(None) };
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = self.byte()?.context("a packet ends within its length")?;
            length |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            ensure!(shift < 28, "a packet's length has more than four bytes");
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Some((first >> 4, body)))
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        let mut byte = [0];
        loop {
            match self.stream.read(&mut byte) {
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(byte[0])),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // No text here is longer.
    out.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    loop {
        let low = (rest & 0x7F) as u8;
        rest >>= 7;
        out.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    out.extend(body);
    out
}
