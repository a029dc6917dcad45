//! MQTT clients that no one here wrote.

pub mod mosquitto;
mod paho;
mod target;

pub use paho::{Event, Login, Paho, Tls, Version, Will};
pub use target::Target;
