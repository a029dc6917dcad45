//! Clients of the stories, and the questions that are asked of them. The password of a user is the username, as in the
//! samples.

use anyhow::{Result, bail, ensure};
use moat_e2e::clients::{Event, Login, Paho, Target, Version};

/// The first reason code that means no; those below include "nobody listens".
pub(crate) const REFUSED: u8 = 0x80;

/// Connects a user who must be let in.
pub(crate) fn connect(listener: &Target, client_id: &str, user: &str) -> Result<Paho> {
    Paho::connect(&Login::new(Version::V5, listener.clone(), client_id, Some((user, user))))
}

/// Whether a username with this password is let in. A listener that cannot be reached is an error.
pub(crate) fn is_let_in(listener: &Target, user: &str, password: &str) -> Result<bool> {
    let login = Login::new(Version::V5, listener.clone(), "", Some((user, password)));
    is_login_let_in(&login)
}

/// As [`is_let_in`], with any login.
pub(crate) fn is_login_let_in(login: &Login) -> Result<bool> {
    match Paho::start(login)?.connack()? {
        Event::Connected { reason: 0, .. } => Ok(true),
        Event::Connected { reason: REFUSED.., .. } => Ok(false),
        other => bail!("neither let in nor refused: {other:?}"),
    }
}

/// Publishes, and says whether it was allowed. One that was not has ended the connection.
pub(crate) fn may_publish(client: &mut Paho, topic: &str, payload: &str) -> Result<bool> {
    client.send(topic, payload, 1, false)?;
    let answer = client.wait_for("the answer to a publish", |event| {
        matches!(event, Event::Published { .. } | Event::Disconnected { .. })
    })?;
    Ok(matches!(answer, Event::Published { reason: ..REFUSED }))
}

/// Shows that a client is connected still: what it publishes on a topic of its own is taken.
pub(crate) fn is_connected(client: &mut Paho, topic: &str) -> Result<()> {
    ensure!(may_publish(client, topic, "still here")?, "the connection or the right to {topic} is lost");
    Ok(())
}

/// Whether a subscription is granted.
pub(crate) fn may_subscribe(client: &mut Paho, filter: &str) -> Result<bool> {
    Ok(client.subscribe(filter, 1)? < REFUSED)
}
