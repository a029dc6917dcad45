//! The broker's behaviour packet by packet, without sockets and without a clock.

mod delivery;
mod harness;
mod malformed;
mod model;
mod policy;
mod pressure;
mod sessions;
mod shared;
