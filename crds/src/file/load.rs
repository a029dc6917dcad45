//! One file: its documents, each recognised by `apiVersion` and `kind` and judged.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::core;
use super::finding::{Finding, Place, Severity};
use super::spot::{Document, Spot};
use super::yaml::parse;
use crate::compile::{
    DEFAULT_NAMESPACE, Kind, Problem, Reason, Rejected, Resource, ResourceKey, Spec, Version,
};
use crate::definition::definitions;
use crate::schema::{Fault, FaultKind, check};
use crate::{API_VERSION, GROUP};

/// Why a document of another API group is left out.
const OTHER_GROUP: &str = "OtherGroup";

/// What one file says.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The file.
    pub file: Arc<str>,
    /// Whether the file could not be read as YAML: then it has no entries, and what it said before still counts,
    /// because it may be half-written.
    pub broken: bool,
    /// Its resources in their order.
    pub entries: Vec<Arc<Entry>>,
    /// Everything there is to say about it.
    pub findings: Vec<Finding>,
}

/// One resource of a file.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Which resource.
    pub key: ResourceKey,
    /// What became of it.
    pub outcome: Outcome,
    /// Where its parts stand.
    pub spot: Spot,
    /// SHA-256 of what it says; equal for equal content.
    pub content: [u8; 32],
}

/// What became of a resource.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It obeys its schema and rules.
    Valid(Box<Resource>),
    /// It does not.
    Rejected(Box<Rejected>),
}

/// Reads a file. `file` is the name that findings will show.
pub fn read(file: &str, bytes: &[u8]) -> Reading {
    let file: Arc<str> = file.into();
    let mut reading = Reading { file, broken: false, entries: Vec::new(), findings: Vec::new() };
    match parse(bytes) {
        Ok(documents) => documents.into_iter().for_each(|document| reading.accept(document)),
        Err(error) => {
            reading.broken = true;
            let mut message = error.problem.to_string();
            if !error.field.is_empty() {
                message = format!("{}: {message}", error.field);
            }
            let told = Told { field: error.field, reason: error.problem.reason(), message };
            reading.tell(&Spot::scalar(error.line, error.column), None, told);
        }
    }
    reading
}

/// What there is to say, without where.
struct Told {
    field: String,
    reason: &'static str,
    message: String,
}

impl Told {
    fn new(field: &str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason, message: message.into() }
    }
}

/// A resource that is being judged.
struct Candidate {
    /// `None` without a name: then there is nothing that could be kept, or be refused, under it.
    key: Option<ResourceKey>,
    content: [u8; 32],
    spot: Spot,
    /// `Kind/name`, for findings.
    label: String,
}

impl Reading {
    fn tell(&mut self, at: &Spot, resource: Option<&str>, told: Told) {
        self.findings.push(Finding {
            place: Place { file: self.file.clone(), line: at.line, column: at.column },
            severity: if told.reason == OTHER_GROUP { Severity::Notice } else { Severity::Error },
            resource: resource.map(str::to_owned),
            field: told.field,
            reason: told.reason,
            message: told.message,
        });
    }

    fn accept(&mut self, document: Document) {
        let Document { value, spot } = document;
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if api_version.is_empty() || kind.is_empty() {
            let message = "a document needs apiVersion, kind and metadata.name, for example apiVersion: \
                           moat.dev/v1alpha1, kind: Role";
            return self.tell(&spot, None, Told::new("", "NotAnObject", message));
        }
        let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let label = if name.is_empty() { kind.clone() } else { format!("{kind}/{name}") };
        match (api_version.as_str(), kind.as_str()) {
            ("v1", "List") => self.accept_list(value, &spot),
            ("v1", "ConfigMap") => {
                if let Err(faults) = core::config_map(value) {
                    self.tell_faults(&faults, &spot, &label);
                }
            }
            ("v1", "Secret") => {
                let candidate = Candidate::new(Kind::Secret, &value, spot, label);
                self.judged(candidate, core::secret(value).map(Resource::Secret), None);
            }
            (API_VERSION, _) => self.accept_own(value, spot, &kind, label),
            _ if api_version.split('/').next() == Some(GROUP) => {
                let message = format!("this Moat knows {API_VERSION}, not {api_version}: change apiVersion");
                let at = spot.find("apiVersion");
                self.tell(at, Some(&label), Told::new("apiVersion", "UnknownVersion", message));
            }
            _ => {
                let message = format!("{api_version} {kind} means nothing to Moat and is left out");
                self.tell(spot.find("kind"), Some(&label), Told::new("kind", OTHER_GROUP, message));
            }
        }
    }

    /// What `kubectl get -o yaml` prints of several objects.
    fn accept_list(&mut self, mut value: Value, spot: &Spot) {
        let items = value.get_mut("items").map(Value::take);
        let spots = spot.member("items").cloned().map(Spot::into_items).unwrap_or_default();
        let Some(Value::Array(items)) = items else {
            let told =
                Told::new("items", FaultKind::Required.reason(), "a List needs items: a list of objects");
            return self.tell(spot, Some("List"), told);
        };
        for (value, spot) in items.into_iter().zip(spots) {
            if value.get("kind").and_then(Value::as_str) == Some("List") {
                let told = Told::new("items", "ListInList", "a List cannot hold a List");
                self.tell(&spot, Some("List"), told);
            } else {
                self.accept(Document { value, spot });
            }
        }
    }

