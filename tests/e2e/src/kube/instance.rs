//! An instance as the test sees it: it starts the supervisor in namespaces of their own, gives it orders and enters
//! its network.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::init;
use super::plan::{Options, Plan};
use super::supervisor::{FAILED, READY, REFUSED};
use super::tools::Tools;
use crate::programs;

/// The supervisor has deadlines of its own, which add up to less.
const PATIENCE: Duration = Duration::from_secs(300);

/// Lines of the supervisor's log that an error shows.
const TAIL: usize = 15;

/// A process of the cluster that a story can take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// etcd.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers of StatefulSets, of owner references and so on.
    Controllers,
    /// The scheduler.
    Scheduler,
    /// The kubelet of a node.
    Kubelet(u8),
    /// The container runtime of a node; running containers go on without it.
    Containerd(u8),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Etcd => f.write_str("etcd"),
            Self::ApiServer => f.write_str("apiserver"),
            Self::Controllers => f.write_str("controllers"),
            Self::Scheduler => f.write_str("scheduler"),
            Self::Kubelet(node) => write!(f, "kubelet-{node}"),
            Self::Containerd(node) => write!(f, "containerd-{node}"),
        }
    }
}

/// A running instance; dropping it ends it, and so does the end of this process.
pub struct Instance {
    folder: PathBuf,
    /// `unshare`, which is in the instance's network and mount namespaces, and whose end ends all.
    child: Child,
    line: Mutex<Line>,
    nodes: u8,
}

/// The supervisor's standard input and output.
struct Line {
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Instance {
    pub(super) fn start(tools: &Tools, options: &Options) -> Result<Self> {
        let instances = tools.instances();
        fs::create_dir_all(&instances)?;
        init::sweep(&instances);
        let folder = tempfile::Builder::new().prefix("k").rand_bytes(8).tempdir_in(&instances)?.keep();
        let plan =
            Plan { folder: folder.clone(), tools: tools.folder().to_owned(), options: options.clone() };
        let log = File::create(folder.join("supervisor.log"))?;
        let mut child = Command::new("unshare")
            .args(["--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc"])
            .arg(programs::kubernetes()?)
            .args(["init", &serde_json::to_string(&plan)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("failed to start unshare (Debian's util-linux)")?;
        let orders = child.stdin.take();
        let output = child.stdout.take().context("unshare has no standard output")?;
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let instance =
            Self { folder, child, line: Mutex::new(Line { orders, answers }), nodes: options.nodes };
        let started = instance.answer(&instance.line());
        match started? {
            line if line == READY => Ok(instance),
            line => Err(told(&line, FAILED)).context("Kubernetes did not start"),
        }
    }

    /// Kills a part at once; it stays away until [`Self::bring_back`].
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn kill(&self, part: Part) -> Result<()> {
        self.order(&format!("kill {part}"))
    }

    /// Starts a part again that was killed; etcd and the API server answer again when this returns.
    ///
    /// # Errors
    ///
    /// When it is running, or does not start.
    pub fn bring_back(&self, part: Part) -> Result<()> {
        self.order(&format!("start {part}"))
    }

    /// Stops a part in its tracks: it keeps its connections and answers nothing until [`Self::thaw`].
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn freeze(&self, part: Part) -> Result<()> {
        self.order(&format!("freeze {part}"))
    }

    /// Lets a part go on that was frozen.
    ///
    /// # Errors
    ///
    /// When it is not running.
    pub fn thaw(&self, part: Part) -> Result<()> {
        self.order(&format!("thaw {part}"))
    }

    /// Cuts a node off from all others; node 0 carries the control plane and cannot be.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn cut(&self, node: u8) -> Result<()> {
        self.order(&format!("cut node-{node}"))
    }

    /// Joins a node again that was cut off.
    ///
    /// # Errors
    ///
    /// When there is no such node.
    pub fn heal(&self, node: u8) -> Result<()> {
        self.order(&format!("heal node-{node}"))
    }

    /// Imports the image of a docker archive into every node.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        // The instance sees its own folder and little else.
        let copy = tempfile::Builder::new().suffix(".tar").tempfile_in(&self.folder)?;
        fs::copy(archive, copy.path()).with_context(|| format!("failed to read {}", archive.display()))?;
        let name = copy.path().file_name().unwrap_or_default().to_string_lossy();
        self.order(&format!("load {name}"))
    }

    /// The last lines that a part wrote.
    #[must_use]
    pub fn log(&self, part: Part) -> String {
        tail(&self.folder.join("log").join(format!("{part}.log")), 200)
    }

    /// The instance's folder: logs, kubeconfigs, keys, data of etcd and of the nodes.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of nodes.
    #[must_use]
    pub fn nodes(&self) -> u8 {
        self.nodes
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.conf")
    }

    pub(super) fn netns(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.child.id()))
    }

    /// A command in the network of node 0.
    pub(super) fn enter(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.netns().display())).arg("--").arg(program);
        command
    }

    /// Runs a closure in the network of node 0; sockets that it makes stay there.
    pub(super) fn within<T: Send>(&self, run: impl FnOnce() -> T + Send) -> Result<T> {
        let namespace = File::open(self.netns()).context("the instance has ended")?;
        thread::scope(|scope| {
            // A thread of its own: it never comes back from there.
            let thread = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(run())
            });
            thread.join().map_err(|_| anyhow!("what ran in the cluster's network panicked"))?
        })
    }

    /// Gives the supervisor an order in its own words, see [`super::supervisor`].
    ///
    /// # Errors
    ///
    /// When it cannot obey.
    pub fn order(&self, order: &str) -> Result<()> {
        // Held until the answer is there: it belongs to this order.
        let mut line = self.line();
        let orders = line.orders.as_mut().context("the instance has ended")?;
        writeln!(orders, "{order}").context("the instance has ended")?;
        match self.answer(&line).with_context(|| format!("no answer to {order:?}"))? {
            line if line.starts_with(REFUSED) => Err(told(&line, REFUSED)).with_context(|| order.to_owned()),
            _ => Ok(()),
        }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, line: &Line) -> Result<String> {
        line.answers.recv_timeout(PATIENCE).with_context(|| {
            let log = tail(&self.folder.join("supervisor.log"), TAIL);
            format!("the supervisor ended or went silent; its last words:\n{log}")
        })
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Ok(line) = self.line.get_mut() {
            // The end of its input is the order to end.
            line.orders = None;
        }
        let _ = self.child.wait();
    }
}

/// The reason in a line of the supervisor's, behind `word`.
fn told(line: &str, word: &str) -> anyhow::Error {
    let reason = line.strip_prefix(word).and_then(|reason| serde_json::from_str(reason).ok());
    anyhow::Error::msg(reason.unwrap_or_else(|| line.to_owned()))
}

fn tail(path: &Path, count: usize) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
