//! The few things of an API server that a pod asks for, over HTTP, with the world that a test makes.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use moat_crds::delivery::names;
use moat_policy::bundle::Family;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::super::api::Api;
use super::*;

/// Objects by name, and how the server behaves.
#[derive(Default)]
pub(super) struct World {
    version: u64,
    manifest: Option<ConfigMap>,
    pub(super) configs: BTreeMap<String, ConfigMap>,
    pub(super) secrets: BTreeMap<String, Secret>,
    /// The status that everything is answered with instead.
    pub(super) failing: Option<u16>,
    /// Whether watches hear nothing, like those of a dead connection.
    pub(super) deaf: bool,
    /// Names of the objects that were read.
    pub(super) read: Vec<String>,
}

/// A server and its world.
#[derive(Clone)]
pub(super) struct Server {
    world: Arc<Mutex<World>>,
    changed: Arc<watch::Sender<u64>>,
    pub(super) address: SocketAddr,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self::on(listener)
    }

    fn on(listener: tokio::net::TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let server = Self { world: Arc::default(), changed: Arc::new(watch::Sender::new(0)), address };
        let router = Router::new()
            .route("/api/v1/namespaces/ns/configmaps", get(list_or_watch))
            .route("/api/v1/namespaces/ns/configmaps/{name}", get(config))
            .route("/api/v1/namespaces/ns/secrets/{name}", get(secret))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(super) fn api(&self) -> Api {
        api_at(self.address)
    }

    /// Changes the world.
    pub(super) fn set<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock();
        let out = change(&mut world);
        world.version += 1;
        let version = world.version;
        drop(world);
        self.changed.send_replace(version);
        out
    }

    /// Writes the manifest, or removes it.
    pub(super) fn set_manifest(&self, json: Option<&str>) {
        self.set(|world| {
            let data = json.map(|json| (names::MANIFEST_KEY.to_owned(), json.to_owned()));
            world.manifest = data.map(|data| ConfigMap { data: Some([data].into()), ..ConfigMap::default() });
            if let Some(manifest) = &mut world.manifest {
                manifest.metadata.name = Some(names::manifest(CLUSTER));
                manifest.metadata.resource_version = Some((world.version + 1).to_string());
            }
        });
    }

    /// Writes what the operator writes: the shards, and then the manifest.
    pub(super) fn deliver(&self, bundle: &Bundle, manifest: &Manifest) {
        self.set_shards(bundle, manifest);
        self.set_manifest(Some(&manifest.to_json()));
    }

    pub(super) fn set_shards(&self, bundle: &Bundle, manifest: &Manifest) {
        let packed = packed(bundle);
        self.set(|world| {
            for (name, shard) in &manifest.shards {
                let object = names::shard(CLUSTER, name, shard.slot);
                let data =
                    Some([(names::SHARD_KEY.to_owned(), ByteString(packed[&shard.digest].clone()))].into());
                match name.family {
                    Family::Plain => {
                        let config = ConfigMap { binary_data: data, ..ConfigMap::default() };
                        world.configs.insert(object, config);
                    }
                    Family::Secret => {
                        world.secrets.insert(object, Secret { data, ..Secret::default() });
                    }
                }
            }
        });
    }
}

/// A client of whatever listens there.
pub(super) fn api_at(address: SocketAddr) -> Api {
    // As the program does it: otherwise the client's TLS does not know which of two libraries to take.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut config = kube::Config::new(format!("http://{address}").parse().unwrap());
    config.default_retry = false;
    Api::new(kube::Client::try_from(config).unwrap(), CLUSTER, "ns")
}

fn status(code: u16) -> Response {
    let text = StatusCode::from_u16(code).unwrap();
    let body = json!({ "kind": "Status", "status": "Failure", "code": code, "message": text.to_string() });
    (text, body.to_string()).into_response()
}

async fn list_or_watch(
    State(server): State<Server>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let selector = format!("metadata.name={}", names::manifest(CLUSTER));
    assert_eq!(query.get("fieldSelector"), Some(&selector), "only what a Role with resourceNames allows");
    if let Some(code) = server.world.lock().failing {
        return status(code);
    }
    if query.get("watch").is_some_and(|watch| watch == "true") {
        let from = query["resourceVersion"].parse().unwrap();
        return events(server, from);
    }
    let world = server.world.lock();
    let metadata = json!({ "resourceVersion": world.version.to_string() });
    let list = json!({ "metadata": metadata, "items": world.manifest.iter().collect::<Vec<_>>() });
    list.to_string().into_response()
}

/// One line for each change of the manifest after `from`.
fn events(server: Server, from: u64) -> Response {
    let changed = server.changed.subscribe();
    let stream = futures::stream::unfold((server, changed, from), async |(server, mut changed, from)| {
        loop {
            let (deaf, failing, version, manifest) = {
                let world = server.world.lock();
                (world.deaf, world.failing, world.version, world.manifest.clone())
            };
            if failing.is_some() {
                return None;
            }
            let line = match manifest {
                _ if deaf || version <= from => None,
                Some(manifest) if is_after(&manifest, from) => event("MODIFIED", &manifest),
                Some(_) => None,
                None => event("DELETED", &ConfigMap::default()),
            };
            if let Some(line) = line {
                return Some((Ok::<_, Infallible>(line), (server, changed, version)));
            }
            changed.changed().await.ok()?;
        }
    });
    Body::from_stream(stream).into_response()
}

fn is_after(manifest: &ConfigMap, from: u64) -> bool {
    let version = manifest.metadata.resource_version.as_ref().and_then(|version| version.parse::<u64>().ok());
    version.is_some_and(|version| version > from)
}

fn event(kind: &str, object: &ConfigMap) -> Option<String> {
    let mut object: Value = serde_json::to_value(object).ok()?;
    object["apiVersion"] = "v1".into();
    object["kind"] = "ConfigMap".into();
    Some(format!("{}\n", json!({ "type": kind, "object": object })))
}

async fn config(State(server): State<Server>, Path(name): Path<String>) -> Response {
    let mut world = server.world.lock();
    world.read.push(name.clone());
    let found = world.configs.get(&name).map(|config| serde_json::to_string(config).unwrap());
    answer(&world, found)
}

async fn secret(State(server): State<Server>, Path(name): Path<String>) -> Response {
    let mut world = server.world.lock();
    world.read.push(name.clone());
    let found = world.secrets.get(&name).map(|secret| serde_json::to_string(secret).unwrap());
    answer(&world, found)
}

fn answer(world: &World, found: Option<String>) -> Response {
    match (world.failing, found) {
        (Some(code), _) => status(code),
        (None, Some(json)) => json.into_response(),
        (None, None) => status(404),
    }
}
