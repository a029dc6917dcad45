//! It does not matter in which order resources are applied or deleted: the same policy comes of them, nothing waits
//! for anything else, and nothing is left behind.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::{programs, until};
use serde_json::Value;

use crate::people::{connect, is_let_in, may_publish};

/// What a deletion may take: nothing has to happen first.
const PROMPTLY: Duration = Duration::from_secs(10);

/// What the end of a pod may take: nobody has to be waited for.
const ENDING: Duration = Duration::from_secs(45);

/// A resource of the quickstart: how kubectl names it, and its YAML.
struct Document {
    name: String,
    yaml: String,
}

/// The documents of the quickstart, as they stand in its files.
fn documents() -> Result<Vec<Document>> {
    let folder = programs::repository().join("config/samples/quickstart");
    let mut files: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut documents = Vec::new();
    for file in files {
        for yaml in fs::read_to_string(file)?.split("\n---\n") {
            let kind = yaml.lines().find_map(|line| line.strip_prefix("kind: ")).context("a kind")?;
            let name = yaml.split("name: ").nth(1).and_then(|rest| rest.split([' ', '\n', '}']).next());
            // Kubernetes has Roles of its own.
            let group = if kind == "Secret" { "" } else { ".moat.dev" };
            let name = format!("{}{group}/{}", kind.to_lowercase(), name.context("a name")?);
            documents.push(Document { name, yaml: yaml.to_owned() });
        }
    }
    ensure!(documents.len() == 13, "the quickstart has 13 documents, not {}", documents.len());
    Ok(documents)
}

/// Shuffles as a seed says: the same each time, so that a failure can be seen again.
fn shuffle(documents: &mut [Document], seed: u64) {
    let mut state = seed;
    for end in (1..documents.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(state >> 33).unwrap_or(0) % (end + 1);
        documents.swap(end, at);
    }
}

/// The digest of the policy in force.
fn digest(namespace: &Namespace<'_>) -> Result<String> {
    let cluster = namespace.get("mqc", "quickstart")?;
    let applied = moat_e2e::kube::story::condition(&cluster, "PolicyApplied").context("PolicyApplied")?;
    let message = applied["message"].as_str().unwrap_or_default();
    let digest = message.split_once("1/1 pods at ").with_context(|| format!("1/1 pods at …: {message}"))?.1;
    Ok(digest.to_owned())
}

/// Everything in the namespace that is not Kubernetes' own and shall not stay.
fn left(namespace: &Namespace<'_>) -> Result<Vec<String>> {
    const KINDS: &str = "moat,statefulset,pod,service,configmap,secret,serviceaccount,role.rbac.authorization.k8s.io,\
        rolebinding,networkpolicy,poddisruptionbudget,controllerrevision,endpointslice";
    let names = namespace.kubectl(&["get", KINDS, "-o", "name", "--ignore-not-found"])?;
    let own = ["configmap/kube-root-ca.crt", "serviceaccount/default"];
    Ok(names.lines().filter(|name| !own.contains(name)).map(str::to_owned).collect())
}

/// No resource has a finalizer, which would make its deletion wait for someone.
fn no_finalizers(namespace: &Namespace<'_>) -> Result<()> {
    let all: Value = serde_json::from_str(&namespace.kubectl(&["get", "moat", "-o", "json"])?)?;
    let items = all["items"].as_array().context("a list")?;
    ensure!(items.len() == 10, "every resource is there: {}", items.len());
    let with = items.iter().find(|item| !item["metadata"]["finalizers"].is_null());
    ensure!(with.is_none(), "a resource has a finalizer: {with:#?}");
    Ok(())
}

#[test]
fn every_order_of_applying_gives_the_same_policy_and_every_order_of_deleting_leaves_nothing() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("order")?;
    let mut documents = documents()?;
    let mut digests = Vec::new();
    for round in 0..3 {
        if round == 0 {
            documents.reverse();
        } else {
            shuffle(&mut documents, round);
        }
        let order: Vec<_> = documents.iter().map(|document| document.name.as_str()).collect();
        let order = order.join(", ");
        for document in &documents {
            namespace.apply(&document.yaml)?;
        }
        namespace.ready().with_context(|| format!("applied in the order {order}"))?;
        digests.push(digest(&namespace)?);
        no_finalizers(&namespace)?;
        let listener = namespace.listener("quickstart", "plain")?;
        let mut client = connect(&listener, "x", "frontendclient")?;
        ensure!(may_publish(&mut client, "topic/x/status", "here")?, "applied in the order {order}");

        shuffle(&mut documents, 100 + round);
        let order: Vec<_> = documents.iter().map(|document| document.name.as_str()).collect();
        for name in &order {
            let begin = Instant::now();
            let timeout = format!("--timeout={}s", PROMPTLY.as_secs());
            namespace
                .kubectl(&["delete", name, &timeout])
                .with_context(|| format!("{name} hangs, deleted in the order {}", order.join(", ")))?;
            ensure!(begin.elapsed() < PROMPTLY, "{name} was deleted after {:?}", begin.elapsed());
        }
        client.ended()?;
        let gone = format!("everything to be gone, deleted in the order {}", order.join(", "));
        until::holds_within(ENDING, &gone, || Ok(left(&namespace)?.is_empty()))
            .with_context(|| format!("left: {:?}", left(&namespace)))?;
    }
    ensure!(digests.windows(2).all(|pair| pair[0] == pair[1]), "the same policy each time: {digests:?}");
    Ok(())
}

#[test]
fn half_of_it_deleted_lets_nobody_in_who_should_not_be() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("order")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let listener = namespace.listener("quickstart", "plain")?;
    let mut client = connect(&listener, "root", "superuser")?;
    ensure!(may_publish(&mut client, "a", "")?);
    // Without its Realm a Credential is nobody's; without its Pipeline a listener refuses everyone.
    namespace.kubectl(&["delete", "mrealm", "people"])?;
    client.ended()?;
    ensure!(!is_let_in(&listener, "superuser", "superuser")?, "nobody is let in without a Realm");
    namespace.refused("mcred", "superuser", "RefNotFound")?;
    namespace.refused("mpipe", "plain", "RefNotFound")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let mut client = connect(&listener, "root", "superuser")?;
    namespace.kubectl(&["delete", "mpipe", "plain"])?;
    until::holds("everyone to be refused", || Ok(!is_let_in(&listener, "superuser", "superuser")?))?;
    let warns =
        |accepted: &Value| accepted["message"].as_str().is_some_and(|it| it.contains("refuses everyone"));
    namespace.condition("mqc", "quickstart", "Accepted", warns)?;
    // Nor is there anything left that says what those may do who are in.
    client.ended().map(drop)
}

#[test]
fn a_namespace_is_deleted_with_everything_in_it() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let Some(instance) = kubernetes.instance() else { return Ok(()) };
    let namespace = kubernetes.namespace("order")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let mut client = connect(&namespace.listener("quickstart", "plain")?, "x", "frontendclient")?;
    let mark = instance.mark()?;
    let timeout = format!("--timeout={}s", ENDING.as_secs());
    kubernetes.kubectl(&["delete", "namespace", &namespace, &timeout])?;
    client.ended()?;
    // The operator must not go on making what is being deleted.
    let writes = instance.writes_since(mark)?;
    let refused: Vec<_> = writes
        .iter()
        .filter(|write| {
            write.user.contains("moat-operator") && write.namespace == *namespace && write.code >= 400
        })
        .collect();
    ensure!(refused.len() < 20, "the operator tried {} times in vain: {refused:?}", refused.len());
    Ok(())
}
