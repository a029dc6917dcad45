//! One thing that is wrong with an object, in the API server's words.

use std::fmt;

use serde_json::Value;

/// What sort of fault it is. The words are those of the API server's `details.causes[].reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// The field is not one of the schema.
    UnknownField,
    /// The field must be there.
    Required,
    /// The value is not one of those that are allowed.
    NotSupported,
    /// The value is of another type.
    TypeInvalid,
    /// The text is too long.
    TooLong,
    /// The list is too long.
    TooMany,
    /// The item is in the list already.
    Duplicate,
    /// The value breaks another bound, or a rule.
    Invalid,
    /// There are rules that were not evaluated, because of other faults.
    NotChecked,
}

impl FaultKind {
    /// The stable word.
    pub fn reason(self) -> &'static str {
        match self {
            Self::UnknownField => "UnknownField",
            Self::Required => "FieldValueRequired",
            Self::NotSupported => "FieldValueNotSupported",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotChecked => "RulesNotChecked",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where, as the API server writes it: `spec.listeners[0].port`; empty for the object itself.
    pub path: String,
    /// What sort of fault.
    pub kind: FaultKind,
    /// What is wrong, with the value if there is one: everything behind the path in the API server's message.
    pub detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FaultKind::UnknownField | FaultKind::NotChecked => f.write_str(&self.detail),
            _ if self.path.is_empty() => write!(f, "<nil>: {}", self.detail),
            _ => write!(f, "{}: {}", self.path, self.detail),
        }
    }
}

impl Fault {
    fn new(path: impl fmt::Display, kind: FaultKind, detail: String) -> Self {
        Self { path: path.to_string(), kind, detail }
    }

    pub(super) fn unknown(path: impl fmt::Display) -> Self {
        Self::new(&path, FaultKind::UnknownField, format!("unknown field \"{path}\""))
    }

    pub(super) fn required(path: impl fmt::Display, detail: &str) -> Self {
        let detail =
            if detail.is_empty() { "Required value".into() } else { format!("Required value: {detail}") };
        Self::new(path, FaultKind::Required, detail)
    }

    pub(crate) fn invalid(path: impl fmt::Display, value: &Value, detail: &str) -> Self {
        Self::new(path, FaultKind::Invalid, format!("Invalid value: {}: {detail}", Shown(value)))
    }

    /// A rule is broken; the API server shows the type, not the value.
    pub(super) fn rule(path: impl fmt::Display, shown_type: &str, message: &str) -> Self {
        Self::new(path, FaultKind::Invalid, format!("Invalid value: {shown_type:?}: {message}"))
    }

    pub(super) fn wrong_type(path: impl fmt::Display, wanted: &str, found: &str) -> Self {
        let detail = format!("Invalid value: {found:?}: {path} in body must be of type {wanted}: {found:?}");
        Self::new(path, FaultKind::TypeInvalid, detail)
    }

    pub(super) fn not_supported(path: impl fmt::Display, value: &Value, allowed: &[Value]) -> Self {
        let allowed: Vec<_> = allowed
            .iter()
            .map(|value| value.as_str().map_or_else(|| format!("\"{value}\""), |text| format!("{text:?}")))
            .collect();
        let detail = format!("Unsupported value: {}: supported values: {}", Shown(value), allowed.join(", "));
        Self::new(path, FaultKind::NotSupported, detail)
    }

    pub(super) fn too_long(path: impl fmt::Display, max: u64) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self::new(path, FaultKind::TooLong, format!("Too long: may not be more than {max} {unit}"))
    }

    pub(super) fn too_many(path: impl fmt::Display, found: usize, max: u64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::new(path, FaultKind::TooMany, format!("Too many: {found}: must have at most {max} {unit}"))
    }

    pub(super) fn duplicate(path: impl fmt::Display, value: &Value) -> Self {
        Self::new(path, FaultKind::Duplicate, format!("Duplicate value: {}", Shown(value)))
    }

    pub(super) fn rules_not_checked() -> Self {
        let detail = "some validation rules were not checked because the object was invalid; correct the existing \
                      errors to complete validation";
        Self::new("", FaultKind::NotChecked, detail.to_owned())
    }

    /// Whether the API server evaluates no rules on an object with this fault.
    pub(super) fn hides_rules(&self) -> bool {
        use FaultKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
        matches!(self.kind, NotSupported | Required | TooLong | TooMany | TypeInvalid)
    }
}

/// A value as the API server shows it: text in Go's quotes, everything else as JSON.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Value::String(text) = self.0 else { return write!(f, "{}", self.0) };
        f.write_str("\"")?;
        for letter in text.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                '\r' => f.write_str("\\r")?,
                control if control.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(control))?,
                control if control.is_control() => write!(f, "\\u{:04x}", u32::from(control))?,
                printable => write!(f, "{printable}")?,
            }
        }
        f.write_str("\"")
    }
}
