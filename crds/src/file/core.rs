//! The two kinds of Kubernetes itself that Moat reads, judged by schemas of our own: their definitions are in the API
//! server's code and not in any CustomResourceDefinition. Nothing here shows a Secret's values.

use std::sync::OnceLock;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::schema::{Fault, Node, check_shape};

/// Most bytes of all values of one object.
const SIZE_MAX: usize = 1024 * 1024;
/// Longest key.
const KEY_MAX: usize = 253;
const KEY_RULE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  \
    or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

/// Judges a Secret and makes it one.
pub(super) fn secret(mut object: Value) -> Result<Secret, Vec<Fault>> {
    static SCHEMA: OnceLock<Node> = OnceLock::new();
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let schema = SCHEMA.get_or_init(|| {
        Node::compile(&json!({ "type": "object", "properties": {
            "type": { "type": "string" },
            "immutable": { "type": "boolean" },
            "data": texts,
            "stringData": texts,
        }}))
    });
    check_shape(&mut object, schema)?;
    let mut faults = Vec::new();
    for part in ["data", "stringData"] {
        check_keys(&object, part, &mut faults);
    }
    for (key, value) in object.get_mut("data").and_then(Value::as_object_mut).into_iter().flatten() {
        // Encoders break lines, and the API server does not mind.
        if let Value::String(text) = value {
            text.retain(|letter| !matches!(letter, '\r' | '\n'));
        }
        if serde_json::from_value::<ByteString>(value.clone()).is_err() {
            faults.push(hidden(
                &format!("data.{key}"),
                "not base64: encode the value, or move it to stringData",
            ));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    serde_json::from_value(object)
        .map_err(|_| vec![hidden("", "the Secret cannot be read: look at its metadata")])
}

/// Judges a ConfigMap.
pub(super) fn config_map(mut object: Value) -> Result<(), Vec<Fault>> {
    static SCHEMA: OnceLock<Node> = OnceLock::new();
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let schema = SCHEMA.get_or_init(|| {
        Node::compile(&json!({ "type": "object", "properties": {
            "immutable": { "type": "boolean" },
            "data": texts,
            "binaryData": texts,
        }}))
    });
    check_shape(&mut object, schema)?;
    let mut faults = Vec::new();
    for part in ["data", "binaryData"] {
        check_keys(&object, part, &mut faults);
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn hidden(path: &str, message: &str) -> Fault {
    Fault::invalid(path, &Value::from("<value omitted>"), message)
}

fn check_keys(object: &Value, part: &str, faults: &mut Vec<Fault>) {
    let mut size = 0;
    for (key, value) in object.get(part).and_then(Value::as_object).into_iter().flatten() {
        size += value.as_str().map_or(0, str::len);
        let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if key.is_empty() || key.len() > KEY_MAX || !key.bytes().all(word) {
            faults.push(Fault::invalid(format!("{part}.{key}"), &Value::from(key.as_str()), KEY_RULE));
        }
    }
    if size > SIZE_MAX {
        faults.push(hidden(
            part,
            &format!("{size} bytes are more than the {SIZE_MAX} that one object may have"),
        ));
    }
}
