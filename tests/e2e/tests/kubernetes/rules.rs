//! The real API server judges every fixture of the CRDs as the fixture says, and so as standalone mode does: the
//! tests of `moat-crds` hold the same fixtures against `moat_crds::schema::check`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::{Api, Kubernetes, Reply};
use moat_e2e::programs::repository;
use serde_json::Value;

const EXPECT: &str = "# expect: ";

/// Requests under way at a time.
const AT_ONCE: usize = 4;

/// A fixture: its file name and text.
type Fixture = (String, String);

fn fixtures(folder: &str) -> Result<Vec<Fixture>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository().join("crds/tests").join(folder))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push((format!("{folder}/{name}"), fs::read_to_string(path)?));
    }
    ensure!(!found.is_empty(), "crds/tests/{folder} is empty");
    found.sort();
    Ok(found)
}

/// What the fixture says that the API server says.
fn expected(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_prefix(EXPECT)).map(str::to_owned).collect()
}

/// The plural that each kind is served under.
fn plurals(kubernetes: &Kubernetes) -> Result<BTreeMap<String, String>> {
    let crds: Value = serde_json::from_str(&kubernetes.kubectl(&["get", "crd", "-o", "json"])?)?;
    let crds = crds["items"].as_array().context("a list of CRDs")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(crds
        .iter()
        .map(|crd| &crd["spec"]["names"])
        .map(|names| (text(&names["kind"]), text(&names["plural"])))
        .collect())
}

struct Judge<'a> {
    api: Api<'a>,
    plurals: BTreeMap<String, String>,
    namespace: &'a str,
}

impl Judge<'_> {
    /// The path of the collection that an object of this text belongs to.
    fn collection(&self, yaml: &str) -> Result<String> {
        let kind =
            yaml.lines().find_map(|line| line.strip_prefix("kind: ")).context("a fixture has a kind")?;
        let plural = self.plurals.get(kind.trim()).with_context(|| format!("{kind} is not served"))?;
        Ok(format!("/apis/moat.dev/v1alpha1/namespaces/{}/{plural}", self.namespace))
    }

    /// Asks whether an object could be created.
    fn create(&self, yaml: &str) -> Result<Reply> {
        let path = format!("{}?dryRun=All&fieldValidation=Strict", self.collection(yaml)?);
        self.api.request("POST", &path, "application/yaml", yaml)
    }

    /// Applies one state of an object, or asks whether it could be.
    fn apply(&self, yaml: &str, query: &str) -> Result<Reply> {
        let path = format!("{}/sample?fieldManager=test&force=true{query}", self.collection(yaml)?);
        self.api.request("PATCH", &path, "application/apply-patch+yaml", yaml)
    }
}

/// The reasons of a refusal, as the API server words them; none for an acceptance.
fn reasons(reply: &Reply) -> BTreeSet<String> {
    if reply.status < 300 {
        return BTreeSet::new();
    }
    let message = reply.body["message"].as_str().unwrap_or_default();
    // Unknown fields are found while reading, before anything is validated.
    if let Some((_, faults)) = message.split_once("strict decoding error: ") {
        return faults.split(", ").map(str::to_owned).collect();
    }
    let causes = reply.body["details"]["causes"].as_array();
    let faults = causes.into_iter().flatten().map(|cause| {
        let text = |name: &str| cause[name].as_str().unwrap_or_default();
        format!("{}: {}", text("field"), text("message"))
    });
    let faults: BTreeSet<String> = faults
        // What serves `kubectl scale` tells once more what is wrong with its field; its paths begin with a dot.
        .filter(|fault| !fault.starts_with('.'))
        .map(|fault| match fault.strip_prefix("<nil>: Invalid value: null: ") {
            Some(words) if words.starts_with("some validation rules were not checked") => words.to_owned(),
            _ => fault,
        })
        .collect();
    // A refusal without causes must not pass for an acceptance.
    if faults.is_empty() { [message.to_owned()].into() } else { faults }
}

/// Judges every fixture, several at a time; gives those whose reasons differ, as (missing, too many).
fn differences(
    fixtures: &[Fixture],
    judge: impl Fn(&str) -> Result<Reply> + Sync,
) -> Result<BTreeMap<String, [Vec<String>; 2]>> {
    let (judge, different) = (&judge, &Mutex::new(BTreeMap::new()));
    let share = fixtures.len().div_ceil(AT_ONCE).max(1);
    thread::scope(|scope| {
        let threads: Vec<_> = fixtures
            .chunks(share)
            .map(|chunk| {
                scope.spawn(move || -> Result<()> {
                    for (name, text) in chunk {
                        let (wanted, found) = (expected(text), reasons(&judge(text)?));
                        if wanted != found {
                            let less = |a: &BTreeSet<String>, b| a.difference(b).cloned().collect::<Vec<_>>();
                            let mut different = different.lock().unwrap_or_else(PoisonError::into_inner);
                            different.insert(name.clone(), [less(&wanted, &found), less(&found, &wanted)]);
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no judge panics"))
    })?;
    Ok(mem::take(&mut *different.lock().unwrap_or_else(PoisonError::into_inner)))
}

#[test]
fn the_api_server_judges_every_fixture_as_it_says() -> Result<()> {
    let Some(kubernetes) = Kubernetes::shared()? else { return Ok(()) };
    kubernetes.crds()?;
    let namespace = kubernetes.namespace("rules")?;
    let judge = Judge { api: kubernetes.api()?, plurals: plurals(kubernetes)?, namespace: &namespace };
    let fixtures = [fixtures("valid")?, fixtures("invalid")?].concat();
    let different = differences(&fixtures, |text| judge.create(text))?;
    ensure!(different.is_empty(), "(missing, too many) per fixture: {different:#?}");
    Ok(())
}

#[test]
fn the_api_server_judges_every_change_as_its_fixture_says() -> Result<()> {
    let Some(kubernetes) = Kubernetes::shared()? else { return Ok(()) };
    kubernetes.crds()?;
    let mut different = BTreeMap::new();
    for fixture in fixtures("changes")? {
        // Of its own: every fixture's object has the same name.
        let namespace = kubernetes.namespace("rules")?;
        let judge = Judge { api: kubernetes.api()?, plurals: plurals(kubernetes)?, namespace: &namespace };
        different.extend(differences(&[fixture], |text| {
            let (before, after) = text.split_once("\n---\n").context("a change has two states")?;
            let made = judge.apply(before, "")?;
            ensure!(made.status < 300, "the first state is refused: {}", made.body);
            judge.apply(after, "&dryRun=All")
        })?);
    }
    ensure!(different.is_empty(), "(missing, too many) per fixture: {different:#?}");
    Ok(())
}
