use std::fmt::Write;

use serde_json::{Value, json};

use super::*;
use crate::compile::{Change, Kind, Resource, ResourceKey};

fn values(text: &str) -> Vec<Value> {
    parse(text.as_bytes()).unwrap().into_iter().map(|document| document.value).collect()
}

fn problem(text: &str) -> (u32, u32, &'static str) {
    let error = parse(text.as_bytes()).unwrap_err();
    (error.line, error.column, error.problem.reason())
}

fn role(name: &str, rest: &str) -> String {
    format!(
        "apiVersion: moat.dev/v1alpha1\nkind: Role\nmetadata: {{ name: {name} }}\nspec:\n  realmRef: {{ name: r }}\n{rest}"
    )
}

fn findings(text: &str) -> Vec<String> {
    read("a.yaml", text.as_bytes()).findings.iter().map(Finding::to_string).collect()
}

#[test]
fn a_file_holds_several_documents_and_empty_ones_count_for_nothing() {
    assert_eq!(values("---\n# nothing\n---\na: 1\n---\n---\n- b\n...\n"), [json!({ "a": 1 }), json!(["b"])]);
    assert_eq!(values(""), [] as [Value; 0]);
}

#[test]
fn keys_that_are_not_text_become_the_text_that_kubectl_makes_of_them() {
    assert_eq!(
        values("{ 1: a, on: b, 1.5: c, 'yes': d }"),
        [json!({ "1": "a", "true": "b", "1.5": "c", "yes": "d" })]
    );
    assert_eq!(problem("{ [a]: b }"), (1, 3, "KeyNotText"));
    assert_eq!(problem("a: 1\n~: 2"), (2, 1, "KeyNotText"));
}

#[test]
fn a_key_that_is_there_twice_is_refused_at_its_second_place() {
    assert_eq!(problem("a:\n  b: 1\n  c: 2\n  b: 3\n"), (4, 3, "DuplicateKey"));
    assert_eq!(problem("{ true: 1, yes: 2 }"), (1, 12, "DuplicateKey"));
}

#[test]
fn anchors_aliases_and_merge_keys_mean_what_they_mean_to_kubectl() {
    let text = "base: &b { x: 1, w: [a, b] }\nsame: *b\nmore: { <<: *b, x: 2 }\nboth: { <<: [{ z: 3, x: 4 }, *b] }\n";
    assert_eq!(
        values(text),
        [json!({
            "base": { "x": 1, "w": ["a", "b"] },
            "same": { "x": 1, "w": ["a", "b"] },
            "more": { "x": 2, "w": ["a", "b"] },
            "both": { "z": 3, "x": 4, "w": ["a", "b"] },
        })]
    );
    assert_eq!(problem("a: &a [*a]"), (1, 8, "EndlessAlias"));
    assert_eq!(problem("a: { <<: 1 }"), (1, 10, "MergeNotMap"));
    assert_eq!(problem("a: { x: 1, <<: { x: 2 } }").2, "MergeBehindKey");
    assert_eq!(problem("{ <<: { a: 1 }, <<: { b: 1 } }").2, "DuplicateKey");
    assert_eq!(problem("a: &a 1\n---\nb: *a"), (3, 4, "Syntax"), "anchors end with their document");
}

#[test]
fn a_bomb_costs_nothing_but_its_own_text() {
    let mut laughs = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..30 {
        let before = format!("*a{}", level - 1);
        writeln!(laughs, "a{level}: &a{level} [{}]", vec![before; 10].join(", ")).unwrap();
    }
    let error = parse(laughs.as_bytes()).unwrap_err();
    assert_eq!(error.problem, YamlProblem::TooManyAliases);
    assert!(error.line < 8, "it was allowed to unfold until line {}", error.line);

    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(10_000), "*a,".repeat(1000));
    assert_eq!(parse(long.as_bytes()).unwrap_err().problem, YamlProblem::TooManyAliases);
    let merges = format!("a: &a {{ {} }}\nb: [{}]", "k: vvvvvvvvvv", "{ <<: *a },".repeat(100_000));
    assert_eq!(parse(merges.as_bytes()).unwrap_err().problem, YamlProblem::TooManyAliases);
}

#[test]
fn depth_size_and_number_of_values_are_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(nested(60).as_bytes()).is_ok());
    assert!(parse(nested(100_000).as_bytes()).is_err());
    let block: String = (0..2000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    assert!(parse(block.as_bytes()).is_err());
    let by_alias = format!("a: &a {}\nb: [[[[[[[[[[*a]]]]]]]]]]", nested(60));
    assert_eq!(parse(by_alias.as_bytes()).unwrap_err().problem, YamlProblem::TooDeep);
    let large = vec![b' '; FILE_BYTES_MAX + 1];
    assert_eq!(parse(&large).unwrap_err().problem, YamlProblem::TooLarge(FILE_BYTES_MAX + 1));
    let many = format!("[{}]", "1,".repeat(1_000_001));
    assert_eq!(parse(many.as_bytes()).unwrap_err().problem, YamlProblem::TooManyNodes);
}

