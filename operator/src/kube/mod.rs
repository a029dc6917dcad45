//! The thin layer that talks to the API server; nothing else in the operator does.
//!
//! [`watch`] turns what the API server shows into inputs. The [`engine`] takes them one after the other, asks the pure
//! steps what follows, and wishes: one [`worker`] per cluster makes the wish true, [`poll`] asks the pods what they
//! enforce, and [`statuses`] are written when they say something else than before. Several operators may run: all
//! watch and compile, the holder of the [`lease`] writes.

mod definitions;
mod engine;
mod error;
mod events;
mod lease;
pub(crate) mod metrics;
mod poll;
mod salt;
mod statuses;
mod watch;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch as channel};
use tracing::info;

use self::engine::Engine;
use self::events::Events;
use self::lease::Election;
use self::metrics::Metrics;
use crate::health::Readiness;

/// Inputs that may wait for the engine: a list of many objects is read no faster than it is taken.
const INPUTS: usize = 512;

/// What the operator needs to know about itself.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The namespace that it runs in, with its Lease and its key.
    pub(crate) namespace: String,
    /// Who it is among other operators: its pod's name.
    pub(crate) identity: String,
    /// The brokers' image without its tag.
    pub(crate) broker_repository: String,
    /// The tag that brokers of new clusters get.
    pub(crate) broker_version: String,
}

/// What all parts of this layer share.
pub(crate) struct Context {
    pub(crate) client: kube::Client,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) events: Events,
    /// Whether this operator writes.
    pub(crate) leading: channel::Receiver<bool>,
}

/// Runs until `stop` completes, or the Lease is lost.
///
/// # Errors
/// When the API server's address or credentials cannot be found, or when the Lease was lost: another operator may
/// write now, so that this process must end and begin anew.
pub(crate) async fn run(
    settings: Settings,
    metrics: Metrics,
    readiness: Readiness,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let mut config =
        kube::Config::infer().await.context("failed to find the API server and credentials for it")?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(Duration::from_secs(20));
    // A watch is silent while nothing happens, and has its own way to notice a dead connection.
    let watching = client(config.clone())?;
    // Whatever else is asked is answered soon, or the connection is dead.
    config.read_timeout = Some(Duration::from_secs(15));
    config.reset_reader_on_write = true;
    let client = client(config)?;
    let (lead, leading) = channel::channel(false);
    let context = Arc::new(Context {
        events: Events::new(client.clone(), settings.identity.clone()),
        client: client.clone(),
        metrics: metrics.clone(),
        leading: leading.clone(),
        settings: settings.clone(),
    });
    let (inputs, received) = mpsc::channel(INPUTS);
    watch::start(&watching, &inputs);
    let engine = Engine::new(context, readiness.clone());
    let mut election = Election::new(client, &settings.namespace, settings.identity);
    let outcome = {
        let hold = async {
            readiness.wait().await;
            election.hold(&lead).await;
        };
        let count = async {
            let mut leading = leading;
            while leading.changed().await.is_ok() {
                metrics.leading(*leading.borrow_and_update());
            }
        };
        tokio::select! {
            () = hold => Err(anyhow::anyhow!("the Lease was lost: this process ends, so that nothing of it writes on")),
            () = engine.run(received) => Err(anyhow::anyhow!("the engine ended")),
            () = count => Err(anyhow::anyhow!("the election ended")),
            () = stop => Ok(()),
        }
    };
    if outcome.is_ok() {
        info!("stopping");
        election.release().await;
    }
    outcome
}

fn client(config: kube::Config) -> anyhow::Result<kube::Client> {
    kube::Client::try_from(config).context("failed to make a client of the API server")
}
