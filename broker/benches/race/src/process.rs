//! Child processes of a race: started, watched, and ended by their own id; and what they cost.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a broker may take until it accepts connections.
const START: Duration = Duration::from_secs(20);

/// Clock ticks per second in `/proc/<pid>/stat`; the kernel's user interface fixes it at 100 on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running broker; dropping it ends the process.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command` with its output in `log`, and waits until `port` accepts connections.
    pub(crate) fn start(command: &mut Command, port: u16, log: &Path) -> Result<Self> {
        let mut running = Self::spawn(command, log)?;
        running.wait_for(port)?;
        Ok(running)
    }

    /// Starts `command` with its output in `log`, and waits for nothing.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("failed to create {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("failed to start {:?}", command.get_program()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Fails with the broker's words if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the broker ended with {status}; its output: {}", self.last_words());
        }
        Ok(())
    }

    fn wait_for(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + START;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            self.check()?;
            if Instant::now() > deadline {
                bail!("the broker does not accept connections; its output: {}", self.last_words());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The end of what the broker wrote, for messages.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Processor time used so far, all threads.
    pub(crate) fn processor_time(&self) -> Duration {
        processor_time(&self.child.id().to_string())
    }

    /// Largest resident memory so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is left to do if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time used so far by this process, all threads.
pub(crate) fn own_processor_time() -> Duration {
    processor_time("self")
}

fn processor_time(process: &str) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The second field is the command in parentheses and may hold spaces; utime and stime are 14 and 15.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Duration::from_secs_f64(ticks / TICKS_PER_SECOND)
}

/// A port on the loopback address that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Runs a command to its end and fails with its output if it failed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("failed to run {:?}", command.get_program()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?} ended with {}:\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_processor_time() {
        let before = own_processor_time();
        let mut value = 1_u64;
        while own_processor_time() < before + Duration::from_millis(20) {
            value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        assert_ne!(value, 1);
    }

    #[test]
    fn a_broker_that_ends_at_once_is_told_with_its_words() {
        let log = std::env::temp_dir().join(format!("moat-race-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such luck; exit 3"]);
        let error = Running::start(&mut command, free_port().unwrap(), &log).err().unwrap();
        fs::remove_file(&log).unwrap();
        assert!(error.to_string().contains("no such luck"), "{error}");
    }
}
