//! Asks a pod what it enforces: one long poll after the other, on the pod's admin port.

use std::net::IpAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use moat_crds::delivery::Report;
use moat_crds::delivery::names::ADMIN_PORT;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::worker::Access;

/// How long a pod may wait for news before it answers.
const WAIT: Duration = Duration::from_secs(20);
/// How long everything else may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pauses after failures grow from the first to the second.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);
/// No report is larger.
const REPORT_BYTES_MAX: usize = 256 * 1024;

/// Why a pod gave no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PollError {
    #[error("the admin port cannot be reached: {0}")]
    Connect(#[source] std::io::Error),
    #[error("the admin port did not answer in time")]
    Timeout,
    #[error("the admin port broke off: {0}")]
    Http(#[source] hyper::Error),
    #[error("the admin port answered {0}")]
    Status(StatusCode),
    #[error("the report cannot be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// Asks until the task is aborted; `tell` hears every new report, and every change of what is wrong.
pub(crate) async fn follow(
    access: Access,
    address: IpAddr,
    tell: impl Fn(Result<Report, String>) + Send + Sync,
) {
    let mut pause = BACKOFF_MIN;
    let mut last = None::<String>;
    loop {
        let Err(error) = converse(&access, address, &tell, &mut last).await;
        let error = error.to_string();
        if last.as_ref() != Some(&error) {
            tell(Err(error.clone()));
            last = Some(error);
            pause = BACKOFF_MIN;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(BACKOFF_MAX);
    }
}

/// One connection, until it fails.
async fn converse(
    access: &Access,
    address: IpAddr,
    tell: &(impl Fn(Result<Report, String>) + Send + Sync),
    last: &mut Option<String>,
) -> Result<std::convert::Infallible, PollError> {
    let mut sender = timely(PATIENCE, connect(access, address)).await?;
    let mut after = None;
    loop {
        let report = timely(WAIT + PATIENCE, ask(&mut sender, &access.dns_name, after)).await?;
        *last = None;
        if after != Some(report.version) {
            after = Some(report.version);
            tell(Ok(report));
        }
    }
}

async fn timely<T>(
    limit: Duration,
    what: impl Future<Output = Result<T, PollError>>,
) -> Result<T, PollError> {
    tokio::time::timeout(limit, what).await.map_err(|_| PollError::Timeout)?
}

async fn connect(access: &Access, address: IpAddr) -> Result<http1::SendRequest<Empty<Bytes>>, PollError> {
    let stream = TcpStream::connect((address, ADMIN_PORT)).await.map_err(PollError::Connect)?;
    let name = ServerName::try_from(access.dns_name.clone())
        .map_err(|error| PollError::Connect(std::io::Error::other(error)))?;
    let connector = TlsConnector::from(access.tls.clone());
    let stream = connector.connect(name, stream).await.map_err(PollError::Connect)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(PollError::Http)?;
    // It ends with the sender.
    tokio::spawn(connection);
    Ok(sender)
}

async fn ask(
    sender: &mut http1::SendRequest<Empty<Bytes>>,
    host: &str,
    after: Option<u64>,
) -> Result<Report, PollError> {
    let path = match after {
        Some(version) => format!("/report?after={version}&wait={}", WAIT.as_secs()),
        None => "/report".to_owned(),
    };
    let request = Request::get(path).header(http::header::HOST, host).body(Empty::new());
    let request = request.map_err(|error| PollError::Body(error.into()))?;
    sender.ready().await.map_err(PollError::Http)?;
    let response = sender.send_request(request).await.map_err(PollError::Http)?;
    if response.status() != StatusCode::OK {
        return Err(PollError::Status(response.status()));
    }
    let body =
        Limited::new(response.into_body(), REPORT_BYTES_MAX).collect().await.map_err(PollError::Body)?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| PollError::Body(error.into()))
}
