//! What Flux, Argo and everyone else who uses the kstatus library makes of each kind: current when it is in force, in
//! progress while something is missing, failed when a person must act, and gone when it is deleted.

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::story::FOLLOWING;
use moat_e2e::kube::{Kubernetes, Namespace};
use moat_e2e::resources;

/// A kind in three forms.
struct Case {
    kind: &'static str,
    name: &'static str,
    good: String,
    bad: String,
    /// What kstatus says of the bad form, and a word of its message.
    verdict: (&'static str, &'static str),
}

fn cases() -> Vec<Case> {
    let listener = |name: &str| format!("{{ name: {name}, protocol: mqtt, port: 1883 }}");
    let tls = "{ name: tls, protocol: mqtts, port: 8883, tls: { secretName: missing } }";
    let permission = |filter: &str| format!("{{ topicFilter: \"{filter}\", activity: [publish] }}");
    let huge = permission(&("x/".repeat(100) + &"y".repeat(500)));
    let user = |secret: &str, roles: &str| {
        let realm = resources::REALM;
        let spec = format!(
            "{{ realmRef: {{ name: {realm} }}, username: user, passwordSecretRef: {{ name: {secret} }}, roles: [{roles}] }}"
        );
        resources::document("Credential", "user", &spec)
    };
    let realm = |cluster: &str| {
        resources::document(
            "Realm",
            resources::REALM,
            &format!("{{ clusterRef: {{ name: {cluster} }}, kubernetes: {{}} }}"),
        )
    };
    vec![
        Case {
            kind: "mqc",
            name: "story",
            good: resources::cluster(&[listener("plain")], ""),
            bad: resources::cluster(&[listener("plain"), tls.to_owned()], ""),
            verdict: ("InProgress", "kubectl label secret missing"),
        },
        Case {
            kind: "mrealm",
            name: resources::REALM,
            good: realm("story"),
            bad: realm("nowhere"),
            verdict: ("InProgress", "`nowhere`"),
        },
        Case {
            kind: "mpipe",
            name: "plain",
            good: resources::pipeline("plain", "plain", resources::REALM),
            bad: resources::pipeline("plain", "nowhere", resources::REALM),
            verdict: ("InProgress", "`nowhere`"),
        },
        Case {
            kind: "mrole",
            name: "role",
            good: resources::role("role", &["{ ref: permission }"]),
            bad: resources::role("role", &vec![huge.as_str(); 900]),
            verdict: ("Failed", "spread them over several Roles"),
        },
        Case {
            kind: "mcred",
            name: "user",
            good: user("user", "role"),
            bad: user("twofold", "role"),
            verdict: ("Failed", "remove one of the two"),
        },
    ]
}

/// Waits for a verdict of kstatus on an object, and gives its message.
fn verdict(namespace: &Namespace<'_>, kind: &str, name: &str, wanted: &str) -> Result<String> {
    let kubernetes = namespace.kubernetes();
    let judge = |object: &_| kubernetes.kstatus(std::slice::from_ref(object)).ok()?.pop();
    let is_wanted = |object: &_| judge(object).is_some_and(|verdict| verdict.status == wanted);
    let object = namespace.watch(kind, name)?.until(FOLLOWING, is_wanted);
    let object = object.with_context(|| format!("kstatus never says {wanted}"))?;
    Ok(judge(&object).context("a verdict")?.message)
}

#[test]
fn every_kind_is_judged_through_create_break_heal_and_delete() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("kstatus")?;
    let permission =
        resources::document("Permission", "permission", "{ topicFilter: a, activity: [publish] }");
    let rest = [
        resources::secret("user", "credential", &[("password", "user")]),
        resources::secret("twofold", "credential", &[("password", "a"), ("hash", "b")]),
        permission.clone(),
    ];
    namespace.apply(&rest.concat())?;
    let cases = cases();
    cases.iter().try_for_each(|case| namespace.apply(&case.good).map(drop))?;
    namespace.ready()?;
    for Case { kind, name, good, bad, verdict: (wanted, word) } in &cases {
        verdict(&namespace, kind, name, "Current")?;
        namespace.apply(bad)?;
        let message =
            verdict(&namespace, kind, name, wanted).with_context(|| format!("{kind} {name}, bad"))?;
        ensure!(message.contains(word), "{kind} {name}: kstatus passes on {word:?}: {message}");
        namespace.apply(good)?;
        verdict(&namespace, kind, name, "Current").with_context(|| format!("{kind} {name}, healed"))?;
    }

    // A Permission cannot be bad by itself: the API server sees to that. It is not in force while its Role is not.
    verdict(&namespace, "mperm", "permission", "Current")?;
    namespace.kubectl(&["delete", "mrealm", resources::REALM])?;
    let message = verdict(&namespace, "mperm", "permission", "InProgress")?;
    ensure!(message.contains("none of the Roles"), "{message}");
    verdict(&namespace, "mrole", "role", "InProgress")?;
    verdict(&namespace, "mcred", "user", "InProgress")?;
    namespace.apply(&cases[1].good)?;
    verdict(&namespace, "mperm", "permission", "Current")?;

    // Nothing has a finalizer, so the last word is that it is gone, even for one who deletes from the bottom up.
    for kind in ["mcred", "mrole", "mperm", "mpipe", "mrealm", "mqc"] {
        let timeout = format!("--timeout={}s", FOLLOWING.as_secs());
        namespace.kubectl(&["delete", kind, "--all", "--cascade=foreground", &timeout])?;
        ensure!(kubernetes.list(kind, &namespace)?.is_empty(), "{kind} is gone");
    }
    Ok(())
}

#[test]
fn the_objects_of_a_cluster_are_current_when_it_is() -> Result<()> {
    let Some(kubernetes) = Kubernetes::with_moat()? else { return Ok(()) };
    let namespace = kubernetes.namespace("kstatus")?;
    namespace.sample("quickstart")?;
    namespace.ready()?;
    for kind in
        ["statefulset", "service", "poddisruptionbudget", "configmap", "secret", "pvc", "networkpolicy"]
    {
        let objects = kubernetes.list(kind, &namespace)?;
        ensure!(!objects.is_empty(), "there is some {kind}");
        for verdict in kubernetes.kstatus(&objects)? {
            ensure!(verdict.status == "Current", "{kind}: {verdict:?}");
        }
    }
    Ok(())
}
