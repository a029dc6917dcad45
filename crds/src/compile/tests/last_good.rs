//! Last-good: narrow, explicit, and never a way back to a right that is gone.

use super::*;

/// The last valid forms after a compile of these.
fn forms(resources: Resources) -> LastGood {
    let mut compiler = Compiler::new(Options::default(), LastGood::new(), Verifiers::new());
    compiler.apply(resources.into_changes());
    compiler.last_good()
}

fn broken_role() -> Resource {
    role("r", &[], json!([{ "topicFilter": "a/#/b", "activity": ["publish"] }]))
}

#[test]
fn an_invalid_spec_keeps_its_last_valid_form_and_says_so() {
    let mut compiler = Compiler::new(files(), LastGood::new(), Verifiers::new());
    let good =
        compiler.apply(with([role("r", &[], json!([{ "ref": "p" }])), permission("p", "p")]).into_changes());
    let bad = compiler.apply([Change::Upsert(broken_role())]);
    assert_eq!(bad.bundle.digest(), good.bundle.digest());
    assert_eq!(said(&bad, Kind::Role, "r"), ["Invalid spec.permissions[0].topicFilter"]);
    assert!(messages(&bad, Kind::Role, "r").ends_with("; until then its last valid form stays in force"));
    let gone = compiler.apply([Change::Delete(key(Kind::Permission, "p"))]);
    assert_eq!(
        filters(&gone, &role_key("r")).unwrap(),
        [""; 0],
        "the old form's permission is gone and stays gone"
    );
    assert_eq!(said(&gone, Kind::Role, "r").len(), 2);
}

#[test]
fn last_good_is_an_input_and_survives_being_written_down() {
    let good = || with([role("r", &[], json!([{ "topicFilter": "a", "activity": ["publish"] }]))]);
    let (first, kept) = (compiled(good()), forms(good()));
    let written = serde_json::to_string(&kept).unwrap();
    let read: LastGood = serde_json::from_str(&written).unwrap();
    assert_eq!(read, kept);
    let again = compile(&Options::default(), with([broken_role()]), &read, &Verifiers::new());
    assert_eq!(again.bundle.digest(), first.bundle.digest());
    let forgetful = compiled(with([broken_role()]));
    assert!(forgetful.bundle.get(&role_key("r")).is_none());
}

#[test]
fn a_resource_that_was_deleted_leaves_no_form_behind() {
    let mut compiler = Compiler::new(files(), LastGood::new(), Verifiers::new());
    compiler.apply(with([role("r", &[], json!([]))]).into_changes());
    compiler.apply([Change::Delete(key(Kind::Role, "r"))]);
    let after = compiler.apply([Change::Upsert(broken_role())]);
    assert!(after.bundle.get(&role_key("r")).is_none());
    let whole = forms(with([role("r", &[], json!([]))]));
    let mut without = Compiler::new(Options::default(), whole, Verifiers::new());
    without.apply(ground().into_changes());
    without.settle_last_good();
    assert_eq!(without.last_good().len(), 3);
}

#[test]
fn another_object_of_the_same_name_does_not_inherit() {
    let of = |uid: &str, permissions: Value| {
        let metadata = json!({ "namespace": "iot", "name": "r", "uid": uid, "generation": 1 });
        of_metadata(
            "Role",
            metadata,
            json!({ "realmRef": { "name": "devices" }, "permissions": permissions }),
        )
    };
    let first = forms(with([of("one", json!([]))]));
    let bad = json!([{ "topicFilter": "a/#/b", "activity": ["publish"] }]);
    let same = compile(&Options::default(), with([of("one", bad.clone())]), &first, &Verifiers::new());
    assert!(same.bundle.get(&role_key("r")).is_some());
    let other = compile(&Options::default(), with([of("two", bad)]), &first, &Verifiers::new());
    assert!(other.bundle.get(&role_key("r")).is_none());
}

#[test]
fn an_invalid_credential_whose_secret_is_gone_lets_no_one_in() {
    let mut compiler = Compiler::new(files(), LastGood::new(), Verifiers::new());
    let hash = secret("car", "credential", json!({ "hash": HASH }));
    compiler.apply(with([credential("car", "u", &[]), hash]).into_changes());
    let broken = resource("Credential", "car", json!({ "realmRef": { "name": "devices" } }));
    let kept = compiler.apply([Change::Upsert(broken)]);
    assert!(verifier(&kept, "car").is_some());
    let gone = compiler.apply([Change::Delete(key(Kind::Secret, "car"))]);
    assert_eq!(verifier(&gone, "car"), None);
}