#[test]
fn what_is_no_yaml_is_refused_with_its_place() {
    assert_eq!(problem("a: b: c"), (1, 5, "Syntax"));
    assert_eq!(problem("a: [1, 2"), (1, 4, "Syntax"));
    assert_eq!(problem("a:\n\t- b"), (2, 2, "Syntax"));
    assert_eq!(problem("a: !!binary aGk="), (1, 4, "Tag"));
    assert_eq!(problem("a: !secret x"), (1, 4, "Tag"));
    assert_eq!(problem("a: !!int x"), (1, 4, "Tag"));
    assert_eq!(problem("a: .inf"), (1, 4, "NotFinite"));
    assert_eq!(values("a: !!str 1"), [json!({ "a": "1" })]);
    let error = parse(b"a: 1\nb: \xff").unwrap_err();
    assert_eq!((error.line, error.column, error.problem), (2, 4, YamlProblem::NotUtf8));
}

#[test]
fn a_half_written_file_is_broken_and_gives_no_entries() {
    let whole = format!("{}---\n{}", role("a", "  roleKeys: [x]\n"), role("b", "  roleKeys: [\"y\"]\n"));
    assert_eq!(read("a.yaml", whole.as_bytes()).entries.len(), 2);
    let cut = &whole[..whole.len() - 3];
    let reading = read("a.yaml", cut.as_bytes());
    assert!(reading.broken && reading.entries.is_empty());
    assert_eq!(reading.findings.len(), 1);
    assert_eq!(reading.findings[0].reason, "Syntax");
    assert_eq!(reading.findings[0].place.line, 13);
}

#[test]
fn a_finding_names_file_line_column_resource_field_and_reason() {
    let text = role(
        "frontend",
        "  permissions:\n    - ref: a\n    - topicFilter: a/#/b\n      activity: [publish]\n  colour: red\n",
    );
    assert_eq!(
        findings(&text),
        [
            "a.yaml:10:3: error: Role/frontend: unknown field \"spec.colour\" [UnknownField]",
            "a.yaml:8:7: error: Role/frontend: spec.permissions[1].topicFilter: Invalid value: \"string\": not a topic \
             filter: '+' and '#' must fill a whole level, '#' only the last one, and NUL is not allowed; for example \
             a/+/c or a/# [FieldValueInvalid]",
        ]
    );
}

#[test]
fn a_word_that_yaml_takes_for_something_else_comes_with_the_remedy() {
    let found = findings(&role("a", "  roleKeys: [on]\n"));
    assert!(found[1].ends_with("(put it in quotes to make it text) [FieldValueTypeInvalid]"), "{found:?}");
}

#[test]
fn one_mebibyte_of_permissions_in_one_role_is_refused_with_the_bound() {
    let permissions = "    - { topicFilter: \"a/b/c/d/e/f\", activity: [publish] }\n".repeat(20_000);
    let text = role("huge", &format!("  permissions:\n{permissions}"));
    assert!(text.len() > 1024 * 1024);
    let reading = read("a.yaml", text.as_bytes());
    let messages: Vec<_> = reading.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages[1..], ["spec.permissions: Too many: 20000: must have at most 1000 items"]);
    assert_eq!(messages.len(), 2, "and that the rules were not evaluated");
}

#[test]
fn kinds_that_are_not_ours_are_told_apart() {
    let of = |head: &str| {
        let reading = read("a.yaml", format!("{head}\nmetadata: {{ name: a }}\n").as_bytes());
        assert!(reading.entries.is_empty());
        (reading.findings[0].severity, reading.findings[0].reason)
    };
    assert_eq!(of("apiVersion: moat.dev/v1alpha1\nkind: Rolle"), (Severity::Error, "UnknownKind"));
    assert_eq!(of("apiVersion: moat.dev/v1alpha1\nkind: Secret"), (Severity::Error, "UnknownKind"));
    assert_eq!(of("apiVersion: moat.dev/v1\nkind: Role"), (Severity::Error, "UnknownVersion"));
    assert_eq!(of("apiVersion: apps/v1\nkind: Deployment"), (Severity::Notice, "OtherGroup"));
    assert_eq!(of("apiVersion: v1\nkind: Service"), (Severity::Notice, "OtherGroup"));
    assert_eq!(of("kind: Role"), (Severity::Error, "NotAnObject"));
    assert_eq!(of("[a]\n---"), (Severity::Error, "NotAnObject"));
}

#[test]
fn a_list_is_its_items() {
    let item = "  - apiVersion: moat.dev/v1alpha1\n    kind: Role\n    metadata: { name: NAME }\n    spec: { realmRef: { name: r } }\n";
    let text = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}{}",
        item.replace("NAME", "a"),
        item.replace("NAME", "B")
    );
    let reading = read("a.yaml", text.as_bytes());
    assert_eq!(reading.entries.len(), 2);
    assert!(matches!(reading.entries[1].outcome, Outcome::Rejected(_)));
    assert_eq!((reading.findings[0].place.line, reading.findings[0].field.as_str()), (10, "metadata.name"));
    let nested = "apiVersion: v1\nkind: List\nitems: [{ apiVersion: v1, kind: List, items: [] }]";
    assert_eq!(read("a.yaml", nested.as_bytes()).findings[0].reason, "ListInList");
}

