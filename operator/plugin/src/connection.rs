//! The caller's way to an API server: kubeconfig and options as kubectl has them. Nothing here or behind it writes.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::Context as _;
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::de::DeserializeOwned;

use crate::cli::Access;

/// Objects that are asked for at a time: a namespace may hold tens of thousands.
const PAGE: u32 = 1000;

/// No single answer takes longer, unless it never comes.
const ANSWER: Duration = Duration::from_secs(30);

/// An API server, with the caller's rights.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// The namespace that the caller means.
    pub(crate) namespace: String,
}

/// What the API server refuses, or that it does not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    /// The HTTP status; 0 when there was no answer.
    pub(crate) code: u16,
    pub(crate) message: String,
}

impl Refusal {
    /// The object, or its kind, is not there.
    pub(crate) fn is_absent(&self) -> bool {
        self.code == 404
    }

    /// The caller may not.
    pub(crate) fn is_forbidden(&self) -> bool {
        self.code == 403
    }
}

impl From<kube::Error> for Refusal {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self { code: status.code, message: status.message },
            // Its own words repeat those of the first cause and leave out the others.
            kube::Error::Service(error) => {
                let mut message = format!("failed to reach the API server: {error}");
                let mut cause = error.source();
                while let Some(deeper) = cause {
                    message.push_str(&format!(": {deeper}"));
                    cause = deeper.source();
                }
                Self { code: 0, message }
            }
            other => Self { code: 0, message: other.to_string() },
        }
    }
}

/// Waits for what a command asks a cluster. Only these commands start a runtime.
pub(crate) fn ask<T>(question: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("failed to start the runtime")?.block_on(question)
}

/// Finds the API server and the caller's credentials, as kubectl does. Sends nothing yet.
pub(crate) async fn connect(access: &Access) -> anyhow::Result<Connection> {
    let mut config = config(access).await.context("failed to find the API server and credentials for it")?;
    config.connect_timeout = Some(Duration::from_secs(10));
    config.read_timeout = Some(ANSWER);
    config.reset_reader_on_write = true;
    // A person would rather hear that the API server is busy than wait without a word.
    config.default_retry = false;
    if let Some(user) = &access.user {
        config.auth_info.impersonate = Some(user.clone());
        config.auth_info.impersonate_groups = Some(access.groups.clone()).filter(|groups| !groups.is_empty());
    }
    let namespace = access.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).context("failed to make a client of the API server")?;
    Ok(Connection { client, namespace })
}

async fn config(access: &Access) -> anyhow::Result<Config> {
    let options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
    Ok(match &access.kubeconfig {
        Some(file) => Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?,
        None if access.context.is_some() => Config::from_kubeconfig(&options).await?,
        None => Config::infer().await?,
    })
}

/// Hands over every object of a list; no more than a page of them is held here.
pub(crate) async fn each<K>(api: &Api<K>, what: ListParams, mut take: impl FnMut(K)) -> Result<(), Refusal>
where
    K: Clone + DeserializeOwned + Debug,
{
    let mut what = what.limit(PAGE);
    loop {
        let page = api.list(&what).await?;
        page.items.into_iter().for_each(&mut take);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => what = what.continue_token(&token),
            None => return Ok(()),
        }
    }
}
