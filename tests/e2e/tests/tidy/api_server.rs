//! Who may talk to the API server: in the operator one folder, in the broker one file; broker and plugin only read.

use std::io;

use crate::assert_none;
use crate::source::{lines_with_word, sources};

/// Where requests to the API server are made.
const MAY_TALK: &[&str] = &["operator/src/kube/", "broker/src/pod/api.rs", "operator/plugin/src/"];

/// The parts of the crate `kube` that make requests, as names behind `kube::`.
const TALKERS: &[&str] = &["Api", "Client", "Config", "api", "client", "config", "discovery", "runtime"];

/// What a write to the API server needs.
const WRITERS: &[&str] = &["Patch", "PatchParams", "PostParams", "DeleteParams", "EvictParams"];

/// The talkers that this code names, in a path or in the braces of an import.
fn talkers(code: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("kube::") {
        // `crate::kube` is a module of our own, and `moat_e2e::kube` too.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + "kube::".len()..];
        let named = if rest.starts_with('{') {
            rest.split('}').next().unwrap_or_default()
        } else {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
        };
        found.extend(TALKERS.iter().filter(|word| !lines_with_word(1, named, word).is_empty()));
    }
    found
}

#[test]
fn only_the_layers_made_for_it_talk_to_the_api_server() -> io::Result<()> {
    let mut offences = Vec::new();
    for source in sources()?.iter().filter(|s| s.is_rust()) {
        if !MAY_TALK.iter().any(|place| source.path.starts_with(place)) {
            let code = source.product_code();
            // Whose module is called `kube` itself has that name for itself.
            let own = code.contains("use crate::kube::{self");
            let words = if own { Vec::new() } else { talkers(&code) };
            offences.extend(words.into_iter().map(|word| format!("{}: kube::{word}", source.path)));
        }
    }
    assert_none("ask for this through operator/src/kube or broker/src/pod/api.rs", &offences);
    Ok(())
}

#[test]
fn brokers_and_plugin_never_write_to_the_api_server() -> io::Result<()> {
    let mut offences = Vec::new();
    let readers = ["broker/src/", "operator/plugin/src/"];
    let reads = |path: &str| readers.iter().any(|reader| path.starts_with(reader));
    for source in sources()?.iter().filter(|s| s.is_rust() && reads(&s.path)) {
        let code = source.product_code();
        for word in WRITERS {
            let lines = lines_with_word(1, &code, word);
            offences.extend(lines.into_iter().map(|line| format!("{}:{line}: {word}", source.path)));
        }
    }
    assert_none("brokers and the plugin only read from the API server", &offences);
    Ok(())
}

#[test]
fn an_import_of_a_client_is_found() {
    assert_eq!(talkers("use kube::{Client, ResourceExt};"), ["Client"]);
    assert_eq!(talkers("let api: kube::Api<Pod> = a;"), ["Api"]);
    assert_eq!(talkers("use kube::runtime::watcher;"), ["runtime"]);
    assert_eq!(
        talkers("use kube::{Resource, ResourceExt};\nuse crate::kube::api;\nuse kube::core::Rule;"),
        [""; 0]
    );
}