#[test]
fn secrets_are_judged_and_never_shown() {
    let head = "apiVersion: v1\nkind: Secret\nmetadata: { name: s, labels: { moat.dev/use: credential } }\n";
    let reading = read("a.yaml", format!("{head}data:\n  password: |\n    c2Vj\n    cmV0\n").as_bytes());
    let Outcome::Valid(resource) = &reading.entries[0].outcome else { panic!("{:?}", reading.findings) };
    let Resource::Secret(secret) = resource.as_ref() else { panic!() };
    assert_eq!(secret.data.as_ref().unwrap()["password"].0, b"secret");

    for wrong in [
        "data: { password: hunter2hunter! }",
        "stringData: { password: [hunter2] }",
        "stringData: { 'hunter 2': x }",
        "date: { password: hunter2 }",
    ] {
        let reading = read("a.yaml", format!("{head}{wrong}\n").as_bytes());
        assert!(matches!(reading.entries[0].outcome, Outcome::Rejected(_)), "{wrong}");
        let shown = reading.findings[0].to_string();
        assert!(shown.starts_with("a.yaml:4:") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_config_map_is_judged_and_means_nothing_yet() {
    let head = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c }\n";
    assert_eq!(findings(&format!("{head}data: {{ a: b }}\n")), [] as [&str; 0]);
    let found = findings(&format!("{head}data: {{ a: 1 }}\n"));
    assert!(found[0].contains("data.a in body must be of type string"), "{found:?}");
}

#[test]
fn of_a_resource_that_is_there_twice_the_first_counts_and_the_second_is_an_error() {
    let first = read("a.yaml", role("x", "  roleKeys: [one]\n").as_bytes());
    let second = read("b.yaml", role("x", "  roleKeys: [two]\n").as_bytes());
    let both = assemble([&first, &second]);
    assert_eq!(both.len(), 1);
    assert_eq!(both.findings().len(), 1);
    let finding = &both.findings()[0];
    assert_eq!((finding.reason, finding.place.to_string().as_str()), ("DuplicateResource", "b.yaml:3:13"));
    assert!(finding.message.contains("a.yaml:1:1"), "{finding}");
    let changes = both.changes_since(&Assembly::default());
    let [Change::Upsert(Resource::Role(role))] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(role.spec.role_keys, ["one"]);
}

#[test]
fn changes_are_what_was_edited_and_nothing_else() {
    let read_all = |texts: &[String]| -> Vec<Reading> {
        texts.iter().map(|text| read("a.yaml", text.as_bytes())).collect()
    };
    let before = read_all(&[role("a", ""), role("b", ""), role("c", "")]);
    let after = read_all(&[
        format!("# moved\n{}", role("a", "")),
        role("b", "  roleKeys: [x]\n"),
        role("d", "  oops: 1\n"),
    ]);
    let changes = assemble(&after).changes_since(&assemble(&before));
    let told: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Upsert(resource) => format!("upsert {}", resource.key().short()),
            Change::Reject(rejected) => format!("reject {}", rejected.key.short()),
            Change::Delete(key) => format!("delete {}", key.short()),
            Change::Verified(..) => "verified".to_owned(),
        })
        .collect();
    assert_eq!(told, ["delete Role/c", "upsert Role/b", "reject Role/d"]);
    assert!(assemble(&after).changes_since(&assemble(&after)).is_empty());
}

#[test]
fn a_place_is_found_for_every_field_even_one_that_is_not_there() {
    let text = role("a", "  permissions:\n    - ref: x\n");
    let assembly = assemble(&[read("f.yaml", text.as_bytes())]);
    let key = ResourceKey::new(Kind::Role, "default", "a");
    let place = |field: &str| assembly.place(&key, field).unwrap().to_string();
    assert_eq!(place("spec.permissions[0].ref"), "f.yaml:7:7");
    assert_eq!(place("spec.permissions[0].topicFilter"), "f.yaml:7:7");
    assert_eq!(place("spec.permissions[7]"), "f.yaml:6:3");
    assert_eq!(place("spec.roleKeys"), "f.yaml:4:1");
    assert_eq!(place(""), "f.yaml:1:1");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "[a-z:&*\\[\\]{}<>|#!'\"\\\\ \\-\\n\t0-9?,%@`]{0,200}") {
        let _ = read("a.yaml", text.as_bytes());
    }

    #[test]
    fn json_reads_back_as_itself(text in "\\PC{0,40}", number in proptest::num::i64::ANY, truth in proptest::bool::ANY) {
        let value = json!({ "a": [text, number, truth, null], "b": { "c": {}, "d": [] } });
        proptest::prop_assert_eq!(values(&value.to_string()), [value]);
    }
}
