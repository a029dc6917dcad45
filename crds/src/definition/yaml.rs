//! Writes a JSON value as block-style YAML that every YAML reader reads back the same: keys as they come, text plain
//! where that is unambiguous, folded where it is long prose, quoted otherwise.

use std::fmt::Write;

use serde_json::Value;

/// Column at which folded text breaks.
const WIDTH: usize = 118;

/// The value as one YAML document.
pub(super) fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(_) | Value::Array(_) if !is_empty(value) => collection(&mut out, value, 0, true),
        scalar => {
            inline(&mut out, scalar);
            out.push('\n');
        }
    }
    out
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

/// Writes a map or list that has members. `fresh` says that the cursor is at the beginning of a line; otherwise it is
/// behind a `- `, whose line the first key shares.
fn collection(out: &mut String, value: &Value, indent: usize, fresh: bool) {
    let mut fresh = fresh;
    let mut begin = |out: &mut String| {
        if fresh {
            out.extend(std::iter::repeat_n(' ', indent));
        }
        fresh = true;
    };
    match value {
        Value::Object(map) => {
            for (key, member) in map {
                begin(out);
                text(out, key);
                out.push(':');
                match member {
                    Value::String(long) if foldable(long, indent) => folded(out, long, indent + 2),
                    Value::Array(_) if !is_empty(member) => {
                        out.push('\n');
                        collection(out, member, indent, true);
                    }
                    Value::Object(_) if !is_empty(member) => {
                        out.push('\n');
                        collection(out, member, indent + 2, true);
                    }
                    scalar => {
                        out.push(' ');
                        inline(out, scalar);
                        out.push('\n');
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                begin(out);
                out.push_str("- ");
                if is_empty(item) {
                    inline(out, item);
                    out.push('\n');
                } else {
                    collection(out, item, indent + 2, false);
                }
            }
        }
        _ => {}
    }
}

fn inline(out: &mut String, value: &Value) {
    match value {
        Value::String(string) => text(out, string),
        other => {
            // Display of a Value is JSON, which is YAML; writing to a String cannot fail.
            let _ = write!(out, "{other}");
        }
    }
}

/// Plain if no reader can take it for anything but this text, else in double quotes with JSON's escapes.
fn text(out: &mut String, string: &str) {
    let mut letters = string.chars();
    let plain = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '/')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "-_./()$ ".contains(letter))
        && !string.ends_with(' ')
        && string.len() < WIDTH
        && !WORDS.contains(&string.to_ascii_lowercase().as_str());
    if plain {
        out.push_str(string);
    } else {
        let _ = write!(out, "{}", Value::from(string));
    }
}

/// Words that some reader takes for a truth value or for nothing.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Prose that folding gives back unchanged: single spaces, one line, nothing that needs an escape.
fn foldable(string: &str, indent: usize) -> bool {
    string.len() + indent > WIDTH - 20
        && !string.contains("  ")
        && !string.starts_with([' ', '#'])
        && !string.ends_with(' ')
        && string.chars().all(|letter| !letter.is_control())
}

fn folded(out: &mut String, string: &str, indent: usize) {
    out.push_str(" >-");
    let mut column = WIDTH;
    for word in string.split(' ') {
        if column + 1 + word.len() > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out.push('\n');
}
