//! The raw relay: what the machine can carry when nothing looks at the messages.
//!
//! It accepts connections, reads as much as it can at once and writes the same bytes to every connection of
//! the other side in the same group. It knows the size of a message only so that two publishers' messages
//! do not get cut into each other. One thread, no MQTT, no checks: the ceiling that every broker's figure is
//! compared with, and the proof that the generator is faster than what it measures.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::link::Link;

const LISTENER: Token = Token(usize::MAX);

/// Bytes of one read; as large as the generator's.
const READ: usize = 256 * 1024;

/// Which side of a group a connection is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Sends messages, receives acknowledgements.
    Publisher,
    /// Receives messages, sends acknowledgements.
    Subscriber,
}

/// What a connection says first: its side, its group and the size of what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) side: Side,
    pub(crate) group: u16,
    pub(crate) frame: u16,
}

/// The relay's answer, once bytes of the group reach the connection.
const WELCOME: u8 = b'k';

impl Hello {
    fn encode(self) -> [u8; 5] {
        let [a, b] = self.group.to_le_bytes();
        let [c, d] = self.frame.to_le_bytes();
        [if self.side == Side::Publisher { b'P' } else { b'S' }, a, b, c, d]
    }

    fn decode(bytes: [u8; 5]) -> Result<Self> {
        let side = match bytes[0] {
            b'P' => Side::Publisher,
            b'S' => Side::Subscriber,
            other => bail!("a connection began with {other:#x} instead of its side"),
        };
        let frame = u16::from_le_bytes([bytes[3], bytes[4]]);
        ensure!(frame > 0, "a connection announced messages of no bytes");
        Ok(Self { side, group: u16::from_le_bytes([bytes[1], bytes[2]]), frame })
    }
}

/// Joins a group from the generator's side and waits until the relay has taken note.
pub(crate) fn join(stream: &mut TcpStream, hello: Hello) -> Result<()> {
    stream.write_all(&hello.encode())?;
    let mut answer = [0];
    stream.read_exact(&mut answer)?;
    ensure!(answer == [WELCOME], "the relay answered {answer:?}");
    Ok(())
}

struct Member {
    link: Link,
    hello: Hello,
}

/// Serves until the process is killed.
pub(crate) fn serve(address: SocketAddr) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(address).context("failed to listen")?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut members: Vec<Option<Member>> = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; READ];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    // A connection that says nothing is one that only looked whether anybody listens.
                    members.push(welcome(stream, members.len(), &poll).ok());
                }
                continue;
            }
            let at = event.token().0;
            if event.is_writable()
                && let Some(member) = &mut members[at]
                && member.link.flush().is_err()
            {
                members[at] = None;
            }
            if event.is_readable() {
                relay(&mut members, at, &mut buffer);
            }
        }
    }
}

fn welcome(stream: mio::net::TcpStream, at: usize, poll: &Poll) -> Result<Member> {
    let mut stream = TcpStream::from(stream);
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut first = [0; 5];
    stream.read_exact(&mut first).context("a connection did not say what it is")?;
    let hello = Hello::decode(first)?;
    stream.set_nodelay(true)?;
    stream.write_all(&[WELCOME])?;
    stream.set_nonblocking(true)?;
    let mut link = Link::new(mio::net::TcpStream::from_std(stream));
    poll.registry().register(link.stream(), Token(at), Interest::READABLE | Interest::WRITABLE)?;
    Ok(Member { link, hello })
}

/// Copies everything that one connection has to say to the other side of its group.
fn relay(members: &mut [Option<Member>], at: usize, buffer: &mut [u8]) {
    // The reader leaves its place while the others are written to, and returns unless it is gone.
    let Some(mut reader) = members[at].take() else { return };
    loop {
        let Ok(filled) = reader.link.read(buffer) else { return };
        let whole = filled.length - filled.length % usize::from(reader.hello.frame);
        for place in members.iter_mut() {
            if let Some(member) = place
                && member.hello.group == reader.hello.group
                && member.hello.side != reader.hello.side
                && whole > 0
                && member.link.send(&buffer[..whole]).is_err()
            {
                *place = None;
            }
        }
        reader.link.keep(&buffer[whole..filled.length]);
        if !filled.more {
            break;
        }
    }
    members[at] = Some(reader);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hello_says_the_same_on_both_ends() {
        for side in [Side::Publisher, Side::Subscriber] {
            let hello = Hello { side, group: 300, frame: 75 };
            assert_eq!(Hello::decode(hello.encode()).unwrap(), hello);
        }
        assert!(Hello::decode(*b"X\0\0\x04\0").is_err());
        assert!(Hello::decode(*b"P\0\0\0\0").is_err());
    }
}
