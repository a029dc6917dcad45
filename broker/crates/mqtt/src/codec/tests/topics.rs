//! Topic names and filters.

use proptest::prelude::*;

use super::super::topic::{
    TopicError, is_plain, matches, split_share, validate_topic_filter, validate_topic_name,
};

#[test]
fn names_are_characters_without_wildcards() {
    for name in ["a", "/", "//", " ", "a b", "$SYS/x", "é/漢/😀", "\u{feff}", "$share/g/a", "\u{1}", "a/b/"]
    {
        assert_eq!(validate_topic_name(name), Ok(()), "{name:?}");
    }
    assert_eq!(validate_topic_name(""), Err(TopicError::Empty));
    assert_eq!(validate_topic_name("a+b"), Err(TopicError::Wildcard));
    assert_eq!(validate_topic_name("#"), Err(TopicError::Wildcard));
    assert_eq!(validate_topic_name("\0"), Err(TopicError::NulCharacter));
    assert_eq!(validate_topic_name(&"x".repeat(65_535)), Ok(()));
    assert_eq!(validate_topic_name(&"x".repeat(65_536)), Err(TopicError::TooLong));
}

#[test]
fn filters_have_wildcards_in_their_places() {
    for filter in
        ["#", "+", "a/#", "/#", "+/+", "+/#", "a/+/b", "/", "a//b", "$SYS/#", "$share", "$shared/x", "/+"]
    {
        assert_eq!(validate_topic_filter(filter), Ok(()), "{filter:?}");
        assert_eq!(split_share(filter), Ok((None, filter)));
    }
    assert_eq!(validate_topic_filter(&"x".repeat(65_536)), Err(TopicError::TooLong));
    assert_eq!(validate_topic_filter("a\0b"), Err(TopicError::NulCharacter));
}

#[test]
fn a_share_is_split_from_its_filter() {
    assert_eq!(split_share("$share/g/a/+"), Ok((Some("g"), "a/+")));
    assert_eq!(split_share("$share/g//"), Ok((Some("g"), "/")));
    assert_eq!(split_share("$share/$g/#"), Ok((Some("$g"), "#")));
    for (filter, error) in [
        ("$share/", TopicError::ShareName),
        ("$share//a", TopicError::ShareName),
        ("$share/a+/b", TopicError::ShareName),
        ("$share/#", TopicError::ShareName),
        ("$share/g", TopicError::ShareFilter),
        ("$share/g/", TopicError::ShareFilter),
        ("$share/g/a/#/b", TopicError::MultiLevelWildcard),
    ] {
        assert_eq!(split_share(filter), Err(error), "{filter:?}");
    }
}

/// [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.2-1], and the examples of the specification's 4.7.1 to 4.7.3.
#[test]
fn matching_follows_the_specification() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/tennis/player1/#", "sport/tennis/player10", false),
        ("sport/#", "sport", true),
        ("#", "a", true),
        ("#", "/", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/tennis/#", "sport/tennis", true),
        ("a/b", "a/b", true),
        ("a/b", "a/B", false),
        ("a/b", "a/b/", false),
        ("a", "a/b", false),
        ("#", "$SYS/x", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/monitor", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("a/#", "a/$b", true),
    ] {
        assert_eq!(matches(filter, topic), expected, "{filter} against {topic}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_word_by_word_check_sees_what_a_byte_by_byte_one_sees(
        bytes in prop::collection::vec(prop_oneof![30 => any::<u8>(), 1 => Just(0), 1 => Just(b'+'), 1 => Just(b'#')], 0..40),
    ) {
        let naive = !bytes.iter().any(|byte| matches!(byte, 0 | b'+' | b'#'));
        prop_assert_eq!(is_plain(&bytes), naive);
    }

    #[test]
    fn the_word_by_word_check_finds_a_character_at_any_place(length in 1usize..40, at in any::<prop::sample::Index>(), which in 0usize..3) {
        let mut bytes = vec![0xff; length];
        prop_assert!(is_plain(&bytes));
        bytes[at.index(length)] = [0, b'+', b'#'][which];
        prop_assert!(!is_plain(&bytes));
    }

    #[test]
    fn a_name_matches_itself_and_every_filter_made_from_it(levels in prop::collection::vec("[ab$]{0,2}", 1..5), at in any::<prop::sample::Index>()) {
        let name = levels.join("/");
        prop_assume!(!name.is_empty());
        prop_assert!(matches(&name, &name));
        let hidden = name.starts_with('$');
        let at = at.index(levels.len());
        let mut single = levels.clone();
        single[at] = "+".to_owned();
        prop_assert_eq!(matches(&single.join("/"), &name), !(hidden && at == 0));
        let multi = [&levels[..at], &["#".to_owned()]].concat().join("/");
        prop_assert_eq!(matches(&multi, &name), !(hidden && at == 0));
        let longer = [&levels[..], &["x".to_owned()]].concat().join("/");
        prop_assert!(!matches(&name, &longer));
        prop_assert!(!matches(&longer, &name));
    }
}
