//! A pod from its start on, against an API server that comes, goes and lies.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::ByteString;
use moat_crds::ClientAuth;
use moat_crds::compile::TlsMaterial;
use moat_crds::delivery::{DeliveredTls, Report};
use tempfile::TempDir;

use super::super::admin::AdminCertificate;
use super::super::api::Api;
use super::super::follow::Follower;
use super::super::report::Reports;
use super::super::store::{Saved, Store};
use super::server::{Server, api_at};
use super::*;
use crate::pod::Settings;
use crate::process::Process;
use crate::supervisor::Supervisor;

/// Far longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pod whose policy is followed by a task of its own.
struct Pod {
    reports: Arc<Reports>,
    certificate: Arc<AdminCertificate>,
    process: Option<Process>,
    task: tokio::task::JoinHandle<()>,
}

impl Pod {
    fn start(api: Api, data: &Path) -> Self {
        let process = Process::start(Some(1)).unwrap();
        let hub = Arc::clone(&process.hub);
        let unjudged = Arc::clone(&hub);
        let reports = Arc::new(Reports::new(Arc::clone(&process.status), move || unjudged.unjudged()));
        let certificate = Arc::new(AdminCertificate::default());
        let any = "127.0.0.1:0".parse().unwrap();
        let settings = Settings {
            cluster: CLUSTER.to_owned(),
            cluster_uid: Some(UID.to_owned()),
            namespace: "ns".to_owned(),
            data: data.to_owned(),
            health: any,
            admin: any,
            bind: Some(any.ip()),
            workers: None,
        };
        let supervisor = Supervisor::new(&process, settings.bind);
        let (status, told, admin) =
            (Arc::clone(&process.status), Arc::clone(&reports), Arc::clone(&certificate));
        let mut follower = Follower::start(&settings, supervisor, status, told, admin).unwrap();
        let judged = Arc::clone(&reports);
        let task = tokio::spawn(async move {
            tokio::select! {
                () = follower.follow(&api) => {}
                () = judged.follow(&hub) => {}
            }
        });
        Self { reports, certificate, process: Some(process), task }
    }

    /// The first report that is as wanted.
    async fn report(&self, what: &str, wanted: impl Fn(&Report) -> bool) -> Report {
        let mut last = None;
        let look = async {
            loop {
                let version = last.as_ref().map(|report: &Report| report.version);
                let report = self.reports.after(version, PATIENCE).await;
                if wanted(&report) {
                    return report;
                }
                last = Some(report);
            }
        };
        let found = tokio::time::timeout(PATIENCE, look).await;
        found.unwrap_or_else(|_| panic!("waited in vain for {what}, last: {last:?}"))
    }

    async fn enforces(&self, generation: u64) -> Report {
        let what = format!("generation {generation}");
        self.report(&what, |report| {
            report.generation == Some(generation) && report.pending == 0 && report.problem.is_none()
        })
        .await
    }

    async fn says(&self, reason: &str) -> Report {
        self.report(reason, |report| report.problem.as_ref().is_some_and(|problem| problem.reason == reason))
            .await
    }

    /// Ends the pod, and returns once its volume has what was in force.
    async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
        if let Some(process) = self.process.take() {
            tokio::task::spawn_blocking(|| process.stop()).await.unwrap();
        }
    }
}

/// A manifest with one open listener.
fn with_listener(bundle: &Bundle, generation: u64, port: u16) -> Manifest {
    Manifest { listeners: vec![plain_listener("backend", port)], ..manifest(bundle, generation) }
}

fn edited() -> Bundle {
    let mut edited = bundle();
    set_credential(&mut edited, "3", 99, 10);
    edited
}

#[tokio::test]
async fn what_is_delivered_is_enforced_reported_and_kept() {
    let (server, data) = (Server::start().await, TempDir::new().unwrap());
    let pod = Pod::start(server.api(), data.path());
    let report = pod.says("ManifestMissing").await;
    assert!(report.digest.is_none() && report.problem.unwrap().message.contains("fleet-policy"));
    let (bundle, port) = (bundle(), free_port());
    server.deliver(&bundle, &with_listener(&bundle, 1, port));
    let report = pod.enforces(1).await;
    assert_eq!((report.digest, report.cluster.as_deref()), (Some(bundle.digest()), Some(UID)));
    assert!(report.listeners[0].open && report.listeners[0].problem.is_none());
    tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    server.set(|world| world.read.clear());
    server.deliver(&edited(), &with_listener(&edited(), 2, port));
    assert_eq!(pod.enforces(2).await.digest, Some(edited().digest()));
    let shards = server.set(|world| {
        world.read.iter().filter(|name| name.contains("policy-") || name.contains("credentials-")).count()
    });
    assert_eq!(shards, 1, "one edit, one shard");
    pod.stop().await;
    let kept = Store::new(data.path()).read(Some(UID));
    let (manifest, bundle) = kept.policy.unwrap();
    assert_eq!((manifest.generation, bundle.digest()), (2, edited().digest()));
}

