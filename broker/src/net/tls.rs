//! TLS over a socket that somebody else polls: rustls is fed with bytes and asked for bytes.

use std::io::{self, Read, Write};

use rustls::ServerConnection;
use tokio::net::TcpStream;

/// Ciphertext buffered inside rustls at the most, beyond one chunk.
const BUFFER_LIMIT: usize = 256 << 10;

/// The TLS state of one connection.
pub(crate) struct TlsSession {
    connection: ServerConnection,
}

impl TlsSession {
    pub(crate) fn new(mut connection: ServerConnection) -> Self {
        connection.set_buffer_limit(Some(BUFFER_LIMIT));
        Self { connection }
    }

    /// The client's certificate, verified against the listener's CAs, in DER.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        self.connection.peer_certificates().and_then(|chain| chain.first()).map(AsRef::as_ref)
    }

    /// Takes ciphertext from the socket. Errors are those of TLS: the connection is over, but the alert that says
    /// why may still be written.
    pub(crate) fn decrypt(&mut self, mut ciphertext: &[u8], plaintext: &mut Vec<u8>) -> io::Result<()> {
        while !ciphertext.is_empty() {
            self.connection.read_tls(&mut ciphertext)?;
            let state = self.connection.process_new_packets().map_err(io::Error::other)?;
            let start = plaintext.len();
            plaintext.resize(start + state.plaintext_bytes_to_read(), 0);
            let mut at = start;
            while at < plaintext.len() {
                match self.connection.reader().read(&mut plaintext[at..]) {
                    Ok(0) => break,
                    Ok(n) => at += n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            plaintext.truncate(at);
        }
        Ok(())
    }

    /// Encrypts some of `plaintext`; says how much.
    pub(crate) fn encrypt(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        self.connection.writer().write(plaintext)
    }

    /// Whether ciphertext waits for the socket.
    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Writes the waiting ciphertext.
    pub(crate) fn write_to(&mut self, socket: &TcpStream, progress: &mut bool) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut TrySocket(socket))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            *progress = true;
        }
        Ok(())
    }

    /// Queues the alert that ends the session.
    pub(crate) fn close_notify(&mut self) {
        self.connection.send_close_notify();
    }
}

/// A non-blocking socket as rustls wants to write to it.
struct TrySocket<'a>(&'a TcpStream);

impl Write for TrySocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
