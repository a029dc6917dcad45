//! One non-blocking connection of the generator or the relay: whole-buffer reads, one write per turn.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;

/// A connection with what could not be written yet and what arrived of an incomplete packet.
pub(crate) struct Link {
    stream: TcpStream,
    unsent: Vec<u8>,
    sent: usize,
    carry: Vec<u8>,
}

/// What a read gave.
pub(crate) struct Filled {
    /// Valid bytes at the front of the buffer, the incomplete packet of the last read included.
    pub(crate) length: usize,
    /// Whether the socket may hold more; readiness is edge-triggered, so the reader has to come back.
    pub(crate) more: bool,
}

impl Link {
    /// Takes over a connection that has finished its handshake.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, unsent: Vec::new(), sent: 0, carry: Vec::new() }
    }

    /// The socket, for registering.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// Whether the peer has not yet taken what was given before.
    pub(crate) fn is_blocked(&self) -> bool {
        self.sent < self.unsent.len()
    }

    /// Writes `bytes` at once as far as the socket takes them and keeps the rest for [`Self::flush`].
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_blocked() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let taken = write_all_taken(&mut self.stream, bytes)?;
        self.unsent.clear();
        self.sent = 0;
        self.unsent.extend_from_slice(&bytes[taken..]);
        Ok(())
    }

    /// Writes what is left over, after the socket became writable.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.is_blocked() {
            self.sent += write_all_taken(&mut self.stream, &self.unsent[self.sent..])?;
            if self.sent == self.unsent.len() {
                self.unsent.clear();
                self.sent = 0;
            }
        }
        Ok(())
    }

    /// Fills `buffer` by one read, behind the bytes kept by [`Self::keep`].
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Filled> {
        let kept = self.carry.len();
        buffer[..kept].copy_from_slice(&self.carry);
        self.carry.clear();
        let free = buffer.len() - kept;
        loop {
            match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => {
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, "the broker closed a connection"));
                }
                // A short read emptied the socket: what comes later raises a new event.
                Ok(read) => return Ok(Filled { length: kept + read, more: read == free }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Filled { length: kept, more: false });
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Keeps the incomplete packet at the end of a read for the next one.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        self.carry.extend_from_slice(rest);
    }
}

fn write_all_taken(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut taken = 0;
    while taken < bytes.len() {
        match stream.write(&bytes[taken..]) {
            Ok(0) => return Err(io::Error::new(ErrorKind::WriteZero, "the broker takes no more bytes")),
            Ok(written) => taken += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(taken)
}
