//! The six CustomResourceDefinitions as they are applied, and as YAML. Pure: `crdgen` writes the files, a test holds
//! that they are what this makes.
//!
//! What `kube`'s derive cannot say is said here, once: no field is nullable (`null` means absent, so that `has()` in a
//! rule means what it says), formats are only those that the API server knows, and descriptions are prose without the
//! line breaks of their source.

mod yaml;

use std::sync::OnceLock;

use kube::CustomResourceExt;
use serde_json::{Value, json};

use crate::{Credential, MqttCluster, Permission, Pipeline, Realm, Role};

/// One CustomResourceDefinition.
#[derive(Debug)]
pub struct Definition {
    /// The kind that it defines, for example `Role`.
    pub kind: &'static str,
    /// The name of its file beside this crate, for example `roles.yaml`.
    pub file: &'static str,
    /// The object as it is applied.
    pub object: Value,
}

impl Definition {
    fn of<K: CustomResourceExt>(kind: &'static str, file: &'static str) -> Self {
        let mut object = serde_json::to_value(K::crd()).unwrap_or_default();
        refine(&mut object);
        // Nothing was observed of an object that nobody looked at yet. Without this, kstatus, which Flux goes
        // by, takes an object without a status for one that is done.
        let schema = &mut object["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        schema["properties"]["status"]["default"] = json!({ "observedGeneration": -1 });
        Self { kind, file, object }
    }

    /// The schema of the kind's only version.
    pub fn schema(&self) -> &Value {
        &self.object["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    }

    /// The file's content.
    pub fn yaml(&self) -> String {
        format!("{HEADER}{}", yaml::write(&self.object))
    }

    /// The content of the file of the same name in the chart `moat-crds`: the same, and that helm never deletes it,
    /// because with the definition the API server deletes every object of the kind.
    pub fn chart_template(&self) -> String {
        let mut object = self.object.clone();
        object["metadata"]["annotations"] = json!({ "helm.sh/resource-policy": "keep" });
        // What helm takes for a template of its own is said as text.
        let text = yaml::write(&object).replace("{{", "{{ `{{` }}");
        format!("{HEADER}{text}")
    }
}

const HEADER: &str =
    "# Generated from the types in crds/src by `cargo run -p moat-crds --bin crdgen`; not edited.\n";

/// All six, in the order of their file names.
pub fn definitions() -> &'static [Definition] {
    static ALL: OnceLock<Vec<Definition>> = OnceLock::new();
    ALL.get_or_init(|| {
        vec![
            Definition::of::<Credential>("Credential", "credentials.yaml"),
            Definition::of::<MqttCluster>("MqttCluster", "mqttclusters.yaml"),
            Definition::of::<Permission>("Permission", "permissions.yaml"),
            Definition::of::<Pipeline>("Pipeline", "pipelines.yaml"),
            Definition::of::<Realm>("Realm", "realms.yaml"),
            Definition::of::<Role>("Role", "roles.yaml"),
        ]
    })
}

/// Takes out what the derive writes and the API server would misread.
fn refine(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("nullable");
            let narrow = map.get("type").and_then(Value::as_str) == Some("integer");
            if narrow
                && map.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint"))
            {
                map.insert("format".into(), "int32".into());
            }
            if let Some(Value::String(prose)) = map.get_mut("description") {
                *prose = prose.replace('\n', " ");
            }
            map.values_mut().for_each(refine);
        }
        Value::Array(items) => items.iter_mut().for_each(refine),
        Value::Number(number) => {
            // Bounds are floating point in the derive; the whole ones read better whole.
            if let Some(whole) = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e15) {
                *number = (whole as i64).into();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `visit` with every schema below `schema`, itself included.
    fn walk(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &Value)) {
        visit(path, schema);
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            walk(property, &format!("{path}.{name}"), visit);
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                walk(&schema[inner], &format!("{path}[*]"), visit);
            }
        }
    }

    fn every_spec_schema(mut visit: impl FnMut(&str, &Value)) {
        for definition in definitions() {
            walk(
                &definition.schema()["properties"]["spec"],
                &format!("{}.spec", definition.kind),
                &mut visit,
            );
        }
    }

    #[test]
    fn every_field_has_an_explanation() {
        every_spec_schema(|path, schema| {
            if !path.ends_with("[*]") {
                let text = schema["description"].as_str().unwrap_or_default();
                assert!(text.len() > 20, "{path} has no description for kubectl explain: {text:?}");
            }
        });
    }

    #[test]
    fn every_string_and_list_of_a_spec_is_bounded() {
        every_spec_schema(|path, schema| match schema["type"].as_str() {
            Some("string") => {
                let bounded = schema["maxLength"].is_u64() || schema["enum"].is_array();
                assert!(bounded, "{path} has neither maxLength nor enum");
            }
            Some("array") => {
                assert!(schema["maxItems"].is_u64(), "{path} has no maxItems");
                assert!(schema["x-kubernetes-list-type"].is_string(), "{path} has no list type");
            }
            _ => {}
        });
    }

    #[test]
    fn nothing_is_nullable_and_every_format_is_known_to_the_api_server() {
        for definition in definitions() {
            walk(definition.schema(), definition.kind, &mut |path, schema| {
                assert!(schema.get("nullable").is_none(), "{path}");
                assert!(
                    schema.get("anyOf").is_none() && schema.get("oneOf").is_none(),
                    "{path} is no plain schema"
                );
                let format = schema["format"].as_str().unwrap_or("int32");
                assert!(["int32", "int64", "date-time"].contains(&format), "{path}: {format}");
            });
        }
    }

    #[test]
    fn every_kind_is_in_the_category_and_has_a_short_name_and_a_status() {
        let short: Vec<_> = definitions()
            .iter()
            .map(|definition| {
                let spec = &definition.object["spec"];
                assert_eq!(spec["names"]["categories"][0], "moat");
                assert_eq!(spec["scope"], "Namespaced");
                assert!(spec["versions"][0]["subresources"]["status"].is_object());
                spec["names"]["shortNames"][0].as_str().unwrap_or_default().to_owned()
            })
            .collect();
        assert_eq!(short, ["mcred", "mqc", "mperm", "mpipe", "mrealm", "mrole"]);
    }

    #[test]
    fn of_a_new_object_nothing_is_observed() {
        for definition in definitions() {
            let status = &definition.schema()["properties"]["status"];
            assert_eq!(status["default"]["observedGeneration"], -1, "{}", definition.kind);
            assert!(status["properties"]["observedGeneration"].get("minimum").is_none());
        }
    }

    #[test]
    fn a_cluster_can_be_scaled() {
        let cluster = &definitions()[1].object["spec"]["versions"][0];
        assert_eq!(cluster["subresources"]["scale"]["labelSelectorPath"], ".status.selector");
    }
}
