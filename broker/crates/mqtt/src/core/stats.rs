//! Counters of one core. Plain numbers: the broker publishes copies of them for its metrics.

/// What one core has done since it started, and its present sizes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// PUBLISH packets received, by QoS.
    pub received: [u64; 3],
    /// PUBLISH packets sent, by QoS.
    pub sent: [u64; 3],
    /// Messages dropped because a connection's output was full (QoS 0).
    pub dropped_output_full: u64,
    /// Messages dropped because a session's queue was full.
    pub dropped_queue_full: u64,
    /// Messages dropped because their expiry interval had passed.
    pub dropped_expired: u64,
    /// Messages dropped because they were larger than the client takes.
    pub dropped_too_large: u64,
    /// Messages dropped because the right to read them was revoked.
    pub dropped_revoked: u64,
    /// Retained messages refused because the store was full.
    pub dropped_retained_full: u64,
    /// Refused PUBLISH packets and wills.
    pub denied_publish: u64,
    /// Refused filters of SUBSCRIBE packets.
    pub denied_subscribe: u64,
    /// Connections ended by malformed or forbidden packets.
    pub protocol_errors: u64,
    /// Connections ended because another one took over their session.
    pub taken_over: u64,
    /// Connections ended because nothing was heard in time.
    pub keep_alive_timeouts: u64,
    /// Connections ended because their identity ended.
    pub revoked: u64,
    /// Present connections.
    pub connections: u64,
    /// Present sessions, connected or not.
    pub sessions: u64,
    /// Present subscriptions.
    pub subscriptions: u64,
    /// Present subscriptions that are suspended.
    pub suspended: u64,
}

impl Stats {
    /// Adds the numbers of another core.
    pub fn add(&mut self, other: &Self) {
        let Self {
            received,
            sent,
            dropped_output_full,
            dropped_queue_full,
            dropped_expired,
            dropped_too_large,
            dropped_revoked,
            dropped_retained_full,
            denied_publish,
            denied_subscribe,
            protocol_errors,
            taken_over,
            keep_alive_timeouts,
            revoked,
            connections,
            sessions,
            subscriptions,
            suspended,
        } = other;
        for qos in 0..3 {
            self.received[qos] += received[qos];
            self.sent[qos] += sent[qos];
        }
        self.dropped_output_full += dropped_output_full;
        self.dropped_queue_full += dropped_queue_full;
        self.dropped_expired += dropped_expired;
        self.dropped_too_large += dropped_too_large;
        self.dropped_revoked += dropped_revoked;
        self.dropped_retained_full += dropped_retained_full;
        self.denied_publish += denied_publish;
        self.denied_subscribe += denied_subscribe;
        self.protocol_errors += protocol_errors;
        self.taken_over += taken_over;
        self.keep_alive_timeouts += keep_alive_timeouts;
        self.revoked += revoked;
        self.connections += connections;
        self.sessions += sessions;
        self.subscriptions += subscriptions;
        self.suspended += suspended;
    }
}
