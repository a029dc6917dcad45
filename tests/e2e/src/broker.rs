//! The built broker in a process of its own, as a user starts it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};

use crate::{Folder, free_port, programs, until};

/// A running broker; dropping it ends the process, and prints its log if the test failed.
pub struct Broker {
    child: Child,
    health_port: u16,
    log: PathBuf,
}

/// What the health port answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: String,
}

impl Broker {
    /// Starts the broker on `folder` and waits until `/readyz` says yes.
    ///
    /// # Errors
    ///
    /// When it is not built, ends, or does not become ready; the message holds its log.
    pub fn start(folder: &Folder) -> Result<Self> {
        Self::start_with(folder, &[])
    }

    /// As [`Self::start`], with further arguments for `moat-broker run`.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_with(folder: &Folder, arguments: &[&str]) -> Result<Self> {
        let mut broker = Self::launch(folder, arguments)?;
        until::holds("the broker to become ready", || {
            if let Some(status) = broker.child.try_wait()? {
                bail!("the broker ended with {status}; its log:\n{}", broker.log());
            }
            Ok(broker.get("/readyz").is_ok_and(|answer| answer.status == 200))
        })
        .with_context(|| broker.log())?;
        Ok(broker)
    }

    /// Starts the broker and waits for nothing: for folders that it must refuse, see [`Self::wait_for_end`].
    ///
    /// # Errors
    ///
    /// When it is not built or cannot be started.
    pub fn launch(folder: &Folder, arguments: &[&str]) -> Result<Self> {
        let health_port = free_port()?;
        let log = folder.beside(&format!("broker-{health_port}.log"));
        let output = File::create(&log)?;
        let child = Command::new(programs::broker()?)
            .arg("run")
            .arg(folder.path())
            .args(["--health", &format!("127.0.0.1:{health_port}"), "--bind", "127.0.0.1"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("failed to start the broker")?;
        Ok(Self { child, health_port, log })
    }

    /// Everything that the broker wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log holds `words`, and gives the line.
    ///
    /// # Errors
    ///
    /// When it never does.
    pub fn wait_for_log(&self, words: &str) -> Result<String> {
        until::some(&format!("the log to hold {words:?}"), || {
            Ok(self.log().lines().find(|line| line.contains(words)).map(str::to_owned))
        })
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Errors
    ///
    /// When it goes on.
    pub fn wait_for_end(&mut self) -> Result<ExitStatus> {
        until::some("the broker to end", || Ok(self.child.try_wait()?))
    }

    /// Asks the process to end, as Kubernetes does, and waits until it has.
    ///
    /// # Errors
    ///
    /// When it does not end, or the signal cannot be sent.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        programs::run(Command::new("kill").args(["-TERM", &self.child.id().to_string()]))?;
        self.wait_for_end()
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A GET on the health port: `/livez`, `/readyz`, `/metrics`.
    ///
    /// # Errors
    ///
    /// When the port does not answer in HTTP.
    pub fn get(&self, path: &str) -> Result<Answer> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.health_port))?;
        stream.set_read_timeout(Some(until::PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").context("the answer has no end of headers")?;
        let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
        Ok(Answer { status: status.context("the answer has no status")?, body: body.to_owned() })
    }

    /// A sample of `/metrics`, by its name with labels as printed there, such as `moat_connections{listener="a"}`.
    ///
    /// # Errors
    ///
    /// When the port does not answer.
    pub fn metric(&self, sample: &str) -> Result<Option<f64>> {
        let metrics = self.get("/metrics")?.body;
        let value =
            metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')?.parse().ok());
        Ok(value)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nothing is left to do if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("---- the broker's log ----\n{}---- end ----", self.log());
        }
    }
}
