//! The brokers of the race: how each is found or built, configured and started.

pub(crate) mod moat;
mod mosquitto;
mod relay;
mod rumqttd;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;

use crate::endpoint::Endpoint;
use crate::frames::Protocol;
use crate::process::Running;

/// A participant by the name that the command line and the table use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Debian's mosquitto: what all ratios refer to.
    Mosquitto,
    /// rumqttd, built from its released crate.
    Rumqttd,
    /// This project's broker, with authentication and a role of 100 permissions.
    Moat,
    /// No broker at all: the ceiling of machine and generator.
    Relay,
}

/// What every participant needs to be prepared and started.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Folder for built peers, kept between races.
    pub(crate) peers: PathBuf,
    /// Folder for this race's configurations and logs.
    pub(crate) work: PathBuf,
    /// Path of a built `moat-broker`; none means "build it".
    pub(crate) moat: Option<PathBuf>,
    /// Moat's number of connection threads; none leaves it to the broker.
    pub(crate) workers: Option<u16>,
    /// MQTT version that the generator speaks.
    pub(crate) protocol: Protocol,
}

/// A participant ready to start.
pub(crate) struct Entrant {
    peer: Peer,
    binary: PathBuf,
    /// Version as the program itself tells it.
    pub(crate) version: String,
}

/// A started participant.
pub(crate) struct Started {
    pub(crate) running: Running,
    pub(crate) endpoint: Endpoint,
}

impl Peer {
    /// Name in the table and the results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Rumqttd => "rumqttd",
            Self::Moat => "moat",
            Self::Relay => "raw relay",
        }
    }

    /// Installs or builds what is missing.
    pub(crate) fn prepare(self, setup: &Setup) -> Result<Entrant> {
        let (binary, version) = match self {
            Self::Mosquitto => mosquitto::prepare()?,
            Self::Rumqttd => rumqttd::prepare(&setup.peers)?,
            Self::Moat => moat::prepare(setup.moat.as_deref())?,
            Self::Relay => relay::prepare()?,
        };
        Ok(Entrant { peer: self, binary, version })
    }
}

impl Entrant {
    /// Who it is.
    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }

    /// The settings it is raced with, in words for the table.
    pub(crate) fn settings(&self, setup: &Setup) -> String {
        match self.peer {
            Peer::Mosquitto => mosquitto::SETTINGS.to_owned(),
            Peer::Rumqttd => rumqttd::SETTINGS.to_owned(),
            Peer::Moat => moat::settings(setup.workers),
            Peer::Relay => relay::SETTINGS.to_owned(),
        }
    }

    /// Starts it on a free loopback port with a fresh configuration under the work folder.
    pub(crate) fn start(&self, setup: &Setup) -> Result<Started> {
        match self.peer {
            Peer::Mosquitto => mosquitto::start(&self.binary, setup),
            Peer::Rumqttd => rumqttd::start(&self.binary, setup),
            Peer::Moat => moat::start(&self.binary, setup),
            Peer::Relay => relay::start(&self.binary, setup),
        }
    }
}

/// The first word after the program's name in what it says of itself, or all of it.
fn version_in(text: &str) -> String {
    text.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(text)
        .to_owned()
}

/// An endpoint of a peer that asks for no login.
fn open_endpoint(port: u16, setup: &Setup) -> Endpoint {
    Endpoint { port, protocol: setup.protocol, login: None, raw: false }
}

/// Looks for an executable file.
fn existing(path: &Path) -> Option<PathBuf> {
    path.is_file().then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        assert_eq!(version_in("mosquitto version 2.0.11\n"), "2.0.11");
        assert_eq!(version_in("rumqttd 0.20.0"), "0.20.0");
        assert_eq!(version_in("unknown"), "unknown");
    }
}
