//! The outside world of a policy: password verifiers, and everything that keeps checking them cheap and fair.
//!
//! - [`hash`]: the stored forms of a password (Argon2id and the six ESE schemes), verified and created.
//! - [`pool`]: the bounded threads on which hashing runs, never a connection's core.
//! - [`cache`]: passwords that were verified a moment ago, so that a reconnect storm is cheap.
//! - [`backoff`]: failed logins slow down their address and their username, in bounded memory.
//! - [`census`]: which scheme a realm's credentials use, so that an unknown user costs what a known one does.
//! - [`verifier`]: one question, one answer: cache, single flight and pool behind [`verifier::Verifier`].
//!
//! Nothing here reads a clock on its own where a decision depends on it: time comes from [`clock::Clock`] or as
//! a parameter. No secret can be printed: passwords and digests live in [`secret::Secret`].

pub mod backoff;
pub mod cache;
pub mod census;
pub mod clock;
mod entropy;
pub mod hash;
pub mod pool;
pub mod secret;
pub mod verifier;
