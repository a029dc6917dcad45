//! `kubectl moat status` and `kubectl moat bundle show`, called through kubectl as users call them: what they say of a
//! quickstart that works, of resources that do not, and of a policy that someone has altered.

use std::env;
use std::ffi::OsString;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::{programs, resources, until};
use serde_json::{Value, json};

use crate::breakable;
use crate::fleet::{FLEET, Fleet, HEALING};

/// What came of a call.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    /// The output, when the exit code is this.
    fn with_code(self, code: i32) -> Result<String> {
        let Self { code: found, out, err } = self;
        ensure!(found == Some(code), "the exit code is {found:?} and not {code}:\n{out}{err}");
        Ok(out)
    }

    /// What a command that cannot ask says, which it says instead of an answer.
    fn failed(self) -> Result<String> {
        let Self { code, out, err } = self;
        ensure!(code == Some(2) && out.is_empty(), "the exit code is {code:?} and not 2:\n{out}{err}");
        Ok(err)
    }
}

/// Calls `kubectl moat`: kubectl finds the plugin on the PATH and hands everything over.
fn moat(kubernetes: &Kubernetes, arguments: &[&str]) -> Result<Said> {
    let plugin = programs::plugin()?;
    let folder = plugin.parent().context("the plugin lies in a folder")?.to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    let path: OsString = env::join_paths([folder].into_iter().chain(env::split_paths(&path)))?;
    let mut kubectl = kubernetes.command(kubernetes.programs().join("kubectl"));
    kubectl.arg("moat").args(arguments).env("PATH", path).stdin(Stdio::null());
    let output = kubectl.output().context("failed to run kubectl")?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) })
}

/// Calls it for a namespace.
fn in_namespace(namespace: &Namespace<'_>, arguments: &[&str]) -> Result<Said> {
    moat(namespace.kubernetes(), &[arguments, &["-n", namespace]].concat())
}

/// Shows that a text has each of these parts.
fn holds(text: &str, parts: &[&str]) -> Result<()> {
    let missing: Vec<_> = parts.iter().filter(|part| !text.contains(**part)).collect();
    ensure!(missing.is_empty(), "{missing:?} are missing:\n{text}");
    Ok(())
}

/// The words of a line, for tables whose columns are as wide as what they hold.
fn has_row(text: &str, words: &[&str]) -> Result<()> {
    let found = text.lines().any(|line| {
        let line: Vec<&str> = line.split_whitespace().collect();
        line.starts_with(words)
    });
    ensure!(found, "there is no row {words:?}:\n{text}");
    Ok(())
}

#[test]
fn the_plugin_tells_what_is_in_force_and_what_is_not() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("plugin")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let service = namespace.get("service", "quickstart-plain")?;
    let address = service["spec"]["clusterIP"].as_str().context("the Service has an address")?;
    let cluster = namespace.get("mqc", "quickstart")?;
    let version = cluster["status"]["version"].as_str().context("the cluster has a version")?;

    let told = in_namespace(&namespace, &["status"])?.with_code(0)?;
    holds(
        &told,
        &[
            &format!("MqttCluster quickstart in namespace {}: ready\n", &*namespace),
            &format!("  version  {version}\n"),
            "  policy   generation ",
            ", 1/1 pods at sha256:",
            "  pods     1/1 ready\n",
            &format!("\nready: 10 resources in namespace {}\n", &*namespace),
        ],
    )?;
    has_row(&told, &["quickstart-0", "Running", "yes", "0"])?;
    let listener = format!("quickstart-plain.{}.svc:1883", &*namespace);
    has_row(&told, &["plain", "mqtt", &listener, address])?;
    has_row(&told, &["Credential", "3", "0"])?;

    let dangling = resources::role("dangling", &["{ ref: nothing }"]);
    namespace.apply(&dangling)?;
    let message = namespace.refused("mrole", "dangling", "RefNotFound")?;
    let told = in_namespace(&namespace, &["status", "quickstart"])?.with_code(1)?;
    holds(&told, &[&format!("\n  Role/dangling: Accepted=False, RefNotFound: {message}\n")])?;
    has_row(&told, &["Role", "3", "1"])?;
    holds(&told, &[&format!("\nnot ready: 1 of 11 resources in namespace {}\n", &*namespace)])?;

    let told = in_namespace(&namespace, &["status", "-o", "json"])?.with_code(1)?;
    let told: Value = serde_json::from_str(&told)?;
    let found = &told["namespaces"][0];
    ensure!(told["verdict"] == "notReady" && found["clusters"][0]["ready"] == true, "{told:#}");
    ensure!(found["clusters"][0]["policy"]["applied"] == true, "{told:#}");
    ensure!(found["notReady"][0]["name"] == "dangling", "{told:#}");
    ensure!(found["notReady"][0]["reason"] == "RefNotFound", "{told:#}");

    let everywhere = moat(kubernetes, &["status", "-A"])?.with_code(1)?;
    holds(&everywhere, &[&format!("MqttCluster quickstart in namespace {}: ready\n", &*namespace)])?;
    let unknown = in_namespace(&namespace, &["status", "other"])?.failed()?;
    holds(&unknown, &["there is no MqttCluster other in namespace", "it has quickstart"])?;
    let nobody = moat(kubernetes, &["status", "--context", "nowhere"])?.failed()?;
    holds(&nobody, &["nowhere"])
}

