//! The API itself, behind `kubectl proxy`, for what kubectl would put into words of its own or is too slow for.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Kubernetes;
use crate::until::PATIENCE;

/// A running `kubectl proxy`; dropping it ends the process.
pub struct Api<'a> {
    kubernetes: &'a Kubernetes,
    proxy: Child,
    port: u16,
}

/// What the API server answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The object, or the `Status` that tells what is wrong.
    pub body: Value,
}

impl Kubernetes {
    /// Opens the API for requests as the administrator.
    ///
    /// # Errors
    ///
    /// When kubectl cannot be started.
    pub fn api(&self) -> Result<Api<'_>> {
        let mut proxy = self
            .command(self.tools.program("kubectl"))
            .args(["proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start kubectl proxy")?;
        let mut said = String::new();
        if let Some(output) = proxy.stdout.take() {
            BufReader::new(output).read_line(&mut said)?;
        }
        let port = said.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        // Made first, so that an error ends the process too.
        let api = Api { kubernetes: self, proxy, port: port.unwrap_or(0) };
        port.with_context(|| format!("kubectl proxy said no port: {said}"))?;
        Ok(api)
    }
}

impl Api<'_> {
    /// Sends one request, such as `POST`, `/api/v1/namespaces?dryRun=All`, `application/yaml`, and a body.
    ///
    /// # Errors
    ///
    /// When the answer is not JSON. A refusal is an answer.
    pub fn request(&self, method: &str, path: &str, media: &str, body: &str) -> Result<Reply> {
        let mut stream = self.kubernetes.connect("127.0.0.1", self.port)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // In version 1.0 the answer ends with the connection, and comes in one piece.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\
             Content-Type: {media}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of headers")?;
        let status = head.split_whitespace().nth(1).and_then(|word| word.parse().ok());
        let body = serde_json::from_str(body).with_context(|| format!("{method} {path}: {answer}"))?;
        Ok(Reply { status: status.context("the answer has no status")?, body })
    }
}

impl Drop for Api<'_> {
    fn drop(&mut self) {
        // Nothing is left to do if the process is gone already.
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}
