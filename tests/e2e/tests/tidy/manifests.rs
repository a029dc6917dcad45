//! Rules about the crates' manifests: who may know whom, and where a dependency's version stands.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use crate::assert_none;
use crate::source::{root, sources};

/// Which of the project's own crates each crate may name, tests included. Imports point downwards only; `moat-policy` and
/// `moat-mqtt` do not know each other, the broker translates between them.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("moat-policy", &[]),
    ("moat-mqtt", &[]),
    ("moat-realms", &["moat-policy"]),
    ("moat-crds", &["moat-policy"]),
    ("moat-broker", &["moat-crds", "moat-mqtt", "moat-policy", "moat-realms"]),
    ("moat-operator", &["moat-crds", "moat-policy", "moat-realms"]),
    ("kubectl-moat", &["moat-crds", "moat-policy", "moat-realms"]),
    // It races programs that it starts; what it sends and checks is written apart from the code it measures.
    ("moat-race", &[]),
    // Stories drive the programs from outside, as a user does.
    ("moat-e2e", &[]),
];

/// A manifest's sections: name to the lines below it.
type Sections = BTreeMap<String, Vec<String>>;

/// One crate of the workspace.
struct Member {
    path: String,
    name: String,
    manifest: Sections,
}

fn sections(manifest: &str) -> Sections {
    let mut found = Sections::new();
    let mut name = String::new();
    for line in manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(section) => name = section.to_owned(),
            None => found.entry(name.clone()).or_default().push(line.to_owned()),
        }
    }
    found
}

fn members() -> io::Result<Vec<Member>> {
    let workspace = fs::read_to_string(root().join("Cargo.toml"))?;
    let list =
        workspace.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let mut members = Vec::new();
    for path in list.split('"').skip(1).step_by(2) {
        let manifest = sections(&fs::read_to_string(root().join(path).join("Cargo.toml"))?);
        let name = manifest
            .get("package")
            .and_then(|lines| lines.iter().find_map(|line| line.strip_prefix("name = ")))
            .unwrap_or_default();
        members.push(Member { path: path.to_owned(), name: name.trim_matches('"').to_owned(), manifest });
    }
    Ok(members)
}

/// The lines of every dependency section, tests' and builds' too.
fn dependencies(manifest: &Sections) -> impl Iterator<Item = &String> {
    manifest.iter().filter(|(section, _)| section.ends_with("dependencies")).flat_map(|(_, lines)| lines)
}

#[test]
fn crates_know_only_those_below_them() -> io::Result<()> {
    let mut offences = Vec::new();
    for Member { path, name, manifest } in members()? {
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(known, _)| *known == name) else {
            offences.push(format!("{path}: say in this test which crates {name} may know"));
            continue;
        };
        for line in dependencies(&manifest) {
            let dependency = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if dependency.starts_with("moat-") && !allowed.contains(&dependency) {
                offences.push(format!("{name} knows {dependency}"));
            }
        }
    }
    assert_none("imports point downwards only", &offences);
    Ok(())
}

#[test]
fn versions_and_lints_stand_once_in_the_workspace() -> io::Result<()> {
    let mut offences = Vec::new();
    for Member { path, name, manifest } in members()? {
        let shared = |line: &&String| !line.contains("workspace = true");
        offences.extend(dependencies(&manifest).filter(shared).map(|line| format!("{name}: {line}")));
        if manifest.get("lints").is_none_or(|lines| lines != &["workspace = true"]) {
            offences.push(format!("{path}: [lints] is not the workspace's"));
        }
    }
    let workspace = sections(&fs::read_to_string(root().join("Cargo.toml"))?);
    let forbidden = workspace
        .get("workspace.lints.rust")
        .is_some_and(|lints| lints.iter().any(|lint| lint == "unsafe_code = \"forbid\""));
    assert!(forbidden, "the workspace forbids unsafe code");
    assert_none("the workspace's manifest says it once for all", &offences);
    Ok(())
}

#[test]
fn only_operator_broker_and_plugin_can_reach_an_api_server() -> io::Result<()> {
    let client = ["client", "runtime", "config", "ws", "gateway"].map(|feature| format!("\"{feature}\""));
    let reaches = |line: &String| client.iter().any(|feature| line.contains(feature));
    let workspace = sections(&fs::read_to_string(root().join("Cargo.toml"))?);
    let lines = workspace.get("workspace.dependencies").map_or(&[][..], Vec::as_slice);
    let kube = lines.iter().find(|line| line.starts_with("kube = ")).expect("the workspace uses kube");
    assert!(kube.contains("default-features = false"), "kube's default features bring a client: {kube}");
    assert!(!reaches(kube), "every crate would get a client: {kube}");
    let mut offences = Vec::new();
    for Member { name, manifest, .. } in members()? {
        for line in dependencies(&manifest).filter(|line| line.starts_with("kube = ") && reaches(line)) {
            if !["moat-operator", "moat-broker", "kubectl-moat"].contains(&name.as_str()) {
                offences.push(format!("{name}: {line}"));
            }
        }
        // What the stories find out, a user finds out with the same programs.
        let ours = |line: &&String| line.starts_with("kube") || line.starts_with("k8s-openapi");
        if name == "moat-e2e" {
            offences.extend(dependencies(&manifest).filter(ours).map(|line| format!("{name}: {line}")));
        }
    }
    assert_none("these crates have no business with the API server", &offences);
    Ok(())
}

#[test]
fn every_member_of_the_workspace_is_judged() -> io::Result<()> {
    let members = members()?;
    let here = sources()?;
    let manifests =
        here.iter().filter(|s| s.path.ends_with("/Cargo.toml") && !s.path.starts_with("broker/fuzz/"));
    let offences: Vec<String> = manifests
        .map(|s| s.path.trim_end_matches("/Cargo.toml").to_owned())
        .filter(|path| !members.iter().any(|member| member.path == *path))
        .collect();
    assert!(members.len() >= 7, "the workspace's member list could not be read");
    assert_none("add these crates to the workspace", &offences);
    Ok(())
}
