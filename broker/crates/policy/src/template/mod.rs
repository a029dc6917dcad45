//! Topic filters and share groups with placeholders, parsed once and checked for every rule that needs no variable.

#[cfg(test)]
mod tests;

use std::fmt;

use crate::variables::{Resolved, ValueFault, Variable, Variables};

/// A permission's filter has at most this many levels.
pub const MAX_LEVELS: usize = 128;

/// What is wrong with a topic filter or share group, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (at character {position})")]
pub struct TemplateError {
    /// The character, counted from 1.
    pub position: usize,
    /// What is wrong there.
    pub fault: TemplateFault,
}

/// What is wrong with a topic filter or share group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// Nothing there. [MQTT-4.7.3-1]
    #[error("a topic filter must have at least one character")]
    Empty,
    /// Longer than a filter on the wire can be. [MQTT-4.7.3-3]
    #[error("a topic filter must not have more than 65535 bytes")]
    TooLong,
    /// More levels than [`MAX_LEVELS`].
    #[error("a topic filter must not have more than {MAX_LEVELS} levels")]
    TooManyLevels,
    /// U+0000. [MQTT-4.7.3-2]
    #[error("a NUL character must not be used")]
    Nul,
    /// `#` with other characters in its level, or not last. [MQTT-4.7.1-1]
    #[error("`#` must be the whole last level")]
    MultiLevelWildcard,
    /// `+` with other characters in its level. [MQTT-4.7.1-2]
    #[error("`+` must be a whole level")]
    SingleLevelWildcard,
    /// A `${` without its `}`.
    #[error("a placeholder must end with `}}`")]
    Unterminated,
    /// No such variable.
    #[error(
        "there is no variable `{0}`: use mqtt-clientid, mqtt-username, authentication-key, authorization-key, or \
         string- and a suffix of a-z, 0-9 and -"
    )]
    UnknownVariable(String),
    /// A first level such as `$${mqtt-clientid}`.
    #[error("a first level that begins with `$` must be spelled out, without placeholders")]
    DollarPlaceholder,
    /// `$share/group/filter` in place of a filter.
    #[error("a topic filter must not begin with `$share/`: use sharedSubscription and sharedGroup")]
    Share,
    /// `/`, `+` or `#` in a share group. [MQTT-4.8.2-1]
    #[error("a share group must not hold `/`, `+` or `#`; `#` alone means any group")]
    GroupCharacter,
}

impl TemplateFault {
    /// A stable word for conditions and metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::UnknownVariable(_) => "UnknownVariable",
            Self::Unterminated | Self::DollarPlaceholder => "InvalidPlaceholder",
            Self::GroupCharacter => "InvalidShareGroup",
            _ => "InvalidTopicFilter",
        }
    }
}

/// A piece of a level or share group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    Literal(Box<str>),
    Placeholder(Variable),
}

/// One level of a filter, short of `#`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    /// `+`
    Any,
    /// Text without placeholders, possibly empty.
    Literal(Box<str>),
    /// At least one placeholder.
    Pattern(Box<[Part]>),
}

/// A valid topic filter with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate {
    text: Box<str>,
    levels: Box<[Level]>,
    multi: bool,
}

impl TopicTemplate {
    /// Parses a topic filter.
    ///
    /// # Errors
    /// When it is no topic filter, names an unknown variable, or could produce a `$` topic that it does not spell out.
    pub fn parse(filter: &str) -> Result<Self, TemplateError> {
        let fail = |at: usize, fault| Err(error_at(filter, at, fault));
        if filter.is_empty() {
            return fail(0, TemplateFault::Empty);
        }
        if filter.len() > usize::from(u16::MAX) {
            return fail(usize::from(u16::MAX), TemplateFault::TooLong);
        }
        if filter.starts_with("$share/") {
            return fail(0, TemplateFault::Share);
        }
        let (mut levels, mut multi, mut start) = (Vec::new(), false, 0);
        for text in filter.split('/') {
            let end = start + text.len();
            match text {
                "#" if end == filter.len() => multi = true,
                "+" => levels.push(Level::Any),
                _ => levels.push(level(filter, start, text)?),
            }
            if levels.len() > MAX_LEVELS {
                return fail(start, TemplateFault::TooManyLevels);
            }
            start = end + 1;
        }
        if let Some(Level::Pattern(parts)) = levels.first()
            && matches!(parts.first(), Some(Part::Literal(literal)) if literal.starts_with('$'))
        {
            return fail(0, TemplateFault::DollarPlaceholder);
        }
        Ok(Self { text: filter.into(), levels: levels.into(), multi })
    }

