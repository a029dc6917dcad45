//! Holding one permission against one request, slowly and in words: what is missing, or what it depends on.
//!
//! It decides exactly as the compiled form does (a property test holds the two together) and also serves the
//! compatibility reading `levelByLevel`, which is not worth a compiled form.

use crate::bundle::{Activity, SubscriptionMatching};
use crate::rules::Rule;
use crate::template::{Level, Part, Unresolved};
use crate::variables::{Resolved, Variable, Variables};

use super::{Field, Request};

/// A level of what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted<'a> {
    Text(&'a str),
    /// `+`: every text.
    AnyText,
    /// `#`: every rest, and none.
    AnyRest,
}

/// A request, cut into levels once for all permissions.
#[derive(Debug)]
pub(super) struct Cut<'a> {
    request: &'a Request,
    levels: Vec<Wanted<'a>>,
    dollar: bool,
    level_by_level: bool,
}

/// What one permission says to a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Covers,
    /// It covers the request if these variables have these values (or any usable one).
    Depends(Vec<(Variable, Option<String>)>),
    /// What does not fit, and how many levels of the topic do.
    Misses {
        fields: Vec<Field>,
        levels: usize,
    },
}

impl<'a> Cut<'a> {
    pub(super) fn new(request: &'a Request, matching: SubscriptionMatching) -> Self {
        let (text, level_by_level) = match request {
            Request::Publish { topic, .. } => (topic.as_str(), false),
            Request::Subscribe { filter, .. } => {
                (filter.as_str(), matching == SubscriptionMatching::LevelByLevel)
            }
        };
        let dollar = text.starts_with('$');
        let levels = if level_by_level {
            // As ESE does: one run of trailing slashes is cut off, and wildcards are texts like any other.
            text.trim_end_matches('/').split('/').map(Wanted::Text).collect()
        } else if text == "#" && matches!(request, Request::Subscribe { .. }) {
            // Every topic has a first level, so this asks for the same topics and is held against `+/#` rightly.
            vec![Wanted::AnyText, Wanted::AnyRest]
        } else {
            text.split('/').map(|level| wanted(level, request)).collect()
        };
        Self { request, levels, dollar, level_by_level }
    }

    /// Whether this is a topic name or filter at all; anything else is denied.
    fn valid(&self) -> bool {
        let (text, wildcards) = match self.request {
            Request::Publish { topic, .. } => (topic, false),
            Request::Subscribe { filter, .. } => (filter, true),
        };
        let last = text.split('/').count();
        let sound = |(i, level): (usize, &str)| match level {
            "+" => true,
            "#" => i + 1 == last,
            _ => !level.contains(['+', '#']),
        };
        !text.is_empty() && (!wildcards || self.level_by_level || text.split('/').enumerate().all(sound))
    }

    /// What a permission says to the request.
    pub(super) fn fit(&self, rule: &Rule, variables: &Variables) -> Fit {
        let unresolved = rule.unresolved(variables);
        let mut fields = Vec::new();
        if let Some((variable, Unresolved::Dropped(fault))) = unresolved {
            fields.push(Field::Placeholder { variable: variable.clone(), fault });
        }
        let dropped = !fields.is_empty();
        let (topic_fits, levels, patterns) = self.topic(rule, variables, dropped);
        if !topic_fits {
            fields.push(Field::Topic);
        } else if self.dollar && !rule.template.names_dollar() {
            fields.push(Field::DollarTopic);
        }
        self.flags(rule, &mut fields);
        let group = self.group(rule, dropped, variables);
        if group == Some(false) {
            fields.push(Field::SharedGroup);
        }
        if !fields.is_empty() {
            return Fit::Misses { fields, levels };
        }
        match unresolved {
            None => Fit::Covers,
            Some(_) => self.depends(rule, variables, patterns, levels),
        }
    }

    fn flags(&self, rule: &Rule, fields: &mut Vec<Field>) {
        let (activity, qos) = match self.request {
            Request::Publish { qos, retain, .. } => {
                if !rule.retain.covers(*retain) {
                    fields.push(Field::Retain);
                }
                (Activity::Publish, *qos)
            }
            Request::Subscribe { share, qos, .. } => {
                if !rule.shared.covers(share.is_some()) {
                    fields.push(Field::SharedSubscription);
                }
                (Activity::Subscribe, *qos)
            }
        };
        if !rule.qos.contains(qos) {
            fields.push(Field::Qos);
        }
        if !rule.activity.contains(activity) {
            fields.push(Field::Activity);
        }
    }

    /// Whether the share group fits; `None` when that depends on what is not known.
    fn group(&self, rule: &Rule, dropped: bool, variables: &Variables) -> Option<bool> {
        let Request::Subscribe { share: Some(share), .. } = self.request else { return Some(true) };
        match rule.group.unresolved(variables) {
            None => Some(rule.group.covers(share, variables)),
            Some(_) if dropped => Some(true),
            Some(_) => None,
        }
    }

