//! Everything runs where the strictest Pod Security Standard is enforced, and may do no more than it must.

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::{Kubernetes, Namespace, OPERATOR_NAMESPACE};
use serde_json::Value;

use crate::people::{connect, is_connected};

/// A list in an object, or none.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A pod's processes can change nothing but what is mounted for them to change, and have no more rights than anyone.
fn is_confined(pod: &Value) -> Result<()> {
    let (name, spec) = (&pod["metadata"]["name"], &pod["spec"]);
    ensure!(spec["securityContext"]["runAsNonRoot"] == true, "{name} is nobody: {spec:#}");
    ensure!(spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", "{name}: {spec:#}");
    for container in list(&spec["containers"]) {
        let security = &container["securityContext"];
        ensure!(security["readOnlyRootFilesystem"] == true, "{name} writes nowhere: {security}");
        ensure!(security["allowPrivilegeEscalation"] == false, "{name} stays what it is: {security}");
        ensure!(security["capabilities"]["drop"][0] == "ALL", "{name} has no capability: {security}");
        ensure!(security["capabilities"]["add"].is_null(), "{name} has no capability: {security}");
    }
    for word in ["hostNetwork", "hostPID", "hostIPC"] {
        ensure!(spec[word].is_null() || spec[word] == false, "{name} uses the node's own {word}");
    }
    Ok(())
}

/// What is mounted into a broker's pod: its claim, and what a client of the API needs. No Secret, and no other token
/// than one for this pod that expires.
fn mounts_only_its_claim_and_a_token(pod: &Value) -> Result<()> {
    ensure!(pod["spec"]["automountServiceAccountToken"] == false, "no token unless it is asked for");
    for volume in list(&pod["spec"]["volumes"]) {
        let tokens: Vec<_> = list(&volume["projected"]["sources"])
            .map(|it| &it["serviceAccountToken"])
            .filter(|it| !it.is_null())
            .collect();
        match tokens[..] {
            [token] => ensure!(token["expirationSeconds"].as_u64().is_some_and(|it| it < 4000), "{token}"),
            [] => ensure!(!volume["persistentVolumeClaim"].is_null(), "neither claim nor token: {volume}"),
            _ => anyhow::bail!("several tokens: {volume}"),
        }
    }
    Ok(())
}

#[test]
fn the_strictest_namespaces_take_operator_and_brokers() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("restricted")?;
    for name in [&*namespace, OPERATOR_NAMESPACE] {
        let object = kubernetes.get("namespace", name, "")?;
        let level = &object["metadata"]["labels"]["pod-security.kubernetes.io/enforce"];
        ensure!(level == "restricted", "{name} is restricted: {object:#}");
    }
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let mut client = connect(&namespace.listener("quickstart", "plain")?, "x", "frontendclient")?;
    is_connected(&mut client, "topic/x/status")?;
    let broker = namespace.get("pod", "quickstart-0")?;
    is_confined(&broker)?;
    mounts_only_its_claim_and_a_token(&broker)?;
    let operators = kubernetes.list("pods", OPERATOR_NAMESPACE)?;
    ensure!(!operators.is_empty(), "the operator is there");
    operators.iter().try_for_each(is_confined)
}

#[test]
fn a_broker_reads_by_name_what_it_needs_and_nothing_else() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("restricted")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    let pod = namespace.get("pod", "quickstart-0")?;
    let account = pod["spec"]["serviceAccountName"].as_str().context("a pod has an account")?;
    let account = format!("system:serviceaccount:{}:{account}", &*namespace);
    let may = |verb: &str, what: &str| can_i(&namespace, &account, verb, what);
    for what in ["configmap/quickstart-policy", "secret/quickstart-pods"] {
        ensure!(may("get", what)?, "a broker needs {what}");
        for verb in ["create", "update", "patch", "delete"] {
            ensure!(!may(verb, what)?, "a broker may {verb} {what}");
        }
    }
    // Neither the passwords of users, nor the keys that make it a cluster, nor all of a kind at once.
    for what in
        ["secret/superuser", "secret/quickstart-ca", "secret/quickstart-operator", "secrets", "configmaps"]
    {
        for verb in ["get", "list", "watch"] {
            ensure!(!may(verb, what)?, "a broker may {verb} {what}");
        }
    }
    for what in ["pods", "mqttclusters.moat.dev", "credentials.moat.dev", "roles.rbac.authorization.k8s.io"] {
        ensure!(!may("get", what)?, "a broker may get {what}");
    }
    Ok(())
}

/// Whether an account may do something, as the API server sees it.
fn can_i(namespace: &Namespace<'_>, account: &str, verb: &str, what: &str) -> Result<bool> {
    // It ends with an error when the answer is no.
    let asked = namespace.kubectl(&["auth", "can-i", verb, what, "--as", account]);
    match &asked {
        Ok(answer) if answer.trim() == "yes" => Ok(true),
        Err(error) if error.to_string().contains(":\nno") => Ok(false),
        other => anyhow::bail!("kubectl auth can-i {verb} {what}: {other:?}"),
    }
}
