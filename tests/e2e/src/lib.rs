//! The harness of the user stories: the built broker as its users start it, and clients that no one here wrote.
//!
//! A story writes a [`Folder`] of resources, starts a [`Broker`] on it, and talks to it through
//! [`clients::Paho`] (a scripted Python client, MQTT 3.1.1 and 5.0) or [`clients::mosquitto`]'s command-line
//! tools. Every process is ended by its own id when its value is dropped; when a test fails, the broker's
//! log is printed. Nothing waits for a fixed time: [`until`] polls a condition up to a deadline.
//!
//! What has to be there is found or installed once, below cargo's target folder: the binaries by
//! [`programs`], Debian's clients by `apt-get` (as root), the Python client by `pip` in an environment of
//! its own.

mod broker;
pub mod certificates;
pub mod clients;
mod folder;
pub mod kube;
mod ports;
pub mod programs;
pub mod resources;
pub mod until;

pub use broker::{Answer, Broker};
pub use folder::Folder;
pub use kube::Kubernetes;
pub use ports::free_port;
