//! Sockets: from `accept` to bytes for a core, and from a core's outputs back to sockets.
//!
//! One [`worker`] per core: a current-thread runtime with its own listening sockets, its own [`moat_mqtt::core::Core`]
//! and the connections of the client identifiers that it owns. Workers share nothing but the mailboxes of the core
//! and their command channels.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod flush;
pub(crate) mod handshake;
pub(crate) mod listener;
pub(crate) mod reconcile;
pub(crate) mod socket;
pub(crate) mod tls;
pub(crate) mod tls_config;
pub(crate) mod worker;
