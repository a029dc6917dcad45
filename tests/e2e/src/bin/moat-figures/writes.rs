//! What the operator writes: by its own counters, by the API server's audit log, and by the API server's counters.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use moat_e2e::Kubernetes;
use moat_e2e::kube::{Instance, Mark, OPERATOR_NAMESPACE, Write, Written};

use crate::operator::Operator;
use crate::report::Row;

/// Who the operator is to the API server.
const USER: &str = "moat-operator";

const COUNT: &str = "moat_operator_api_writes_total";
const BYTES: &str = "moat_operator_api_write_bytes_total";

/// The operator's kinds, and what the API server calls them; statuses are of many resources.
const RESOURCES: [(&str, &str); 9] = [
    ("ConfigMap", "configmaps"),
    ("Secret", "secrets"),
    ("Role", "roles"),
    ("RoleBinding", "rolebindings"),
    ("ServiceAccount", "serviceaccounts"),
    ("Service", "services"),
    ("NetworkPolicy", "networkpolicies"),
    ("PodDisruptionBudget", "poddisruptionbudgets"),
    ("StatefulSet", "statefulsets"),
];

/// The kind of all statuses.
const STATUS: &str = "Status";

/// Whether it is a write of the operator's other than the Lease's, and worked.
pub(crate) fn counts(write: &Write) -> bool {
    write.user == format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{USER}")
        && write.resource != "leases"
        && write.code < 300
}

/// All writes that the operator has counted.
pub(crate) fn total(metrics: &BTreeMap<String, f64>) -> f64 {
    metrics.iter().filter(|(name, _)| name.starts_with(COUNT)).map(|(_, value)| value).sum()
}

/// Everyone's counters at one moment.
pub(crate) struct Counters {
    operator: BTreeMap<String, f64>,
    api_server: BTreeMap<(String, String), Written>,
    audit: Mark,
}

impl Counters {
    pub(crate) fn read(kubernetes: &Kubernetes, operator: &Operator<'_>) -> Result<Self> {
        let instance = kubernetes.instance().context("the cluster is not ours")?;
        Ok(Self { operator: operator.metrics()?, api_server: kubernetes.written()?, audit: instance.mark()? })
    }
}

/// Between two moments with this many edits: a row for each kind that was written.
pub(crate) fn rows(
    instance: &Instance,
    (before, after): (&Counters, &Counters),
    edits: usize,
    setting: &str,
) -> Result<Vec<Row>> {
    let writes = instance.writes_since(before.audit)?;
    let audited = audited(&writes);
    let each = |count: f64| count / edits.max(1) as f64;
    let mut rows = Vec::new();
    for kind in kinds(&after.operator).into_iter().chain(audited.keys().cloned()).collect::<BTreeSet<_>>() {
        let counted = |metric: &str| {
            let name = format!("{metric}{{kind=\"{kind}\"}}");
            let value = |metrics: &BTreeMap<String, f64>| metrics.get(&name).copied().unwrap_or_default();
            value(&after.operator) - value(&before.operator)
        };
        let audited = audited.get(&kind).copied().unwrap_or_default() as f64;
        let (count, bytes) = (counted(COUNT), counted(BYTES));
        if count == 0.0 && audited == 0.0 {
            continue;
        }
        let agrees = if count == audited { "the audit log agrees" } else { "THE AUDIT LOG DISAGREES" };
        let mut remark = format!("{agrees}: {audited} in all");
        if kind == STATUS {
            remark += &format!(" ({})", statuses(&writes));
        }
        // What others write of these is so rare that it would stand out.
        if let Some((_, resource)) = RESOURCES.iter().find(|(known, _)| *known == kind && kind != "Role") {
            let seen = patched(&after.api_server, resource) - patched(&before.api_server, resource);
            remark += &format!("; the API server counted {:.0} bytes an edit", each(seen));
        }
        let values = format!("{:.2} writes, {:.0} bytes", each(count), each(bytes));
        rows.push(Row::new(format!("written per edit: {kind}, {setting}"), values, edits).remark(remark));
    }
    Ok(rows)
}

fn kinds(metrics: &BTreeMap<String, f64>) -> Vec<String> {
    let kind = |name: &String| {
        let label = name.strip_prefix(COUNT)?.strip_prefix("{kind=\"")?;
        label.strip_suffix("\"}").map(str::to_owned)
    };
    metrics.keys().filter_map(kind).collect()
}

/// The operator's writes by the kinds of its own counters; what it does not count stands under the resource's name.
fn audited(writes: &[Write]) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for write in writes.iter().filter(|write| counts(write)) {
        let known = RESOURCES.iter().find(|(_, resource)| *resource == write.resource);
        let kind = match known {
            Some((kind, _)) => (*kind).to_owned(),
            None if write.resource.ends_with("/status") => STATUS.to_owned(),
            None => format!("{} ({})", write.resource, write.verb),
        };
        *count.entry(kind).or_default() += 1;
    }
    count
}

/// Whose statuses were written, and how many.
fn statuses(writes: &[Write]) -> String {
    let mut count = BTreeMap::<&str, usize>::new();
    for write in writes.iter().filter(|write| counts(write)) {
        if let Some(resource) = write.resource.strip_suffix("/status") {
            *count.entry(resource).or_default() += 1;
        }
    }
    count.iter().map(|(resource, count)| format!("{resource} {count}")).collect::<Vec<_>>().join(", ")
}

/// Bytes of all patches of a resource.
fn patched(written: &BTreeMap<(String, String), Written>, resource: &str) -> f64 {
    let all = written.iter().filter(|((known, verb), _)| known == resource && verb == "patch");
    all.map(|(_, written)| written.bytes as f64).sum()
}
