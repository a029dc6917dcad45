//! The task of one connection: waits for its socket and feeds its core.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use moat_mqtt::core::{ConnectionRef, Settled};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;

use super::socket::{Flushed, Socket};
use super::worker::{READ_BUFFER, Worker};

/// A connection with a session.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) reference: ConnectionRef,
    pub(crate) socket: Rc<Socket>,
    pub(crate) read: OwnedReadHalf,
    /// Bytes of an incomplete packet, decrypted; or whole packets that the core has left for later.
    pub(crate) rest: Vec<u8>,
    /// Whether `rest` holds whole packets.
    pub(crate) paused: bool,
}

/// What one read brought.
enum Read {
    /// That many bytes; true if the socket probably holds more.
    Some(bool),
    /// The peer closed, or the connection broke.
    End,
}

impl Connection {
    /// Serves the connection until it ends.
    pub(crate) async fn serve(mut self) {
        if !self.rest.is_empty() {
            let early = std::mem::take(&mut self.rest);
            self.feed(&early);
        }
        while !self.socket.ended.get() {
            match poll_fn(|cx| self.poll_turn(cx)).await {
                Read::Some(false) => {}
                // Others have their turn before the next read of a busy connection.
                Read::Some(true) => tokio::task::yield_now().await,
                Read::End => {
                    if !self.socket.ended.get() {
                        self.worker.core.borrow_mut().closed(self.reference);
                        self.worker.flush_soon();
                    }
                    return;
                }
            }
        }
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        self.socket.park(cx.waker());
        if self.socket.ended.get() {
            return Poll::Ready(Read::End);
        }
        if self.socket.blocked.get() {
            match self.poll_flush(cx) {
                Poll::Ready(true) => return Poll::Ready(Read::End),
                Poll::Ready(false) | Poll::Pending => {}
            }
        }
        if self.socket.held.get() {
            return Poll::Pending;
        }
        if self.worker.core.borrow_mut().settle(self.reference) == Settled::Held {
            self.socket.held.set(true);
            return Poll::Pending;
        }
        if self.paused {
            let rest = std::mem::take(&mut self.rest);
            self.feed(&rest);
            return Poll::Ready(Read::Some(true));
        }
        self.poll_read(cx)
    }

    /// Writes when the socket is writable again; true if it is broken.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            match self.socket.poll_writable(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(true),
                Poll::Ready(Ok(())) => {}
            }
            let mut core = self.worker.core.borrow_mut();
            let Some(output) = core.output(self.reference) else { return Poll::Ready(true) };
            let mut progress = false;
            let flushed = self.socket.flush(output, &mut progress);
            if progress {
                core.set_now(self.worker.now());
                core.sent(self.reference);
                // A drained output resumes publishers and lets queued messages follow.
                self.worker.flush_soon();
            }
            match flushed {
                Flushed::All => return Poll::Ready(false),
                Flushed::Broken => return Poll::Ready(true),
                Flushed::Blocked => {}
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Read> {
        let worker = Rc::clone(&self.worker);
        let mut buffer = worker.read_buffer.borrow_mut();
        let kept = if self.socket.tls.is_none() && self.rest.len() < READ_BUFFER / 2 {
            // The incomplete packet goes in front of what comes, so that it is whole in one place.
            buffer[..self.rest.len()].copy_from_slice(&self.rest);
            self.rest.len()
        } else {
            0
        };
        let mut space = ReadBuf::new(&mut buffer[kept..]);
        let room = space.remaining();
        match Pin::new(&mut self.read).poll_read(cx, &mut space) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => return Poll::Ready(Read::End),
            Poll::Ready(Ok(())) => {}
        }
        let n = space.filled().len();
        if n == 0 {
            return Poll::Ready(Read::End);
        }
        let full = n == room;
        if self.socket.tls.is_some() {
            if self.decrypt(&buffer[..n]).is_err() {
                return Poll::Ready(Read::End);
            }
        } else if kept == self.rest.len() {
            self.rest.clear();
            self.feed(&buffer[..kept + n]);
        } else {
            // A packet larger than the shared buffer grows in a buffer of its own, up to the largest packet.
            let mut whole = std::mem::take(&mut self.rest);
            whole.extend_from_slice(&buffer[..n]);
            self.feed(&whole);
        }
        Poll::Ready(Read::Some(full))
    }

    fn decrypt(&mut self, ciphertext: &[u8]) -> std::io::Result<()> {
        let Some(tls) = &self.socket.tls else { return Ok(()) };
        let worker = Rc::clone(&self.worker);
        let mut plaintext = worker.plaintext.borrow_mut();
        plaintext.clear();
        plaintext.append(&mut self.rest);
        let outcome = {
            let mut tls = tls.borrow_mut();
            let outcome = tls.decrypt(ciphertext, &mut plaintext);
            if tls.wants_write() {
                // Alerts, key updates and tickets; what the socket does not take follows with the next output.
                let _ = tls.write_to(self.socket.write_half().as_ref(), &mut false);
            }
            outcome
        };
        self.feed(&plaintext);
        if plaintext.capacity() > READ_BUFFER * 4 {
            *plaintext = Vec::new();
        }
        outcome
    }

    /// Gives the core what has come and keeps what is incomplete.
    fn feed(&mut self, input: &[u8]) {
        let received = {
            let mut core = self.worker.core.borrow_mut();
            core.set_now(self.worker.now());
            core.receive(self.reference, input)
        };
        self.paused = received.paused;
        self.rest.extend_from_slice(input.get(received.consumed..).unwrap_or_default());
        if self.rest.is_empty() && self.rest.capacity() > 0 {
            self.rest = Vec::new();
        }
        self.worker.flush_soon();
    }
}
