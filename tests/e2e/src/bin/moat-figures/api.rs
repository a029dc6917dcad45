//! The API server over connections of our own: what is measured is its time, and not that of starting kubectl.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use moat_e2e::Kubernetes;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who writes the fields of what is applied here: as whom kubectl does.
const FIELD_MANAGER: &str = "kubectl";

/// The way to the API server, as the administrator.
pub(crate) struct Api<'a> {
    kubernetes: &'a Kubernetes,
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
}

/// One connection; requests follow each other.
pub(crate) struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    host: String,
}

/// What was answered, and when.
pub(crate) struct Answer {
    /// HTTP status.
    pub(crate) status: u16,
    /// The body as it came.
    pub(crate) body: Vec<u8>,
    /// The moment before the request was sent.
    pub(crate) sent: Instant,
    /// The moment after the whole answer had come.
    pub(crate) answered: Instant,
}

impl<'a> Api<'a> {
    /// Reads where the API server is, and the administrator's certificate, from the kubeconfig of our own instance.
    pub(crate) fn new(kubernetes: &'a Kubernetes) -> Result<Self> {
        let instance = kubernetes.instance().context("figures need an instance of their own")?;
        let pki = instance.folder().join("pki");
        let read = |name: &str| fs::read(pki.join(name)).with_context(|| format!("failed to read {name}"));
        let mut authorities = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(&read("ca.crt")?) {
            authorities.add(authority?)?;
        }
        let chain = CertificateDer::pem_slice_iter(&read("admin.crt")?).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&read("admin.key")?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities)
            .with_client_auth_cert(chain, key)?;
        let server =
            kubernetes.kubectl(&["config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"])?;
        let address = server.trim().strip_prefix("https://").and_then(|rest| rest.rsplit_once(':'));
        let (host, port) = address.with_context(|| format!("{server:?} is no address of an API server"))?;
        Ok(Self { kubernetes, host: host.to_owned(), port: port.parse()?, tls: Arc::new(tls) })
    }

    /// Opens a connection.
    pub(crate) fn connect(&self) -> Result<Connection> {
        let socket = self.kubernetes.connect(&self.host, self.port)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(self.host.clone())?;
        let session = ClientConnection::new(Arc::clone(&self.tls), name)?;
        let stream = BufReader::new(StreamOwned::new(session, socket));
        Ok(Connection { stream, host: self.host.clone() })
    }
}

impl Connection {
    /// Sends one request and waits for its answer.
    pub(crate) fn request(&mut self, method: &str, path: &str, media: &str, body: &str) -> Result<Answer> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: moat-figures\r\nAccept: application/json\r\n\
             Content-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        let sent = Instant::now();
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        let (status, body) = self.answer().with_context(|| format!("{method} {path}"))?;
        Ok(Answer { status, body, sent, answered: Instant::now() })
    }

    /// The object at a path; none if it is not there.
    pub(crate) fn get(&mut self, path: &str) -> Result<Option<Value>> {
        let answer = self.request("GET", path, "application/json", "")?;
        match answer.status {
            404 => Ok(None),
            _ => answer.object(path).map(Some),
        }
    }

    /// Makes an object.
    pub(crate) fn create(&mut self, collection: &str, object: &Value) -> Result<Answer> {
        let answer = self.request("POST", collection, "application/json", &object.to_string())?;
        answer.expect(collection)
    }

    /// Applies an object on the server's side, as `kubectl apply --server-side` does.
    pub(crate) fn apply(&mut self, path: &str, object: &Value) -> Result<Answer> {
        let path = format!("{path}?fieldManager={FIELD_MANAGER}");
        // JSON is YAML.
        let answer = self.request("PATCH", &path, "application/apply-patch+yaml", &object.to_string())?;
        answer.expect(&path)
    }

    fn answer(&mut self) -> Result<(u16, Vec<u8>)> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status: u16 = status.with_context(|| format!("{first:?} is no answer"))?;
        let (mut length, mut chunked) = (None, false);
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(':') else { bail!("{line:?} is no header") };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = Some(value.trim().parse()?),
                "transfer-encoding" => chunked = value.trim() == "chunked",
                _ => {}
            }
        }
        let body = match length {
            _ if chunked => self.chunks()?,
            Some(length) => self.bytes(length)?,
            None => bail!("the answer {first:?} has no length"),
        };
        Ok((status, body))
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let length =
                usize::from_str_radix(line.trim(), 16).with_context(|| format!("{line:?} is no chunk"))?;
            body.extend(self.bytes(length)?);
            // Each chunk ends with a line's end of its own, the last and empty one too.
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.stream.read_line(&mut line)? > 0, "the API server closed the connection");
        Ok(line.trim_end().to_owned())
    }
}

impl Answer {
    fn object(&self, what: &str) -> Result<Value> {
        ensure!(self.status < 300, "{what}: {} {}", self.status, String::from_utf8_lossy(&self.body));
        Ok(serde_json::from_slice(&self.body)?)
    }

    fn expect(self, what: &str) -> Result<Self> {
        ensure!(self.status < 300, "{what}: {} {}", self.status, String::from_utf8_lossy(&self.body));
        Ok(self)
    }
}
