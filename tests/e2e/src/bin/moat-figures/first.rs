//! How long a new cluster takes until it lets its first client in.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use moat_e2e::Kubernetes;
use moat_e2e::kube::Write;

use crate::api::{Api, Connection};
use crate::clock::Clock;
use crate::mqtt::{Client, Refusal};
use crate::pace::{FINE, look};
use crate::processes::Process;
use crate::scene;

/// How long a cluster may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Time between two attempts to connect.
const STEP: Duration = Duration::from_millis(10);

/// Attempts that nobody has answered yet: before the node knows the Service, nobody says no either.
const ATTEMPTS: usize = 400;

/// The quickstart's cluster, its listener's Service and port, and a user of it with its password.
const CLUSTER: &str = "quickstart";
const SERVICE: &str = "quickstart-plain";
const LISTENER: u16 = 1883;
const USER: &str = "frontendclient";

/// The steps of a new cluster, as times since kubectl was started.
#[derive(Clone, Debug)]
pub(crate) struct First {
    /// kubectl has ended.
    pub(crate) applied: Duration,
    /// The StatefulSet was written.
    pub(crate) workload: Option<Duration>,
    /// The pod was given to its node.
    pub(crate) bound: Option<Duration>,
    /// The broker's process was started.
    pub(crate) process: Option<Duration>,
    /// The policy was in force in the pod.
    pub(crate) in_force: Option<Duration>,
    /// The listener's endpoint was written: the pod is ready.
    pub(crate) endpoint: Option<Duration>,
    /// The first client was let in, through the Service.
    pub(crate) connack: Duration,
}

/// Applies the quickstart to a new namespace, and connects until it is let in.
pub(crate) fn measure(kubernetes: &Kubernetes, api: &Api<'_>, clock: &Clock) -> Result<First> {
    let instance = kubernetes.instance().context("the cluster is not ours")?;
    let namespace = kubernetes.namespace("first")?;
    let mut connection = api.connect()?;
    let mark = instance.mark()?;
    let began = Instant::now();
    namespace.sample("quickstart")?;
    let applied = began.elapsed();
    let address = address(&mut connection, &namespace)?;
    let connack = first_connack(kubernetes, &address)?.saturating_duration_since(began);
    let since = |at: Instant| at.saturating_duration_since(began);
    let writes: Vec<Write> = instance.writes_since(mark)?;
    let written = |resource: &str, name: &str| -> Vec<Duration> {
        let of = |write: &&Write| {
            write.namespace == *namespace && write.resource == resource && write.name.starts_with(name)
        };
        let times = writes.iter().filter(of).filter_map(|write| clock.read(&write.at).ok().map(since));
        times.filter(|time| *time <= connack).collect()
    };
    let pod = format!("{CLUSTER}-0");
    let log = clock.lines(&namespace.kubectl(&["logs", &pod])?);
    Ok(First {
        applied,
        workload: written("statefulsets", CLUSTER).first().copied(),
        bound: written("pods/binding", &pod).first().copied(),
        process: Process::find(kubernetes, "/moat-broker").ok().map(|process| since(process.started)),
        in_force: log.iter().find(|line| line.says("manifest in force")).map(|line| since(line.at)),
        endpoint: written("endpointslices", SERVICE).last().copied(),
        connack,
    })
}

/// The address of the listener's Service, once it is there.
fn address(connection: &mut Connection, namespace: &str) -> Result<String> {
    let path = format!("{}/{SERVICE}", scene::core(namespace, "services"));
    look("the listener's Service", FINE * 5, PATIENCE, || {
        let service = connection.get(&path)?;
        Ok(service.and_then(|service| service["spec"]["clusterIP"].as_str().map(str::to_owned)))
    })
}

/// When the first of many attempts was let in. Each has a thread of its own: one that nobody answers holds up no other.
fn first_connack(kubernetes: &Kubernetes, address: &str) -> Result<Instant> {
    let open = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    let attempt = || {
        let outcome = enter(kubernetes, address);
        open.fetch_sub(1, Ordering::Relaxed);
        if let Some(outcome) = outcome.transpose() {
            // Others may have been first.
            let _ = tell.send(outcome);
        }
    };
    thread::scope(|scope| {
        look("the first CONNACK", STEP, PATIENCE, || {
            if open.load(Ordering::Relaxed) < ATTEMPTS {
                open.fetch_add(1, Ordering::Relaxed);
                scope.spawn(attempt);
            }
            told.try_recv().ok().transpose()
        })
    })
}

fn enter(kubernetes: &Kubernetes, address: &str) -> Result<Option<Instant>> {
    let Ok(stream) = kubernetes.connect(address, LISTENER) else { return Ok(None) };
    match Client::login(stream, USER, USER) {
        Ok(_) => Ok(Some(Instant::now())),
        Err(Refusal::Unreachable) => Ok(None),
        Err(Refusal::Refused(code)) => bail!("the broker refused its first client with {code:#x}"),
    }
}
