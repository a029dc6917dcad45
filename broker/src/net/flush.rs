//! Once per turn of the runtime: one write for each connection that has something to send.

use std::rc::Rc;

use moat_mqtt::core::{Closed, Core, Farewell};
use tracing::debug;

use super::socket::Flushed;
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

/// Sends a connection's last bytes as far as the socket takes them at once, and ends it.
fn part(worker: &Worker, mut farewell: Farewell) {
    let Some(socket) = worker.uninstall(farewell.connection) else { return };
    if !matches!(farewell.cause, Closed::Lost | Closed::Disconnected { .. }) {
        debug!(cause = ?farewell.cause, slot = farewell.connection.session.slot, "connection ended by the broker");
    }
    let mut progress = false;
    socket.flush(&mut farewell.output, &mut progress);
    if let Some(tls) = &socket.tls {
        let mut tls = tls.borrow_mut();
        tls.close_notify();
        // The peer may be gone; the socket is closed right after.
        let _ = tls.write_to(socket.write_half(), &mut progress);
    }
    socket.ended.set(true);
    socket.wake();
}
