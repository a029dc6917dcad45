//! The broker's behaviour packet by packet, without sockets and without a clock.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod delivery;
mod harness;
mod malformed;
mod model;
mod policy;
mod pressure;
mod sessions;
mod shared;
mod straddle;
