//! Why a request is allowed or denied: the permission that decided, or the nearest miss and what did not fit.

mod fit;
mod text;

#[cfg(test)]
mod tests;

use crate::bundle::SubscriptionMatching;
use crate::grants::Grants;
use crate::rules::{Rule, RuleSet};
use crate::template::TemplateError;
use crate::variables::{ValueFault, Variable, Variables};

use fit::{Cut, Fit};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// May this message be published?
    Publish {
        /// The topic name.
        topic: String,
        /// The quality of service, 0 to 2.
        qos: u8,
        /// The retain flag.
        retain: bool,
    },
    /// May this subscription be made?
    Subscribe {
        /// The topic filter, without `$share/group/`.
        filter: String,
        /// The share group of a shared subscription.
        share: Option<String>,
        /// The requested quality of service, 0 to 2.
        qos: u8,
    },
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A permission covers the request.
    Allowed,
    /// No permission does.
    Denied,
    /// None does for certain, but one would for some value of a variable that was not given.
    Undecidable,
}

/// A permission, named so that a person finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Where the permission stands: `Permission/own-status` or `Role/frontend permissions[1]`.
    pub permission: String,
    /// Whose it is: `Role/frontend`, `Credential/car-17`.
    pub resource: String,
    /// Its topic filter as written.
    pub topic_filter: String,
    /// Its topic filter for this client; `None` without placeholders, or when one has no usable value.
    pub expanded: Option<String>,
}

/// What of a permission does not fit a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The permission is dropped, because a variable has no usable value.
    Placeholder {
        /// The variable.
        variable: Variable,
        /// What is wrong with its value.
        fault: ValueFault,
    },
    /// `topicFilter`
    Topic,
    /// `topicFilter`: the topic begins with `$` and the permission does not spell that level out.
    DollarTopic,
    /// `retain`
    Retain,
    /// `sharedSubscription`
    SharedSubscription,
    /// `sharedGroup`
    SharedGroup,
    /// `qos`
    Qos,
    /// `activity`
    Activity,
}

/// A permission that almost covers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The permission.
    pub cause: Cause,
    /// Everything of it that does not fit; never empty.
    pub fields: Vec<Field>,
    rule: Described,
}

/// What the text about a miss says of the permission's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Described {
    activity: String,
    qos: String,
    retain: &'static str,
    shared: &'static str,
    group: String,
}

/// A permission that would cover a request for some values of variables that were not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependence {
    /// The permission.
    pub cause: Cause,
    /// The variables, each with the value that it would have to have (`None`: any usable one).
    pub variables: Vec<(Variable, Option<String>)>,
}

/// A permission that grants nothing at all, whatever is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// A placeholder has no usable value for this client.
    Dropped {
        /// The permission.
        cause: Cause,
        /// The variable.
        variable: Variable,
        /// What is wrong with its value.
        fault: ValueFault,
    },
    /// The permission could not be compiled.
    Invalid {
        /// Where it stands.
        permission: String,
        /// What is wrong with it.
        error: TemplateError,
    },
}

/// The answer to a request, with its reason. `Display` says it in sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// What was asked.
    pub request: Request,
    /// How requested filters were held against permissions.
    pub matching: SubscriptionMatching,
    /// The permission that allows it.
    pub by: Option<Cause>,
    /// The permission on which it depends.
    pub depends: Option<Dependence>,
    /// When denied: the permission that comes nearest, if there is any.
    pub nearest: Option<Miss>,
    /// When not allowed: permissions that grant nothing because of a placeholder or a mistake.
    pub lost: Vec<Lost>,
}

impl Decision {
    /// Whether the request is allowed for certain.
    #[must_use]
    pub fn allowed(&self) -> bool {
        self.verdict == Verdict::Allowed
    }
}

/// How near a permission comes: all that fits of it first, then fewer wrong fields, then more levels of the topic.
type Nearness = (bool, bool, usize, usize);

