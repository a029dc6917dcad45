//! MQTT without I/O: packets ([`codec`]), who wants what ([`router`], [`retained`]), what the broker remembers of
//! a client ([`session`]), and what happens when a packet arrives ([`core`]).
//!
//! Knows nothing of sockets, clocks, policies or Kubernetes: bytes and the time come in, bytes go out, and the
//! one question of the policy is asked through [`guard::Guard`].

pub mod codec;
pub mod core;
pub mod guard;
pub mod limits;
pub mod message;
pub mod retained;
pub mod router;
pub mod session;

/// Milliseconds of a monotonic clock that the caller chose; the core only compares them.
pub type Millis = u64;
