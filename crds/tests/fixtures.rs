//! The fixtures under `valid/` and `invalid/`: what the API server accepts and refuses, and in which words. The
//! `# expect:` lines of an invalid one were printed by the API server's own validation code (Kubernetes 1.34), so
//! that agreeing with them is agreeing with it. Under `changes/` are two states of one object: the first is accepted,
//! and the second, written over it, too, unless there are `# expect:` lines. Files have no state before, so there the
//! rules about changes are evaluated by kube-cel's own walk.

#![expect(clippy::unwrap_used, reason = "a test ends where it cannot go on")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use kube_cel::{ValidationError, ValidationErrors, Validator};
use moat_crds::definition::definitions;
use moat_crds::file;
use moat_crds::schema::{Fault, FaultKind, check};
use serde_json::{Value, json};

const EXPECT: &str = "# expect: ";

/// Every fixture of a folder: name, text, the objects in it.
fn files<const N: usize>(folder: &str) -> Vec<(String, String, [Value; N])> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let objects: Vec<_> =
                file::parse(text.as_bytes()).unwrap().into_iter().map(|document| document.value).collect();
            assert_eq!(objects.len(), N, "{}: objects", path.display());
            let objects = <[Value; N]>::try_from(objects).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, text, objects)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Every fixture of a folder of fixtures with one object: name, text, the object.
fn fixtures(folder: &str) -> Vec<(String, String, Value)> {
    files(folder).into_iter().map(|(name, text, [object])| (name, text, object)).collect()
}

/// What the fixture says that the API server says.
fn expected(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_prefix(EXPECT)).map(str::to_owned).collect()
}

/// A rule by its kind, its place (items of lists are `[*]`) and its message.
type Named = (String, String, String);

/// Which rules refuse to let an object become another, both of which are valid; and the words of the API server.
fn refused(before: &Value, after: &Value) -> Vec<(Named, String)> {
    let kind = after["kind"].as_str().unwrap();
    let (mut before, mut after) = (before.clone(), after.clone());
    check(kind, &mut before).unwrap();
    check(kind, &mut after).unwrap();
    let schema = definitions().iter().find(|definition| definition.kind == kind).unwrap().schema();
    let verdict = Validator::new().validate(schema, &after, Some(&before));
    let errors = verdict.err().map(ValidationErrors::into_vec).unwrap_or_default();
    let named = |error: ValidationError| {
        let said = format!("{}: Invalid value: \"object\": {}", error.field_path, error.message);
        ((kind.to_owned(), without_indexes(&error.field_path), error.message), said)
    };
    errors.into_iter().map(named).collect()
}

fn judge(object: &Value) -> Vec<Fault> {
    check(object["kind"].as_str().unwrap(), &mut object.clone()).err().unwrap_or_default()
}

/// Every rule of every CRD.
fn rules() -> BTreeSet<Named> {
    fn walk(kind: &str, schema: &Value, place: &str, all: &mut BTreeSet<Named>) {
        for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().expect("every rule has a message").to_owned();
            assert!(
                all.insert((kind.into(), place.into(), message)),
                "{kind} {place}: one message for two rules"
            );
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
            walk(kind, property, &place, all);
        }
        if schema["items"].is_object() {
            walk(kind, &schema["items"], &format!("{place}[*]"), all);
        }
    }
    let mut all = BTreeSet::new();
    for definition in definitions() {
        walk(definition.kind, definition.schema(), "", &mut all);
    }
    all
}

/// Every place of an object; items of lists are `[*]`.
fn places(value: &Value, place: &str, all: &mut BTreeSet<String>) {
    all.insert(place.to_owned());
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                places(value, &place, all);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| places(item, &format!("{place}[*]"), all)),
        _ => {}
    }
}

/// `spec.listeners[3].port` as `spec.listeners[*].port`.
fn without_indexes(path: &str) -> String {
    let mut parts = path.split('[');
    let mut place = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        place.push_str("[*]");
        place.push_str(part.split_once(']').map_or("", |(_, rest)| rest));
    }
    place
}

