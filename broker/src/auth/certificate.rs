//! What a client certificate says about its holder.

use moat_policy::CertificateId;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Name;

/// Why a certificate that TLS accepted cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("it is not a valid X.509 certificate")]
    Malformed,
    #[error("its subject holds an attribute that is not text")]
    Subject,
}

/// The names of one certificate.
#[derive(Debug)]
pub(crate) struct Certificate {
    subject: String,
    fingerprint_sha256: String,
}

impl Certificate {
    /// As the policy asks for it.
    pub(crate) fn id(&self) -> CertificateId<'_> {
        CertificateId { subject: &self.subject, fingerprint_sha256: &self.fingerprint_sha256 }
    }
}

/// Reads a certificate in DER.
pub(crate) fn identify(der: &[u8]) -> Result<Certificate, CertificateError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
    let fingerprint = Sha256::digest(der);
    Ok(Certificate {
        subject: rfc4514(certificate.subject())?,
        fingerprint_sha256: fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// A distinguished name as RFC 4514 writes it: last relative name first, `,` between them and `+` within them.
/// Attributes without a short name there stand by their object identifier.
fn rfc4514(name: &X509Name<'_>) -> Result<String, CertificateError> {
    let mut relative_names = Vec::new();
    for relative_name in name.iter() {
        let mut attributes = Vec::new();
        for attribute in relative_name.iter() {
            let kind = attribute.attr_type().to_id_string();
            let kind = short_name(&kind).unwrap_or(&kind);
            let value = attribute.as_str().map_err(|_| CertificateError::Subject)?;
            attributes.push(format!("{kind}={}", escaped(value)));
        }
        relative_names.push(attributes.join("+"));
    }
    relative_names.reverse();
    Ok(relative_names.join(","))
}

/// The short names of RFC 4514, section 3, and two that OpenSSL prints besides.
fn short_name(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// Escapes a value by RFC 4514, section 2.4.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, character) in value.chars().enumerate() {
        match character {
            '\0' => out.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', character]),
            '#' | ' ' if at == 0 => out.extend(['\\', character]),
            ' ' if at == last => out.push_str("\\ "),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn subject(entries: &[(DnType, &str)]) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, value) in entries {
            params.distinguished_name.push(kind.clone(), *value);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        identify(certificate.der()).unwrap().subject
    }

    #[test]
    fn the_subject_reads_as_openssl_prints_it_for_rfc_2253() {
        let entries = [
            (DnType::CountryName, "DE"),
            (DnType::OrganizationName, "Acme, Inc."),
            (DnType::CommonName, "car-17"),
        ];
        assert_eq!(subject(&entries), "CN=car-17,O=Acme\\, Inc.,C=DE");
    }

    #[test]
    fn a_value_cannot_imitate_another_attribute() {
        assert_eq!(subject(&[(DnType::CommonName, "x,O=Acme")]), "CN=x\\,O=Acme");
        assert_eq!(subject(&[(DnType::CommonName, " #a+b ")]), "CN=\\ #a\\+b\\ ");
        assert_eq!(escaped("#1"), "\\#1");
    }

    #[test]
    fn the_fingerprint_is_that_of_the_whole_certificate() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let expected: String = Sha256::digest(certificate.der()).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(identify(certificate.der()).unwrap().fingerprint_sha256, expected);
        assert!(matches!(identify(b"no certificate"), Err(CertificateError::Malformed)));
    }
}
