//! MQTT clients that no one here wrote.

pub mod mosquitto;
mod paho;

pub use paho::{Event, Login, Paho, Tls, Version, Will};