    fn accept_own(&mut self, mut value: Value, spot: Spot, name: &str, label: String) {
        let Some(kind) = Kind::parse(name).filter(|kind| *kind != Kind::Secret) else {
            let known: Vec<_> = definitions().iter().map(|definition| definition.kind).collect();
            let message = format!("{API_VERSION} has no kind {name}: there are {}", known.join(", "));
            return self.tell(spot.find("kind"), Some(&label), Told::new("kind", "UnknownKind", message));
        };
        let candidate = Candidate::new(kind, &value, spot, label);
        let judged = check(name, &mut value);
        match judged {
            Ok(()) => self.judged(candidate, typed(kind, value), None),
            Err(faults) => {
                let readable = value.get_mut("spec").map(Value::take).and_then(|spec| read_spec(kind, spec));
                self.judged(candidate, Err(faults), readable);
            }
        }
    }

    fn judged(&mut self, candidate: Candidate, judged: Result<Resource, Vec<Fault>>, readable: Option<Spec>) {
        let Candidate { key, content, spot, label } = candidate;
        if let Err(faults) = &judged {
            self.tell_faults(faults, &spot, &label);
        }
        let Some(key) = key else { return };
        let outcome = match judged {
            Ok(resource) => Outcome::Valid(Box::new(resource)),
            Err(faults) => {
                let problem =
                    |fault: &Fault| Problem::error(&*fault.path, Reason::Invalid, fault.to_string());
                let problems = faults.iter().map(problem).collect();
                let version = Version::default();
                Outcome::Rejected(Box::new(Rejected { key: key.clone(), version, problems, readable }))
            }
        };
        self.entries.push(Arc::new(Entry { key, outcome, spot, content }));
    }

    fn tell_faults(&mut self, faults: &[Fault], spot: &Spot, label: &str) {
        for fault in faults {
            let mut message = fault.to_string();
            // The text that most often turns into something else; the API server cannot know that it was YAML.
            let unquoted =
                ["boolean", "integer", "number"].iter().any(|found| message.ends_with(&format!("{found:?}")));
            if fault.kind == FaultKind::TypeInvalid && unquoted && message.contains("must be of type string")
            {
                message.push_str(" (put it in quotes to make it text)");
            }
            let told = Told::new(&fault.path, fault.kind.reason(), message);
            self.tell(spot.find(&fault.path), Some(label), told);
        }
    }
}

impl Candidate {
    fn new(kind: Kind, value: &Value, spot: Spot, label: String) -> Self {
        // Members of an object are in the order of their names, whatever the order of the text was.
        let content = Sha256::digest(value.to_string()).into();
        Self { key: key_of(kind, value), content, spot, label }
    }
}

fn key_of(kind: Kind, value: &Value) -> Option<ResourceKey> {
    let name = value.pointer("/metadata/name")?.as_str().filter(|name| !name.is_empty())?;
    let namespace = value.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or(DEFAULT_NAMESPACE);
    Some(ResourceKey::new(kind, namespace, name))
}

/// An object that was judged to be right, as its type.
fn typed(kind: Kind, value: Value) -> Result<Resource, Vec<Fault>> {
    fn of<T: DeserializeOwned>(value: Value, wrap: fn(T) -> Resource) -> Result<Resource, Vec<Fault>> {
        // The schema has no say in most of metadata; what is left to go wrong is there.
        serde_json::from_value(value).map(wrap).map_err(|error| {
            vec![Fault::invalid("metadata", &Value::Null, &format!("cannot be read: {error}"))]
        })
    }
    match kind {
        Kind::MqttCluster => of(value, Resource::MqttCluster),
        Kind::Realm => of(value, Resource::Realm),
        Kind::Pipeline => of(value, Resource::Pipeline),
        Kind::Role => of(value, Resource::Role),
        Kind::Permission => of(value, Resource::Permission),
        Kind::Credential => of(value, Resource::Credential),
        Kind::Secret => of(value, Resource::Secret),
    }
}

/// What can be read of a spec that may be wrong.
fn read_spec(kind: Kind, spec: Value) -> Option<Spec> {
    fn of<T: DeserializeOwned>(spec: Value, wrap: fn(T) -> Spec) -> Option<Spec> {
        serde_json::from_value(spec).ok().map(wrap)
    }
    match kind {
        Kind::MqttCluster => of(spec, Spec::MqttCluster),
        Kind::Realm => of(spec, Spec::Realm),
        Kind::Pipeline => of(spec, Spec::Pipeline),
        Kind::Role => of(spec, Spec::Role),
        Kind::Permission => of(spec, Spec::Permission),
        Kind::Credential => of(spec, Spec::Credential),
        Kind::Secret => None,
    }
}
