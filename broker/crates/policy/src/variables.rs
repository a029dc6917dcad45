//! The string variables of a session, which placeholders in permissions stand for.

use std::fmt;
use std::sync::Arc;

/// A string variable that a placeholder may name.
///
/// Others (byte variables, unknown names) are no placeholders: a permission that names one is invalid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variable {
    /// `mqtt-clientid`: the client identifier.
    ClientId,
    /// `mqtt-username`: the username that was verified, or null.
    Username,
    /// `authentication-key`: what authentication looked the client up by.
    AuthenticationKey,
    /// `authorization-key`: what authorization looks the client up by.
    AuthorizationKey,
    /// `string-…`: a general-purpose variable; the name holds the prefix.
    General(Box<str>),
}

impl Variable {
    /// The variable of a name, if there is one: the four fixed names, or `string-` and at least one of `a-z 0-9 -`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "mqtt-clientid" => Self::ClientId,
            "mqtt-username" => Self::Username,
            "authentication-key" => Self::AuthenticationKey,
            "authorization-key" => Self::AuthorizationKey,
            _ => {
                let suffix = name.strip_prefix("string-").filter(|suffix| !suffix.is_empty())?;
                let known = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
                suffix.bytes().all(known).then(|| Self::General(name.into()))?
            }
        })
    }

    /// The name, as it stands between `${` and `}`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::ClientId => "mqtt-clientid",
            Self::Username => "mqtt-username",
            Self::AuthenticationKey => "authentication-key",
            Self::AuthorizationKey => "authorization-key",
            Self::General(name) => name,
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a value may not stand in a topic filter or share group. The permission that names it is dropped, because
/// the value could widen what the permission covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ValueFault {
    /// The variable is null.
    #[error("has no value")]
    Null,
    /// The value has no characters.
    #[error("is empty")]
    Empty,
    /// The value holds `+` or `#`.
    #[error("holds a wildcard (`+` or `#`)")]
    Wildcard,
    /// The value holds `/`.
    #[error("holds a `/`")]
    Slash,
    /// The value holds U+0000.
    #[error("holds a NUL character")]
    Nul,
    /// The value would begin the topic filter with `$`.
    #[error("would begin the topic filter with `$`")]
    Dollar,
}

/// What is known about a variable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Value {
    #[default]
    Null,
    /// It will have a value or be null, but the asker did not say (`can-i` without `--client-id`).
    NotGiven,
    Text {
        text: Arc<str>,
        fault: Option<ValueFault>,
    },
}

impl Value {
    fn of(text: Option<Arc<str>>) -> Self {
        let Some(text) = text else { return Self::Null };
        let fault = if text.is_empty() {
            Some(ValueFault::Empty)
        } else {
            text.bytes().find_map(|byte| match byte {
                b'+' | b'#' => Some(ValueFault::Wildcard),
                b'/' => Some(ValueFault::Slash),
                0 => Some(ValueFault::Nul),
                _ => None,
            })
        };
        Self::Text { text, fault }
    }
}

/// What a placeholder becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolved<'a> {
    /// This text.
    Text(&'a str),
    /// The permission is dropped.
    Dropped(ValueFault),
    /// Nobody knows.
    NotGiven,
}

/// A session's string variables. Every variable is null until it is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variables {
    client_id: Value,
    username: Value,
    authentication_key: Value,
    authorization_key: Value,
    general: Vec<(Box<str>, Value)>,
}

impl Variables {
    /// All variables null.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All four fixed variables not given, general ones null: the start for a question about a role alone.
    #[must_use]
    pub fn not_given() -> Self {
        Self {
            client_id: Value::NotGiven,
            username: Value::NotGiven,
            authentication_key: Value::NotGiven,
            authorization_key: Value::NotGiven,
            general: Vec::new(),
        }
    }

    /// This with a variable set, or null.
    #[must_use]
    pub fn with(mut self, variable: &Variable, value: Option<Arc<str>>) -> Self {
        *self.slot(variable) = Value::of(value);
        self
    }

