//! Certificates and kubeconfigs of an instance, made anew for each.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::kube::plan::{API_PORT, CONTROL_PLANE, inside};

/// The instance's authority; everything it signs lies in the folder `pki`.
pub(super) struct Pki {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Who a certificate is for.
#[derive(Default)]
pub(super) struct Subject<'a> {
    /// File name below `pki`, without its ending.
    pub(super) file: &'a str,
    /// User name, in Kubernetes' terms.
    pub(super) user: &'a str,
    /// Group, if any, in Kubernetes' terms.
    pub(super) group: Option<&'a str>,
    /// DNS names and addresses, if it is a server's too.
    pub(super) names: &'a [&'a str],
}

/// A file of the folder `pki`, as a word of a command line.
pub(super) fn file(name: &str) -> String {
    path(name).to_string_lossy().into_owned()
}

fn path(name: &str) -> PathBuf {
    inside("pki").join(name)
}

impl Pki {
    /// A new authority, and the key that signs the tokens of service accounts.
    pub(super) fn new() -> Result<Self> {
        fs::create_dir_all(inside("pki"))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "moat-e2e");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        fs::write(path("ca.key"), key.serialize_pem())?;
        let issuer = CertifiedIssuer::self_signed(params, key)?;
        fs::write(path("ca.crt"), issuer.pem())?;
        let tokens = KeyPair::generate()?;
        fs::write(path("sa.key"), tokens.serialize_pem())?;
        fs::write(path("sa.pub"), tokens.public_key_pem())?;
        Ok(Self { issuer })
    }

    /// Signs a certificate for a subject.
    pub(super) fn sign(&self, subject: &Subject) -> Result<()> {
        let mut params = CertificateParams::default();
        if let Some(group) = subject.group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.distinguished_name.push(DnType::CommonName, subject.user);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        for name in subject.names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*name).try_into()?),
            });
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        fs::write(path(&format!("{}.crt", subject.file)), certificate.pem())?;
        fs::write(path(&format!("{}.key", subject.file)), key.serialize_pem())
            .with_context(|| format!("failed to write the key of {}", subject.user))
    }

    /// Signs a client's certificate and writes `FILE.conf`, with everything in it, beside the folder `pki`.
    pub(super) fn kubeconfig(&self, subject: &Subject) -> Result<()> {
        self.sign(subject)?;
        let data = |name: &str| -> Result<String> { Ok(BASE64.encode(fs::read(path(name))?)) };
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: moat\n\
             clusters: [{{ name: moat, cluster: {{ server: \"https://{CONTROL_PLANE}:{API_PORT}\", certificate-authority-data: {} }} }}]\n\
             users: [{{ name: moat, user: {{ client-certificate-data: {}, client-key-data: {} }} }}]\n\
             contexts: [{{ name: moat, context: {{ cluster: moat, user: moat }} }}]\n",
            data("ca.crt")?,
            data(&format!("{}.crt", subject.file))?,
            data(&format!("{}.key", subject.file))?,
        );
        Ok(fs::write(inside(&format!("{}.conf", subject.file)), text)?)
    }
}
