//! Certificates for the stories: an authority, servers and clients that it signed, all of this moment.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Certificate.
    pub certificate: String,
    /// Private key (PKCS #8).
    pub key: String,
}

impl Identity {
    /// Writes both as `NAME.crt` and `NAME.key` into a folder, for clients that want files.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
        let (certificate, key) = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        fs::write(&certificate, &self.certificate)?;
        fs::write(&key, &self.key)?;
        Ok((certificate, key))
    }
}

/// An authority that signs for one story.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority of this name.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn new(common_name: &str) -> Result<Self> {
        let mut params = named(&[(DnType::CommonName, common_name)]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Its certificate, in PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A server's identity for `localhost` and 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn server(&self) -> Result<Identity> {
        self.server_at(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// A server's identity for `localhost` and an address.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn server_at(&self, address: IpAddr) -> Result<Identity> {
        let mut params = named(&[(DnType::CommonName, "localhost")]);
        params.subject_alt_names =
            vec![SanType::DnsName("localhost".try_into()?), SanType::IpAddress(address)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// A client's identity whose subject has these parts, in this order.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn client(&self, subject: &[(DnType, &str)]) -> Result<Identity> {
        let mut params = named(subject);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    /// As [`Self::client`], but valid only in the past.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn expired_client(&self, subject: &[(DnType, &str)]) -> Result<Identity> {
        let mut params = named(subject);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<Identity> {
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn named(subject: &[(DnType, &str)]) -> CertificateParams {
    let mut name = DistinguishedName::new();
    for (kind, value) in subject {
        name.push(kind.clone(), *value);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params
}
