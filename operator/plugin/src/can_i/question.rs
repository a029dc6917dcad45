//! What is asked, checked: a topic that no client could send is no question.

use anyhow::{bail, ensure};
use moat_policy::{Decision, Grants, Variable};

use crate::cli::{Action, CanI};

/// A question that a client could ask by an MQTT packet.
pub(crate) struct Question {
    pub(crate) user: String,
    pub(crate) client_id: Option<String>,
    pub(crate) request: Request,
    pub(crate) variables: Vec<(Variable, String)>,
    pub(crate) roles: Vec<String>,
}

pub(crate) enum Request {
    Publish { topic: String, qos: u8, retain: bool },
    Subscribe { filter: String, share: Option<String>, qos: u8 },
}

impl Question {
    pub(crate) fn parse(arguments: &CanI) -> anyhow::Result<Self> {
        let request = match arguments.action {
            Action::Publish => {
                check_topic_name(&arguments.topic)?;
                let topic = arguments.topic.clone();
                Request::Publish { topic, qos: arguments.qos, retain: arguments.retain }
            }
            Action::Subscribe => {
                ensure!(!arguments.retain, "--retain is a flag of messages: a subscription has none");
                let (share, filter) = split_share(&arguments.topic)?;
                check_topic_filter(filter)?;
                let (share, filter) = (share.map(str::to_owned), filter.to_owned());
                Request::Subscribe { filter, share, qos: arguments.qos }
            }
        };
        let variables = arguments.variables.iter().map(|(name, value)| match Variable::parse(name) {
            Some(variable) => Ok((variable, value.clone())),
            None => bail!(
                "--var {name}: there is no such string variable; there are mqtt-clientid, mqtt-username, \
                 authentication-key, authorization-key and string-<a-z, 0-9, ->"
            ),
        });
        Ok(Self {
            user: arguments.user.clone(),
            client_id: arguments.client_id.clone(),
            request,
            variables: variables.collect::<anyhow::Result<_>>()?,
            roles: arguments.roles.clone(),
        })
    }

    pub(crate) fn put_to(&self, grants: &Grants) -> Decision {
        match &self.request {
            Request::Publish { topic, qos, retain } => grants.explain_publish(topic, *qos, *retain),
            Request::Subscribe { filter, share, qos } => {
                grants.explain_subscribe(filter, share.as_deref(), *qos)
            }
        }
    }
}

/// MQTT 5, 4.7.3; wildcards are for filters only [MQTT-3.3.2-2].
fn check_topic_name(topic: &str) -> anyhow::Result<()> {
    check_text("topic", topic)?;
    ensure!(
        !topic.contains(['+', '#']),
        "a message's topic cannot hold `+` or `#`: only filters of subscriptions can"
    );
    Ok(())
}

/// `#` is the last level and `+` a whole one [MQTT-4.7.1-1, MQTT-4.7.1-2].
fn check_topic_filter(filter: &str) -> anyhow::Result<()> {
    check_text("topic filter", filter)?;
    let levels: Vec<_> = filter.split('/').collect();
    for (at, level) in levels.iter().enumerate() {
        let is_last = at + 1 == levels.len();
        ensure!(
            *level == "#" && is_last || !level.contains('#'),
            "`#` must be the last level of a topic filter, alone"
        );
        ensure!(*level == "+" || !level.contains('+'), "`+` must fill a whole level of a topic filter");
    }
    Ok(())
}

/// [MQTT-4.7.3-1, MQTT-4.7.3-2, MQTT-4.7.3-3]
fn check_text(what: &str, text: &str) -> anyhow::Result<()> {
    ensure!(!text.is_empty(), "the {what} must not be empty");
    ensure!(!text.contains('\0'), "the {what} must not hold a NUL character");
    ensure!(text.len() <= usize::from(u16::MAX), "the {what} must not be longer than 65535 bytes");
    Ok(())
}

/// MQTT 5, 4.8.2 [MQTT-4.8.2-1, MQTT-4.8.2-2].
fn split_share(topic: &str) -> anyhow::Result<(Option<&str>, &str)> {
    let Some(rest) = topic.strip_prefix("$share/") else { return Ok((None, topic)) };
    match rest.split_once('/') {
        Some((group, filter)) if !group.is_empty() && !group.contains(['+', '#']) => {
            Ok((Some(group), filter))
        }
        _ => bail!("a shared subscription is `$share/GROUP/FILTER`, with a GROUP without `+` and `#`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_that_a_client_could_send_are_questions() {
        for good in ["a", "/", "a//b", "$SYS/x", "a b/ä"] {
            assert!(check_topic_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a/+", "#", "a\0b", &"a".repeat(65_536)] {
            assert!(check_topic_name(bad).is_err(), "{bad}");
        }
        for good in ["#", "+", "a/+/b/#", "/+", "$SYS/#", "+/+"] {
            assert!(check_topic_filter(good).is_ok(), "{good}");
        }
        for bad in ["", "a#", "#/a", "a/#/b", "a+", "+a/b", "##", "a\0"] {
            assert!(check_topic_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shared_subscriptions_are_taken_apart() {
        assert_eq!(split_share("$share/g/a/b").unwrap(), (Some("g"), "a/b"));
        assert_eq!(split_share("$shared/g/a").unwrap(), (None, "$shared/g/a"));
        assert_eq!(split_share("a").unwrap(), (None, "a"));
        for bad in ["$share/g", "$share//a", "$share/+/a", "$share/#/a"] {
            assert!(split_share(bad).is_err(), "{bad}");
        }
    }
}
