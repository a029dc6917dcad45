//! A blocking client that sends and receives numbered messages.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::endpoint::Endpoint;
use crate::frames::{self, Inbound, MIN_PAYLOAD, Protocol, Template};

/// A connected client with a topic to publish to.
pub(crate) struct Client {
    stream: TcpStream,
    template: Template,
    protocol: Protocol,
    out: Vec<u8>,
    /// Bytes received and not looked at yet.
    carry: Vec<u8>,
}

impl Client {
    /// Connects a client that publishes to `to` and, if given, listens to `from`.
    pub(crate) fn connect(endpoint: &Endpoint, id: &str, to: &str, from: Option<&str>) -> Result<Self> {
        let mut stream = endpoint.client(id)?;
        if let Some(filter) = from {
            endpoint.subscribe(&mut stream, filter, 0)?;
        }
        Ok(Self {
            stream,
            template: Template::new(endpoint.protocol, 0, to, 0, MIN_PAYLOAD),
            protocol: endpoint.protocol,
            out: Vec::new(),
            carry: Vec::new(),
        })
    }

    /// Waits no longer than this for a message; for ever, if none.
    pub(crate) fn patience(&self, patience: Option<Duration>) -> Result<()> {
        Ok(self.stream.set_read_timeout(patience)?)
    }

    /// A handle by which another thread ends the connection.
    pub(crate) fn end(&self) -> Result<impl FnOnce() + Send + use<>> {
        let stream = self.stream.try_clone()?;
        Ok(move || {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        })
    }

    /// Sends message `number` at QoS 0.
    pub(crate) fn send(&mut self, number: u64) -> Result<()> {
        self.out.clear();
        self.template.append(number, 0, &mut self.out);
        Ok(self.stream.write_all(&self.out)?)
    }

    /// The next message's number; none when the connection has ended.
    pub(crate) fn receive(&mut self) -> Result<Option<u64>> {
        loop {
            if let Some((length, packet)) = frames::parse(&self.carry, self.protocol)? {
                let number = match packet {
                    Inbound::Publish { payload, .. } => frames::verify(payload, MIN_PAYLOAD),
                    Inbound::Disconnect(reason) => bail!("the broker ended a client, reason {reason:x?}"),
                    other => bail!("a client received {other:?}"),
                };
                ensure!(number.is_some(), "a message came damaged");
                self.carry.drain(..length);
                return Ok(number.map(|(_, number)| number));
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(read) => self.carry.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
