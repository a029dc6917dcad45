//! A schema, compiled: what is asked again and again is looked up, parsed or compiled once.

use std::collections::BTreeMap;

use kube_cel::{CompiledSchema, compile_schema};
use regex::Regex;
use serde_json::Value;

/// One place of a schema.
#[derive(Debug)]
pub(crate) struct Node {
    /// `object`, `array`, `string`, `integer`, `boolean`, `number`; empty when anything goes.
    pub(super) value_type: String,
    /// The allowed values; empty when there is no such list.
    pub(super) allowed: Vec<Value>,
    /// The pattern, as text and compiled.
    pub(super) pattern: Option<(String, Pattern)>,
    pub(super) minimum: Option<i64>,
    pub(super) maximum: Option<i64>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
    pub(super) properties: BTreeMap<String, Node>,
    pub(super) required: Vec<String>,
    pub(super) items: Option<Box<Node>>,
    pub(super) additional: Option<Box<Node>>,
    pub(super) default: Option<Value>,
    pub(super) list: List,
    /// The rules of this place alone.
    pub(super) rules: CompiledSchema,
    /// Whether there are rules here or below.
    pub(super) ruled: bool,
}

/// What makes two items of a list the same.
#[derive(Debug)]
pub(super) enum List {
    /// Nothing.
    Atomic,
    /// Being equal.
    Set,
    /// Having equal values in these fields.
    Map(Vec<String>),
}

/// A pattern, or why it is none: then nothing matches, and the fault says why.
pub(super) type Pattern = Result<Regex, String>;

impl Node {
    /// Compiles a structural schema. Keywords that no schema of ours has are not there; a test holds that.
    pub(crate) fn compile(schema: &Value) -> Self {
        let text = |key: &str| schema[key].as_str().unwrap_or_default().to_owned();
        let inner =
            |key: &str| schema.get(key).filter(|it| it.is_object()).map(|it| Box::new(Self::compile(it)));
        let properties: BTreeMap<_, _> = schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, property)| (name.clone(), Self::compile(property)))
            .collect();
        let (items, additional) = (inner("items"), inner("additionalProperties"));
        let rules = rules_alone(schema);
        let mut below = properties.values().chain(items.as_deref()).chain(additional.as_deref());
        let ruled = !rules.validations.is_empty() || below.any(|node| node.ruled);
        Self {
            value_type: text("type"),
            allowed: schema["enum"].as_array().cloned().unwrap_or_default(),
            pattern: schema["pattern"]
                .as_str()
                .map(|it| (it.to_owned(), Regex::new(it).map_err(|error| error.to_string()))),
            minimum: schema["minimum"].as_i64(),
            maximum: schema["maximum"].as_i64(),
            min_length: schema["minLength"].as_u64(),
            max_length: schema["maxLength"].as_u64(),
            min_items: schema["minItems"].as_u64(),
            max_items: schema["maxItems"].as_u64(),
            required: texts(&schema["required"]),
            default: schema.get("default").cloned(),
            list: match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => List::Set,
                Some("map") => List::Map(texts(&schema["x-kubernetes-list-map-keys"])),
                _ => List::Atomic,
            },
            properties,
            items,
            additional,
            rules,
            ruled,
        }
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
}

/// The rules of a schema without those below it, which their own places keep.
fn rules_alone(schema: &Value) -> CompiledSchema {
    const KEY: &str = "x-kubernetes-validations";
    compile_schema(&serde_json::json!({ KEY: schema[KEY] }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::definitions;

    /// Keywords that [`Node::compile`] or nothing at all needs to know.
    const KNOWN: [&str; 21] = [
        "type",
        "format",
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "properties",
        "required",
        "items",
        "additionalProperties",
        "default",
        "description",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-validations",
        "title",
        "selector",
    ];

    fn keywords(schema: &Value, path: &str) {
        for (key, inner) in schema.as_object().into_iter().flatten() {
            assert!(
                KNOWN.contains(&key.as_str()),
                "{path}: the keyword {key} would not be enforced on files"
            );
            match key.as_str() {
                "properties" => {
                    for (name, property) in inner.as_object().into_iter().flatten() {
                        keywords(property, &format!("{path}.{name}"));
                    }
                }
                "items" | "additionalProperties" => keywords(inner, &format!("{path}[*]")),
                _ => {}
            }
        }
    }

    fn compiles(node: &Node, path: &str) {
        assert!(!node.rules.has_errors(), "{path}: {:?}", node.rules.compilation_errors());
        if let Some((text, pattern)) = &node.pattern {
            assert!(pattern.is_ok(), "{path}: {text}: {pattern:?}");
        }
        for (name, property) in &node.properties {
            compiles(property, &format!("{path}.{name}"));
        }
        node.items.iter().chain(&node.additional).for_each(|inner| compiles(inner, &format!("{path}[*]")));
    }

    #[test]
    fn every_keyword_of_the_crds_is_enforced_and_every_rule_and_pattern_compiles() {
        for definition in definitions() {
            keywords(definition.schema(), definition.kind);
            compiles(&Node::compile(definition.schema()), definition.kind);
        }
    }
}
