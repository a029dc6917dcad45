//! The admin port: the operator, known by its certificate, reads this pod's report and waits for news of it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use k8s_openapi::api::core::v1::Secret;
use moat_crds::ClientAuth;
use moat_crds::compile::TlsMaterial;
use moat_crds::delivery::names::OPERATOR_COMMON_NAME;
use moat_policy::Digest;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::report::Reports;
use crate::net::tls_config;

/// The longest time from a connection to the end of its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The longest wait for news that may be asked for, in seconds.
const WAIT_MAX: u64 = 30;
/// The longest silence before a request, and from its first byte to the end of its headers.
const HEADERS: Duration = Duration::from_secs(60);
/// Handshakes at a time: everybody may begin one.
const HANDSHAKES: usize = 64;
/// Connections at a time: two operators, and what is left of those before.
const CONNECTIONS: usize = 16;
/// Headers of a request.
const HEADERS_MAX: usize = 32;
/// Bytes of a request that are held.
const REQUEST_BYTES_MAX: usize = 16 << 10;
/// Pause after `accept` failed, which it does when the process has no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The port's certificate, and the authority of those who may come; none until the first was read.
#[derive(Default)]
pub(super) struct AdminCertificate {
    config: ArcSwapOption<ServerConfig>,
    revision: Mutex<Option<Digest>>,
}

impl AdminCertificate {
    /// Takes what the Secret of the pods' certificate holds. True if that is news.
    ///
    /// # Errors
    /// A text that says what is wrong with it; what was there before stays.
    pub(super) fn renew(&self, secret: Secret) -> Result<bool, String> {
        let material =
            TlsMaterial::of(secret, ClientAuth::Required).map_err(|problem| problem.message.clone())?;
        let revision = Some(material.revision());
        let mut known = self.revision.lock();
        if *known == revision {
            return Ok(false);
        }
        let config = tls_config::build_with(&material, ClientAuth::Required, &[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?;
        self.config.store(Some(Arc::new(config)));
        *known = revision;
        Ok(true)
    }

    pub(super) fn is_there(&self) -> bool {
        self.revision.lock().is_some()
    }
}

/// Serves the port for ever.
pub(super) async fn serve(
    listener: TcpListener,
    certificate: Arc<AdminCertificate>,
    reports: Arc<Reports>,
) -> std::convert::Infallible {
    let router = Router::new().route("/report", get(report)).with_state(reports);
    let (handshakes, connections) =
        (Arc::new(Semaphore::new(HANDSHAKES)), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        // Neither semaphore is ever closed. Who finds no place waits in the kernel's queue.
        let place = Arc::clone(&handshakes).acquire_owned().await.ok();
        let socket = match listener.accept().await {
            Ok((socket, _)) => socket,
            Err(error) => {
                warn!(%error, "the admin port cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (config, router, connections) =
            (certificate.config.load_full(), router.clone(), Arc::clone(&connections));
        tokio::spawn(async move {
            let Some(config) = config else { return };
            let Some(stream) = shake_hands(socket, config, place).await else { return };
            let Ok(_place) = connections.try_acquire() else { return };
            serve_requests(stream, router).await;
        });
    }
}

/// A connection of the operator; anybody else's ends.
async fn shake_hands(
    socket: TcpStream,
    config: Arc<ServerConfig>,
    _place: Option<OwnedSemaphorePermit>,
) -> Option<TlsStream<TcpStream>> {
    let peer = socket.peer_addr().ok()?;
    let shaken = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(socket)).await;
    let refused = match shaken {
        Ok(Ok(stream)) => match stream.get_ref().1.peer_certificates().and_then(<[_]>::first) {
            Some(certificate) if is_operator(certificate) => return Some(stream),
            _ => "its certificate is not the operator's".to_owned(),
        },
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its TLS handshake takes too long".to_owned(),
    };
    debug!(%peer, "the admin port refuses a connection: {refused}");
    None
}

/// Whether the certificate, which the cluster's authority has signed, is the operator's and nobody else's.
fn is_operator(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
    let mut names = certificate.subject().iter_common_name();
    let name = names.next().and_then(|name| name.as_str().ok());
    name == Some(OPERATOR_COMMON_NAME) && names.next().is_none()
}

async fn serve_requests(stream: TlsStream<TcpStream>, router: Router) {
    let mut server = hyper::server::conn::http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_headers(HEADERS_MAX)
        .max_buf_size(REQUEST_BYTES_MAX);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await
    {
        debug!(%error, "a connection of the admin port failed");
    }
}

/// What is asked of `/report`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Poll {
    /// The version that the asker knows.
    after: Option<u64>,
    /// Seconds that it waits for another one. None: it wants what there is.
    wait: Option<u64>,
}

async fn report(State(reports): State<Arc<Reports>>, Query(poll): Query<Poll>) -> Response {
    let wait = Duration::from_secs(poll.wait.unwrap_or_default().min(WAIT_MAX));
    let report = reports.after(poll.after, wait).await;
    match serde_json::to_string(&report) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
