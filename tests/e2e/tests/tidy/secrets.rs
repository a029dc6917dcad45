//! Secrets have types that cannot be printed: no type that holds one as plain text or bytes derives `Debug`.

use std::io;

use crate::assert_none;
use crate::source::{Source, sources};

/// A field whose name ends so holds a secret, unless its type says otherwise.
const SECRET_NAMES: &[&str] = &["password", "secret", "passphrase", "private_key", "verifier", "plaintext"];

/// Types that can carry a secret's content in the open.
const OPEN_TYPES: &[&str] = &["String", "str", "u8", "Bytes"];

/// Fields with such a name that hold the name of a Secret resource, not a secret.
const NAMES_OF_RESOURCES: &[(&str, &str)] = &[("operator/plugin/src/cli.rs", "secret")];

/// `path:line` of every field that a derived `Debug` would print.
fn printed_secrets(source: &Source) -> Vec<String> {
    let code = source.code();
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    // Whether the item that is being read derives Debug; an item begins after its attributes and ends at column of `}`.
    let (mut derived, mut depth) = (false, 0_i32);
    for (number, line) in lines.iter().enumerate() {
        let trimmed = line.trim();
        if depth == 0 && trimmed.starts_with("#[derive(") {
            derived |= trimmed.contains("Debug");
        }
        let name = trimmed.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        if derived
            && let Some((before, kind)) = name.split_once(": ")
            && let Some(field) = before.split(' ').next_back()
            && SECRET_NAMES.iter().any(|secret| field.ends_with(secret) && !field.starts_with("has_"))
            && !NAMES_OF_RESOURCES.contains(&(source.path.as_str(), field))
            && kind.split(|c: char| !c.is_alphanumeric()).any(|word| OPEN_TYPES.contains(&word))
        {
            found.push(format!("{}:{}: {field}", source.path, number + 1));
        }
        let item = trimmed.contains("struct ") || trimmed.contains("enum ");
        if derived && (depth > 0 || item) {
            depth += i32::try_from(trimmed.matches('{').count()).unwrap_or(0);
            depth -= i32::try_from(trimmed.matches('}').count()).unwrap_or(0);
            derived = depth > 0;
        } else if depth == 0 && !trimmed.is_empty() && !trimmed.starts_with('#') {
            derived = false;
        }
    }
    found
}

#[test]
fn no_type_that_holds_a_secret_can_be_printed() -> io::Result<()> {
    // The stories' own clients show the passwords that they made up, which helps whoever reads a failed test.
    let products = sources()?.into_iter().filter(|s| s.is_rust() && !s.path.starts_with("tests/"));
    let offences: Vec<String> = products.flat_map(|source| printed_secrets(&source)).collect();
    assert_none("give these fields a type without Debug, or write Debug by hand", &offences);
    Ok(())
}

#[test]
fn a_derived_debug_over_a_password_is_found() {
    let bad = "#[derive(Clone, Debug)]\npub struct A<'a> {\n    pub user: &'a str,\n    pub password: Option<&'a [u8]>,\n}\n";
    let good = "#[derive(Clone)]\nstruct A {\n    password: String,\n}\n#[derive(Debug)]\nstruct B {\n    secret: Secret,\n}\n";
    let nested = "#[derive(Debug)]\nenum A {\n    One { password: String },\n    Two {\n        secret: Vec<u8>,\n    },\n}\n";
    let judge = |text: &str| printed_secrets(&Source { path: "a.rs".into(), text: text.into() });
    assert_eq!(judge(bad), ["a.rs:4: password"]);
    assert_eq!(judge(good), [] as [&str; 0]);
    assert_eq!(judge(nested), ["a.rs:3: password", "a.rs:5: secret"]);
}
