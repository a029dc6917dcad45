//! The Secrets with which pods and operator know each other: made when they are missing, renewed before they end.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use moat_crds::MqttCluster;
use moat_crds::delivery::names::{self, CA_KEY, CERTIFICATE_KEY, PRIVATE_KEY_KEY};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::super::error::Problem;
use super::apply::Applier;
use crate::build::{CERTIFICATES, metadata};
use crate::certificates::{Pair, Purpose, authority, issue, needs_renewal};

/// With what the operator comes to the pods' admin ports.
#[derive(Clone)]
pub(crate) struct Access {
    /// TLS with the operator's certificate.
    pub(crate) tls: Arc<rustls::ClientConfig>,
    /// The name in the pods' certificate.
    pub(crate) dns_name: String,
}

/// Makes sure that all three Secrets are there and usable.
pub(super) async fn ensure(
    applier: &mut Applier,
    cluster: &MqttCluster,
    now: Timestamp,
) -> Result<Access, Problem> {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    let namespace = cluster.metadata.namespace.as_deref().unwrap_or_default();
    let internal = |error: &dyn std::fmt::Display| Problem::internal("make certificates", error);
    let dns_name = names::pods_dns_name(name, namespace);

    let secret = names::authority(name);
    let known = read(applier, &secret).await?.filter(|known| !needs_renewal(&known.certificate, None, now));
    let signer = match known {
        Some(known) => known,
        None => authority(name, namespace, now).map_err(|error| internal(&error))?,
    };
    keep(applier, cluster, secret, &signer, &signer).await?;

    let mut operator = None;
    for (secret, purpose) in [
        (names::pods_certificate(name), Purpose::Pods { dns_name: &dns_name }),
        (names::operator_certificate(name), Purpose::Operator),
    ] {
        let usable = |known: &Pair| !needs_renewal(&known.certificate, Some(&signer.certificate), now);
        let pair = match read(applier, &secret).await?.filter(usable) {
            Some(known) => known,
            None => issue(&signer, (name, namespace), purpose, now).map_err(|error| internal(&error))?,
        };
        keep(applier, cluster, secret, &pair, &signer).await?;
        operator = Some(pair);
    }
    let operator = operator.ok_or_else(|| internal(&"no certificate for the operator"))?;
    let tls = client(&operator, &signer).map_err(|error| internal(&error))?;
    Ok(Access { tls: Arc::new(tls), dns_name })
}

async fn read(applier: &Applier, name: &str) -> Result<Option<Pair>, Problem> {
    let found = applier.api::<Secret>().get_opt(name).await;
    let found = found.map_err(|error| Problem::of(applier.action::<Secret>("read", name), &error))?;
    let Some(found) = found else { return Ok(None) };
    if !applier.owns(&found.metadata) {
        return Err(applier.not_ours::<Secret>(name, &found.metadata));
    }
    let mut data = found.data.unwrap_or_default();
    let mut text = |key: &str| data.remove(key).and_then(|bytes| String::from_utf8(bytes.0).ok());
    Ok(text(CERTIFICATE_KEY).zip(text(PRIVATE_KEY_KEY)).map(|(certificate, key)| Pair { certificate, key }))
}

async fn keep(
    applier: &mut Applier,
    cluster: &MqttCluster,
    name: String,
    pair: &Pair,
    authority: &Pair,
) -> Result<(), Problem> {
    let text = |key: &str, text: &str| (key.to_owned(), ByteString(text.as_bytes().to_vec()));
    let data = BTreeMap::from([
        text(CA_KEY, &authority.certificate),
        text(CERTIFICATE_KEY, &pair.certificate),
        text(PRIVATE_KEY_KEY, &pair.key),
    ]);
    let metadata = metadata(cluster, name, CERTIFICATES);
    let secret = Secret { metadata, data: Some(data), ..Secret::default() };
    applier.apply(&secret).await.map(drop)
}

fn client(operator: &Pair, authority: &Pair) -> Result<rustls::ClientConfig, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes())?)?;
    let chain = vec![CertificateDer::from_pem_slice(operator.certificate.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(operator.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    Ok(config)
}
