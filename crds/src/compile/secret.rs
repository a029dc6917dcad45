//! What a Secret must hold to be used, by what it is used for. Messages never hold a value.

use k8s_openapi::api::core::v1::Secret;
use moat_policy::{Digest, SecretString};
use sha2::{Digest as _, Sha256};

use super::diagnostic::{Problem, Reason};
use super::resource::{SecretContent, SecretValue};
use crate::{ClientAuth, USE_LABEL};

/// The key of a hash.
const HASH: &str = "hash";
/// The key of a password.
const PASSWORD: &str = "password";
/// The key of a certificate chain.
const TLS_CERTIFICATE: &str = "tls.crt";
/// The key of a private key.
const TLS_KEY: &str = "tls.key";
/// The key of the authorities that may have issued the certificates of clients.
const CLIENT_CA: &str = "ca.crt";

/// All keys that are read.
pub(super) const KNOWN_KEYS: [&str; 5] = [HASH, PASSWORD, TLS_CERTIFICATE, TLS_KEY, CLIENT_CA];

/// What Secrets are used for.
pub(super) const USES: [&str; 3] = ["credential", "realm", "listener"];

/// What a Credential's Secret holds.
pub(super) enum Proof {
    /// What passwords are verified with.
    Hash(SecretString),
    /// A password that must be hashed first.
    Password(SecretString),
}

/// Certificate and key of a TLS listener, all PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsMaterial {
    /// The certificate chain that the listener shows.
    pub certificate_chain: SecretString,
    /// Its private key.
    pub private_key: SecretString,
    /// The authorities that may have issued the certificates of clients; given when clients are asked for one.
    pub client_ca: Option<SecretString>,
}

impl TlsMaterial {
    /// Reads a listener's Secret.
    ///
    /// # Errors
    /// When a key is missing or no PEM text; the message names it.
    pub fn of(secret: Secret, client_auth: ClientAuth) -> Result<Self, Problem> {
        let name = secret.metadata.name.clone().unwrap_or_default();
        tls_material(&SecretContent::of(secret), client_auth, &name, "")
    }

    /// Tells one material from another without telling what it is: its private key is no password that could be
    /// guessed.
    pub fn revision(&self) -> Digest {
        let mut hash = Sha256::new();
        let parts = [Some(&self.certificate_chain), Some(&self.private_key), self.client_ca.as_ref()];
        for part in parts {
            let text = part.map_or("", SecretString::expose);
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        Digest(hash.finalize().into())
    }
}

/// A Secret that may be read for `used_for`.
pub(super) fn readable<'a>(
    secret: Option<&'a SecretContent>,
    (namespace, name): (&str, &str),
    used_for: &str,
    field: &str,
) -> Result<&'a SecretContent, Problem> {
    let label = |overwrite: &str| {
        format!(
            "`kubectl label secret {name} -n {namespace} {USE_LABEL}={used_for}{overwrite}` (in a file: under metadata.labels)"
        )
    };
    let Some(secret) = secret else {
        let message = format!(
            "Secret `{name}` was not found: create it, or if it exists let it be read: {}",
            label("")
        );
        return Err(Problem::error(field, Reason::SecretNotFound, message));
    };
    let message = match secret.used_for.as_deref() {
        Some(found) if found == used_for => return Ok(secret),
        None => format!("Secret `{name}` has no label `{USE_LABEL}`: {}", label("")),
        Some(found) => {
            format!("Secret `{name}` is labelled for the use `{found}`: {}", label(" --overwrite"))
        }
    };
    Err(Problem::error(field, Reason::SecretNotLabelled, message))
}

