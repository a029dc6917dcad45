//! How clients come to the pods, and who else may.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use moat_crds::Protocol;
use moat_crds::delivery::names::{self, ADMIN_PORT, HEALTH_PORT};

use super::{BROKER, Inputs, OPERATOR_POD_LABELS, label_selector, metadata, selector, texts};

/// The pods' names: also of those that are not ready, since the operator asks these what keeps them.
pub(super) fn headless_service(inputs: &Inputs<'_>) -> Service {
    let cluster = inputs.cluster.name_any();
    Service {
        metadata: metadata(inputs.cluster, names::workload(&cluster), BROKER),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(selector(&cluster)),
            ports: Some(vec![port("health", HEALTH_PORT), port("admin", ADMIN_PORT)]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// One Service per listener. Its target is the number: the template names no port, so that a new listener replaces no
/// pod.
pub(super) fn listener_services(inputs: &Inputs<'_>) -> Vec<Service> {
    let cluster = inputs.cluster.name_any();
    let listeners = inputs.cluster.spec.listeners.iter();
    let service = |listener: &moat_crds::Listener| Service {
        metadata: metadata(inputs.cluster, names::service(&cluster, &listener.name), BROKER),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(selector(&cluster)),
            ports: Some(vec![port(
                match listener.protocol {
                    Protocol::Mqtt => "mqtt",
                    Protocol::Mqtts => "mqtts",
                },
                listener.port,
            )]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    listeners.map(service).collect()
}

/// Clients come to the listeners, anyone to health (kubelets and metrics come from anywhere), the operator alone to
/// the admin port. What the pods themselves reach is not bounded here.
pub(super) fn network_policy(inputs: &Inputs<'_>) -> NetworkPolicy {
    let cluster = inputs.cluster.name_any();
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(label_selector(texts([(
            "kubernetes.io/metadata.name",
            inputs.operator_namespace,
        )]))),
        pod_selector: Some(label_selector(texts(OPERATOR_POD_LABELS))),
        ip_block: None,
    };
    let listeners = inputs.cluster.spec.listeners.iter().map(|listener| listener.port);
    NetworkPolicy {
        metadata: metadata(inputs.cluster, names::workload(&cluster), BROKER),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(label_selector(selector(&cluster))),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![
                ingress(listeners.chain([HEALTH_PORT]), None),
                ingress([ADMIN_PORT], Some(vec![operator])),
            ]),
            egress: None,
        }),
    }
}

/// `from` of `None` is everyone.
fn ingress(
    ports: impl IntoIterator<Item = u16>,
    from: Option<Vec<NetworkPolicyPeer>>,
) -> NetworkPolicyIngressRule {
    let port = |port: u16| NetworkPolicyPort {
        port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    };
    NetworkPolicyIngressRule { ports: Some(ports.into_iter().map(port).collect()), from }
}

fn port(name: &str, number: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number.into(),
        target_port: Some(IntOrString::Int(number.into())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}
