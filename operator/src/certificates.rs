//! The cluster's own authority, and the certificates with which pods and operator know each other. Pure but for the
//! random bytes of new keys: the day enters as an argument.

use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};
use moat_crds::delivery::names::OPERATOR_COMMON_NAME;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// How long an authority is valid.
const AUTHORITY_YEARS: i64 = 10;
/// How long other certificates are valid.
const LEAF_DAYS: i64 = 365;
/// A certificate with fewer days left than this share of its life is replaced.
const RENEWAL_SHARE: i64 = 3;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The key of the authority cannot be used.
    #[error(
        "the cluster's own certificate authority cannot be used ({0}): delete its Secret, and a new one is made"
    )]
    Authority(#[source] rcgen::Error),
    /// A key or certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Issue(#[source] rcgen::Error),
    /// The day cannot be computed with.
    #[error("the clock of this machine cannot be right: {0}")]
    Clock(#[source] jiff::Error),
}

/// A certificate and its private key in PEM. Does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// The pods' admin port, under this name.
    Pods {
        /// The DNS name that the operator expects.
        dns_name: &'a str,
    },
    /// The operator, as a client of the pods.
    Operator,
}

/// A new authority for a cluster.
///
/// # Errors
/// When no key can be made, or the clock is out of range.
pub fn authority(cluster: &str, namespace: &str, now: Timestamp) -> Result<Pair, CertificateError> {
    let mut params = authority_params(cluster, namespace);
    validity(&mut params, now, Span::new().years(AUTHORITY_YEARS))?;
    let key = KeyPair::generate().map_err(CertificateError::Issue)?;
    let certificate = params.self_signed(&key).map_err(CertificateError::Issue)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn authority_params(cluster: &str, namespace: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("moat {namespace}/{cluster}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// A certificate that the authority signs.
///
/// # Errors
/// When the authority's key cannot be read, no key can be made, or the clock is out of range.
pub fn issue(
    authority: &Pair,
    (cluster, namespace): (&str, &str),
    purpose: Purpose<'_>,
    now: Timestamp,
) -> Result<Pair, CertificateError> {
    let authority_key = KeyPair::from_pem(&authority.key).map_err(CertificateError::Authority)?;
    let issuer = Issuer::new(authority_params(cluster, namespace), authority_key);
    let mut params = CertificateParams::default();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    match purpose {
        Purpose::Pods { dns_name } => {
            params.distinguished_name = common_name("moat-broker");
            let name = dns_name.try_into().map_err(CertificateError::Issue)?;
            params.subject_alt_names = vec![SanType::DnsName(name)];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }
        Purpose::Operator => {
            params.distinguished_name = common_name(OPERATOR_COMMON_NAME);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
    }
    validity(&mut params, now, Span::new().days(LEAF_DAYS))?;
    let key = KeyPair::generate().map_err(CertificateError::Issue)?;
    let certificate = params.signed_by(&key, &issuer).map_err(CertificateError::Issue)?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

/// Whether a certificate cannot be used, or not for much longer, or (given an authority) was signed by another.
#[must_use]
pub fn needs_renewal(certificate: &str, authority: Option<&str>, now: Timestamp) -> bool {
    let Some(der) = der(certificate) else { return true };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&der) else { return true };
    let validity = parsed.validity();
    let (from, until) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    if now.as_second() < from || until - now.as_second() < (until - from) / RENEWAL_SHARE {
        return true;
    }
    let Some(authority) = authority else { return false };
    let Some(signer) = self::der(authority) else { return true };
    let Ok((_, signer)) = x509_parser::parse_x509_certificate(&signer) else { return true };
    parsed.verify_signature(Some(signer.public_key())).is_err()
}

fn der(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From the day before, for clocks that are behind.
fn validity(params: &mut CertificateParams, now: Timestamp, life: Span) -> Result<(), CertificateError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let day = |date: Date| {
        let number = |number: i8| u8::try_from(number).unwrap_or(1);
        date_time_ymd(date.year().into(), number(date.month()), number(date.day()))
    };
    params.not_before = day(today.checked_sub(Span::new().days(1)).map_err(CertificateError::Clock)?);
    params.not_after = day(today.checked_add(life).map_err(CertificateError::Clock)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: (&str, &str) = ("fleet", "iot");

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn certificates_are_renewed_in_the_last_third_of_their_life() {
        let now = at("2026-11-22T12:00:00Z");
        let authority = authority("fleet", "iot", now).unwrap();
        let leaf = issue(&authority, NAME, Purpose::Operator, now).unwrap();
        assert!(!needs_renewal(&leaf.certificate, Some(&authority.certificate), now));
        assert!(!needs_renewal(&leaf.certificate, None, at("2027-07-01T00:00:00Z")));
        assert!(needs_renewal(&leaf.certificate, None, at("2027-08-01T00:00:00Z")));
        assert!(needs_renewal(&leaf.certificate, None, at("2026-11-01T00:00:00Z")), "the clock went back");
        assert!(!needs_renewal(&authority.certificate, None, at("2032-01-01T00:00:00Z")));
    }

    #[test]
    fn a_certificate_of_another_authority_is_replaced() {
        let now = at("2026-11-22T12:00:00Z");
        let (one, other) = (authority("fleet", "iot", now).unwrap(), authority("fleet", "iot", now).unwrap());
        let leaf = issue(&one, NAME, Purpose::Pods { dns_name: "fleet.iot.pods.moat.dev" }, now).unwrap();
        assert!(!needs_renewal(&leaf.certificate, Some(&one.certificate), now));
        assert!(needs_renewal(&leaf.certificate, Some(&other.certificate), now));
        assert!(needs_renewal("no certificate", None, now));
    }
}
