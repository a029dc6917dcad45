//! How long a broker takes from the start of its process until it serves.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::broker::Bench;
use super::scene::{self, Fleet, Scene, TELLER};
use crate::process;
use crate::resources::{self, Door, PASSWORD};

/// What the first client has to show.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Welcome {
    /// Nothing: the pipeline allows all.
    AllowAll,
    /// A password that is compared and not hashed.
    Plain,
    /// A password that is hashed by Argon2id, which costs tens of milliseconds on purpose.
    Argon2id,
}

impl Welcome {
    /// All of them, in the table's order.
    pub(crate) const ALL: [Self; 3] = [Self::AllowAll, Self::Plain, Self::Argon2id];

    /// In words, for the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::AllowAll => "allowAll",
            Self::Plain => "password, PLAIN",
            Self::Argon2id => "password, Argon2id (19 MiB, 2 passes)",
        }
    }

    fn resources(self, port: u16) -> String {
        match self {
            Self::AllowAll => resources::foundation(port, Door::Open),
            Self::Plain => scene::live(port, &plain()),
            Self::Argon2id => scene::live(port, resources::ARGON2ID),
        }
    }
}

/// The verifier of [`PASSWORD`] that ESE calls `PLAIN`: the password itself, in Base64.
fn plain() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("ese:PLAIN:0::");
    for chunk in PASSWORD.as_bytes().chunks(3) {
        let bits = chunk.iter().chain(&[0; 2]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..4 {
            let digit = char::from(ALPHABET[bits >> (18 - 6 * place) & 63]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

/// Times from the start of the process to the first CONNACK, on a folder of one file.
pub(crate) fn first_logins(bench: &Bench, welcome: Welcome, count: usize) -> Result<Vec<Duration>> {
    (0..count)
        .map(|_| {
            let folder = bench.folder("start")?;
            let port = process::free_port()?;
            fs::write(folder.join("start.yaml"), welcome.resources(port))?;
            bench.spawn(&folder, port)?.first_login(TELLER)
        })
        .collect()
}

/// Times from the start of the process until `/readyz` says yes, on a folder with a fleet, and the largest memory.
pub(crate) fn loads(bench: &Bench, fleet: &Fleet, count: usize) -> Result<(Vec<Duration>, u64)> {
    let folder = bench.folder("load")?;
    let port = process::free_port()?;
    Scene::build(&folder, port, Some(fleet))?;
    let mut memory = 0;
    let times = (0..count)
        .map(|_| {
            let mut broker = bench.spawn(&folder, port)?;
            let time = broker.ready()?;
            memory = memory.max(broker.running.peak_memory());
            Ok(time)
        })
        .collect::<Result<_>>()?;
    Ok((times, memory))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_plain_verifier_is_the_password_in_base64() {
        assert_eq!(super::plain(), "ese:PLAIN:0::cmFjZS1wYXNzd29yZA==");
    }
}
