//! What the API server does to an object before it looks at it: unknown fields are found and dropped, `null` of a
//! field is taken for its absence, and defaults are filled in.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::node::Node;
use super::path::Path;

/// Fields of an object that every kind has beside its schema.
const ENVELOPE: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops the fields that the schema does not have, and says which.
pub(super) fn prune_unknown(object: &mut Value, root: &Node, faults: &mut Vec<Fault>) {
    if let Value::Object(fields) = object {
        prune_fields(fields, root, &Path::ROOT, faults);
    }
}

fn prune_fields(fields: &mut Map<String, Value>, node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    fields.retain(|name, value| {
        if path.is_root() && ENVELOPE.contains(&name.as_str()) {
            return true;
        }
        let path = path.field(name);
        match node.properties.get(name).or(node.additional.as_deref()) {
            Some(inner) => {
                prune_value(value, inner, &path, faults);
                true
            }
            None => {
                faults.push(Fault::unknown(path));
                false
            }
        }
    });
}

fn prune_value(value: &mut Value, node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    match value {
        // A value where no object belongs is a wrong type, not a collection of unknown fields.
        Value::Object(fields) if node.value_type == "object" => prune_fields(fields, node, path, faults),
        Value::Array(items) => {
            let Some(inner) = &node.items else { return };
            for (index, item) in items.iter_mut().enumerate() {
                prune_value(item, inner, &path.index(index), faults);
            }
        }
        _ => {}
    }
}

/// Drops fields that are `null` and fills defaults in, as deep as the object has places for them.
pub(super) fn fill(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| !(value.is_null() && node.properties.contains_key(name)));
            for (name, property) in &node.properties {
                if let (Some(default), false) = (&property.default, fields.contains_key(name)) {
                    fields.insert(name.clone(), default.clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    fill(value, property);
                }
            }
        }
        Value::Array(items) => {
            if let Some(inner) = &node.items {
                items.iter_mut().for_each(|item| fill(item, inner));
            }
        }
        _ => {}
    }
}