    /// The filter as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The variables that it names, each as often as it names it.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.levels.iter().flat_map(|level| match level {
            Level::Pattern(parts) => placeholders(parts),
            Level::Any | Level::Literal(_) => placeholders(&[]),
        })
    }

    /// The levels short of a final `#`.
    pub(crate) fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Whether the last level is `#`.
    pub(crate) const fn multi(&self) -> bool {
        self.multi
    }

    /// Whether the first level names a `$` topic.
    pub(crate) fn names_dollar(&self) -> bool {
        matches!(self.levels.first(), Some(Level::Literal(text)) if text.starts_with('$'))
    }

    /// The first variable that drops the permission, else the first that is not given.
    pub(crate) fn unresolved<'a>(&'a self, variables: &Variables) -> Option<(&'a Variable, Unresolved)> {
        if let Some(Level::Pattern(parts)) = self.levels.first()
            && let Some(Part::Placeholder(first)) = parts.first()
            && matches!(variables.resolve(first), Resolved::Text(text) if text.starts_with('$'))
        {
            return Some((first, Unresolved::Dropped(ValueFault::Dollar)));
        }
        first_unresolved(self.variables(), variables)
    }

    /// The filter with its placeholders filled in; `None` when one has no usable value.
    #[must_use]
    pub fn expand(&self, variables: &Variables) -> Option<String> {
        if self.unresolved(variables).is_some() {
            return None;
        }
        let mut text = String::with_capacity(self.text.len());
        for (i, level) in self.levels.iter().enumerate() {
            text.push_str(if i > 0 { "/" } else { "" });
            match level {
                Level::Any => text.push('+'),
                Level::Literal(literal) => text.push_str(literal),
                Level::Pattern(parts) => expand_parts(parts, variables, &mut text)?,
            }
        }
        if self.multi {
            text.push_str(if self.levels.is_empty() { "#" } else { "/#" });
        }
        Some(text)
    }
}

impl fmt::Display for TopicTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a placeholder cannot be filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unresolved {
    Dropped(ValueFault),
    NotGiven,
}

/// Which share groups a permission covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupTemplate(Option<Box<[Part]>>);

impl GroupTemplate {
    /// Parses a share group; empty and `#` mean any group.
    ///
    /// # Errors
    /// When it holds `/`, `+`, NUL, `#` beside other characters, or names an unknown variable.
    pub fn parse(group: &str) -> Result<Self, TemplateError> {
        if matches!(group, "" | "#") {
            return Ok(Self(None));
        }
        if let Some(at) = group.find(['/', '+', '#']) {
            return Err(error_at(group, at, TemplateFault::GroupCharacter));
        }
        Ok(Self(Some(parts(group, 0, group)?.into())))
    }

