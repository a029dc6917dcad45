//! TLS parameters of a listener, from what its Secret holds.

use std::sync::Arc;

use moat_crds::ClientAuth;
use moat_crds::compile::TlsMaterial;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// What is wrong with a listener's Secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsConfigError {
    #[error("tls.crt holds no readable PEM certificate: {0}")]
    Certificate(rustls_pki_types::pem::Error),
    #[error("tls.crt holds no certificate")]
    NoCertificate,
    #[error("tls.key holds no readable PEM private key: {0}")]
    Key(rustls_pki_types::pem::Error),
    #[error("ca.crt holds no readable PEM certificate: {0}")]
    Authority(rustls_pki_types::pem::Error),
    #[error("clientAuth needs at least one certificate authority in ca.crt")]
    NoAuthority,
    #[error("ca.crt cannot be used to verify clients: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("tls.crt and tls.key do not fit together, or cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

/// Builds the parameters of new handshakes.
///
/// # Errors
/// [`TlsConfigError`] names the key of the Secret that has to be mended.
pub(crate) fn build(material: &TlsMaterial, client_auth: ClientAuth) -> Result<ServerConfig, TlsConfigError> {
    build_with(material, client_auth, rustls::DEFAULT_VERSIONS)
}

/// As [`build`], for these versions of TLS only.
///
/// # Errors
/// As [`build`].
pub(crate) fn build_with(
    material: &TlsMaterial,
    client_auth: ClientAuth,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ServerConfig, TlsConfigError> {
    let chain = certificates(material.certificate_chain.expose()).map_err(TlsConfigError::Certificate)?;
    if chain.is_empty() {
        return Err(TlsConfigError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(material.private_key.expose().as_bytes())
        .map_err(TlsConfigError::Key)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let verifier = match client_auth {
        ClientAuth::None => None,
        ClientAuth::Optional | ClientAuth::Required => {
            let pem = material.client_ca.as_ref().ok_or(TlsConfigError::NoAuthority)?;
            let mut roots = RootCertStore::empty();
            for authority in certificates(pem.expose()).map_err(TlsConfigError::Authority)? {
                roots.add(authority)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            Some(match client_auth {
                ClientAuth::Optional => verifier.allow_unauthenticated().build()?,
                ClientAuth::None | ClientAuth::Required => verifier.build()?,
            })
        }
    };
    let asks_for_certificate = verifier.is_some();
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, key)?;
    if asks_for_certificate {
        // A resumed session would bring back a certificate without looking at its validity again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        config.ticketer = aws_lc_rs::Ticketer::new()?;
    }
    Ok(config)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, rustls_pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect()
}