    /// This with a variable marked as not given, so that what depends on it is undecidable instead of denied.
    #[must_use]
    pub fn without(mut self, variable: &Variable) -> Self {
        *self.slot(variable) = Value::NotGiven;
        self
    }

    /// The value of a variable by name; `None` when it is null, not given or unknown.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        match self.value(&Variable::parse(name)?) {
            Value::Text { text, .. } => Some(text),
            Value::Null | Value::NotGiven => None,
        }
    }

    /// The text that may stand in a filter, if there is one. On the packet path.
    #[inline]
    pub(crate) fn usable(&self, variable: &Variable) -> Option<&str> {
        match self.value(variable) {
            Value::Text { text, fault: None } => Some(text),
            _ => None,
        }
    }

    pub(crate) fn resolve(&self, variable: &Variable) -> Resolved<'_> {
        match self.value(variable) {
            Value::Null => Resolved::Dropped(ValueFault::Null),
            Value::NotGiven => Resolved::NotGiven,
            Value::Text { fault: Some(fault), .. } => Resolved::Dropped(*fault),
            Value::Text { text, fault: None } => Resolved::Text(text),
        }
    }

    #[inline]
    fn value(&self, variable: &Variable) -> &Value {
        match variable {
            Variable::ClientId => &self.client_id,
            Variable::Username => &self.username,
            Variable::AuthenticationKey => &self.authentication_key,
            Variable::AuthorizationKey => &self.authorization_key,
            Variable::General(name) => {
                self.general.iter().find(|(known, _)| known == name).map_or(&Value::Null, |(_, value)| value)
            }
        }
    }

    fn slot(&mut self, variable: &Variable) -> &mut Value {
        match variable {
            Variable::ClientId => &mut self.client_id,
            Variable::Username => &mut self.username,
            Variable::AuthenticationKey => &mut self.authentication_key,
            Variable::AuthorizationKey => &mut self.authorization_key,
            Variable::General(name) => {
                let at = self.general.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                    self.general.push((name.clone(), Value::Null));
                    self.general.len() - 1
                });
                &mut self.general[at].1
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documented_string_variables_are_names() {
        for name in
            ["mqtt-clientid", "mqtt-username", "authentication-key", "authorization-key", "string-a-1"]
        {
            assert_eq!(Variable::parse(name).map(|v| v.to_string()), Some(name.to_owned()));
        }
        for name in
            ["", "string-", "string-A", "string-ä", "mqtt-password", "byte-x", "MQTT-CLIENTID", "clientid"]
        {
            assert_eq!(Variable::parse(name), None, "{name}");
        }
    }

    #[test]
    fn values_that_could_widen_a_filter_are_not_usable() {
        let fault = |text: Option<&str>| {
            let variables = Variables::new().with(&Variable::ClientId, text.map(Arc::from));
            match variables.resolve(&Variable::ClientId) {
                Resolved::Dropped(fault) => Some(fault),
                Resolved::Text(_) | Resolved::NotGiven => None,
            }
        };
        assert_eq!(fault(None), Some(ValueFault::Null));
        assert_eq!(fault(Some("")), Some(ValueFault::Empty));
        assert_eq!(fault(Some("a+")), Some(ValueFault::Wildcard));
        assert_eq!(fault(Some("#")), Some(ValueFault::Wildcard));
        assert_eq!(fault(Some("a/b")), Some(ValueFault::Slash));
        assert_eq!(fault(Some("a\0")), Some(ValueFault::Nul));
        assert_eq!(fault(Some("car 17 ä $")), None);
    }

    #[test]
    fn general_variables_are_null_until_set_and_keep_the_last_value() {
        let a = Variable::parse("string-a").unwrap();
        let variables = Variables::new();
        assert_eq!((variables.get("string-a"), variables.usable(&a)), (None, None));
        let variables = variables.with(&a, Some("1".into())).with(&a, Some("2".into()));
        assert_eq!((variables.get("string-a"), variables.usable(&a)), (Some("2"), Some("2")));
        assert_eq!(variables.without(&a).resolve(&a), Resolved::NotGiven);
    }
}
