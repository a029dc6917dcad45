//! The health port, the log, and their levels.

use anyhow::Result;
use moat_e2e::clients::{Login, Paho, Version};
use moat_e2e::{Broker, Folder, free_port, resources, until};

#[test]
fn the_broker_says_when_it_is_ready_and_why_not() -> Result<()> {
    let port = free_port()?;
    let folder = Folder::new()?;
    folder.write("nothing.yaml", "# no cluster yet\n")?;
    let broker = Broker::launch(&folder, &[])?;
    until::holds("the health port answers", || {
        Ok(broker.get("/livez").is_ok_and(|answer| answer.status == 200))
    })?;
    let answer = broker.get("/readyz")?;
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("no listener is open"), "{}", answer.body);
    folder.write("all.yaml", &resources::open_to_passwords(port))?;
    until::holds("the broker gets ready", || Ok(broker.get("/readyz")?.status == 200))?;
    Ok(())
}

#[test]
fn a_taken_port_is_named_and_the_other_listeners_serve() -> Result<()> {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let taken_port = taken.local_addr()?.port();
    let port = free_port()?;
    let folder = Folder::new()?;
    let listeners = [
        format!("{{ name: taken, protocol: mqtt, port: {taken_port} }}"),
        format!("{{ name: free, protocol: mqtt, port: {port} }}"),
    ];
    let text = [
        resources::cluster(&listeners, ""),
        resources::realm("people"),
        resources::pipeline("all", "ALL", "people"),
        resources::user("alice", "alice", &[]),
    ];
    folder.write("all.yaml", &text.concat())?;
    let broker = Broker::launch(&folder, &[])?;
    broker.wait_for_log(&format!("failed to listen on port {taken_port}"))?;
    until::holds("the free listener is open", || {
        Ok(broker.metric("moat_listeners_open").ok().flatten() == Some(1.0))
    })?;
    Paho::connect(&Login::new(Version::V5, port, "c", Some(("alice", "alice"))))?;
    assert_eq!(broker.get("/readyz")?.body.trim(), "1 of 2 listeners are open");
    Ok(())
}