#[test]
fn every_valid_fixture_is_accepted() {
    for (name, _, object) in fixtures("valid") {
        assert_eq!(judge(&object), [], "{name}");
    }
}

#[test]
fn every_invalid_fixture_is_refused_with_the_api_servers_words() {
    let mut different = BTreeMap::new();
    for (name, text, object) in fixtures("invalid") {
        let expected = expected(&text);
        assert!(!expected.is_empty(), "{name} says nothing with {EXPECT:?}");
        let found: BTreeSet<_> = judge(&object).iter().map(Fault::to_string).collect();
        if found != expected {
            let missing: Vec<_> = expected.difference(&found).cloned().collect();
            let extra: Vec<_> = found.difference(&expected).cloned().collect();
            different.insert(name, (missing, extra));
        }
    }
    assert!(different.is_empty(), "(missing, too many) per fixture: {different:#?}");
}

#[test]
fn every_change_is_accepted_or_refused_as_its_fixture_says() {
    for (name, text, [before, after]) in files("changes") {
        let found: BTreeSet<_> = refused(&before, &after).into_iter().map(|(_, said)| said).collect();
        assert_eq!(found, expected(&text), "{name}");
    }
}

#[test]
fn every_rule_has_a_fixture_that_obeys_it_and_one_that_breaks_it() {
    let mut obeyed = BTreeSet::new();
    for (_, _, object) in fixtures("valid") {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let mut all = BTreeSet::new();
        places(&object, "", &mut all);
        obeyed.extend(all.into_iter().map(|place| (kind.clone(), place)));
    }
    let mut broken = BTreeSet::new();
    for (_, _, object) in fixtures("invalid") {
        let kind = object["kind"].as_str().unwrap();
        for fault in judge(&object).iter().filter(|fault| fault.kind == FaultKind::Invalid) {
            let message = fault.detail.splitn(3, ": ").nth(2).unwrap_or_default().to_owned();
            broken.insert((kind.to_owned(), without_indexes(&fault.path), message));
        }
    }
    for (_, _, [before, after]) in files("changes") {
        broken.extend(refused(&before, &after).into_iter().map(|(rule, _)| rule));
    }
    let rules = rules();
    assert!(rules.len() > 30, "only {} rules were found", rules.len());
    for rule in &rules {
        assert!(obeyed.contains(&(rule.0.clone(), rule.1.clone())), "no valid fixture reaches {rule:?}");
        assert!(broken.contains(rule), "no invalid fixture breaks {rule:?}");
    }
}

#[test]
fn the_charts_templates_are_the_crds_and_stay_when_the_chart_goes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/moat-crds/templates");
    for definition in definitions() {
        let found = fs::read_to_string(folder.join(definition.file)).unwrap();
        assert!(
            found == definition.chart_template(),
            "charts/moat-crds/templates/{} is stale: run `cargo run -p moat-crds --bin crdgen`",
            definition.file
        );
        // Nothing in it is helm's to fill in, so it reads as it will be applied.
        let mut read_back = file::parse(found.as_bytes()).unwrap().remove(0).value;
        let annotations = read_back["metadata"].as_object_mut().unwrap().remove("annotations").unwrap();
        assert_eq!(annotations, json!({ "helm.sh/resource-policy": "keep" }));
        assert_eq!(read_back, definition.object);
    }
}

#[test]
fn the_crd_files_are_what_the_types_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut on_disk: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"))
        .collect();
    on_disk.sort();
    let wanted: Vec<_> = definitions().iter().map(|definition| definition.file).collect();
    assert_eq!(on_disk, wanted, "`kubectl apply -f crds/` applies every such file: only CRDs may lie here");
    for definition in definitions() {
        let found = fs::read_to_string(folder.join(definition.file)).unwrap();
        assert!(
            found == definition.yaml(),
            "{} is stale: run `cargo run -p moat-crds --bin crdgen`",
            definition.file
        );
        let read_back = file::parse(found.as_bytes()).unwrap().remove(0).value;
        assert_eq!(
            read_back, definition.object,
            "{} does not read back as what was written",
            definition.file
        );
    }
}
