//! Who may read the report, over real TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use moat_crds::delivery::{Report, ReportProblem};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::super::admin::{self, AdminCertificate};
use super::super::report::{About, Reports};
use super::*;

struct Port {
    authority: Authority,
    certificate: Arc<AdminCertificate>,
    reports: Arc<Reports>,
    address: SocketAddr,
}

impl Port {
    async fn open() -> Self {
        let authority = Authority::new();
        let (certificate, reports) =
            (Arc::new(AdminCertificate::default()), Arc::new(Reports::new(Arc::default(), || 0)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(admin::serve(listener, Arc::clone(&certificate), Arc::clone(&reports)));
        let port = Self { authority, certificate, reports, address };
        port.renew();
        port
    }

    /// Gives the port a new certificate of its authority.
    fn renew(&self) {
        let secret = certificate_secret("fleet-pods", &self.authority.server(), &self.authority.pem());
        assert_eq!(self.certificate.renew(secret.clone()), Ok(true));
        assert_eq!(self.certificate.renew(secret), Ok(false));
    }

    /// What the port answers to a GET from a client with this certificate; an error if it does not.
    async fn get(
        &self,
        client: Option<&Identity>,
        versions: &[&'static rustls::SupportedProtocolVersion],
        path: &str,
    ) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let socket = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: pod\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.is_empty() { Err(std::io::ErrorKind::UnexpectedEof.into()) } else { Ok(answer) }
    }

    /// The operator's report.
    async fn report(&self, query: &str) -> Report {
        let operator = self.authority.client(&["moat-operator"]);
        let answer = self.get(Some(&operator), TLS13, &format!("/report{query}")).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
    }
}

const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];
const TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

#[tokio::test]
async fn the_operator_reads_the_report_and_nobody_else_does() {
    let port = Port::open().await;
    let report = port.report("").await;
    assert_eq!((report.generation, report.boot_id.len()), (None, 32));
    let own = &port.authority;
    let strangers = [
        None,
        Some(Authority::new().client(&["moat-operator"])),
        Some(own.client(&["moat-broker"])),
        Some(own.client(&[])),
        Some(own.client(&["moat-operator", "moat-broker"])),
        Some(own.client(&["moat-broker", "moat-operator"])),
    ];
    for stranger in &strangers {
        assert!(port.get(stranger.as_ref(), TLS13, "/report").await.is_err());
    }
    let operator = own.client(&["moat-operator"]);
    assert!(port.get(Some(&operator), TLS12, "/report").await.is_err(), "TLS 1.3 only");
}

#[tokio::test]
async fn only_reports_are_served_and_only_small_questions_are_read() {
    let port = Port::open().await;
    let operator = port.authority.client(&["moat-operator"]);
    for (path, status) in [
        ("/", "404"),
        ("/metrics", "404"),
        ("/report?after=x", "400"),
        ("/report?wait=-1", "400"),
        ("/report?colour=red", "400"),
    ] {
        let answer = port.get(Some(&operator), TLS13, path).await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    let long = format!("/report?{}", "x".repeat(1 << 20));
    let answer = port.get(Some(&operator), TLS13, &long).await;
    assert!(answer.is_err() || answer.is_ok_and(|answer| !answer.starts_with("HTTP/1.1 200")));
    port.report("").await;
}

#[tokio::test]
async fn who_waits_is_answered_when_there_is_news_and_else_at_the_end_of_the_wait() {
    let port = Port::open().await;
    let first = port.report("").await;
    let same = port.report(&format!("?after={}&wait=0", first.version)).await;
    assert_eq!(same, first);
    assert_eq!(port.report("?after=1&wait=30").await, first, "another version is answered at once");
    let problem = ReportProblem { reason: "ApiUnreachable".to_owned(), message: "gone".to_owned() };
    let query = format!("?after={}&wait=30", first.version);
    let news = async { port.reports.problem(About::Policy, Some(problem.clone())) };
    let (second, _) =
        tokio::time::timeout(Duration::from_secs(25), async { tokio::join!(port.report(&query), news) })
            .await
            .unwrap();
    assert_eq!((second.version, second.problem), (first.version + 1, Some(problem)));
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_whoever_comes_next_and_a_bad_one_to_nobody() {
    let port = Port::open().await;
    let shown = port.report("").await;
    port.renew();
    assert_eq!(port.report("").await, shown);
    let mut bad = certificate_secret("fleet-pods", &port.authority.server(), &port.authority.pem());
    bad.string_data.as_mut().unwrap().remove("ca.crt");
    assert!(port.certificate.renew(bad).unwrap_err().contains("ca.crt"));
    assert_eq!(port.report("").await, shown);
}