#[test]
fn the_plugin_shows_the_policy_and_never_a_secret() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("plugin")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let manifest = crate::fleet::manifest_in(&namespace.get("configmap", "quickstart-policy")?)?;
    let digest = manifest["digest"].as_str().context("a manifest has a digest")?;

    let shown = in_namespace(&namespace, &["bundle", "show", "--entries"])?.with_code(0)?;
    holds(
        &shown,
        &[
            &format!("MqttCluster quickstart in namespace {}\n", &*namespace),
            &format!("  generation  {}\n  schema      1\n", manifest["generation"]),
            &format!("  digest      {digest} (ok)\n"),
            "\nverified: ",
        ],
    )?;
    has_row(&shown, &["plain", "mqtt", "1883"])?;
    has_row(&shown, &["people", "yes"])?;
    has_row(&shown, &["frontendclient", "people", "yes", "password", "of", "frontendclient"])?;
    has_row(&shown, &["Role/frontend", "people", "publish", "topic/${mqtt-clientid}/status"])?;
    let machine = in_namespace(&namespace, &["bundle", "show", "quickstart", "--entries", "-o", "json"])?;
    let machine = machine.with_code(0)?;
    let told: Value = serde_json::from_str(&machine)?;
    ensure!(
        told["digest"] == digest && told["digestState"] == "ok" && told["wrong"] == json!([]),
        "{told:#}"
    );
    for told in [&shown, &machine] {
        ensure!(!told.contains("argon2") && !told.contains("verifier"), "nothing secret is shown:\n{told}");
    }

    // Who may read ConfigMaps and nothing else sees all but the credentials.
    namespace.kubectl(&["create", "role", "reader", "--verb=get", "--resource=configmaps"])?;
    namespace.kubectl(&["create", "rolebinding", "reader", "--role=reader", "--user=reader"])?;
    let may_read = ["bundle", "show", "quickstart", "--entries", "--as", "reader"];
    let shown = in_namespace(&namespace, &may_read)?.with_code(0)?;
    has_row(&shown, &["Role/frontend", "people", "publish", "topic/${mqtt-clientid}/status"])?;
    holds(
        &shown,
        &["Not read:", "secrets \"quickstart-credentials-root-", "1 of 2 shards may not be read\n"],
    )?;
    ensure!(!shown.contains("frontendclient"), "no credential is shown:\n{shown}");
    let nothing =
        in_namespace(&namespace, &["bundle", "show", "quickstart", "--as", "stranger"])?.failed()?;
    holds(&nothing, &["configmaps \"quickstart-policy\" is forbidden"])?;
    let nothing = in_namespace(&namespace, &["status", "--as", "stranger"])?.failed()?;
    holds(&nothing, &["mqttclusters.moat.dev is forbidden"])
}

/// The object of a shard that counts, by its family.
fn shard(fleet: &Fleet<'_>, family: &str) -> Result<String> {
    let manifest = fleet.manifest()?;
    let slot = manifest["shards"][format!("{}-root", if family == "policy" { "plain" } else { "secret" })]
        .as_str()
        .and_then(|at| at.split_once('@'));
    Ok(format!("{FLEET}-{family}-root-{}", slot.context("the manifest names a slot")?.0))
}

#[test]
fn the_plugin_names_what_someone_has_altered_while_no_operator_runs() -> Result<()> {
    breakable::story(|kubernetes, operator| {
        let fleet = Fleet::found(kubernetes, "plugin")?;
        operator.scale(0)?;
        let show = || in_namespace(&fleet, &["bundle", "show", FLEET]);
        show()?.with_code(0)?;

        let (plain, secret) = (shard(&fleet, "policy")?, shard(&fleet, "credentials")?);
        let altered = json!({ "binaryData": { "shard.zst": BASE64_STANDARD.encode("nothing") } }).to_string();
        fleet.kubectl(&["patch", "configmap", &plain, "--type=merge", "-p", &altered])?;
        let shown = show()?.with_code(1)?;
        holds(&shown, &[&format!("\n  ConfigMap/{plain}: ShardMismatch: "), "\nbroken: 1 of 2 shards"])?;
        fleet.kubectl(&["delete", "secret", &secret])?;
        let shown = show()?.with_code(1)?;
        holds(
            &shown,
            &[&format!("\n  Secret/{secret}: ShardMissing: it does not exist; "), "\nbroken: 2 of 2"],
        )?;
        let text = fleet.manifest()?.to_string();
        fleet.write_manifest(&text[..text.len() / 2])?;
        let shown = show()?.with_code(1)?;
        holds(&shown, &[&format!("\n  ConfigMap/{FLEET}-policy: ManifestMalformed: ")])?;

        // Nobody looks at what is new.
        fleet.apply(&resources::role("new", &["{ topicFilter: \"a\", activity: [publish] }"]))?;
        let told = in_namespace(&fleet, &["status"])?.with_code(1)?;
        holds(&told, &["\n  Role/new: Ready=Unknown, NotObserved: ", "Not read:\n  ConfigMap "])?;

        operator.scale(1)?;
        until::holds_within(HEALING, "everything to be what it was", || {
            let (bundle, status) = (show()?, in_namespace(&fleet, &["status"])?);
            Ok(bundle.code == Some(0) && status.code == Some(0))
        })
    })
}