fn nearness(fields: &[Field], levels: usize) -> Nearness {
    let topic = !fields.iter().any(|field| matches!(field, Field::Topic | Field::DollarTopic));
    let activity = !fields.contains(&Field::Activity);
    if topic {
        (true, true, usize::MAX - fields.len(), 0)
    } else {
        (false, activity, levels, usize::MAX - fields.len())
    }
}

/// Walks all permissions in order. The first that covers the request decides.
pub(crate) fn decide(grants: &Grants, request: &Request) -> Decision {
    let variables = grants.variables();
    let cut = Cut::new(request, grants.matching());
    let mut decision = Decision {
        verdict: Verdict::Denied,
        request: request.clone(),
        matching: grants.matching(),
        by: None,
        depends: None,
        nearest: None,
        lost: Vec::new(),
    };
    let mut nearest: Option<(Nearness, Miss)> = None;
    for (set, rule) in
        grants.rule_sets().iter().flat_map(|set| set.rules().iter().map(move |rule| (set, rule)))
    {
        match cut.fit(rule, variables) {
            Fit::Covers => {
                let by = Some(cause(set, rule, variables));
                return Decision {
                    verdict: Verdict::Allowed,
                    by,
                    depends: None,
                    lost: Vec::new(),
                    ..decision
                };
            }
            Fit::Depends(on) if decision.depends.is_none() => {
                decision.verdict = Verdict::Undecidable;
                decision.depends = Some(Dependence { cause: cause(set, rule, variables), variables: on });
            }
            Fit::Depends(_) => {}
            Fit::Misses { fields, levels } => {
                let cause = || cause(set, rule, variables);
                if let Some(Field::Placeholder { variable, fault }) = fields.first() {
                    let (variable, fault) = (variable.clone(), *fault);
                    decision.lost.push(Lost::Dropped { cause: cause(), variable, fault });
                }
                let near = nearness(&fields, levels);
                if nearest.as_ref().is_none_or(|(known, _)| near > *known) {
                    nearest = Some((near, Miss { cause: cause(), fields, rule: describe(rule, variables) }));
                }
            }
        }
    }
    for invalid in grants.rule_sets().iter().flat_map(|set| set.invalid()) {
        let (permission, error) = (invalid.source.clone(), invalid.error.clone());
        decision.lost.push(Lost::Invalid { permission, error });
    }
    if decision.verdict == Verdict::Denied {
        decision.nearest = nearest.map(|(_, miss)| miss);
    }
    decision
}

/// Whether a subscription is allowed by ESE's reading.
pub(crate) fn allows_level_by_level(grants: &Grants, filter: &str, share: Option<&str>, qos: u8) -> bool {
    let request = Request::Subscribe { filter: filter.to_owned(), share: share.map(str::to_owned), qos };
    let cut = Cut::new(&request, SubscriptionMatching::LevelByLevel);
    let mut rules = grants.rule_sets().iter().flat_map(|set| set.rules());
    rules.any(|rule| cut.fit(rule, grants.variables()) == Fit::Covers)
}

fn cause(set: &RuleSet, rule: &Rule, variables: &Variables) -> Cause {
    let expanded = rule.template.variables().next().and_then(|_| rule.template.expand(variables));
    Cause {
        permission: rule.source.to_string(),
        resource: set.resource().to_owned(),
        topic_filter: rule.template.to_string(),
        expanded,
    }
}

fn describe(rule: &Rule, variables: &Variables) -> Described {
    let activities: Vec<_> = rule.activity.iter().map(|activity| activity.as_str()).collect();
    let qos: Vec<_> = rule.qos.iter().map(|qos| qos.to_string()).collect();
    Described {
        activity: activities.join(" and "),
        qos: qos.join(", "),
        retain: rule.retain.as_str(),
        shared: rule.shared.as_str(),
        group: rule.group.expand(variables).unwrap_or_default(),
    }
}
