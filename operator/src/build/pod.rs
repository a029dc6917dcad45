//! The pod's template: a function of which cluster it is, the version and the image's name. Listeners and their
//! certificates are not in it: the pod reads them through the API, and changing them replaces no pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, Container, ContainerPort, DownwardAPIProjection,
    DownwardAPIVolumeFile, EnvVar, HTTPGetAction, KeyToPath, ObjectFieldSelector, PodSecurityContext,
    PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource, ResourceRequirements, SeccompProfile,
    SecurityContext, ServiceAccountTokenProjection, Sysctl, TopologySpreadConstraint, Volume, VolumeMount,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use moat_crds::delivery::names::{ADMIN_PORT, HEALTH_PORT};

use super::workload::CLAIM;
use super::{BROKER, Inputs, access, label_selector, labels, selector};

/// User and group of the process, and the group of its volume.
const NOBODY: i64 = 65532;
/// Where the volume is mounted.
const DATA: &str = "/var/lib/moat";
/// Where a client of the API looks for its token.
const API_ACCESS_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const API_ACCESS: &str = "api-access";

pub(super) fn template(inputs: &Inputs<'_>) -> PodTemplateSpec {
    let cluster = inputs.cluster.name_any();
    PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels(&cluster, BROKER)), ..ObjectMeta::default() }),
        spec: Some(PodSpec {
            service_account_name: Some(access::account(inputs)),
            automount_service_account_token: Some(false),
            // Environment variables for every Service of the namespace could pass for settings.
            enable_service_links: Some(false),
            termination_grace_period_seconds: Some(30),
            security_context: Some(pod_security()),
            containers: vec![container(inputs)],
            volumes: Some(vec![api_access()]),
            topology_spread_constraints: Some(vec![
                spread("topology.kubernetes.io/zone", &cluster),
                spread("kubernetes.io/hostname", &cluster),
            ]),
            ..PodSpec::default()
        }),
    }
}

fn container(inputs: &Inputs<'_>) -> Container {
    let mount = |name: &str, path: &str, read_only: Option<bool>| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    };
    Container {
        name: BROKER.to_owned(),
        image: Some(format!("{}:{}", inputs.image_repository, inputs.version)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec!["/moat-broker".to_owned(), "serve".to_owned()]),
        env: Some(environment(inputs)),
        ports: Some(vec![port("health", HEALTH_PORT), port("admin", ADMIN_PORT)]),
        startup_probe: Some(Probe {
            period_seconds: Some(1),
            failure_threshold: Some(60),
            ..probe("/livez")
        }),
        liveness_probe: Some(Probe {
            period_seconds: Some(10),
            failure_threshold: Some(3),
            ..probe("/livez")
        }),
        readiness_probe: Some(Probe {
            period_seconds: Some(1),
            failure_threshold: Some(2),
            ..probe("/readyz")
        }),
        // No limits: a broker that is killed for its memory loses every session that it holds.
        resources: Some(ResourceRequirements {
            requests: Some(BTreeMap::from([
                ("cpu".to_owned(), Quantity("100m".to_owned())),
                ("memory".to_owned(), Quantity("128Mi".to_owned())),
            ])),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { add: None, drop: Some(vec!["ALL".to_owned()]) }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![mount(CLAIM, DATA, None), mount(API_ACCESS, API_ACCESS_PATH, Some(true))]),
        ..Container::default()
    }
}

fn environment(inputs: &Inputs<'_>) -> Vec<EnvVar> {
    let variable = |(name, value): (&str, String)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        value_from: None,
    };
    let variables = [
        ("MOAT_CLUSTER", inputs.cluster.name_any()),
        // The claims of an earlier cluster of this name may be found again; nothing on them is in force then.
        ("MOAT_CLUSTER_UID", inputs.cluster.uid().unwrap_or_default()),
        ("MOAT_NAMESPACE", inputs.cluster.namespace().unwrap_or_default()),
        ("MOAT_DATA", DATA.to_owned()),
        ("MOAT_HEALTH", format!("0.0.0.0:{HEALTH_PORT}")),
        ("MOAT_ADMIN", format!("0.0.0.0:{ADMIN_PORT}")),
        ("MOAT_LOG_FORMAT", "json".to_owned()),
    ];
    variables.into_iter().map(variable).collect()
}

fn probe(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(HEALTH_PORT.into()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

/// What the `restricted` Pod Security Standard asks for, and that any port may be a listener's: a listener on a port
/// below 1024 that is added later must not need another pod.
fn pod_security() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(NOBODY),
        run_as_group: Some(NOBODY),
        fs_group: Some(NOBODY),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        sysctls: Some(vec![Sysctl {
            name: "net.ipv4.ip_unprivileged_port_start".to_owned(),
            value: "0".to_owned(),
        }]),
        ..PodSecurityContext::default()
    }
}

/// The pods' access to the API: a token that expires, the API server's authority, and the namespace.
fn api_access() -> Volume {
    let token = VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            path: "token".to_owned(),
            // An hour, and a little more as the token of a pod has it by default: it is renewed long before.
            expiration_seconds: Some(3607),
            audience: None,
        }),
        ..VolumeProjection::default()
    };
    let authority = VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: "kube-root-ca.crt".to_owned(),
            items: Some(vec![KeyToPath { key: "ca.crt".to_owned(), path: "ca.crt".to_owned(), mode: None }]),
            optional: None,
        }),
        ..VolumeProjection::default()
    };
    let namespace = VolumeProjection {
        downward_api: Some(DownwardAPIProjection {
            items: Some(vec![DownwardAPIVolumeFile {
                path: "namespace".to_owned(),
                field_ref: Some(ObjectFieldSelector {
                    api_version: Some("v1".to_owned()),
                    field_path: "metadata.namespace".to_owned(),
                }),
                ..DownwardAPIVolumeFile::default()
            }]),
        }),
        ..VolumeProjection::default()
    };
    Volume {
        name: API_ACCESS.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: None,
            sources: Some(vec![token, authority, namespace]),
        }),
        ..Volume::default()
    }
}

/// Pods keep away from each other where they can.
fn spread(topology: &str, cluster: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: topology.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(label_selector(selector(cluster))),
        ..TopologySpreadConstraint::default()
    }
}
