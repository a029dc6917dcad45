//! Evaluates the CEL rules of a schema, place by place. Rules are compiled, and functions provided, by kube-cel; what
//! is different from its own walk is that only places with rules are visited, and that a regular expression is
//! compiled once and not at each evaluation, which makes 60 000 objects a second's work instead of a minute's.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use kube_cel::cel::extractors::This;
use kube_cel::cel::objects::{Key, Map};
use kube_cel::cel::{Context, ExecutionError, Value as CelValue};
use kube_cel::{CompilationResult, KubeCelExt};
use regex::Regex;
use serde_json::Value;

use super::fault::Fault;
use super::node::Node;
use super::path::Path;

/// Evaluates all rules; those that do not hold, or cannot be evaluated, become faults.
pub(super) fn check(object: &Value, root: &Node, faults: &mut Vec<Fault>) {
    walk(object, root, &Path::ROOT, faults);
}

fn walk(value: &Value, node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    if !node.ruled {
        return;
    }
    if !node.rules.validations.is_empty() {
        evaluate(value, node, path, faults);
    }
    match value {
        Value::Object(fields) => {
            for (name, property) in &node.properties {
                if let Some(value) = fields.get(name) {
                    walk(value, property, &path.field(name), faults);
                }
            }
        }
        Value::Array(items) => {
            if let Some(inner) = &node.items {
                for (index, item) in items.iter().enumerate() {
                    walk(item, inner, &path.index(index), faults);
                }
            }
        }
        _ => {}
    }
}

fn evaluate(value: &Value, node: &Node, path: &Path<'_>, faults: &mut Vec<Fault>) {
    let mut scope = context().new_inner_scope();
    scope.add_variable_from_value("self", cel_value(value));
    for rule in &node.rules.validations {
        let broken = match rule {
            Ok(rule) => broken(rule, &scope),
            Err(error) => Some(format!("rule compile error: {error}")),
        };
        if let Some(message) = broken {
            faults.push(Fault::rule(path, &node.value_type, &message));
        }
    }
}

/// What is wrong, if the rule does not hold.
fn broken(rule: &CompilationResult, scope: &Context<'_>) -> Option<String> {
    // A rule about a change has nothing to say about an object that is new, as all objects of files are.
    if rule.is_transition_rule {
        return None;
    }
    match rule.program.execute(scope) {
        Ok(CelValue::Bool(true)) => None,
        Ok(CelValue::Bool(false)) => {
            Some(rule.rule.message.clone().unwrap_or_else(|| format!("failed rule: {}", rule.rule.rule)))
        }
        Ok(_) => Some(format!("rule is neither true nor false: {}", rule.rule.rule)),
        Err(error) => Some(format!("{error} evaluating rule: {}", rule.rule.rule)),
    }
}

/// A JSON value in CEL's terms. No field of ours has a name that CEL would want escaped; a test holds that.
fn cel_value(value: &Value) -> CelValue {
    match value {
        Value::Null => CelValue::Null,
        Value::Bool(truth) => CelValue::Bool(*truth),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| CelValue::Float(number.as_f64().unwrap_or(f64::NAN)), CelValue::Int),
        Value::String(text) => CelValue::String(Arc::new(text.clone())),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(cel_value).collect())),
        Value::Object(fields) => {
            let fields: HashMap<_, _> = fields
                .iter()
                .map(|(name, value)| (Key::String(Arc::new(name.clone())), cel_value(value)))
                .collect();
            CelValue::Map(Map { map: Arc::new(fields) })
        }
    }
}

/// The functions of CEL and Kubernetes.
fn context() -> &'static Context<'static> {
    static CONTEXT: OnceLock<Context<'static>> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let mut context = Context::default().with_all();
        context.add_function("matches", matches);
        context
    })
}

/// CEL's `matches` with a memory. Patterns come only from our own rules, so it stays small.
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    static KNOWN: RwLock<Option<HashMap<Arc<String>, Regex>>> = RwLock::new(None);
    {
        let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = known.as_ref().and_then(|known| known.get(&pattern)) {
            return Ok(regex.is_match(&text));
        }
    }
    let regex = Regex::new(&pattern).map_err(|error| ExecutionError::function_error("matches", error))?;
    let holds = regex.is_match(&text);
    KNOWN.write().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().insert(pattern, regex);
    Ok(holds)
}
