//! Bounds on everything that a client can make grow, with their defaults.

use std::time::Duration;

/// Bounds of one broker process. Every field has a default that suits a pod with 1 GiB of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest packet accepted and announced to MQTT 5 clients, in bytes. Default 1 MiB.
    pub max_packet_size: u32,
    /// QoS 1 and 2 messages that the broker sends to one client without acknowledgement. Default 1024; an MQTT 5
    /// client's own Receive Maximum lowers it.
    pub max_inflight: u16,
    /// QoS 2 messages that the broker accepts from one client before it released them; announced to MQTT 5
    /// clients as Receive Maximum. Default 1024.
    pub receive_maximum: u16,
    /// Topic aliases that an MQTT 5 client may use. Default 32.
    pub topic_alias_maximum: u16,
    /// Messages waiting in one session's queue. Default 100 000; further ones are dropped and counted.
    pub max_queued_messages: usize,
    /// Bytes of topics and payloads waiting in one session's queue. Default 16 MiB.
    pub max_queued_bytes: usize,
    /// Messages waiting for a connected client above which its publishers are held back. Default 1000.
    pub queue_high_water: usize,
    /// Bytes encoded for one connection but not yet taken by its socket, above which publishers are held back.
    /// Default 512 KiB.
    pub output_high_water: usize,
    /// Bytes encoded for one connection above which QoS 0 messages to it are dropped and counted. Default 8 MiB.
    pub output_limit: usize,
    /// Subscriptions of one session. Default 10 000; further ones get 0x97.
    pub max_subscriptions: usize,
    /// Sessions of one process, connected or not. Default 1 000 000; further ones get 0x97.
    pub max_sessions: usize,
    /// Longest session expiry granted, also that of MQTT 3.1.1 clients with clean session 0. Default 7 days.
    pub max_session_expiry: Duration,
    /// Largest keep alive granted. Default 65 535 s: the client's own value stands.
    pub max_keep_alive: u16,
    /// Longest time that publishers are held back for one slow subscriber before it only loses messages itself.
    /// Default 1 s.
    pub max_hold: Duration,
    /// Time without any progress of a subscriber's socket after which publishers no longer wait for it.
    /// Default 100 ms.
    pub stall: Duration,
    /// Retained messages. Default 1 000 000.
    pub max_retained_messages: usize,
    /// Bytes of retained messages. Default 256 MiB.
    pub max_retained_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_packet_size: 1 << 20,
            max_inflight: 1024,
            receive_maximum: 1024,
            topic_alias_maximum: 32,
            max_queued_messages: 100_000,
            max_queued_bytes: 16 << 20,
            queue_high_water: 1000,
            output_high_water: 512 << 10,
            output_limit: 8 << 20,
            max_subscriptions: 10_000,
            max_sessions: 1_000_000,
            max_session_expiry: Duration::from_secs(7 * 24 * 3600),
            max_keep_alive: u16::MAX,
            max_hold: Duration::from_secs(1),
            stall: Duration::from_millis(100),
            max_retained_messages: 1_000_000,
            max_retained_bytes: 256 << 20,
        }
    }
}
