//! The quickstart's three users with three rights, enforced packet by packet on clients that no one here wrote.

use anyhow::Result;
use moat_e2e::clients::{Event, Login, Paho, Version, mosquitto};
use moat_e2e::{Broker, Folder, free_port};

const BOTH: [Version; 2] = [Version::V311, Version::V5];

/// What a broker says in 5.0 to what a client may not do; 3.1.1 has only 0x80 for a subscription.
const NOT_AUTHORIZED: u8 = 0x87;

/// The quickstart as it is in the repository, on a port of this test's own. Each password is its username.
fn broker() -> Result<(Broker, Folder, u16)> {
    let port = free_port()?;
    let folder = Folder::copy_of("config/samples/quickstart")?;
    folder.edit("cluster.yaml", "port: 1883", &format!("port: {port}"))?;
    Ok((Broker::start(&folder)?, folder, port))
}

fn login(version: Version, port: u16, client_id: &str, user: &str) -> Login {
    Login::new(version, port, client_id, Some((user, user)))
}

#[test]
fn each_user_does_what_its_role_allows() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    for version in BOTH {
        let mut backend = Paho::connect(&login(version, port, "backend", "backendservice"))?;
        assert_eq!(backend.subscribe("topic/+/status", 1)?, 1);
        let mut frontend = Paho::connect(&login(version, port, "x", "frontendclient"))?;
        for qos in 0..=2 {
            assert_eq!(frontend.publish("topic/x/status", &format!("at {qos}"), qos)?, 0);
            assert_eq!(backend.message()?, ("topic/x/status".to_owned(), format!("at {qos}")));
        }
    }
    Ok(())
}

#[test]
fn a_refused_publish_ends_the_connection_and_reaches_nobody() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    for version in BOTH {
        for qos in 0..=2 {
            let mut listener = Paho::connect(&login(version, port, "listener", "superuser"))?;
            listener.subscribe("#", 0)?;
            let mut frontend = Paho::connect(&login(version, port, "x", "frontendclient"))?;
            frontend.send("topic/y/status", "not mine", qos, false)?;
            frontend.ended()?;
            // What comes first to a listener of everything shows that nothing came before it.
            let mut other = Paho::connect(&login(version, port, "x", "frontendclient"))?;
            other.publish("topic/x/status", "mine", 1)?;
            assert_eq!(listener.message()?, ("topic/x/status".to_owned(), "mine".to_owned()));
        }
    }
    Ok(())
}

#[test]
fn a_refused_subscribe_fails_its_filter_and_no_other() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    for (version, refused) in [(Version::V311, 0x80), (Version::V5, NOT_AUTHORIZED)] {
        let mut backend = Paho::connect(&login(version, port, "backend", "backendservice"))?;
        let filters =
            [("topic/+/status", 1), ("topic/#", 1), ("#", 0), ("topic/x/status", 2), ("+/+/status", 0)];
        assert_eq!(backend.subscribe_all(&filters)?, [1, refused, refused, 2, refused]);
        let mut root = Paho::connect(&login(version, port, "root", "superuser"))?;
        root.publish("topic/other", "unheard", 1)?;
        root.publish("topic/x/status", "heard", 0)?;
        assert_eq!(backend.message()?.1, "heard");
    }
    Ok(())
}

#[test]
fn a_wrong_password_an_unknown_user_and_nobody_are_refused_alike() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    for version in BOTH {
        let attempts =
            [Some(("superuser", "wrong")), Some(("nobody", "nobody")), Some(("superuser", "")), None];
        let answers = attempts
            .iter()
            .map(|attempt| Paho::start(&Login::new(version, port, "guest", *attempt))?.connack())
            .collect::<Result<Vec<_>>>()?;
        for answer in &answers {
            let refused = matches!(answer, Event::Connected { reason: 0x86 | 0x87, .. });
            assert!(refused, "{answer:?}");
        }
        assert_eq!(answers[0], answers[1], "an unknown user must not be told from a wrong password");
    }
    Ok(())
}

#[test]
fn the_command_line_tools_see_the_same() -> Result<()> {
    let (_broker, _folder, port) = broker()?;
    let backend = ["-u", "backendservice", "-P", "backendservice"];
    let frontend = ["-u", "frontendclient", "-P", "frontendclient", "-i", "x", "-q", "1"];
    let listener = mosquitto::Subscriber::start(port, &[&backend[..], &["-t", "topic/+/status"]].concat())?;
    let allowed =
        mosquitto::publish(port, &[&frontend[..], &["-t", "topic/x/status", "-m", "hello"]].concat())?;
    assert!(allowed.status.success(), "{}", allowed.output);
    assert_eq!(listener.message()?, ("topic/x/status".to_owned(), "hello".to_owned()));
    let refused = [&frontend[..], &["-V", "5", "-d", "-t", "topic/y/status", "-m", "lost"]].concat();
    let refused = mosquitto::publish(port, &refused)?.output;
    assert!(refused.contains(&format!("RC:{NOT_AUTHORIZED})")), "{refused}");
    mosquitto::publish(port, &[&frontend[..], &["-t", "topic/x/status", "-m", "hello"]].concat())?;
    assert!(allowed.status.success(), "{}", allowed.output);
    assert_eq!(listener.message()?, ("topic/x/status".to_owned(), "hello".to_owned()));
    let refused = mosquitto::publish(
        port,
        &[&frontend[..], &["-V", "5", "-t", "topic/y/status", "-m", "lost"]].concat(),
    )?;
    let told = !refused.status.success() || refused.output.to_lowercase().contains("not authorized");
    assert!(told, "{}", refused.output);
    mosquitto::publish(port, &[&frontend[..], &["-t", "topic/x/status", "-m", "again"]].concat())?;
    assert_eq!(listener.message()?, ("topic/x/status".to_owned(), "again".to_owned()));
    let everything = mosquitto::subscribe_once(port, &[&backend[..], &["-E", "-t", "#"]].concat())?;
    assert!(everything.output.contains("denied"), "{}", everything.output);
    Ok(())
}
