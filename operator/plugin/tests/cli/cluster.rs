//! What asks a cluster, without one: what cannot be asked is 2, and says what it tried. The answers of a real cluster
//! are a story of the end-to-end tests.

use std::fs;

use crate::run::{Run, moat};

/// A kubeconfig that leads to a port on which nobody listens.
const NOBODY: &str = "\
apiVersion: v1
kind: Config
clusters: [ { name: c, cluster: { server: 'http://127.0.0.1:1' } } ]
users: [ { name: u, user: { token: t } } ]
contexts: [ { name: nobody, context: { cluster: c, user: u } } ]
current-context: nobody
";

/// Runs each command that asks a cluster, with further arguments, on a kubeconfig with this text.
fn each(kubeconfig: &str, more: &[&str]) -> Vec<Run> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    fs::write(&file, kubeconfig).unwrap();
    let file = file.to_str().unwrap();
    let run = |command: &[&str]| moat(&[command, &["--kubeconfig", file], more].concat());
    vec![run(&["status"]), run(&["status", "-A", "-o", "json"]), run(&["bundle", "show", "fleet"])]
}

fn says(runs: Vec<Run>, words: &str) {
    for run in runs {
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{}", run.err);
        assert!(run.err.starts_with("error: ") && run.err.contains(words), "{}", run.err);
    }
}

#[test]
fn an_api_server_that_does_not_answer_is_told() {
    says(each(NOBODY, &[]), "failed to reach the API server: ");
    says(each(NOBODY, &["--context", "nobody"]), "Connection refused");
}

#[test]
fn a_kubeconfig_that_leads_nowhere_is_told() {
    says(each(NOBODY, &["--context", "plant"]), "plant");
    says(each("contexts: [", &[]), "failed to find the API server and credentials for it: ");
    let run = moat(&["status", "--kubeconfig", "does/not/exist"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("does/not/exist"), "{}", run.err);
}
