//! Rights change while clients are connected, and a broken edit changes nothing.

use anyhow::Result;
use moat_e2e::clients::{Event, Login, Paho, Version};
use moat_e2e::{Broker, Folder, free_port, resources};

const CAN_PUBLISH: &str = "{ topicFilter: \"news/#\", activity: [publish, subscribe] }";
const CAN_LISTEN: &str = "{ topicFilter: \"news/#\", activity: [subscribe] }";

/// The first reason code that means no; those below include "nobody listens".
const REFUSED: u8 = 0x80;

/// A broker whose roles stand in a file of their own.
fn broker(permission: &str) -> Result<(Broker, Folder, u16)> {
    let port = free_port()?;
    let folder = Folder::new()?;
    let rest = [
        resources::open_to_passwords(port),
        resources::role("author", &["{ topicFilter: \"#\", activity: [publish, subscribe] }"]),
        resources::user("reader", "reader", &["reader"]),
        resources::user("author", "author", &["author"]),
    ];
    folder.write("rest.yaml", &rest.concat())?;
    folder.write("roles.yaml", &resources::role("reader", &[permission]))?;
    Ok((Broker::start(&folder)?, folder, port))
}

fn connect(port: u16, user: &str) -> Result<Paho> {
    Paho::connect(&Login::new(Version::V5, port, user, Some((user, user))))
}

#[test]
fn a_right_taken_away_ends_what_a_live_session_may_publish() -> Result<()> {
    let (_broker, folder, port) = broker(CAN_PUBLISH)?;
    let mut reader = connect(port, "reader")?;
    assert!(reader.publish("news/a", "before", 1)? < REFUSED);
    folder.replace("roles.yaml", &resources::role("reader", &[CAN_LISTEN]))?;
    // The session is judged again by itself: it goes on publishing until it is told to stop.
    let mut sent = 0;
    while sent < 100_000 {
        sent += 1;
        reader.send("news/a", "after", 1, false)?;
        let answer = reader.wait_for("an answer", |event| {
            matches!(event, Event::Published { .. } | Event::Disconnected { .. })
        })?;
        if matches!(answer, Event::Disconnected { .. } | Event::Published { reason: REFUSED.. }) {
            return Ok(());
        }
    }
    panic!("{sent} messages were let through after the right was gone");
}

#[test]
fn a_broken_edit_keeps_what_was_good_and_says_where_it_is_wrong() -> Result<()> {
    let (broker, folder, port) = broker(CAN_PUBLISH)?;
    let mut reader = connect(port, "reader")?;
    let wrong = resources::role("reader", &["{ topicFilter: \"news/#/x\", activity: [publish] }"]);
    folder.replace("roles.yaml", &wrong)?;
    broker.wait_for_log("roles.yaml")?;
    assert!(reader.publish("news/a", "still allowed", 1)? < REFUSED);
    drop(reader);
    let mut again = connect(port, "reader")?;
    assert_eq!(again.subscribe("news/#", 1)?, 1);
    Ok(())
}

#[test]
fn a_subscription_without_its_right_is_masked_and_comes_back_with_it() -> Result<()> {
    let (_broker, folder, port) = broker(CAN_LISTEN)?;
    let mut reader = connect(port, "reader")?;
    assert_eq!(reader.subscribe("news/#", 0)?, 0);
    let mut author = connect(port, "author")?;
    author.publish("news/a", "heard", 1)?;
    assert_eq!(reader.message()?.1, "heard");

    let elsewhere = "{ topicFilter: \"other/#\", activity: [subscribe] }";
    folder.replace("roles.yaml", &resources::role("reader", &[elsewhere]))?;
    // The new right shows that the change has arrived.
    moat_e2e::until::holds("the new right", || Ok(reader.subscribe("other/#", 0)? == 0))?;
    author.publish("news/a", "unheard", 1)?;
    author.publish("other/a", "after the change", 1)?;
    assert_eq!(reader.message()?.1, "after the change");

    folder.replace("roles.yaml", &resources::role("reader", &[CAN_LISTEN]))?;
    moat_e2e::until::holds("the right to be back", || {
        author.publish("news/a", "heard again", 1)?;
        let heard = reader.try_message()?;
        Ok(heard.is_some_and(|(_, payload)| payload == "heard again"))
    })
}

#[test]
fn a_user_whose_credential_is_gone_is_disconnected() -> Result<()> {
    let (_broker, folder, port) = broker(CAN_LISTEN)?;
    let mut reader = connect(port, "reader")?;
    folder.edit("rest.yaml", &resources::user("reader", "reader", &["reader"]), "")?;
    reader.ended()?;
    let refused = connect(port, "reader").err().map(|error| error.to_string());
    assert!(refused.is_some_and(|error| error.contains("was not let in")));
    Ok(())
}
