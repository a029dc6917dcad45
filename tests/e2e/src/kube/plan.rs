//! What an instance is made of, and where its parts lie. Read by both sides: the test that asks for an
//! instance, and the supervisor that keeps it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The instance's folder as everything inside sees it: short, because paths of sockets are limited to 107 bytes.
pub(super) const HOME: &str = "/run/moat";

/// The folder of the built programs as everything inside sees it.
pub(super) const TOOLS: &str = "/run/moat-tools";

/// Address of node 0, where the control plane runs. Instances share no network, so all use the same addresses.
pub(super) const CONTROL_PLANE: &str = "172.31.255.1";

/// Port of the API server.
pub(super) const API_PORT: u16 = 6443;

/// The image that holds a pod's namespaces open.
pub(super) const PAUSE: &str = "registry.k8s.io/pause:3.10";

/// What an instance is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// Nodes, 1 to 9; node 0 also carries the control plane. Default 1.
    pub nodes: u8,
    /// Whether etcd waits for its disk, as in production. Default no: figures want it, other tests only time.
    pub fsync: bool,
    /// Whether the API server writes an audit log of every write. Default yes.
    pub audit: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: 1, fsync: false, audit: true }
    }
}

/// Everything that the supervisor has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The instance's folder, as it is called outside.
    pub(super) folder: PathBuf,
    /// The folder of the built programs, as it is called outside.
    pub(super) tools: PathBuf,
    /// What was asked for.
    pub(super) options: Options,
}

impl Plan {
    /// The instance's name: the folder's.
    pub(super) fn name(&self) -> String {
        self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The control group that all its nodes' groups lie in, below the root of each hierarchy.
    pub(super) fn control_group(&self) -> String {
        format!("moat-{}", self.name())
    }
}

/// A file or folder of the instance, as everything inside sees it.
pub(super) fn inside(path: &str) -> PathBuf {
    Path::new(HOME).join(path)
}

/// A built program, as everything inside sees it.
pub(super) fn tool(name: &str) -> PathBuf {
    Path::new(TOOLS).join(name)
}

/// Address of a node on the nodes' network.
pub(super) fn address(node: u8) -> String {
    if node == 0 { CONTROL_PLANE.to_owned() } else { format!("172.31.255.{}", 10 + node) }
}
