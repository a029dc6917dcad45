//! The write side of a connection, shared by its own task and the worker's flusher.

use std::cell::{Cell, RefCell};
use std::io;
use std::task::Waker;

use moat_mqtt::core::Output;
use tokio::net::tcp::OwnedWriteHalf;

use super::tls::TlsSession;

/// Slices written by one system call at the most.
const SLICES: usize = 16;
/// Plaintext encrypted before the ciphertext is written.
const TLS_CHUNK: usize = 64 << 10;

/// What a flush left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything is with the kernel.
    All,
    /// The socket is full: flush again when it is writable.
    Blocked,
    /// The socket is broken.
    Broken,
}

/// One connection's socket, as others see it.
pub(crate) struct Socket {
    write: OwnedWriteHalf,
    pub(crate) tls: Option<RefCell<Box<TlsSession>>>,
    /// The task is to wait until the socket is writable.
    pub(crate) blocked: Cell<bool>,
    /// The task is not to read until the core resumes the connection.
    pub(crate) held: Cell<bool>,
    /// The core or the peer has ended the connection.
    pub(crate) ended: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Socket {
    pub(crate) fn new(write: OwnedWriteHalf, tls: Option<Box<TlsSession>>) -> Self {
        Self {
            write,
            tls: tls.map(RefCell::new),
            blocked: Cell::new(false),
            held: Cell::new(false),
            ended: Cell::new(false),
            waker: Cell::new(None),
        }
    }

    /// Where the connection's task waits.
    pub(crate) fn park(&self, waker: &Waker) {
        self.waker.set(Some(waker.clone()));
    }

    /// Makes the connection's task look again.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(crate) fn write_half(&self) -> &OwnedWriteHalf {
        &self.write
    }

    /// Writes as much of `output` as the socket takes; `progress` tells whether any byte left.
    pub(crate) fn flush(&self, output: &mut Output, progress: &mut bool) -> Flushed {
        let flushed = match &self.tls {
            None => self.flush_plain(output, progress),
            Some(tls) => self.flush_tls(&mut tls.borrow_mut(), output, progress),
        };
        self.blocked.set(flushed == Flushed::Blocked);
        flushed
    }

    fn flush_plain(&self, output: &mut Output, progress: &mut bool) -> Flushed {
        while !output.is_empty() {
            let written = if output.is_single_chunk() {
                self.write.try_write(output.chunk())
            } else {
                let mut slices = [io::IoSlice::new(&[]); SLICES];
                let used = output.slices(&mut slices);
                self.write.try_write_vectored(&slices[..used])
            };
            match written {
                Ok(0) => return Flushed::Broken,
                Ok(n) => {
                    *progress = true;
                    output.consume(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flushed::Blocked,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Flushed::Broken,
            }
        }
        Flushed::All
    }

    fn flush_tls(&self, tls: &mut TlsSession, output: &mut Output, progress: &mut bool) -> Flushed {
        loop {
            match tls.write_to(self.write.as_ref(), progress) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Flushed::Blocked,
                Err(_) => return Flushed::Broken,
            }
            if output.is_empty() {
                return Flushed::All;
            }
            let chunk = output.chunk();
            match tls.encrypt(&chunk[..chunk.len().min(TLS_CHUNK)]) {
                Ok(n) if n > 0 => output.consume(n),
                Ok(_) | Err(_) => return Flushed::Broken,
            }
        }
    }
}

impl Socket {
    /// Tells a TLS peer that nothing more comes. The socket itself is closed when its last owner drops it.
    pub(crate) fn close(&self) {
        if let Some(tls) = &self.tls {
            let mut tls = tls.borrow_mut();
            tls.close_notify();
            // The peer may be gone.
            let _ = tls.write_to(self.write.as_ref(), &mut false);
        }
    }

    /// Waits until the socket takes bytes again.
    pub(crate) fn poll_writable(&self, cx: &mut std::task::Context<'_>) -> std::task::Poll<io::Result<()>> {
        self.write.as_ref().poll_write_ready(cx)
    }
}
