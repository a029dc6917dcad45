//! A broker under measurement: started on a folder, asked over its health port.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::endpoint::Endpoint;
use crate::frames::Protocol;
use crate::peers::moat;
use crate::process::{self, Running};
use crate::resources::PASSWORD;

/// How long a broker may take to become ready or to take a change into force.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at a port that is not open yet: much less than what is measured.
const LOOK: Duration = Duration::from_micros(200);

/// What to start.
pub(crate) struct Bench {
    /// A built `moat-broker`.
    pub(crate) binary: PathBuf,
    /// Number of connection threads; none leaves it to the broker.
    pub(crate) workers: Option<u16>,
    /// Folder for resources and logs.
    pub(crate) work: PathBuf,
}

/// A started broker.
pub(crate) struct Broker {
    /// The process.
    pub(crate) running: Running,
    /// When it was started.
    pub(crate) began: Instant,
    port: u16,
    health: u16,
}

impl Bench {
    /// An empty folder below the work folder.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("failed to empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
        Ok(folder)
    }

    /// Starts a broker on a folder whose listener has `port`, and waits for nothing.
    pub(crate) fn spawn(&self, folder: &Path, port: u16) -> Result<Broker> {
        let health = process::free_port()?;
        let mut command = moat::command(&self.binary, folder, health, self.workers);
        let began = Instant::now();
        let running = Running::spawn(&mut command, &folder.with_extension("log"))?;
        Ok(Broker { running, began, port, health })
    }
}

impl Broker {
    /// Where a user connects.
    pub(crate) fn endpoint(&self, user: &'static str) -> Endpoint {
        Endpoint { port: self.port, protocol: Protocol::V5, login: Some((user, PASSWORD)), raw: false }
    }

    /// Connects as soon as the listener is open, logs in, and says how long that took from the start of the process.
    pub(crate) fn first_login(&mut self, user: &'static str) -> Result<Duration> {
        let endpoint = self.endpoint(user);
        self.until(|_| match endpoint.client("first") {
            Ok(_) => Ok(Some(())),
            // Not open yet, or closed again: a client would try again too. A refusal is no such error.
            Err(error) if error.chain().any(|cause| cause.is::<std::io::Error>()) => Ok(None),
            Err(error) => Err(error),
        })?;
        Ok(self.began.elapsed())
    }

    /// Waits until `/readyz` says yes, and says how long that took from the start of the process.
    pub(crate) fn ready(&mut self) -> Result<Duration> {
        self.until(|broker| {
            let answer = broker.get("/readyz");
            Ok(answer.is_ok_and(|text| text.starts_with("HTTP/1.1 200")).then_some(()))
        })?;
        Ok(self.began.elapsed())
    }

    /// Number of the newest policy by which all sessions have been judged.
    pub(crate) fn epoch_swept(&self) -> Result<u64> {
        let text = self.get("/metrics")?;
        let line = text.lines().find_map(|line| line.strip_prefix("moat_policy_epoch_swept "));
        let epoch = line.context("the broker has no metric moat_policy_epoch_swept")?;
        Ok(epoch.trim().parse::<f64>().context("moat_policy_epoch_swept is no number")? as u64)
    }

    /// Repeats `look` until it finds something.
    fn until<T>(&mut self, mut look: impl FnMut(&Self) -> Result<Option<T>>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            self.running.check()?;
            ensure!(Instant::now() < deadline, "the broker took too long: {}", self.running.last_words());
            thread::sleep(LOOK);
        }
    }

    /// The whole answer of the health port.
    fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.health))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes(),
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }
}
