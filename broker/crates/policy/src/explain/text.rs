//! Decisions in clear sentences.

use std::fmt;

use super::{Cause, Decision, Dependence, Field, Lost, Miss, Request, Verdict};
use crate::bundle::SubscriptionMatching;

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Undecidable => "undecidable",
        })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish { topic, qos, retain } => {
                write!(f, "publish to `{topic}` with QoS {qos}{}", if *retain { ", retained" } else { "" })
            }
            Self::Subscribe { filter, share: None, qos } => {
                write!(f, "subscribe to `{filter}` with QoS {qos}")
            }
            Self::Subscribe { filter, share: Some(share), qos } => {
                write!(f, "subscribe to `$share/{share}/{filter}` with QoS {qos}")
            }
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.permission)?;
        // A permission that is written inside its resource names the resource already.
        if !self.permission.starts_with(&*self.resource) {
            write!(f, " of {}", self.resource)?;
        }
        write!(f, " (topic filter `{}`", self.topic_filter)?;
        match &self.expanded {
            Some(expanded) => write!(f, ", here `{expanded}`)"),
            None => f.write_str(")"),
        }
    }
}

impl fmt::Display for Dependence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} allows it if", self.cause)?;
        for (i, (variable, value)) in self.variables.iter().enumerate() {
            f.write_str(if i > 0 { " and" } else { "" })?;
            match value {
                Some(value) => write!(f, " `{variable}` is `{value}`")?,
                None => write!(f, " `{variable}` has a usable value")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dropped { cause, variable, fault } => write!(f, "{cause}: `{variable}` {fault}"),
            Self::Invalid { permission, error } => write!(f, "{permission}: {error}"),
        }
    }
}

impl Miss {
    /// One clause about one field.
    fn clause(&self, field: &Field, decision: &Decision) -> String {
        let (retain, shared) = match &decision.request {
            Request::Publish { retain, .. } => (*retain, false),
            Request::Subscribe { share, .. } => (false, share.is_some()),
        };
        match field {
            Field::Placeholder { variable, fault } => format!("it is dropped, because `{variable}` {fault}"),
            Field::Topic => match (&decision.request, decision.matching) {
                (Request::Publish { .. }, _) => "its topic filter does not match the topic".to_owned(),
                (_, SubscriptionMatching::LevelByLevel) => {
                    "its topic filter does not match the requested filter".to_owned()
                }
                _ => "its topic filter does not contain every topic of the requested filter".to_owned(),
            },
            Field::DollarTopic => {
                "topics that begin with `$` need a topic filter that spells out the first level".to_owned()
            }
            Field::Activity => format!("it allows {} only", self.rule.activity),
            Field::Qos if self.rule.qos.is_empty() => "it allows no QoS".to_owned(),
            Field::Qos => format!("it allows QoS {} only", self.rule.qos),
            Field::Retain => {
                let only = if retain { "messages without the retain flag" } else { "retained messages" };
                format!("it allows {only} only (retain: {})", self.rule.retain)
            }
            Field::SharedSubscription => {
                let only = if shared { "plain" } else { "shared" };
                format!("it allows {only} subscriptions only (sharedSubscription: {})", self.rule.shared)
            }
            Field::SharedGroup => format!("it allows the share group `{}` only", self.rule.group),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}.", self.verdict, self.request)?;
        if let Some(by) = &self.by {
            return write!(f, " {by} covers it.");
        }
        if let Some(depends) = &self.depends {
            write!(f, " It depends on what was not given: {depends}.")?;
        }
        if let Some(miss) = &self.nearest {
            write!(f, " No permission covers it. The nearest is {}:", miss.cause)?;
            for (i, field) in miss.fields.iter().enumerate() {
                write!(f, "{} {}", if i > 0 { ";" } else { "" }, miss.clause(field, self))?;
            }
            f.write_str(".")?;
        } else if self.verdict == Verdict::Denied {
            f.write_str(" The client holds no permission.")?;
        }
        // The nearest miss has told of itself already.
        let told = |lost: &&Lost| match (lost, &self.nearest) {
            (Lost::Dropped { cause, .. }, Some(miss)) => *cause != miss.cause,
            _ => true,
        };
        let mut lost = self.lost.iter().filter(told);
        if let Some(first) = lost.next() {
            let more = lost.count();
            write!(f, " Without effect for this client: {first}")?;
            if more > 0 {
                write!(f, ", and {more} more")?;
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}
