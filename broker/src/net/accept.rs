//! Accepting connections, and handing them to the core that owns their client identifier.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use moat_mqtt::codec::Version;
use moat_mqtt::core::Connecting;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tracing::{debug, warn};

use super::connection::Connection;
use super::flush;
use super::handshake;
use super::listener::Listener;
use super::socket::Socket;
use super::tls::TlsSession;
use super::worker::Worker;

/// A connection that is authenticated and waits for its session.
pub(crate) struct Handoff {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) tls: Option<Box<TlsSession>>,
    /// Bytes behind the CONNECT, decrypted.
    pub(crate) rest: Vec<u8>,
    pub(crate) connecting: Connecting,
}

impl Handoff {
    /// Gives the connection to this worker's core.
    pub(crate) fn adopt(self, worker: &Rc<Worker>) {
        match TcpStream::from_std(self.stream) {
            Ok(stream) => adopt(worker, stream, self.tls, self.rest, self.connecting),
            Err(error) => debug!(%error, "a connection was lost between two cores"),
        }
    }
}

/// Gives a connection its session, or refuses it.
pub(crate) fn adopt(
    worker: &Rc<Worker>,
    stream: TcpStream,
    tls: Option<Box<TlsSession>>,
    rest: Vec<u8>,
    connecting: Connecting,
) {
    let version = connecting.version;
    let (read, write) = stream.into_split();
    let socket = Rc::new(Socket::new(write, tls));
    let connected = {
        let mut core = worker.core.borrow_mut();
        core.set_now(worker.now());
        let connected = core.connect(connecting);
        // The connection that was taken over leaves its place before the new one enters it.
        flush::farewells(worker, &mut core);
        connected
    };
    match connected {
        Ok(reference) => {
            worker.install(reference, Rc::clone(&socket));
            let worker = Rc::clone(worker);
            let connection = Connection { worker, reference, socket, read, rest, paused: false };
            tokio::task::spawn_local(connection.serve());
        }
        Err(refusal) => {
            worker.hub.io.refused.fetch_add(1, Ordering::Relaxed);
            debug!(reason = refusal.text, "connection refused");
            tokio::task::spawn_local(async move {
                refuse(&socket, version, refusal.reason_code).await;
            });
        }
    }
    worker.flush_soon();
}

/// Time that a refused client has to take its CONNACK.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends a refusing CONNACK and ends the connection.
pub(crate) async fn refuse(socket: &Socket, version: Version, reason_code: u8) {
    // A socket that has just come from another core is not known to be writable yet.
    let writable = std::future::poll_fn(|cx| socket.poll_writable(cx));
    if !matches!(tokio::time::timeout(REFUSAL_TIMEOUT, writable).await, Ok(Ok(()))) {
        return;
    }
    let mut output = moat_mqtt::core::Output::from(handshake::refusal(version, reason_code));
    socket.flush(&mut output, &mut false);
    socket.close();
}

/// Connections of one worker that have not completed their CONNECT; further ones are closed at once.
const MAX_UNAUTHENTICATED: usize = 16_384;

/// The accepting tasks of one worker.
pub(crate) struct Acceptor {
    worker: Rc<Worker>,
    tasks: HashMap<*const Listener, (Arc<Listener>, AbortHandle)>,
    unauthenticated: Rc<()>,
}

impl Acceptor {
    pub(crate) fn new(worker: Rc<Worker>) -> Self {
        Self { worker, tasks: HashMap::new(), unauthenticated: Rc::new(()) }
    }

    /// Accepts on these listeners and no others. Connections of listeners that went away stay.
    pub(crate) fn serve(&mut self, listeners: &[Arc<Listener>]) {
        self.tasks.retain(|served, (_, task)| {
            let stays = listeners.iter().any(|listener| std::ptr::eq(Arc::as_ptr(listener), *served));
            if !stays {
                task.abort();
            }
            stays
        });
        for listener in listeners {
            if self.tasks.contains_key(&Arc::as_ptr(listener)) {
                continue;
            }
            let Some(socket) = listener.take_socket(self.worker.id) else { continue };
            let socket = match TcpListener::from_std(socket) {
                Ok(socket) => socket,
                Err(error) => {
                    warn!(listener = &*listener.name, %error, "cannot accept connections");
                    continue;
                }
            };
            let task = tokio::task::spawn_local(accept(
                Rc::clone(&self.worker),
                Arc::clone(listener),
                socket,
                Rc::clone(&self.unauthenticated),
            ));
            self.tasks.insert(Arc::as_ptr(listener), (Arc::clone(listener), task.abort_handle()));
        }
    }
}

async fn accept(worker: Rc<Worker>, listener: Arc<Listener>, socket: TcpListener, unauthenticated: Rc<()>) {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => {
                worker.hub.io.accepted.fetch_add(1, Ordering::Relaxed);
                if Rc::strong_count(&unauthenticated) > MAX_UNAUTHENTICATED
                    || worker.hub.draining.load(Ordering::Relaxed)
                {
                    worker.hub.io.refused.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let task = greet(Rc::clone(&worker), Arc::clone(&listener), stream, peer);
                let counted = Rc::clone(&unauthenticated);
                tokio::task::spawn_local(async move {
                    task.await;
                    drop(counted);
                });
            }
            Err(error) => {
                // Out of file descriptors or memory: wait until some are free rather than spin.
                warn!(listener = &*listener.name, %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn greet(worker: Rc<Worker>, listener: Arc<Listener>, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = Box::pin(handshake::greet(&worker, &listener, stream, peer)).await {
        worker.hub.io.handshakes_failed.fetch_add(1, Ordering::Relaxed);
        debug!(listener = &*listener.name, %peer, %error, "connection ended before its CONNECT was complete");
    }
}
