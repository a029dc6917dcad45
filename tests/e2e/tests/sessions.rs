//! Sessions that outlive their connections, client identifiers in dispute, wills, retained and shared messages.

use anyhow::Result;
use moat_e2e::clients::{Event, Login, Paho, Version, Will};
use moat_e2e::{Broker, Folder, free_port, resources};

const BOTH: [Version; 2] = [Version::V311, Version::V5];

const EVERYTHING: &str =
    "{ topicFilter: \"#\", activity: [publish, subscribe], retain: any, sharedSubscription: any }";

/// A broker with two users who may do everything.
fn broker() -> Result<(Broker, Folder, u16)> {
    let port = free_port()?;
    let folder = Folder::new()?;
    let text = [
        resources::open_to_passwords(port),
        resources::role("everything", &[EVERYTHING]),
        resources::user("alice", "alice", &["everything"]),
        resources::user("mallory", "mallory", &["everything"]),
    ];
    folder.write("all.yaml", &text.concat())?;
    Ok((Broker::start(&folder)?, folder, port))
}

fn login(version: Version, port: u16, client_id: &str) -> Login {
    Login::new(version, port, client_id, Some(("alice", "alice")))
}

fn lasting(version: Version, port: u16, client_id: &str) -> Login {
    Login { clean_start: false, session_expiry: 3600, ..login(version, port, client_id) }
}

#[test]
fn what_came_while_a_client_was_away_waits_for_it_in_order() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    // Order is promised among messages of one QoS.
    for (version, qos) in [(Version::V311, 1), (Version::V311, 2), (Version::V5, 1), (Version::V5, 2)] {
        let mut device = Paho::connect(&lasting(version, port, "device"))?;
        device.subscribe("orders/#", 2)?;
        device.disconnect()?;
        let mut sender = Paho::connect(&login(version, port, "sender"))?;
        for number in 0..50 {
            sender.publish("orders/a", &number.to_string(), qos)?;
        }
        let mut device = Paho::start(&lasting(version, port, "device"))?;
        let answer = device.connack()?;
        assert!(matches!(answer, Event::Connected { reason: 0, session_present: true, .. }), "{answer:?}");
        for number in 0..50 {
            assert_eq!(device.message()?.1, number.to_string());
        }
        let mut fresh = Paho::start(&login(version, port, "device"))?;
        let answer = fresh.connack()?;
        assert!(matches!(answer, Event::Connected { session_present: false, .. }), "{answer:?}");
    }
    Ok(())
}

#[test]
fn a_second_connection_takes_over_and_a_stranger_does_not() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    let mut first = Paho::connect(&lasting(Version::V5, port, "device"))?;
    let mut stolen = lasting(Version::V5, port, "device");
    stolen.username = Some("mallory".to_owned());
    stolen.password = Some("mallory".to_owned());
    let answer = Paho::start(&stolen)?.connack()?;
    assert!(matches!(answer, Event::Connected { reason: 0x85, .. }), "{answer:?}");
    // The stranger has not disturbed the owner.
    assert_eq!(first.subscribe("a", 0)?, 0);
    let mut second = Paho::start(&lasting(Version::V5, port, "device"))?;
    let answer = second.connack()?;
    assert!(matches!(answer, Event::Connected { reason: 0, session_present: true, .. }), "{answer:?}");
    first.ended()?;
    second.publish("a", "to myself", 0)?;
    assert_eq!(second.message()?.1, "to myself");
    Ok(())
}

#[test]
fn a_will_fires_when_a_client_vanishes_and_not_when_it_says_goodbye() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    for version in BOTH {
        let mut watcher = Paho::connect(&login(version, port, "watcher"))?;
        watcher.subscribe("wills/#", 1)?;
        let with_will = |client_id: &str| {
            let (topic, payload) = (format!("wills/{client_id}"), "gone".to_owned());
            Login {
                will: Some(Will { topic, payload, qos: 1, retain: false }),
                ..login(version, port, client_id)
            }
        };
        Paho::connect(&with_will("polite"))?.disconnect()?;
        // Its process is ended, so its socket closes without DISCONNECT.
        drop(Paho::connect(&with_will("lost"))?);
        assert_eq!(watcher.message()?, ("wills/lost".to_owned(), "gone".to_owned()));
    }
    Ok(())
}

#[test]
fn the_last_retained_message_greets_whoever_comes_until_it_is_deleted() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    for version in BOTH {
        let mut sender = Paho::connect(&login(version, port, "sender"))?;
        sender.send("state/a", "old", 1, true)?;
        sender.send("state/a", "new", 1, true)?;
        // An empty message that is not retained deletes nothing.
        sender.send("state/a", "", 1, false)?;
        for _ in 0..3 {
            sender.wait_for("PUBACK", |event| matches!(event, Event::Published { .. }))?;
        }
        let mut reader = Paho::connect(&login(version, port, "reader"))?;
        reader.subscribe("state/+", 1)?;
        let greeting = reader.wait_for("a message", |event| matches!(event, Event::Message { .. }))?;
        let expected =
            Event::Message { topic: "state/a".to_owned(), payload: "new".to_owned(), qos: 1, retain: true };
        assert_eq!(greeting, expected);
        sender.send("state/a", "", 1, true)?;
        assert_eq!(reader.message()?.1, "");
        let mut late = Paho::connect(&login(version, port, "late"))?;
        late.subscribe("state/+", 1)?;
        sender.publish("state/b", "live", 1)?;
        assert_eq!(late.message()?.0, "state/b");
    }
    Ok(())
}

#[test]
fn each_message_of_a_shared_subscription_goes_to_one_member() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    for version in BOTH {
        let mut members = Vec::new();
        for name in ["a", "b", "c"] {
            let mut member = Paho::connect(&login(version, port, name))?;
            member.subscribe("$share/workers/jobs/+", 1)?;
            members.push(member);
        }
        let mut sender = Paho::connect(&login(version, port, "sender"))?;
        for job in 0..30 {
            sender.publish("jobs/x", &job.to_string(), 1)?;
        }
        let mut done = Vec::new();
        moat_e2e::until::holds("all jobs to be handed out", || {
            for member in &mut members {
                while let Some((_, job)) = member.try_message()? {
                    done.push(job.parse::<u32>()?);
                }
            }
            Ok(done.len() >= 30)
        })?;
        done.sort_unstable();
        assert_eq!(done, (0..30).collect::<Vec<_>>());
    }
    Ok(())
}
