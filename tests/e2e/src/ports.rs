//! Ports for brokers under test. The CRD does not allow port 0, so each story picks its own.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

/// Ports handed out by this process: between choosing and listening, another test must not choose the same.
static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

/// A port on the loopback address that was free a moment ago and that no other test of this process got.
///
/// # Errors
///
/// When the system has no free port.
pub fn free_port() -> Result<u16> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let taken = taken.get_or_insert_with(HashSet::new);
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to find a free port")?;
        let port = listener.local_addr()?.port();
        if taken.insert(port) {
            return Ok(port);
        }
    }
}