/// The proof of a Credential, with a warning if it will probably not work as meant.
pub(super) fn proof(
    secret: &SecretContent,
    name: &str,
    field: &str,
) -> Result<(Proof, Option<Problem>), Problem> {
    let invalid = |message: String| Problem::error(field, Reason::SecretInvalid, message);
    let text = |key: &str, value: &SecretValue| match value {
        SecretValue::Text(text) if !text.expose().trim().is_empty() => Ok(text.clone()),
        SecretValue::Text(_) => Err(invalid(format!("Secret `{name}`, key `{key}` must not be empty"))),
        SecretValue::Bytes => Err(invalid(format!("Secret `{name}`, key `{key}` must be UTF-8 text"))),
    };
    match (secret.value(HASH), secret.value(PASSWORD)) {
        (Some(_), Some(_)) => {
            Err(invalid(format!("Secret `{name}` has both `{HASH}` and `{PASSWORD}`: remove one of the two")))
        }
        (None, None) => Err(invalid(format!(
            "Secret `{name}` needs the key `{PASSWORD}`, or `{HASH}` with what `kubectl moat hash-password` prints"
        ))),
        (Some(hash), None) => {
            let hash = text(HASH, hash)?;
            let trimmed = hash.expose().trim();
            if !is_argon2id(trimmed) && !is_ese(trimmed) {
                return Err(invalid(format!(
                    "Secret `{name}`, key `{HASH}` must be `$argon2id$v=19$m=…,t=…,p=…$salt$hash` or \
                     `ese:<ALGORITHM>:<iterations>:<salt>:<hash>`: make one with `kubectl moat hash-password`"
                )));
            }
            let same = trimmed.len() == hash.expose().len();
            Ok((Proof::Hash(if same { hash } else { trimmed.into() }), None))
        }
        (None, Some(password)) => {
            let password = text(PASSWORD, password)?;
            let warning = password.expose().ends_with(['\n', '\r']).then(|| {
                let message = format!(
                    "the password in Secret `{name}` ends with a line break, which clients must send too: write it \
                     without, for example with `printf` instead of `echo`"
                );
                Problem::warning(field, Reason::SecretSuspicious, message)
            });
            Ok((Proof::Password(password), warning))
        }
    }
}

/// Certificate and key of a listener.
pub(super) fn tls_material(
    secret: &SecretContent,
    client_auth: ClientAuth,
    name: &str,
    field: &str,
) -> Result<TlsMaterial, Problem> {
    let pem = |key: &str| match secret.value(key) {
        Some(SecretValue::Text(text)) if text.expose().contains("-----BEGIN ") => Ok(text.clone()),
        Some(_) => {
            let message =
                format!("Secret `{name}`, key `{key}` must be PEM text: it begins with `-----BEGIN`");
            Err(Problem::error(field, Reason::SecretInvalid, message))
        }
        None => {
            let message = match key {
                CLIENT_CA => format!(
                    "Secret `{name}` needs the key `{CLIENT_CA}` with the authorities of the clients' certificates: \
                     add it, or set clientAuth: none"
                ),
                _ => format!(
                    "Secret `{name}` needs the keys `{TLS_CERTIFICATE}` and `{TLS_KEY}`: `{key}` is missing"
                ),
            };
            Err(Problem::error(field, Reason::SecretInvalid, message))
        }
    };
    let client_ca = match client_auth {
        ClientAuth::None => None,
        ClientAuth::Optional | ClientAuth::Required => Some(pem(CLIENT_CA)?),
    };
    Ok(TlsMaterial { certificate_chain: pem(TLS_CERTIFICATE)?, private_key: pem(TLS_KEY)?, client_ca })
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=' | b'-' | b'_'))
}

/// The outer form of an Argon2id PHC string. Whether its costs are bearable is decided where it is computed.
fn is_argon2id(text: &str) -> bool {
    let parts: Vec<_> = text.split('$').collect();
    let ["", "argon2id", "v=19", costs, salt, hash] = parts[..] else { return false };
    let costs: Vec<_> = costs.split(',').collect();
    let [m, t, p] = costs[..] else { return false };
    let cost = |text: &str, name: &str| text.strip_prefix(name).is_some_and(|n| n.parse::<u32>().is_ok());
    let filled = |text: &str| !text.is_empty() && is_base64(text);
    cost(m, "m=") && cost(t, "t=") && cost(p, "p=") && filled(salt) && filled(hash)
}

/// The outer form of a hash of HiveMQ ESE with its algorithm, iterations and salt.
fn is_ese(text: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    let ["ese", algorithm, iterations, salt, hash] = parts[..] else { return false };
    let known = matches!(algorithm, "PLAIN" | "MD5" | "SHA512" | "PKCS5S2" | "BCRYPT")
        || algorithm
            .strip_prefix("ARGON2ID_")
            .and_then(|rest| rest.strip_suffix("KB"))
            .is_some_and(|n| n.parse::<u32>().is_ok());
    known && iterations.parse::<u32>().is_ok() && is_base64(salt) && !hash.is_empty() && is_base64(hash)
}
