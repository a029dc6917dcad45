//! What is a topic filter, what is not, and where it goes wrong.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn error(filter: &str) -> Option<(usize, TemplateFault)> {
    TopicTemplate::parse(filter).err().map(|error| (error.position, error.fault))
}

#[test]
fn filters_with_wildcards_and_placeholders_are_taken() {
    for filter in [
        "#",
        "+",
        "/",
        "a",
        "a/",
        "/a",
        "a//b",
        "a/#",
        "+/#",
        "a/+/b/#",
        "$SYS/#",
        "$share",
        "ä/ö ü",
        "topic/${mqtt-clientid}/status",
        "x-${string-a-1}-${mqtt-username}/+",
        "${authorization-key}",
        "a$/{b}",
        "a/$",
        "$",
    ] {
        assert_eq!(error(filter), None, "{filter}");
    }
    assert_eq!(error(&vec!["a"; MAX_LEVELS].join("/")), None);
}

#[test]
fn mistakes_are_named_with_their_place() {
    use TemplateFault::*;
    let unknown = |name: &str| UnknownVariable(name.to_owned());
    for (filter, position, fault) in [
        ("", 1, Empty),
        ("a/#/b", 3, MultiLevelWildcard),
        ("a#", 2, MultiLevelWildcard),
        ("ä/ö#", 4, MultiLevelWildcard),
        ("a/b+", 4, SingleLevelWildcard),
        ("a/${mqtt-clientid}+", 19, SingleLevelWildcard),
        ("a/\0", 3, Nul),
        ("a/${mqtt-clientid", 3, Unterminated),
        ("a/${mqtt-client/id}", 3, Unterminated),
        ("ä/x${clientid}", 4, unknown("clientid")),
        ("${}", 1, unknown("")),
        ("${mqtt-password}", 1, unknown("mqtt-password")),
        ("${string-A}", 1, unknown("string-A")),
        ("$share/g/a", 1, Share),
        ("$${mqtt-clientid}/a", 1, DollarPlaceholder),
        ("$app-${mqtt-clientid}", 1, DollarPlaceholder),
    ] {
        assert_eq!(error(filter), Some((position, fault)), "{filter}");
    }
    assert_eq!(error(&vec!["a"; MAX_LEVELS + 1].join("/")), Some((2 * MAX_LEVELS + 1, TooManyLevels)));
    assert_eq!(error(&"a".repeat(65536)).map(|(_, fault)| fault), Some(TooLong));
}

#[test]
fn messages_say_what_to_do() {
    let text = |filter: &str| TopicTemplate::parse(filter).unwrap_err().to_string();
    assert_eq!(text("a/#/b"), "`#` must be the whole last level (at character 3)");
    assert_eq!(text("a/${x"), "a placeholder must end with `}` (at character 3)");
    assert_eq!(
        text("${clientid}"),
        "there is no variable `clientid`: use mqtt-clientid, mqtt-username, authentication-key, authorization-key, \
         or string- and a suffix of a-z, 0-9 and - (at character 1)"
    );
    assert_eq!(TemplateFault::Nul.reason(), "InvalidTopicFilter");
}

#[test]
fn share_groups_are_any_or_one() {
    for any in ["", "#"] {
        assert_eq!(GroupTemplate::parse(any).map(|group| group.is_any()), Ok(true));
    }
    let variables = Variables::new().with(&Variable::ClientId, Some("x".into()));
    let group = GroupTemplate::parse("g-${mqtt-clientid}").unwrap();
    assert_eq!(group.expand(&variables).as_deref(), Some("g-x"));
    assert!(
        group.covers("g-x", &variables)
            && !group.covers("g-y", &variables)
            && !group.covers("g-", &variables)
    );
    assert!(!group.covers("g-", &Variables::new()));
    for (group, position) in [("a/b", 2), ("+", 1), ("a#", 2), ("##", 1)] {
        let expected = TemplateError { position, fault: TemplateFault::GroupCharacter };
        assert_eq!(GroupTemplate::parse(group), Err(expected), "{group}");
    }
}

#[test]
fn the_dropping_variable_is_named_before_the_missing_one() {
    let template = TopicTemplate::parse("${mqtt-clientid}/${mqtt-username}").unwrap();
    let variables = Variables::not_given().with(&Variable::Username, Some("a/b".into()));
    let dropped = (&Variable::Username, Unresolved::Dropped(ValueFault::Slash));
    assert_eq!(template.unresolved(&variables), Some(dropped));
    let missing = (&Variable::ClientId, Unresolved::NotGiven);
    assert_eq!(template.unresolved(&Variables::not_given()), Some(missing));
    let dollar = Variables::not_given().with(&Variable::ClientId, Some("$x".into()));
    assert_eq!(
        template.unresolved(&dollar),
        Some((&Variable::ClientId, Unresolved::Dropped(ValueFault::Dollar)))
    );
}

proptest! {
    #[test]
    fn any_text_parses_or_fails_with_a_place_inside_it(filter in "(a|/|\\+|#|\\$|\\{|\\}|\\$\\{mqtt-clientid\\}|ä|\0){0,12}") {
        match TopicTemplate::parse(&filter) {
            Ok(template) => {
                prop_assert_eq!(template.as_str(), &filter);
                let variables = Variables::new().with(&Variable::ClientId, Some(Arc::from("v")));
                prop_assert_eq!(template.expand(&variables), Some(filter.replace("${mqtt-clientid}", "v")));
            }
            Err(error) => prop_assert!(error.position >= 1 && error.position <= filter.chars().count().max(1)),
        }
    }
}
