//! A listening port as all workers see it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::ServerConfig;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 4096;

/// One listener of the cluster, bound once per worker.
pub(crate) struct Listener {
    /// Name in the MqttCluster; pipelines refer to it.
    pub(crate) name: Arc<str>,
    /// TLS parameters of new handshakes; none for plain TCP.
    pub(crate) tls: Option<ArcSwap<ServerConfig>>,
    /// Whether a session may be taken over by another identity.
    pub(crate) any_identity: bool,
    /// Each worker takes its own.
    sockets: Mutex<Vec<Option<TcpListener>>>,
}

impl Listener {
    /// Binds `port` once for each worker.
    ///
    /// # Errors
    /// That of the operating system, e.g. when the port is taken.
    pub(crate) fn bind(
        name: &str,
        address: Option<IpAddr>,
        port: u16,
        workers: u16,
    ) -> io::Result<Vec<Option<TcpListener>>> {
        let address = match address {
            Some(address) => SocketAddr::new(address, port),
            // Both families where the machine has both.
            None if bind_one(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0), false).is_ok() => {
                SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)
            }
            None => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
        };
        // Shared ports would let a second broker join this one's port unnoticed: first see that it is free.
        drop(bind_one(address, false)?);
        let sockets =
            (0..workers).map(|_| bind_one(address, true).map(Some)).collect::<io::Result<Vec<_>>>()?;
        tracing::info!(listener = name, %address, "listening");
        Ok(sockets)
    }

    pub(crate) fn new(
        name: &str,
        tls: Option<Arc<ServerConfig>>,
        any_identity: bool,
        sockets: Vec<Option<TcpListener>>,
    ) -> Self {
        Self { name: name.into(), tls: tls.map(ArcSwap::new), any_identity, sockets: Mutex::new(sockets) }
    }

    /// The socket of one worker; none if it was taken before.
    pub(crate) fn take_socket(&self, worker: u16) -> Option<TcpListener> {
        self.sockets.lock().get_mut(usize::from(worker))?.take()
    }
}

fn bind_one(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if shared {
        // Only the real sockets listen: a client that reached the one that looks for a free port would be cut off.
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}
