//! The schema proper: types, bounds, patterns, lists of values, required fields.

use serde_json::Value;

use super::fault::Fault;
use super::node::Node;
use super::path::Path;

/// Finds everything that breaks the schema.
pub(super) fn check(value: &Value, node: &Node, faults: &mut Vec<Fault>) {
    walk(value, node, &Path::ROOT, faults);
}

fn walk(value: &Value, node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    // The API server goes on where the type is wrong; what is then left to say is whether the value is allowed.
    check_type(value, node, path, faults);
    match value {
        Value::String(text) => check_text(text, node, path, faults),
        Value::Number(_) => check_number(value, node, path, faults),
        Value::Array(items) => check_list(items, node, path, faults),
        _ => {}
    }
    if !node.allowed.is_empty() && !is_allowed(value, &node.allowed) {
        faults.push(Fault::not_supported(path, value, &node.allowed));
    }
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            if let Some(inner) = node.properties.get(name).or(node.additional.as_deref()) {
                walk(value, inner, &path.field(name), faults);
            }
        }
        for name in node.required.iter().filter(|name| !fields.contains_key(*name)) {
            faults.push(Fault::required(path.field(name), ""));
        }
    }
}

/// The JSON type of a value.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_type(value: &Value, node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    let found = type_of(value);
    let fits = node.value_type.is_empty()
        || node.value_type == found
        || (node.value_type == "number" && found == "integer")
        || (node.value_type == "integer" && value.as_f64().is_some_and(|float| float.fract() == 0.0));
    if !fits {
        faults.push(Fault::wrong_type(path, &node.value_type, found));
    }
}

/// Whether the value is one of those that are allowed. The API server compares numbers by their whole part, and
/// leaves the rest to their type.
fn is_allowed(value: &Value, allowed: &[Value]) -> bool {
    let whole = value.as_f64().filter(|_| value.is_f64()).map(|float| Value::from(float.trunc() as i64));
    allowed.contains(whole.as_ref().unwrap_or(value))
}

/// Of length and pattern, the first that is broken.
fn check_text(text: &str, node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    let length = text.chars().count() as u64;
    let value = || Value::from(text);
    if let Some(max) = node.max_length.filter(|max| length > *max) {
        faults.push(Fault::too_long(path, max));
    } else if let Some(min) = node.min_length.filter(|min| length < *min) {
        faults.push(Fault::invalid(
            path,
            &value(),
            &format!("{path} in body should be at least {min} chars long"),
        ));
    } else {
        match &node.pattern {
            Some((written, Ok(pattern))) if !pattern.is_match(text) => {
                faults.push(Fault::invalid(
                    path,
                    &value(),
                    &format!("{path} in body should match '{written}'"),
                ));
            }
            Some((_, Err(error))) => faults.push(Fault::invalid(path, &value(), error)),
            _ => {}
        }
    }
}

fn check_number(value: &Value, node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    let Some(number) = value.as_f64() else { return };
    if let Some(max) = node.maximum.filter(|max| number > *max as f64) {
        faults.push(Fault::invalid(
            path,
            value,
            &format!("{path} in body should be less than or equal to {max}"),
        ));
    }
    if let Some(min) = node.minimum.filter(|min| number < *min as f64) {
        faults.push(Fault::invalid(
            path,
            value,
            &format!("{path} in body should be greater than or equal to {min}"),
        ));
    }
}

fn check_list(items: &[Value], node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    if let Some(max) = node.max_items.filter(|max| items.len() as u64 > *max) {
        // The list is refused as a whole; a fault for each of its thousands of items would help nobody.
        faults.push(Fault::too_many(path, items.len(), max));
        return;
    }
    if let Some(min) = node.min_items.filter(|min| (items.len() as u64) < *min) {
        let detail = format!("{path} in body should have at least {min} items");
        faults.push(Fault::invalid(path, &Value::from(items.len()), &detail));
    }
    if let Some(inner) = &node.items {
        for (index, item) in items.iter().enumerate() {
            walk(item, inner, &path.index(index), faults);
        }
    }
}
