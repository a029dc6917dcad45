//! The operator's chart gives it what its objects need. The chart's rendered form is kept by `.ci/charts`.

use moat_crds::file;

use super::*;

/// What the chart renders to with its own values.
fn rendered() -> Vec<Value> {
    let text = include_str!("../../../../tests/e2e/charts/default.golden.yaml");
    file::parse(text.as_bytes()).unwrap().into_iter().map(|document| document.value).collect()
}

fn of_kind<'a>(all: &'a [Value], kind: &str, name: &str) -> &'a Value {
    all.iter().find(|it| it["kind"] == kind && it["metadata"]["name"] == name).unwrap()
}

/// Whether the operator's ClusterRole allows this on every object.
fn allowed(all: &[Value], group: &str, resource: &str, verb: &str) -> bool {
    let rules = of_kind(all, "ClusterRole", "moat-operator")["rules"].as_array().unwrap();
    let has = |list: &Value, wanted: &str| list.as_array().unwrap().iter().any(|it| it == wanted);
    rules.iter().any(|rule| {
        has(&rule["apiGroups"], group)
            && has(&rule["resources"], resource)
            && has(&rule["verbs"], verb)
            && rule.get("resourceNames").is_none()
    })
}

#[test]
fn the_operators_pods_may_come_to_the_admin_port() {
    let all = rendered();
    let pod = &of_kind(&all, "Deployment", "moat-operator")["spec"]["template"];
    for (key, value) in OPERATOR_POD_LABELS {
        assert_eq!(pod["metadata"]["labels"][key], value, "{key}");
    }
}

#[test]
fn the_operator_may_grant_what_the_pods_may() {
    let all = rendered();
    for rule in objects(&plain(), "0.1.0").role.rules.unwrap() {
        let (groups, resources) = (rule.api_groups.unwrap(), rule.resources.unwrap());
        for verb in rule.verbs {
            assert!(allowed(&all, &groups[0], &resources[0], &verb), "{verb} {}", resources[0]);
        }
    }
}

#[test]
fn the_operator_may_make_and_watch_every_object() {
    let all = rendered();
    for object in super::all(&objects(&tls(), "0.1.0")) {
        let group = object["apiVersion"].as_str().unwrap().rsplit_once('/').map_or("", |(group, _)| group);
        let kind = object["kind"].as_str().unwrap().to_lowercase();
        let plural = kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"));
        for verb in ["get", "list", "watch", "create", "patch"] {
            assert!(allowed(&all, group, &plural, verb), "{verb} {plural}.{group}");
        }
    }
}

#[test]
fn the_operator_changes_nothing_of_a_users_object_but_its_status() {
    let all = rendered();
    for rule in of_kind(&all, "ClusterRole", "moat-operator")["rules"].as_array().unwrap() {
        let ours = rule["apiGroups"] == json!(["moat.dev"]);
        let status =
            rule["resources"].as_array().unwrap().iter().all(|it| it.as_str().unwrap().ends_with("/status"));
        if ours {
            assert_eq!(
                rule["verbs"],
                if status { json!(["patch"]) } else { json!(["get", "list", "watch"]) }
            );
        }
        for list in ["apiGroups", "resources", "verbs"] {
            assert!(!rule[list].as_array().unwrap().iter().any(|it| it == "*"), "{rule}");
        }
        for verb in ["escalate", "bind", "impersonate", "update", "deletecollection"] {
            assert!(!rule["verbs"].as_array().unwrap().iter().any(|it| it == verb), "{rule}");
        }
    }
}
