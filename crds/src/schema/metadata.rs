//! The metadata that every object has: its names, labels and annotations, by the API server's rules for custom
//! resources. What only the API server writes is accepted as it is.

use serde_json::{Map, Value};

use super::fault::Fault;

/// The fields of ObjectMeta.
const FIELDS: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Most bytes of all annotations together.
const ANNOTATIONS_MAX: usize = 256 * 1024;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or \
    '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must \
    start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
    '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
    with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// Finds everything that is wrong with the metadata.
pub(super) fn check(metadata: Option<&Value>, faults: &mut Vec<Fault>) {
    let empty = Map::new();
    let fields = match metadata {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(fields)) => fields,
        Some(_) => {
            faults.push(Fault::wrong_type("metadata", "object", "something else"));
            return;
        }
    };
    for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        faults.push(Fault::unknown(format!("metadata.{name}")));
    }
    match text(fields, "name", faults) {
        Some(name) if !name.is_empty() => subdomain("metadata.name", name, faults),
        _ => faults.push(Fault::required("metadata.name", "name or generateName is required")),
    }
    if let Some(namespace) = text(fields, "namespace", faults) {
        if namespace.len() > 63 {
            faults.push(Fault::invalid(
                "metadata.namespace",
                &namespace.into(),
                "must be no more than 63 characters",
            ));
        }
        if !is_label(namespace) {
            faults.push(Fault::invalid("metadata.namespace", &namespace.into(), LABEL));
        }
    }
    labels(fields, faults);
    annotations(fields, faults);
}

/// The text of a field; something else there is a fault.
fn text<'a>(fields: &'a Map<String, Value>, name: &str, faults: &mut Vec<Fault>) -> Option<&'a str> {
    match fields.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => {
            faults.push(not_text(&format!("metadata.{name}"), other));
            None
        }
    }
}

fn not_text(path: &str, value: &Value) -> Fault {
    let found = match value {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
        Value::String(_) => "string",
    };
    Fault::wrong_type(path, "string", found)
}

/// The members of a map from text to text.
fn members<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
    faults: &mut Vec<Fault>,
) -> Vec<(&'a String, &'a str)> {
    match fields.get(name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(map)) => map
            .iter()
            .filter_map(|(key, value)| match value {
                Value::String(text) => Some((key, text.as_str())),
                other => {
                    faults.push(not_text(&format!("metadata.{name}.{key}"), other));
                    None
                }
            })
            .collect(),
        Some(_) => {
            faults.push(Fault::wrong_type(format!("metadata.{name}"), "object", "something else"));
            Vec::new()
        }
    }
}

fn labels(fields: &Map<String, Value>, faults: &mut Vec<Fault>) {
    for (key, value) in members(fields, "labels", faults) {
        qualified("metadata.labels", key, key, faults);
        if value.len() > 63 {
            faults.push(Fault::invalid(
                "metadata.labels",
                &value.into(),
                "must be no more than 63 characters",
            ));
        }
        if !(value.is_empty() || is_name_part(value)) {
            faults.push(Fault::invalid("metadata.labels", &value.into(), LABEL_VALUE));
        }
    }
}

fn annotations(fields: &Map<String, Value>, faults: &mut Vec<Fault>) {
    let mut size = 0;
    for (key, value) in members(fields, "annotations", faults) {
        qualified("metadata.annotations", &key.to_lowercase(), key, faults);
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_MAX {
        faults.push(Fault::too_long("metadata.annotations", ANNOTATIONS_MAX as u64));
    }
}

/// A key such as `moat.dev/use`, as it is judged and as it was written.
fn qualified(path: &str, key: &str, written: &str, faults: &mut Vec<Fault>) {
    let mut refuse = |detail: &str| faults.push(Fault::invalid(path, &Value::from(written), detail));
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if name.contains('/') {
        let rule = QUALIFIED.replacen("name part", "a qualified name", 1);
        refuse(&format!("{rule} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"));
        return;
    }
    match prefix {
        Some("") => refuse("prefix part must be non-empty"),
        Some(prefix) if prefix.len() > 253 => refuse("prefix part must be no more than 253 characters"),
        Some(prefix) if !is_subdomain(prefix) => refuse(&format!("prefix part {SUBDOMAIN}")),
        _ => {}
    }
    if name.is_empty() {
        refuse("name part must be non-empty");
    } else if name.len() > 63 {
        refuse("name part must be no more than 63 characters");
    }
    if !is_name_part(name) {
        refuse(QUALIFIED);
    }
}

fn subdomain(path: &str, name: &str, faults: &mut Vec<Fault>) {
    if name.len() > 253 {
        faults.push(Fault::invalid(path, &name.into(), "must be no more than 253 characters"));
    }
    if !is_subdomain(name) {
        faults.push(Fault::invalid(path, &name.into(), SUBDOMAIN));
    }
}

fn is_subdomain(name: &str) -> bool {
    name.split('.').all(is_label)
}

fn is_label(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bounded_by(name.as_bytes(), word, |byte| word(byte) || byte == b'-')
}

fn is_name_part(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric();
    bounded_by(name.as_bytes(), word, |byte| word(byte) || b"-_.".contains(&byte))
}

/// Whether it has at least one letter, first and last are `edge`, and all are `inner`.
fn bounded_by(name: &[u8], edge: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    name.first().is_some_and(|byte| edge(*byte))
        && name.last().is_some_and(|byte| edge(*byte))
        && name.iter().all(|byte| inner(*byte))
}
