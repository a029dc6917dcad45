//! Once per turn of the runtime: one write for each connection that has something to send.

use std::rc::Rc;
use std::time::Duration;

use moat_mqtt::core::{Closed, Core, Farewell, Output};
use tracing::debug;

use super::socket::{Flushed, Socket};
use super::worker::Worker;

/// The worker's flusher. It is woken after the tasks that produced output, so it runs after all that were ready.
pub(crate) async fn run(worker: Rc<Worker>) {
    loop {
        worker.flusher.notified().await;
        worker.flush_begins();
        now(&worker);
    }
}

/// Flushes everything that is due.
pub(crate) fn now(worker: &Worker) {
    let mut core = worker.core.borrow_mut();
    loop {
        farewells(worker, &mut core);
        let Some(connection) = core.next_dirty() else { break };
        let Some(socket) = worker.socket(connection) else { continue };
        let Some(output) = core.output(connection) else { continue };
        let mut progress = false;
        match socket.flush(output, &mut progress) {
            Flushed::All => core.sent(connection),
            Flushed::Blocked => {
                if progress {
                    core.sent(connection);
                }
                socket.wake();
            }
            Flushed::Broken => core.closed(connection),
        }
    }
    core.settle_mail();
    core.post();
    while let Some(connection) = core.next_resumed() {
        if let Some(socket) = worker.socket(connection) {
            socket.held.set(false);
            socket.wake();
        }
    }
}

/// Ends the connections that the core has ended.
pub(crate) fn farewells(worker: &Worker, core: &mut Core) {
    while let Some(farewell) = core.next_farewell() {
        part(worker, farewell);
    }
}

/// Time that a client has to take the last bytes of its connection.
const LINGER: Duration = Duration::from_secs(1);

/// Sends a connection's last bytes and ends it.
fn part(worker: &Worker, mut farewell: Farewell) {
    let Some(socket) = worker.uninstall(farewell.connection) else { return };
    if !matches!(farewell.cause, Closed::Lost | Closed::Disconnected { .. }) {
        debug!(cause = ?farewell.cause, slot = farewell.connection.session.slot, "connection ended by the broker");
    }
    socket.ended.set(true);
    socket.wake();
    if socket.flush(&mut farewell.output, &mut false) == Flushed::Blocked {
        // The socket is full, or has just come from another core and is not known to be writable yet.
        tokio::task::spawn_local(linger(socket, farewell.output));
    } else {
        socket.close();
    }
}

async fn linger(socket: Rc<Socket>, mut output: Output) {
    let last_bytes = async {
        while std::future::poll_fn(|cx| socket.poll_writable(cx)).await.is_ok() {
            if socket.flush(&mut output, &mut false) != Flushed::Blocked {
                break;
            }
        }
    };
    // Whoever does not take them in time does without.
    let _ = tokio::time::timeout(LINGER, last_bytes).await;
    socket.close();
}