    /// Compares levels. Levels with placeholders that have no known value count as fitting and are handed back.
    fn topic<'r>(
        &'r self,
        rule: &'r Rule,
        variables: &Variables,
        dropped: bool,
    ) -> (bool, usize, Vec<(&'r [Part], &'r str)>) {
        let mut levels = rule.template.levels();
        if self.level_by_level && !rule.template.multi() {
            while let [rest @ .., Level::Literal(last)] = levels
                && last.is_empty()
                && !rest.is_empty()
            {
                levels = rest;
            }
        }
        let mut open = Vec::new();
        for (i, level) in levels.iter().enumerate() {
            let fits = match (level, self.levels.get(i)) {
                (Level::Any, Some(Wanted::Text(_) | Wanted::AnyText)) => true,
                (Level::Literal(literal), Some(Wanted::Text(text))) => **literal == **text,
                (Level::Pattern(parts), Some(Wanted::Text(text))) => {
                    let known = parts.iter().all(|part| match part {
                        Part::Literal(_) => true,
                        Part::Placeholder(variable) => {
                            matches!(variables.resolve(variable), Resolved::Text(_))
                        }
                    });
                    if !known && !dropped {
                        open.push((&**parts, *text));
                    }
                    !known || crate::template::parts_match(parts, text.as_bytes(), variables)
                }
                _ => false,
            };
            if !fits {
                return (false, i, open);
            }
        }
        let fits = self.valid()
            && match self.levels.get(levels.len()..) {
                Some([]) => true,
                Some(_) => rule.template.multi(),
                None => false,
            };
        (fits, levels.len(), open)
    }

    /// Everything known fits: looks for values of the variables that are not given under which the rest fits too.
    fn depends<'r>(
        &'r self,
        rule: &'r Rule,
        variables: &Variables,
        mut open: Vec<(&'r [Part], &'r str)>,
        levels: usize,
    ) -> Fit {
        if let (Request::Subscribe { share: Some(share), .. }, Some(parts)) =
            (self.request, rule.group.parts())
        {
            open.push((parts, share));
        }
        let mut values = Values { variables, found: Vec::new(), steps: 0 };
        if !values.solve(&[], "", &open) {
            return Fit::Misses { fields: vec![Field::Topic], levels };
        }
        let mut depends: Vec<_> = Vec::new();
        for variable in rule.template.variables().chain(rule.group.variables()) {
            let seen = depends.iter().any(|(known, _)| known == variable);
            if !seen && variables.resolve(variable) == Resolved::NotGiven {
                let value = values.found.iter().find(|(bound, _)| bound == variable);
                depends.push((variable.clone(), value.map(|(_, text)| text.clone())));
            }
        }
        Fit::Depends(depends)
    }
}

fn wanted<'a>(level: &'a str, request: &Request) -> Wanted<'a> {
    match (level, request) {
        ("+", Request::Subscribe { .. }) => Wanted::AnyText,
        ("#", Request::Subscribe { .. }) => Wanted::AnyRest,
        _ => Wanted::Text(level),
    }
}

/// The search for values of variables that are not given.
struct Values<'a> {
    variables: &'a Variables,
    found: Vec<(Variable, String)>,
    steps: usize,
}

/// A search that takes longer than this counts as found: the answer then is "it depends", which is never wrong.
const MAX_STEPS: usize = 10_000;

impl Values<'_> {
    /// Whether the parts can be `text`, and all of `later` too, with one value for each variable.
    fn solve(&mut self, parts: &[Part], text: &str, later: &[(&[Part], &str)]) -> bool {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return true;
        }
        let Some((part, rest)) = parts.split_first() else {
            return text.is_empty()
                && later.split_first().is_none_or(|((parts, text), later)| self.solve(parts, text, later));
        };
        let variable = match part {
            Part::Literal(literal) => {
                return text.strip_prefix(&**literal).is_some_and(|text| self.solve(rest, text, later));
            }
            Part::Placeholder(variable) => variable,
        };
        if let Resolved::Text(value) = self.variables.resolve(variable) {
            return text.strip_prefix(value).is_some_and(|text| self.solve(rest, text, later));
        }
        if let Some((_, value)) = self.found.iter().find(|(bound, _)| bound == variable) {
            let value = value.clone();
            return text.strip_prefix(&*value).is_some_and(|text| self.solve(rest, text, later));
        }
        for (end, _) in text.char_indices().skip(1).chain([(text.len(), ' ')]) {
            let (value, after) = text.split_at(end);
            if value.is_empty() || value.contains(['+', '#', '/', '\0']) {
                continue;
            }
            self.found.push((variable.clone(), value.to_owned()));
            let bound = self.found.len();
            if self.solve(rest, after, later) {
                return true;
            }
            self.found.truncate(bound - 1);
        }
        false
    }
}
