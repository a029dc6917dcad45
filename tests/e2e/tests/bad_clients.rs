//! What no good client sends, over a real socket: each gets its answer or is closed, and nobody else notices.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;
use moat_e2e::clients::{Event, Login, Paho, Version};
use moat_e2e::{Broker, Folder, free_port, resources};

/// Longest wait for an answer or the end of a connection.
const DEADLINE: Duration = Duration::from_secs(20);

fn broker(permission: &str) -> Result<(Broker, Folder, u16)> {
    let port = free_port()?;
    let folder = Folder::new()?;
    let text = [
        resources::open_to_passwords(port),
        resources::role("things", &[permission]),
        resources::user("alice", "alice", &["things"]),
    ];
    folder.write("all.yaml", &text.concat())?;
    Ok((Broker::start(&folder)?, folder, port))
}

/// Sends bytes and returns everything that comes back until the broker closes the connection.
fn answer(port: u16, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Ok(answer),
        // A connection that is closed while bytes of ours are unread is reset, which ends it as well.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(answer),
        Err(error) => Err(error.into()),
    }
}

/// A CONNECT of user alice: protocol name, level, flags besides those of user and password, client identifier.
fn connect(name: &str, level: u8, flags: u8, client_id: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let text = |body: &mut Vec<u8>, bytes: &[u8]| {
        body.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
        body.extend(bytes);
    };
    text(&mut body, name.as_bytes());
    body.extend([level, flags | 0xc0, 0, 60]);
    if level == 5 {
        body.push(0);
    }
    text(&mut body, client_id);
    text(&mut body, b"alice");
    text(&mut body, b"alice");
    let mut packet = vec![0x10, u8::try_from(body.len()).unwrap_or(u8::MAX)];
    packet.extend(body);
    packet
}

#[test]
fn a_bad_connect_gets_its_answer_and_disturbs_nobody() -> Result<()> {
    let (broker, _folder, port) = broker("{ topicFilter: \"t\", activity: [publish, subscribe] }")?;
    let mut bystander = Paho::connect(&Login::new(Version::V5, port, "bystander", Some(("alice", "alice"))))?;
    bystander.subscribe("t", 0)?;
    let good = connect("MQTT", 4, 0x02, b"c");
    let cases: Vec<(&str, Vec<u8>, &[u8])> = vec![
        ("a level of 3.1 under the name of 3.1.1", connect("MQTT", 3, 0x02, b"c"), &[0x20, 2, 0, 1]),
        ("a version of the future", connect("MQTT", 6, 0x02, b"c"), &[0x20, 3, 0, 0x84, 0]),
        ("another protocol", connect("HTTP", 4, 0x02, b"c"), &[]),
        ("the reserved flag", connect("MQTT", 4, 0x03, b"c"), &[]),
        ("the reserved flag in MQTT 5", connect("MQTT", 5, 0x03, b"c"), &[0x20, 3, 0, 0x81, 0]),
        ("will QoS without a will", connect("MQTT", 4, 0x0a, b"c"), &[]),
        ("a client identifier that is no UTF-8", connect("MQTT", 4, 0x02, &[0xff, 0xfe]), &[]),
        ("a client identifier with NUL", connect("MQTT", 5, 0x02, b"a\0b"), &[0x20, 3, 0, 0x81, 0]),
        ("no client identifier for a lasting session", connect("MQTT", 4, 0x00, b""), &[0x20, 2, 0, 2]),
        ("a packet that is no CONNECT", vec![0x30, 3, 0, 1, b't'], &[]),
        ("a remaining length of five bytes", vec![0x10, 0xff, 0xff, 0xff, 0xff, 0x01], &[]),
        ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n".to_vec(), &[]),
        ("a TLS handshake on a plain port", vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01], &[]),
        ("a second CONNECT", [good.clone(), good].concat(), &[0x20, 2, 0, 0]),
    ];
    for (what, bytes, expected) in cases {
        assert_eq!(answer(port, &bytes)?, expected, "{what}");
    }
    bystander.publish("t", "still here", 0)?;
    assert_eq!(bystander.message()?.1, "still here");
    let failed = broker.metric("moat_handshakes_failed_total")?.unwrap_or_default();
    assert!(failed >= 12.0, "handshakes that failed are counted: {failed}");
    Ok(())
}

#[test]
fn an_odd_client_identifier_opens_nothing() -> Result<()> {
    let (_broker, _folder, port) =
        broker("{ topicFilter: \"own/${mqtt-clientid}/#\", activity: [publish, subscribe] }")?;
    for version in [Version::V311, Version::V5] {
        let refused = if version == Version::V5 { 0x87 } else { 0x80 };
        for odd in ["+", "#", "a/b", "+/#", "$SYS", "a\u{1}b", "\u{feff}x", "x".repeat(5000).as_str()] {
            let mut client = Paho::start(&Login::new(version, port, odd, Some(("alice", "alice"))))?;
            let connack = client.connack()?;
            assert!(matches!(connack, Event::Connected { reason: 0, .. }), "{odd:.20?}: {connack:?}");
            for filter in ["own/+/#", "own/#", "#", "own/other/x"] {
                assert_eq!(client.subscribe(filter, 0)?, refused, "{odd:.20?} {filter}");
            }
            client.disconnect()?;
        }
    }
    let mut plain = Paho::connect(&Login::new(Version::V5, port, "plain", Some(("alice", "alice"))))?;
    assert_eq!(plain.subscribe("own/plain/#", 0)?, 0);
    Ok(())
}

#[test]
fn a_client_that_never_says_who_it_is_is_not_kept() -> Result<()> {
    let (broker, _folder, port) = broker("{ topicFilter: \"t\", activity: [publish] }")?;
    assert_eq!(answer(port, &[0x10])?, [] as [u8; 0], "closed after the time for CONNECT");
    assert_eq!(broker.metric("moat_connections")?, Some(0.0));
    Ok(())
}