#[tokio::test]
async fn bad_manifests_and_shards_leave_the_good_policy_in_force_and_heal() {
    let (server, data) = (Server::start().await, TempDir::new().unwrap());
    let (good, edited, port) = (bundle(), edited(), free_port());
    let pod = Pod::start(server.api(), data.path());
    server.deliver(&good, &with_listener(&good, 3, port));
    pod.enforces(3).await;
    let next = with_listener(&edited, 4, port);
    let json = next.to_json();
    let reused = Manifest { generation: 3, ..next.clone() }.to_json();
    let older = Manifest { generation: 2, ..next.clone() }.to_json();
    let bad = [
        ("ManifestMalformed", Some(&json[..99])),
        ("OlderGeneration", Some(&older)),
        ("GenerationReused", Some(&reused)),
        // Nothing was written to this manifest's slots yet.
        ("ShardMissing", Some(&json)),
        ("ManifestMissing", None),
    ];
    for (reason, json) in bad {
        server.set_manifest(json);
        let report = pod.says(reason).await;
        assert_eq!((report.generation, report.digest), (Some(3), Some(good.digest())), "{reason}");
    }
    server.set_shards(&edited, &next);
    let altered = ByteString(pack(b"[]").unwrap());
    let secrets = server.set(|world| world.secrets.clone());
    server.set(|world| {
        for secret in world.secrets.values_mut() {
            secret.data = Some([("shard.zst".to_owned(), altered.clone())].into());
        }
    });
    server.set_manifest(Some(&json));
    assert_eq!(pod.says("ShardMismatch").await.generation, Some(3));
    // Only the objects are mended, and nothing tells the pod.
    server.set(|world| world.secrets = secrets);
    assert_eq!(pod.enforces(4).await.digest, Some(edited.digest()));
    pod.stop().await;
}

#[tokio::test]
async fn an_api_server_that_fails_and_comes_back_is_followed_again() {
    let (server, data) = (Server::start().await, TempDir::new().unwrap());
    let (good, port) = (bundle(), free_port());
    let pod = Pod::start(server.api(), data.path());
    server.deliver(&good, &with_listener(&good, 1, port));
    pod.enforces(1).await;
    for (generation, (code, reason)) in
        (2..).zip([(403, "ApiForbidden"), (401, "ApiUnauthorized"), (500, "ApiFailed")])
    {
        server.set(|world| world.failing = Some(code));
        server.deliver(&good, &with_listener(&good, generation, port));
        assert_eq!(pod.says(reason).await.generation, Some(generation - 1));
        server.set(|world| world.failing = None);
        pod.enforces(generation).await;
    }
    pod.stop().await;
}

#[tokio::test]
async fn a_watch_that_hears_nothing_is_found_out() {
    let (server, data) = (Server::start().await, TempDir::new().unwrap());
    let (good, port) = (bundle(), free_port());
    let pod = Pod::start(server.api(), data.path());
    server.deliver(&good, &with_listener(&good, 1, port));
    pod.enforces(1).await;
    server.set(|world| world.deaf = true);
    server.deliver(&edited(), &with_listener(&edited(), 2, port));
    pod.enforces(2).await;
    pod.stop().await;
}

#[tokio::test]
async fn a_pod_starts_from_its_volume_without_an_api_server() {
    let (data, good, port) = (TempDir::new().unwrap(), bundle(), free_port());
    let authority = Authority::new();
    let (secured, secured_port) =
        (certificate_secret("tls", &authority.server(), &authority.pem()), free_port());
    let material = TlsMaterial::of(secured, ClientAuth::None).unwrap();
    let mut manifest = with_listener(&good, 7, port);
    manifest.listeners.push(tls_listener(secured_port, Some(material.revision())));
    let certificates = [("internet".to_owned(), material)].into();
    Store::new(data.path()).write(&Saved { manifest, bundle: good.clone(), certificates }).unwrap();
    let nobody = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let pod = Pod::start(api_at(nobody), data.path());
    let report = pod.says("ApiUnreachable").await;
    assert_eq!((report.generation, report.digest), (Some(7), Some(good.digest())));
    assert!(report.listeners.iter().all(|listener| listener.open), "{report:?}");
    assert!(pod.process.as_ref().unwrap().status.not_ready().is_none());
    pod.stop().await;
}

