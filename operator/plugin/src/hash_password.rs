//! `hash-password`: the line that goes under `hash` in a Credential's Secret. What it computes is
//! [`moat_realms::hash::NewHash`]; here are only the terminal and the Secret around it.

use std::io::{self, Read, Write};

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use moat_realms::hash::{Limits, NewHash, Scheme};
use moat_realms::secret::Secret;

use crate::Answer;
use crate::cli::HashPassword;

/// MQTT gives a password two bytes of length.
const MAX_PASSWORD: usize = 65_535;

pub(crate) fn run(arguments: &HashPassword) -> anyhow::Result<Answer> {
    let new = NewHash {
        algorithm: Some(arguments.algorithm.clone()),
        iterations: arguments.iterations,
        memory_kib: arguments.memory,
        salt: arguments.salt.as_deref().map(salt).transpose()?,
    };
    // Before the password is asked for: nobody wants to type it twice because of another option.
    let scheme = new.scheme()?;
    let limits = Limits::default();
    limits.check(&scheme)?;
    for (option, name) in [("--secret", &arguments.secret), ("--namespace", &arguments.namespace)] {
        if let Some(name) = name {
            check_name(name).with_context(|| format!("{option} `{name}`"))?;
        }
    }
    let password = if arguments.stdin { read_password(&mut io::stdin().lock())? } else { ask_password()? };
    let hash = new.make(password.expose(), &limits)?;
    if let Some(weakness) = weakness(&scheme) {
        eprintln!("warning: {weakness}; use argon2id unless another program must read this hash");
    }
    let mut out = io::stdout().lock();
    match &arguments.secret {
        None => writeln!(out, "{}", *hash)?,
        Some(name) => write_secret(&mut out, name, arguments.namespace.as_deref(), &hash)?,
    }
    Ok(Answer::Yes)
}

/// A Secret as a Credential's `passwordSecretRef` wants it. In single quotes nothing means anything to YAML (a name of
/// digits would be a number without), and neither names nor hashes hold one.
fn write_secret(out: &mut impl Write, name: &str, namespace: Option<&str>, hash: &str) -> io::Result<()> {
    writeln!(out, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: '{name}'")?;
    if let Some(namespace) = namespace {
        writeln!(out, "  namespace: '{namespace}'")?;
    }
    writeln!(out, "  labels: {{ {}: credential }}\nstringData:\n  hash: '{hash}'", moat_crds::USE_LABEL)
}

/// Everything on standard input but one final line break, which `echo` adds and nobody means.
fn read_password(input: &mut impl Read) -> anyhow::Result<Secret> {
    let mut bytes = Vec::with_capacity(1024);
    input.take(MAX_PASSWORD as u64 + 3).read_to_end(&mut bytes).context("failed to read the password")?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    check_password(Secret::new(bytes))
}

/// Asks twice, without echo, on the terminal even when standard input or output is something else.
fn ask_password() -> anyhow::Result<Secret> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt).map(Secret::from).context(
            "failed to ask for the password: without a terminal give it on standard input with --stdin",
        )
    };
    let password = check_password(ask("Password: ")?)?;
    if ask("Again: ")? != password {
        bail!("the two passwords differ");
    }
    Ok(password)
}

fn check_password(password: Secret) -> anyhow::Result<Secret> {
    match password.expose().len() {
        0 => bail!("the password must not be empty"),
        length if length > MAX_PASSWORD => bail!("the password must not be longer than {MAX_PASSWORD} bytes"),
        _ => Ok(password),
    }
}

fn salt(text: &str) -> anyhow::Result<Vec<u8>> {
    STANDARD.decode(text).context("--salt must be Base64 with padding")
}

/// The names that Kubernetes takes (DNS subdomains).
fn check_name(name: &str) -> anyhow::Result<()> {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(inner)
    };
    if name.len() > 253 || !name.split('.').all(label) {
        bail!("must consist of lower-case letters, digits, `-` and `.`, as names in Kubernetes do");
    }
    Ok(())
}

fn weakness(scheme: &Scheme) -> Option<&'static str> {
    match scheme {
        Scheme::Plain => Some("PLAIN is the password itself, only encoded"),
        Scheme::Md5 { .. } | Scheme::Sha512 { .. } => {
            Some("MD5 and SHA512 are quick to try passwords against, whatever the iterations")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> anyhow::Result<Secret> {
        read_password(&mut &*input)
    }

    #[test]
    fn one_final_line_break_is_not_part_of_the_password() {
        for (input, password) in
            [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\r", "a\r")]
        {
            assert_eq!(read(input.as_bytes()).unwrap().expose(), password.as_bytes(), "{input:?}");
        }
        assert_eq!(read(&[0xff, 0, b'\n']).unwrap().expose(), [0xff, 0], "a password is bytes, not text");
    }

    #[test]
    fn passwords_that_mqtt_cannot_carry_are_refused() {
        assert!(read(b"").is_err() && read(b"\n").is_err());
        assert!(read(&vec![b'x'; MAX_PASSWORD]).is_ok());
        assert!(read(&vec![b'x'; MAX_PASSWORD + 1]).is_err());
        assert!(read(&vec![b'x'; 10 * MAX_PASSWORD]).is_err());
    }

    #[test]
    fn names_are_those_of_kubernetes() {
        for good in ["car-17", "a", "a.b-c.d", "17"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "Car", "a_b", "-a", "a-", "a..b", "a: b", "a\n", &"a".repeat(254)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
