//! The health port: `/livez`, `/readyz` and `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::kube::metrics::Metrics;

/// Whether everything was read that has to be known before anything is written. Clones share it.
#[derive(Clone)]
pub(crate) struct Readiness(Arc<watch::Sender<Option<String>>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Some("nothing was read yet".to_owned()))))
    }
}

impl Readiness {
    /// Sets what is waited for; none when ready.
    pub(crate) fn set(&self, waiting_for: Option<String>) {
        self.0.send_if_modified(|current| {
            let changed = *current != waiting_for;
            *current = waiting_for;
            changed
        });
    }

    /// Completes when ready.
    pub(crate) async fn wait(&self) {
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(Option::is_none).await;
    }

    fn waiting_for(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}

#[derive(Clone)]
struct Health {
    readiness: Readiness,
    metrics: Metrics,
}

/// Serves for ever.
///
/// # Errors
/// When the port breaks.
pub(crate) async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Metrics,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(Health { readiness, metrics });
    axum::serve(listener, router).await
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    match health.readiness.waiting_for() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(what) => (StatusCode::SERVICE_UNAVAILABLE, format!("{what}\n")),
    }
}

async fn render(State(health): State<Health>) -> impl IntoResponse {
    match health.metrics.render() {
        Ok(text) => {
            (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
