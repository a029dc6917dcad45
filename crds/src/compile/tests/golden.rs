//! The quickstart story, as a broker will read it.

use super::*;

fn quickstart() -> Resources {
    let status = "topic/${mqtt-clientid}/status";
    let everything = json!([{
        "topicFilter": "#", "activity": ["publish", "subscribe"], "retain": "any", "sharedSubscription": "any",
    }]);
    with([
        resource(
            "Permission",
            "own-status",
            json!({ "topicFilter": status, "activity": ["publish"], "retain": "any" }),
        ),
        role("superuser", &[], everything),
        role("frontend", &["cn=frontend,ou=groups,dc=example,dc=com"], json!([{ "ref": "own-status" }])),
        role("backend", &[], json!([{ "topicFilter": "topic/+/status", "activity": ["subscribe"] }])),
        credential("superuser", "superuser", &["superuser"]),
        credential("frontendclient", "frontendclient", &["frontend"]),
        credential("backendservice", "backendservice", &["backend"]),
        secret("superuser", "credential", json!({ "hash": HASH })),
        secret("frontendclient", "credential", json!({ "hash": HASH })),
        secret("backendservice", "credential", json!({ "hash": HASH })),
    ])
}

#[test]
fn the_quickstart_compiles_to_this() {
    let compiled = compiled(quickstart());
    assert_eq!(compiled.diagnostics, []);
    let mut entries: Vec<_> =
        compiled.bundle.iter().map(|(key, entry)| (key.clone(), entry.clone())).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let entries: Vec<_> =
        entries.iter().map(|(key, entry)| json!({ "key": key, "entry": &**entry })).collect();
    insta::assert_json_snapshot!(json!({ "digest": compiled.bundle.digest(), "entries": entries }));
}
