//! What the rules of the CRDs accept, the policy can enforce: no permission that a user was told is fine is dropped later.

use moat_crds::schema::check;
use moat_policy::{GroupTemplate, TopicTemplate};
use proptest::prelude::*;
use serde_json::json;

/// Whether the CRD accepts a permission with this filter and share group.
fn accepted(filter: &str, group: &str) -> bool {
    let mut object = json!({
        "apiVersion": "moat.dev/v1alpha1", "kind": "Permission", "metadata": { "name": "p" },
        "spec": { "topicFilter": filter, "activity": ["subscribe"], "sharedSubscription": "any", "sharedGroup": group },
    });
    check("Permission", &mut object).is_ok()
}

/// Texts of the pieces in which filters go right and wrong.
fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "/",
        "/",
        "+",
        "#",
        "$",
        "{",
        "}",
        "${",
        "mqtt-clientid",
        "${mqtt-clientid}",
        "${mqtt-username}",
        "${authentication-key}",
        "${authorization-key}",
        "${string-a-1}",
        "${string-}",
        "${string-A}",
        "$share/",
        "$share",
        "$SYS",
        "\0",
        "é",
        "😀",
        " ",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_filter_is_accepted_exactly_when_the_policy_can_enforce_it(filter in text()) {
        let enforced = TopicTemplate::parse(&filter);
        // Here the CRD is stricter on purpose: `$share` alone is a mistake, if a harmless one.
        let stricter = filter == "$share";
        prop_assert_eq!(accepted(&filter, "g"), enforced.is_ok() && !stricter, "{:?}: {:?}", filter, enforced);
    }

    #[test]
    fn a_group_is_accepted_exactly_when_the_policy_can_enforce_it(group in text()) {
        let enforced = GroupTemplate::parse(&group);
        prop_assert_eq!(accepted("a", &group), enforced.is_ok(), "{:?}: {:?}", group, enforced);
    }

    #[test]
    fn so_is_one_of_many_levels(levels in 100_usize..140, last in "[a#]") {
        let filter = format!("{}{last}", "a/".repeat(levels));
        if accepted(&filter, "g") {
            prop_assert!(TopicTemplate::parse(&filter).is_ok(), "{} levels", levels + 1);
        }
    }
}
