//! Conditions held against what there is.

use super::*;

fn draft(type_: &'static str, status: bool, message: &str) -> Draft {
    Draft::new(type_, status, "Because", message)
}

#[test]
fn what_says_the_same_is_not_written_again() {
    let drafts = [draft("Ready", true, "fine"), draft("Accepted", true, "fine")];
    let first = merge(at(0), &[], &drafts, Some(1)).unwrap();
    assert_eq!(first.iter().map(|c| c.type_.as_str()).collect::<Vec<_>>(), ["Accepted", "Ready"]);
    assert_eq!(merge(at(9), &first, &drafts, Some(1)), None);
    let reversed: Vec<_> = first.iter().rev().cloned().collect();
    assert_eq!(merge(at(9), &reversed, &drafts, Some(1)), None);
    let next = merge(at(9), &first, &drafts, Some(2)).unwrap();
    assert!(next.iter().all(|c| c.observed_generation == Some(2) && c.last_transition_time.0 == at(0)));
}

#[test]
fn the_time_of_a_transition_is_that_of_the_status_not_of_the_words() {
    let first = merge(at(0), &[], &[draft("Ready", false, "not yet")], Some(1)).unwrap();
    let second = merge(at(5), &first, &[draft("Ready", false, "still not")], Some(1)).unwrap();
    assert_eq!(second[0].last_transition_time.0, at(0));
    let third = merge(at(9), &second, &[draft("Ready", true, "now")], Some(1)).unwrap();
    assert_eq!(third[0].last_transition_time.0, at(9));
}

#[test]
fn fractions_of_seconds_which_the_api_drops_make_no_difference() {
    let now = at(0) + SignedDuration::from_millis(700);
    let written = merge(now, &[], &[draft("Ready", true, "fine")], Some(1)).unwrap();
    assert_eq!(written[0].last_transition_time.0, at(0));
}

#[test]
fn long_messages_are_cut_between_characters() {
    let draft = draft("Ready", true, &"ä".repeat(2000));
    assert!(draft.message.len() <= MESSAGE_BYTES_MAX && draft.message.len() > MESSAGE_BYTES_MAX - 4);
    assert!(draft.message.ends_with("ä…"));
    let exact = Draft::new("Ready", true, "Because", "x".repeat(MESSAGE_BYTES_MAX));
    assert_eq!(exact.message.len(), MESSAGE_BYTES_MAX);
}

#[test]
fn what_others_wrote_under_types_of_theirs_is_left_alone() {
    let theirs = condition("Scanned", "True", "Theirs", 0);
    let drafts = [draft("Ready", true, "fine")];
    let written = merge(at(0), std::slice::from_ref(&theirs), &drafts, Some(1)).unwrap();
    assert_eq!(written.len(), 1);
    let all = [written[0].clone(), theirs];
    assert_eq!(merge(at(9), &all, &drafts, Some(1)), None);
}

#[test]
fn what_others_wrote_under_a_type_of_ours_is_overruled() {
    let drafts = [draft("Ready", true, "fine")];
    let garbage = [condition("Ready", "Maybe", "Theirs", 0), condition("Stalled", "True", "Theirs", 0)];
    // Once it is left out, which is enough if it was ours.
    let first = merge(at(1), &garbage, &drafts, Some(1)).unwrap();
    assert_eq!((says(&first, "Ready"), says(&first, "Stalled")), ("True Because".into(), "-".into()));
    // It was not: it stays, as server-side apply has it.
    let still = [first[0].clone(), garbage[1].clone()];
    let second = merge(at(2), &still, &drafts, Some(1)).unwrap();
    assert_eq!(says(&second, "Stalled"), "False NotSo");
    assert_eq!(merge(at(3), &second, &drafts, Some(1)), None);
}