    /// Whether every group is covered.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        self.0.is_none()
    }

    /// The variables that it names.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        placeholders(self.0.as_deref().unwrap_or_default())
    }

    /// Whether a group is covered.
    pub(crate) fn covers(&self, group: &str, variables: &Variables) -> bool {
        self.0.as_ref().is_none_or(|parts| parts_match(parts, group.as_bytes(), variables))
    }

    /// The first variable that drops the permission, else the first that is not given.
    pub(crate) fn unresolved<'a>(&'a self, variables: &Variables) -> Option<(&'a Variable, Unresolved)> {
        first_unresolved(self.variables(), variables)
    }

    pub(crate) fn parts(&self) -> Option<&[Part]> {
        self.0.as_deref()
    }

    /// The group with its placeholders filled in; `None` for any group, or when one has no usable value.
    #[must_use]
    pub fn expand(&self, variables: &Variables) -> Option<String> {
        let mut text = String::new();
        expand_parts(self.0.as_deref()?, variables, &mut text)?;
        Some(text)
    }
}

/// Whether `text` is exactly these parts with their placeholders filled in. On the packet path.
#[inline]
pub(crate) fn parts_match(parts: &[Part], text: &[u8], variables: &Variables) -> bool {
    let mut rest = text;
    for part in parts {
        let expected = match part {
            Part::Literal(literal) => literal,
            Part::Placeholder(variable) => match variables.usable(variable) {
                Some(value) => value,
                None => return false,
            },
        };
        match rest.strip_prefix(expected.as_bytes()) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.is_empty()
}

fn first_unresolved<'a>(
    named: impl Iterator<Item = &'a Variable>,
    variables: &Variables,
) -> Option<(&'a Variable, Unresolved)> {
    let mut not_given = None;
    for variable in named {
        match variables.resolve(variable) {
            Resolved::Text(_) => {}
            Resolved::Dropped(fault) => return Some((variable, Unresolved::Dropped(fault))),
            Resolved::NotGiven => not_given = not_given.or(Some((variable, Unresolved::NotGiven))),
        }
    }
    not_given
}

fn placeholders(parts: &[Part]) -> impl Iterator<Item = &Variable> {
    parts.iter().filter_map(|part| match part {
        Part::Placeholder(variable) => Some(variable),
        Part::Literal(_) => None,
    })
}

fn expand_parts(parts: &[Part], variables: &Variables, into: &mut String) -> Option<()> {
    for part in parts {
        into.push_str(match part {
            Part::Literal(literal) => literal,
            Part::Placeholder(variable) => variables.usable(variable)?,
        });
    }
    Some(())
}

fn error_at(whole: &str, byte: usize, fault: TemplateFault) -> TemplateError {
    let position = whole.char_indices().take_while(|(at, _)| *at < byte).count() + 1;
    TemplateError { position, fault }
}

fn level(whole: &str, start: usize, text: &str) -> Result<Level, TemplateError> {
    if let Some(at) = text.find(['+', '#']) {
        let multi = text.as_bytes()[at] == b'#';
        let fault =
            if multi { TemplateFault::MultiLevelWildcard } else { TemplateFault::SingleLevelWildcard };
        return Err(error_at(whole, start + at, fault));
    }
    let parts = parts(whole, start, text)?;
    Ok(match parts.as_slice() {
        [] => Level::Literal("".into()),
        [Part::Literal(literal)] => Level::Literal(literal.clone()),
        _ => Level::Pattern(parts.into()),
    })
}

/// Splits text without `/` into literals and placeholders.
fn parts(whole: &str, start: usize, text: &str) -> Result<Vec<Part>, TemplateError> {
    if let Some(at) = text.find('\0') {
        return Err(error_at(whole, start + at, TemplateFault::Nul));
    }
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some(open) = rest.find("${") {
        let at = start + text.len() - rest.len() + open;
        let (literal, from_open) = rest.split_at(open);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.into()));
        }
        let Some(close) = from_open.find('}') else {
            return Err(error_at(whole, at, TemplateFault::Unterminated));
        };
        let name = &from_open[2..close];
        let Some(variable) = Variable::parse(name) else {
            return Err(error_at(whole, at, TemplateFault::UnknownVariable(name.to_owned())));
        };
        parts.push(Part::Placeholder(variable));
        rest = &from_open[close + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.into()));
    }
    Ok(parts)
}
