//! The answer for people.

use std::fmt::Write as _;

use moat_policy::{AuthenticationManager, AuthorizationManager, CertificateMatch, PermissionEntry};
use serde::Serialize;

use super::check::{ManifestReport, Report, State};
use super::entries::{Credential, Entries, Identity};
use crate::text::{Table, amount, plain};

/// Writes the answer.
pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    line(&mut out, &format!("MqttCluster {} in namespace {}", report.cluster, report.namespace));
    if let Some(found) = &report.manifest {
        manifest(&mut out, found);
    }
    if let Some(found) = &report.entries {
        entries(&mut out, found);
    }
    if !report.wrong.is_empty() {
        out.push_str("\nWrong:\n");
        for wrong in &report.wrong {
            line(&mut out, &format!("  {}: {}: {}", wrong.object, wrong.reason, wrong.message));
        }
    }
    if let Some(why) = &report.unread {
        line(&mut out, "\nNot read: shards that you may not read are neither checked nor shown:");
        line(&mut out, &format!("  {}", plain(why)));
    }
    line(&mut out, &format!("\n{}", sum(report)));
    out
}

fn manifest(out: &mut String, manifest: &ManifestReport) {
    line(out, &format!("  generation  {}", manifest.generation));
    line(out, &format!("  schema      {}", manifest.schema));
    line(out, &format!("  digest      {} ({})", manifest.digest, checked(manifest.digest_state)));
    let mut table = Table::new(["SHARD", "SLOT", "OBJECT", "ENTRIES", "BYTES", "PACKED", "DIGEST"]);
    for shard in &manifest.shards {
        let [entries, bytes, packed] = [shard.entries, shard.bytes, shard.packed_bytes]
            .map(|number| number.map_or_else(|| "-".to_owned(), |number| number.to_string()));
        let (name, state) = (shard.name.to_string(), checked(shard.state));
        table.row([&name, &shard.slot, &shard.object, &entries, &bytes, &packed, state]);
    }
    table.write(out, "  ");
    let mut table =
        Table::new(["LISTENER", "PROTOCOL", "PORT", "TLS SECRET", "CLIENT CERTIFICATE", "SESSIONS"]);
    for listener in &manifest.listeners {
        let (secret, client) = match &listener.tls {
            Some(tls) if tls.revision.is_none() => {
                (format!("{} (not usable)", tls.secret_name), word(&tls.client_auth))
            }
            Some(tls) => (tls.secret_name.clone(), word(&tls.client_auth)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let (protocol, port) = (word(&listener.protocol), listener.port.to_string());
        let sessions = word(&listener.session_identity);
        table.row([&listener.name, &protocol, &port, &secret, &client, &sessions]);
    }
    table.write(out, "  ");
}

fn entries(out: &mut String, entries: &Entries) {
    let mut table = Table::new(["SETTING", "VALUE"]);
    if let Some(settings) = &entries.settings {
        table.row(["onRevocation", &word(&settings.on_revocation)]);
        table.row(["subscriptionMatching", &word(&settings.subscription_matching)]);
    }
    table.write(out, "  ");
    let mut table = Table::new(["REALM", "ENABLED"]);
    entries.realms.iter().for_each(|realm| table.row([&realm.name, yes(realm.enabled)]));
    table.write(out, "  ");
    let mut table = Table::new(["LISTENER", "PIPELINE", "AUTHENTICATION", "AUTHORIZATION"]);
    for pipeline in &entries.pipelines {
        let (who, what) = (authentication(&pipeline.authentication), authorization(&pipeline.authorization));
        table.row([&pipeline.listener, &pipeline.source, &who, &what]);
    }
    table.write(out, "  ");
    let mut table = Table::new(["ROLE", "REALM", "FURTHER ROLE KEYS"]);
    for role in &entries.roles {
        table.row([&role.name, &role.realm, &keys(&role.role_keys)]);
    }
    table.write(out, "  ");
    let mut table = Table::new(["CREDENTIAL", "REALM", "ENABLED", "PROOF", "AUTHORIZATION KEY", "ROLES"]);
    for credential in &entries.credentials {
        let Credential { name, realm, enabled, authorization_key, roles, .. } = credential;
        let proof = proof(&credential.identity);
        table.row([name, realm, yes(*enabled), &proof, authorization_key, &keys(roles)]);
    }
    table.write(out, "  ");
    permissions(out, entries);
}

fn permissions(out: &mut String, entries: &Entries) {
    let mut table =
        Table::new(["HOLDER", "REALM", "ACTIVITY", "TOPIC FILTER", "QOS", "RETAIN", "SHARED", "FROM"]);
    let roles = entries.roles.iter().map(|role| (&role.source, &role.realm, &role.permissions));
    let credentials = entries.credentials.iter();
    let credentials =
        credentials.map(|credential| (&credential.source, &credential.realm, &credential.permissions));
    for (holder, realm, permissions) in roles.chain(credentials) {
        for permission in permissions {
            let PermissionEntry { source, topic_filter, activity, qos, retain, .. } = permission;
            let activity = list(activity.iter().map(|activity| activity.as_str()));
            let qos = list(qos.iter().map(|qos| qos.to_string()));
            let shared = shared(permission);
            table.row([holder, realm, &activity, topic_filter, &qos, retain.as_str(), &shared, source]);
        }
    }
    table.write(out, "  ");
}

fn sum(report: &Report) -> String {
    let shards = report.manifest.as_ref().map(|manifest| manifest.shards.as_slice()).unwrap_or_default();
    let in_state = |state| shards.iter().filter(|shard| shard.state == state).count();
    let entries: usize = shards.iter().filter_map(|shard| shard.entries).sum();
    let of_shards = format!("of {}", amount(shards.len(), "shard"));
    if !report.wrong.is_empty() {
        return match in_state(State::Wrong) {
            0 => "broken: the manifest cannot be used".to_owned(),
            wrong => format!("broken: {wrong} {of_shards} cannot be used"),
        };
    }
    let unread = in_state(State::Unread);
    let entries = format!("{entries} {}", if entries == 1 { "entry" } else { "entries" });
    if unread > 0 {
        return format!("verified in part: {entries}; {unread} {of_shards} may not be read");
    }
    format!("verified: {entries} in {}", amount(shards.len(), "shard"))
}

fn proof(identity: &Identity) -> String {
    match identity {
        Identity::Password { username, has_password: true } => format!("password of {username}"),
        Identity::Password { username, has_password: false } => format!("no password for {username}"),
        Identity::Certificate(CertificateMatch::Subject(subject)) => format!("certificate {subject}"),
        Identity::Certificate(CertificateMatch::FingerprintSha256(fingerprint)) => {
            format!("certificate sha256:{fingerprint}")
        }
    }
}

fn authentication(manager: &AuthenticationManager) -> String {
    match manager {
        AuthenticationManager::Kubernetes { realm } => format!("realm {realm}"),
        AuthenticationManager::AllowAll {} => "allow all".to_owned(),
    }
}

fn authorization(manager: &AuthorizationManager) -> String {
    match manager {
        AuthorizationManager::Kubernetes { realm, use_authorization_key, use_authorization_role_key } => {
            let by = match (use_authorization_key, use_authorization_role_key) {
                (true, true) => "",
                (true, false) => ", without roles",
                (false, true) => ", roles only",
                (false, false) => ", nothing",
            };
            format!("realm {realm}{by}")
        }
        AuthorizationManager::AllowAll {} => "allow all".to_owned(),
    }
}

fn shared(permission: &PermissionEntry) -> String {
    let rule = permission.shared_subscription.as_str();
    match &permission.shared_group {
        Some(group) => format!("{rule} in {group}"),
        None => rule.to_owned(),
    }
}

const fn checked(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Wrong => "wrong",
        State::Unread => "not checked",
    }
}

/// The word that JSON has for a value.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Keys may hold commas, as names in directories do.
fn keys(keys: &[String]) -> String {
    if keys.is_empty() { "-".to_owned() } else { keys.join("; ") }
}

fn list(words: impl Iterator<Item = impl Into<String>>) -> String {
    let words: Vec<String> = words.map(Into::into).collect();
    words.join(",")
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn line(out: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{text}");
}
