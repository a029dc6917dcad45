//! The objects around the policy: who the pods are, how they are reached, and the pods themselves.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::ResourceExt;
use kube::api::ListParams;
use moat_crds::MqttCluster;
use moat_crds::delivery::names;

use super::super::Context;
use super::super::error::{Cause, Problem};
use super::apply::{Applier, Done};
use crate::build::{self, Owned, POLICY};
use crate::bundle::Readable;
use crate::policy::Kept;

/// Of what the objects are made.
pub(super) struct Inputs<'a> {
    pub(super) context: &'a Context,
    pub(super) cluster: &'a MqttCluster,
    pub(super) version: &'a str,
}

fn owned(inputs: &Inputs<'_>, readable: &Readable) -> Owned {
    let config_maps: Vec<_> = readable.config_maps.iter().cloned().collect();
    let secrets: Vec<_> = readable.secrets.iter().cloned().collect();
    let settings = &inputs.context.settings;
    build::owned(&build::Inputs {
        cluster: inputs.cluster,
        version: inputs.version,
        image_repository: &settings.broker_repository,
        operator_namespace: &settings.namespace,
        config_maps: &config_maps,
        secrets: &secrets,
    })
}

/// Lets the pods read these and nothing else.
pub(super) async fn grant(
    applier: &mut Applier,
    inputs: &Inputs<'_>,
    readable: &Readable,
) -> Result<(), Problem> {
    applier.apply(&owned(inputs, readable).role).await.map(drop)
}

/// Applies everything, in the order in which it is needed, and deletes the Services of listeners that are gone. What
/// fails holds nothing else up; returns what failed.
pub(super) async fn apply(applier: &mut Applier, inputs: &Inputs<'_>, readable: &Readable) -> Vec<Problem> {
    let Owned {
        service_account,
        role,
        role_binding,
        network_policy,
        headless_service,
        listener_services,
        disruption_budget,
        stateful_set,
    } = owned(inputs, readable);
    let mut problems = Vec::new();
    let mut note = |outcome: Result<Done, Problem>| problems.extend(outcome.err());
    note(applier.apply(&service_account).await);
    note(applier.apply(&role).await);
    note(applier.apply(&role_binding).await);
    note(applier.apply(&network_policy).await);
    note(applier.apply(&headless_service).await);
    for service in &listener_services {
        note(applier.apply(service).await);
    }
    note(applier.apply(&disruption_budget).await);
    note(applier.apply(&stateful_set).await);
    let services = listener_services.iter().chain([&headless_service]);
    let kept = services.map(ResourceExt::name_any).collect();
    problems.extend(delete_stale_services(applier, inputs, kept).await.err());
    problems
}

async fn delete_stale_services(
    applier: &mut Applier,
    inputs: &Inputs<'_>,
    kept: BTreeSet<String>,
) -> Result<(), Problem> {
    if !applier.services_changed(&kept) {
        return Ok(());
    }
    let cluster = inputs.cluster.name_any();
    for stale in applier.list::<Service>(&cluster).await?.iter().filter(|name| !kept.contains(*name)) {
        applier.delete::<Service>(stale).await?;
    }
    applier.services_are(kept);
    Ok(())
}

/// The version that the pods' template names, if there is one.
pub(super) async fn running_version(
    applier: &Applier,
    cluster: &MqttCluster,
) -> Result<Option<String>, Problem> {
    let name = names::workload(&cluster.name_any());
    let found = applier.api::<StatefulSet>().get_opt(&name).await;
    let found = found.map_err(|error| Problem::of(applier.action::<StatefulSet>("read", &name), &error))?;
    let Some(found) = found.filter(|found| applier.owns(&found.metadata)) else { return Ok(None) };
    let containers = found.spec.and_then(|spec| spec.template.spec).map(|spec| spec.containers);
    let image = containers.and_then(|containers| containers.into_iter().next()).and_then(|first| first.image);
    let tag = image.and_then(|image| image.rsplit_once(':').map(|(_, tag)| tag.to_owned()));
    Ok(tag.filter(|tag| !tag.contains('/')))
}

/// Writes down what a restart must not lose, or deletes what was written.
pub(super) async fn keep(applier: &mut Applier, cluster: &MqttCluster, kept: &Kept) -> Result<(), Problem> {
    let name = names::held(&cluster.name_any());
    if kept.is_empty() {
        return applier.delete::<ConfigMap>(&name).await;
    }
    let internal = |error: &dyn std::fmt::Display| Problem::internal("write down what is held", error);
    let json = serde_json::to_vec(kept).map_err(|error| internal(&error))?;
    let packed = moat_crds::delivery::pack(&json).map_err(|error| internal(&error))?;
    let content = BTreeMap::from([(names::HELD_KEY.to_owned(), ByteString(packed))]);
    let metadata = build::metadata(cluster, name, POLICY);
    let object = ConfigMap { metadata, binary_data: Some(content), ..ConfigMap::default() };
    applier.apply(&object).await.map(drop)
}

/// Says why there are fewer pods than there shall be, if the StatefulSet's controller has said so.
pub(super) async fn why_no_pods(applier: &Applier, cluster: &MqttCluster) -> Result<(), Problem> {
    let name = names::workload(&cluster.name_any());
    let fields = format!("involvedObject.kind=StatefulSet,involvedObject.name={name},reason=FailedCreate");
    let params = ListParams::default().fields(&fields).limit(50);
    let events = applier.events().list(&params).await;
    let action = format!("make the pods of StatefulSet {name}");
    let events =
        events.map_err(|error| Problem::of(format!("list events about StatefulSet {name}"), &error))?;
    let last = events.items.into_iter().max_by_key(|event| event.last_timestamp.clone().map(|time| time.0));
    let Some(detail) = last.and_then(|event| event.message) else { return Ok(()) };
    let cause = if detail.contains("exceeded quota") { Cause::QuotaExceeded } else { Cause::Refused };
    Err(Problem { cause, action, detail })
}
