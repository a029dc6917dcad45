//! Judges an object by its kind's own CustomResourceDefinition, as the API server does: the same steps in the same
//! order (unknown fields, nulls, defaults, metadata, schema, list types, CEL), the same field paths, the same words.
//! Nothing that a CRD says is said here again. Schemas and rules are compiled once. No I/O.

mod defaults;
mod fault;
mod lists;
mod metadata;
mod node;
mod path;
mod rules;
mod structural;

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

pub use fault::{Fault, FaultKind};
pub(crate) use node::Node;

use crate::definition::{Definition, definitions};

/// Judges an object of one of the six kinds. `object` is changed into what the API server would store: fields that
/// are `null` are gone, defaults are filled in, and `status` is gone, because only Moat writes it.
///
/// # Errors
/// Everything that is wrong, ordered by place. As in the API server, rules are evaluated only on an object whose
/// shape is right; unlike there, unknown fields do not hide what else is wrong.
pub fn check(kind: &str, object: &mut Value) -> Result<(), Vec<Fault>> {
    let Some(root) = schemas().get(kind) else {
        let found = Value::from(kind);
        return Err(vec![Fault::invalid("kind", &found, "there is no such kind in moat.dev/v1alpha1")]);
    };
    let mut faults = shape(object, root);
    if faults.iter().any(Fault::hides_rules) {
        faults.push(Fault::rules_not_checked());
    } else {
        rules::check(object, root, &mut faults);
    }
    verdict(faults)
}

/// The same for an object that has no CustomResourceDefinition, by a schema without rules.
pub(crate) fn check_shape(object: &mut Value, root: &Node) -> Result<(), Vec<Fault>> {
    verdict(shape(object, root))
}

fn shape(object: &mut Value, root: &Node) -> Vec<Fault> {
    let mut faults = Vec::new();
    defaults::prune_unknown(object, root, &mut faults);
    defaults::fill(object, root);
    // Only Moat writes it; its default too is none of the user's.
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    metadata::check(object.get("metadata"), &mut faults);
    structural::check(object, root, &mut faults);
    lists::check(object, root, &mut faults);
    faults
}

fn verdict(mut faults: Vec<Fault>) -> Result<(), Vec<Fault>> {
    if faults.is_empty() {
        return Ok(());
    }
    faults.sort_by(|a, b| (&a.path, &a.detail).cmp(&(&b.path, &b.detail)));
    Err(faults)
}

fn schemas() -> &'static HashMap<&'static str, Node> {
    static ALL: OnceLock<HashMap<&'static str, Node>> = OnceLock::new();
    ALL.get_or_init(|| {
        let compiled = |definition: &Definition| (definition.kind, Node::compile(definition.schema()));
        definitions().iter().map(compiled).collect()
    })
}

#[cfg(test)]
mod tests;
