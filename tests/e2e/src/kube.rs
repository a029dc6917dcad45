//! A real Kubernetes for the stories: API server, etcd, controllers, scheduler, kubelet, containerd, kube-proxy.
//!
//! ```text
//! the test ── unshare ── init (first process of its own namespaces) ── supervisor ── etcd, API server, …
//! ```
//!
//! Every instance lives in network, mount and process namespaces of its own, so that several run side by side and
//! nothing of one is seen outside or outlives its test (see [`init`]). [`Kubernetes::shared`] serves the stories that
//! disturb nobody, [`Kubernetes::start`] gives one to a story that breaks things.
//!
//! `MOAT_E2E_KUBECONFIG` names a cluster that is there already, whose pods and Services the test must be able to
//! reach, and `MOAT_E2E_IMAGE` an image that it can pull; stories that need more than the API are then skipped,
//! aloud, and so is everything where no cluster can be started (see [`Kubernetes::shared`]).

mod audit;
mod forward;
mod image;
pub mod init;
mod instance;
mod kubectl;
mod moat;
mod namespace;
mod plan;
mod raw;
pub mod story;
pub mod supervisor;
mod tools;
mod volumes;
mod watch;

use std::env;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};

use crate::clients::Target;
use crate::programs;

pub use audit::{Mark, Write, Written};
pub use forward::Forward;
pub use image::Image;
pub use instance::{Instance, Part};
pub use kubectl::Verdict;
pub use moat::OPERATOR_NAMESPACE;
pub use namespace::Namespace;
pub use plan::Options;
pub use raw::{Api, Reply};
pub use watch::Watch;

use tools::Tools;

/// A Kubernetes, and the foreign clients to talk to it.
pub struct Kubernetes {
    tools: Tools,
    kubeconfig: PathBuf,
    /// None: it was there already.
    instance: Option<Instance>,
    /// Whether the CRDs are there, or why not.
    crds: OnceLock<Result<(), String>>,
    /// Whether Moat's image is there, or why not.
    image: OnceLock<Result<(), String>>,
    /// Whether Moat is installed, or why not.
    installed: OnceLock<Result<(), String>>,
}

impl Kubernetes {
    /// The one that all calm stories of this test program share, started at the first call and ended with the
    /// program. None, said aloud, where none can be started.
    ///
    /// # Errors
    ///
    /// When it should start and does not.
    pub fn shared() -> Result<Option<&'static Self>> {
        static SHARED: OnceLock<Result<Option<Kubernetes>, String>> = OnceLock::new();
        let make = || match env::var_os("MOAT_E2E_KUBECONFIG") {
            Some(kubeconfig) => Self::there_already(PathBuf::from(kubeconfig)).map(Some),
            None => Self::start(&Options::default()),
        };
        let shared = SHARED.get_or_init(|| make().map_err(|error| format!("{error:#}")));
        match shared {
            Ok(Some(kubernetes)) => Ok(Some(kubernetes)),
            Ok(None) => {
                skipped(CANNOT);
                Ok(None)
            }
            Err(error) => Err(anyhow!("{error}")),
        }
    }

    /// One of its own for a story that breaks things; dropping it ends it. None, said aloud, where none can be
    /// started or where the tests were given a cluster that is not theirs to break.
    ///
    /// # Errors
    ///
    /// When it should start and does not.
    pub fn start(options: &Options) -> Result<Option<Self>> {
        if env::var_os("MOAT_E2E_KUBECONFIG").is_some() {
            skipped("it needs a cluster of its own, and MOAT_E2E_KUBECONFIG names another");
            return Ok(None);
        }
        if !cfg!(target_os = "linux") || !rustix::process::geteuid().is_root() {
            skipped(CANNOT);
            return Ok(None);
        }
        let tools = Tools::all()?;
        let instance = Instance::start(&tools, options)?;
        Ok(Some(Self {
            kubeconfig: instance.kubeconfig(),
            tools,
            instance: Some(instance),
            crds: OnceLock::new(),
            image: OnceLock::new(),
            installed: OnceLock::new(),
        }))
    }

    fn there_already(kubeconfig: PathBuf) -> Result<Self> {
        let kubernetes = Self {
            tools: Tools::clients()?,
            kubeconfig,
            instance: None,
            crds: OnceLock::new(),
            image: OnceLock::new(),
            installed: OnceLock::new(),
        };
        kubernetes
            .kubectl(&["get", "--raw", "/readyz"])
            .context("MOAT_E2E_KUBECONFIG leads to no cluster")?;
        Ok(kubernetes)
    }

    /// Applies `crds/*.yaml` once, as the README says, and waits until the API server serves the kinds.
    ///
    /// # Errors
    ///
    /// When it refuses them.
    pub fn crds(&self) -> Result<()> {
        let apply = || -> Result<()> {
            let folder = programs::repository().join("crds");
            self.kubectl(&["apply", "--server-side", "-f", &folder.to_string_lossy()])?;
            self.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])?;
            Ok(())
        };
        let applied = self.crds.get_or_init(|| apply().map_err(|error| format!("{error:#}")));
        applied.clone().map_err(anyhow::Error::msg)
    }

    /// The instance, for stories that stop its parts or look behind the API; None, said aloud, if the cluster is
    /// not ours.
    #[must_use]
    pub fn instance(&self) -> Option<&Instance> {
        if self.instance.is_none() {
            skipped("it needs more of the cluster than its API, and MOAT_E2E_KUBECONFIG gives no more");
        }
        self.instance.as_ref()
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The folder of `kubectl` and `helm`, to be put first on a `PATH`.
    #[must_use]
    pub fn programs(&self) -> &Path {
        self.tools.folder()
    }

    /// A command that runs where the cluster's pods and Services can be reached; arguments follow the program's.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = match &self.instance {
            Some(instance) => instance.enter(program.as_ref()),
            None => Command::new(program.as_ref()),
        };
        // Neither the user's cluster nor the user's caches.
        command.env("KUBECONFIG", &self.kubeconfig).env("KUBECACHEDIR", self.tools.scratch("kubectl"));
        command
    }

    /// The network namespace that pods and Services are reached from, as `nsenter --net=` wants it.
    #[must_use]
    pub fn netns(&self) -> Option<PathBuf> {
        self.instance.as_ref().map(Instance::netns)
    }

    /// A listener of a pod or Service, for the MQTT clients.
    #[must_use]
    pub fn target(&self, host: &str, port: u16) -> Target {
        Target { host: host.to_owned(), port, netns: self.netns() }
    }

    /// A connection to a pod or Service.
    ///
    /// # Errors
    ///
    /// When nothing answers there.
    pub fn connect(&self, address: &str, port: u16) -> Result<TcpStream> {
        let connect = || TcpStream::connect((address, port));
        let stream = match &self.instance {
            Some(instance) => instance.within(connect)?,
            None => connect(),
        };
        stream.with_context(|| format!("failed to connect to {address}:{port}"))
    }
}

const CANNOT: &str = "a Kubernetes can be started on Linux as root only; \
    set MOAT_E2E_KUBECONFIG to a cluster that is there to run it anyway";

/// Says that the running story is skipped. Written past the capture of test output, so that it is always seen.
fn skipped(reason: &str) {
    let story = std::thread::current().name().unwrap_or("a story").to_owned();
    // In one piece, or other stories' lines get into it. Nothing better can be done when standard error is closed.
    let _ = io::stderr().write_all(format!("\nSKIPPED {story}: {reason}\n").as_bytes());
}
