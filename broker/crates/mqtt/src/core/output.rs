//! Bytes on their way to one socket.
//!
//! Small frames are appended to one buffer, so that one write takes them all; large payloads are shared between
//! all subscribers instead of being copied. A connection with nothing to send owns no buffer.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// Payloads from this size on are shared rather than copied into each subscriber's buffer.
pub(crate) const SHARE_FROM: usize = 8 << 10;

/// Buffers above this capacity are freed rather than kept for the next connection that has something to send.
const POOLED_CAPACITY: usize = 256 << 10;
/// Buffers kept per core; beyond that the allocator may have them.
const POOLED_BUFFERS: usize = 64;

/// Empty buffers that connections of one core take turns with.
#[derive(Debug, Default)]
pub(crate) struct BufferPool(Vec<Vec<u8>>);

impl BufferPool {
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    /// An output that starts with a pooled buffer.
    pub(crate) fn output(&mut self) -> Output {
        Output { tail: self.take(), ..Output::default() }
    }

    pub(crate) fn give(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= POOLED_CAPACITY && self.0.len() < POOLED_BUFFERS {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

/// The unsent output of one connection.
#[derive(Debug, Default)]
pub struct Output {
    /// Whole pieces that go out before `tail`.
    pieces: VecDeque<Bytes>,
    tail: Vec<u8>,
    /// How much of `tail` was already sent; only ever non-zero while `pieces` is empty.
    sent: usize,
    pieces_len: usize,
}

impl From<Vec<u8>> for Output {
    fn from(bytes: Vec<u8>) -> Self {
        Self { tail: bytes, ..Self::default() }
    }
}

impl Output {
    /// Bytes not yet sent.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces_len + self.tail.len() - self.sent
    }

    /// Whether everything was sent.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer that encoders append to.
    #[inline]
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
    }

    /// Queues `bytes` without copying them.
    pub(crate) fn share(&mut self, bytes: Bytes) {
        if self.tail.len() > self.sent {
            let mut head = Bytes::from(std::mem::take(&mut self.tail));
            if self.sent > 0 {
                head = head.slice(self.sent..);
            }
            self.pieces_len += head.len();
            self.pieces.push_back(head);
        } else {
            self.tail.clear();
        }
        self.sent = 0;
        self.pieces_len += bytes.len();
        self.pieces.push_back(bytes);
    }

    /// The next contiguous bytes to send; empty when there are none.
    #[inline]
    #[must_use]
    pub fn chunk(&self) -> &[u8] {
        match self.pieces.front() {
            Some(piece) => piece,
            None => self.tail.get(self.sent..).unwrap_or_default(),
        }
    }

    /// Fills `slices` with what is to be sent next and returns how many were used.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let tail = self.tail.get(self.sent..).unwrap_or_default();
        let chunks = self.pieces.iter().map(|piece| &piece[..]).chain((!tail.is_empty()).then_some(tail));
        let mut used = 0;
        for (slot, chunk) in slices.iter_mut().zip(chunks) {
            *slot = IoSlice::new(chunk);
            used += 1;
        }
        used
    }

    /// Whether one `chunk` holds all that is to be sent.
    #[inline]
    #[must_use]
    pub fn is_single_chunk(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Notes that the next `n` bytes were sent.
    pub fn consume(&mut self, mut n: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if n < piece.len() {
                *piece = piece.slice(n..);
                self.pieces_len -= n;
                return;
            }
            n -= piece.len();
            self.pieces_len -= piece.len();
            self.pieces.pop_front();
        }
        self.sent = (self.sent + n).min(self.tail.len());
    }

    /// Takes an empty buffer from the pool if this output has none.
    #[inline]
    pub(crate) fn prepare(&mut self, pool: &mut BufferPool) {
        if self.tail.capacity() == 0 {
            self.tail = pool.take();
        }
    }

    /// Gives the buffer back; call when everything was sent.
    pub(crate) fn release(&mut self, pool: &mut BufferPool) {
        debug_assert!(self.is_empty());
        self.sent = 0;
        pool.give(std::mem::take(&mut self.tail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(out: &mut Output, step: usize) -> Vec<u8> {
        let mut seen = Vec::new();
        while !out.is_empty() {
            let chunk = out.chunk();
            let n = chunk.len().min(step);
            seen.extend_from_slice(&chunk[..n]);
            out.consume(n);
        }
        seen
    }

    #[test]
    fn bytes_leave_in_the_order_they_came_whatever_the_socket_takes() {
        for step in 1..9 {
            let mut out = Output::default();
            out.append(b"abc");
            out.consume(1);
            out.share(Bytes::from_static(b"shared"));
            out.append(b"tail");
            out.share(Bytes::from_static(b"x"));
            out.append(b"end");
            assert_eq!(out.len(), 2 + 6 + 4 + 1 + 3);
            assert_eq!(drain(&mut out, step), b"bcsharedtailxend", "step {step}");
        }
    }

    #[test]
    fn slices_show_the_same_bytes_as_chunks() {
        let mut out = Output::default();
        out.append(b"one");
        out.share(Bytes::from_static(b"two"));
        out.append(b"three");
        let mut slices = [IoSlice::new(&[]); 4];
        let used = out.slices(&mut slices);
        let joined: Vec<u8> = slices[..used].iter().flat_map(|s| s.iter().copied()).collect();
        assert_eq!(joined, b"onetwothree");
    }

    #[test]
    fn an_idle_connection_owns_no_buffer() {
        let mut pool = BufferPool::default();
        let mut out = Output::default();
        out.prepare(&mut pool);
        out.append(b"hello");
        out.consume(5);
        out.release(&mut pool);
        assert_eq!(out.tail.capacity(), 0);
        assert!(pool.take().capacity() >= 5);
    }
}
