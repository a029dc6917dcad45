//! Lists whose items are told apart by a key, or are a set: which item is there twice.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::fault::Fault;
use super::node::{List, Node};
use super::path::Path;

/// Finds items that are in a list of type `set` or `map` more than once.
pub(super) fn check(value: &Value, node: &Node, faults: &mut Vec<Fault>) {
    walk(value, node, &Path::ROOT, faults);
}

fn walk(value: &Value, node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => {
            for (name, property) in &node.properties {
                if let Some(value) = fields.get(name) {
                    walk(value, property, &path.field(name), faults);
                }
            }
        }
        Value::Array(items) => {
            match &node.list {
                List::Atomic => {}
                _ if items.len() < 2 => {}
                List::Set => repeated(items.iter().map(Cow::Borrowed), path, faults),
                List::Map(keys) => {
                    match items.iter().position(|item| !(item.is_object() || item.is_null())) {
                        Some(index) => {
                            let detail = "must be an object for an array of list-type map";
                            faults.push(Fault::invalid(path.index(index), &items[index], detail));
                        }
                        None => {
                            repeated(items.iter().map(|item| Cow::Owned(key_of(item, keys))), path, faults)
                        }
                    }
                }
            }
            if let Some(inner) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    walk(item, inner, &path.index(index), faults);
                }
            }
        }
        _ => {}
    }
}

fn key_of(item: &Value, keys: &[String]) -> Value {
    let key: Map<_, _> =
        keys.iter().filter_map(|name| item.get(name).map(|value| (name.clone(), value.clone()))).collect();
    Value::Object(key)
}

/// The API server tells the second of several equal items, and not the third.
fn repeated<'a>(items: impl Iterator<Item = Cow<'a, Value>>, path: &Path<'_>, faults: &mut Vec<Fault>) {
    let mut seen: HashMap<Cow<'a, Value>, u32> = HashMap::new();
    for (index, item) in items.enumerate() {
        let times = seen.entry(item.clone()).or_default();
        *times += 1;
        if *times == 2 {
            faults.push(Fault::duplicate(path.index(index), &item));
        }
    }
}