#[tokio::test]
async fn an_older_manifest_is_refused_after_a_restart_too() {
    let (server, data, good, port) = (Server::start().await, TempDir::new().unwrap(), bundle(), free_port());
    let saved = Saved {
        manifest: with_listener(&good, 7, port),
        bundle: good.clone(),
        certificates: Default::default(),
    };
    Store::new(data.path()).write(&saved).unwrap();
    server.deliver(&edited(), &with_listener(&edited(), 6, port));
    let pod = Pod::start(server.api(), data.path());
    assert_eq!(pod.says("OlderGeneration").await.digest, Some(good.digest()));
    pod.stop().await;
}

#[tokio::test]
async fn a_volume_that_cannot_be_written_is_reported_and_the_policy_enforced() {
    let (server, data, good, port) = (Server::start().await, TempDir::new().unwrap(), bundle(), free_port());
    std::fs::write(data.path().join("policy"), "in the way").unwrap();
    let pod = Pod::start(server.api(), data.path());
    server.deliver(&good, &with_listener(&good, 1, port));
    // The volume is found out when it is read; the policy comes a moment later.
    let reported = |report: &Report| {
        let unwritable = report.problem.as_ref().is_some_and(|problem| problem.reason == "VolumeUnwritable");
        unwritable && report.generation == Some(1)
    };
    pod.report("VolumeUnwritable at generation 1", reported).await;
    pod.stop().await;
}

fn tls_listener(port: u16, revision: Option<Digest>) -> DeliveredListener {
    let tls = DeliveredTls { secret_name: "fleet-tls".to_owned(), client_auth: ClientAuth::None, revision };
    DeliveredListener { protocol: Protocol::Mqtts, tls: Some(tls), ..plain_listener("internet", port) }
}

#[tokio::test]
async fn a_listener_with_a_certificate_is_added_and_rotated_while_its_secret_comes_late() {
    let (server, data, good) = (Server::start().await, TempDir::new().unwrap(), bundle());
    let (port, secured_port, authority) = (free_port(), free_port(), Authority::new());
    let pod = Pod::start(server.api(), data.path());
    server.deliver(&good, &with_listener(&good, 1, port));
    pod.enforces(1).await;
    let deliver = |generation: u64, revision| {
        let mut manifest = with_listener(&good, generation, port);
        manifest.listeners.push(tls_listener(secured_port, Some(revision)));
        server.deliver(&good, &manifest);
    };
    let mut generation = 1;
    for late in [false, true] {
        let secret = certificate_secret("fleet-tls", &authority.server(), &authority.pem());
        let revision = TlsMaterial::of(secret.clone(), ClientAuth::None).unwrap().revision();
        generation += 1;
        if late {
            deliver(generation, revision);
            let report = pod
                .report("a problem", |r| r.generation == Some(generation) && r.listeners[1].problem.is_some())
                .await;
            assert!(report.listeners.iter().all(|listener| listener.open), "{report:?}");
        }
        server.set(|world| world.secrets.insert("fleet-tls".to_owned(), secret));
        deliver(generation, revision);
        let report = pod
            .report("no problem", |r| r.generation == Some(generation) && r.listeners[1].problem.is_none());
        assert!(report.await.listeners[1].open);
    }
    pod.stop().await;
    let kept = Store::new(data.path()).read(Some(UID));
    assert_eq!(kept.policy.map(|(manifest, _)| manifest.generation), Some(generation));
    assert!(kept.certificates.contains_key("internet"));
}

#[tokio::test]
async fn the_admin_port_gets_its_certificate_from_its_secret() {
    let (server, data, authority) = (Server::start().await, TempDir::new().unwrap(), Authority::new());
    let pod = Pod::start(server.api(), data.path());
    pod.says("ManifestMissing").await;
    let secret = certificate_secret("fleet-pods", &authority.server(), &authority.pem());
    server.set(|world| world.secrets.insert("fleet-pods".to_owned(), secret));
    let there = async {
        while !pod.certificate.is_there() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, there).await.unwrap();
    pod.stop().await;
}
