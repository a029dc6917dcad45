//! Follows the manifest: watches it, fetches what it names, puts it in force, keeps it, and says so.
//!
//! Runs on one thread of its own, so that nothing here ever stops a core.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use moat_crds::compile::TlsMaterial;
use moat_crds::delivery::{ListenerReport, Manifest, names};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, error, info, warn};

use super::Settings;
use super::admin::AdminCertificate;
use super::api::{Api, Found, Seen};
use super::backoff::Backoff;
use super::certificates::Certificates;
use super::error::{ApiError, LoadError};
use super::loader::{Loader, Missing};
use super::report::{About, Reports};
use super::saver::Saver;
use super::store::{self, Saved, Store, StoreError};
use crate::status::Status;
use crate::supervisor::Supervisor;

/// Shards that are fetched at a time.
const FETCHES: usize = 8;
/// The longest pause before the API server is asked again after it failed.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often the manifest and the admin port's certificate are read again without being told: a connection may be dead
/// without looking so.
const REREAD: Duration = Duration::from_secs(15);
/// What may pass is reported when it has not passed by then: between two writes of the operator a shard may be that of
/// the next manifest, and an API server that starts again is back soon.
const GRACE: Duration = Duration::from_secs(1);
/// What ends sooner than this is not begun again at once.
const STEADY: Duration = Duration::from_secs(2);

/// Keeps policy and listeners what the manifest says.
pub(super) struct Follower {
    cluster: String,
    namespace: String,
    supervisor: Supervisor,
    status: Arc<Status>,
    reports: Arc<Reports>,
    admin: Arc<AdminCertificate>,
    loader: Loader,
    certificates: Certificates,
    saver: Saver,
    /// Since when every attempt to take what there is has failed.
    failing_since: Option<Instant>,
    /// What was said about listeners last, so that only news is logged.
    said: BTreeMap<String, String>,
    /// When Secrets are read next.
    secrets_at: Instant,
    secrets_pause: Backoff,
}

impl Follower {
    /// Puts the last good policy on the volume in force, if there is one.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub(super) fn start(
        settings: &Settings,
        supervisor: Supervisor,
        status: Arc<Status>,
        reports: Arc<Reports>,
        admin: Arc<AdminCertificate>,
    ) -> std::io::Result<Self> {
        let mut store = Store::new(&settings.data);
        let found = store.read(settings.cluster_uid.as_deref());
        let (tell, kept) = (Arc::clone(&reports), Arc::clone(&status));
        let saver = Saver::start(store, move |generation, outcome| {
            told_by_volume(&tell, &kept, generation, outcome);
        })?;
        let mut follower = Self {
            cluster: settings.cluster.clone(),
            namespace: settings.namespace.clone(),
            supervisor,
            status,
            reports,
            admin,
            loader: Loader::new(&settings.cluster, settings.cluster_uid.clone()),
            certificates: Certificates::default(),
            saver,
            failing_since: None,
            said: BTreeMap::new(),
            secrets_at: Instant::now(),
            secrets_pause: Backoff::new(REREAD),
        };
        follower.restore(found);
        Ok(follower)
    }

    fn restore(&mut self, found: store::Found) {
        for problem in &found.problems {
            warn!("what the volume holds is left out: {problem}");
        }
        self.certificates.restore(found.certificates);
        let Some((manifest, bundle)) = found.policy else {
            info!("the volume holds no policy: waiting for the API server");
            return;
        };
        let generation = manifest.generation;
        info!(generation, "starting from the last good policy on the volume");
        self.status.generation_saved(generation);
        self.loader.restore(manifest, bundle);
        self.supervisor.enforce(self.loader.bundle().clone(), 0);
        self.listen();
    }

    /// Finds the API server and follows the manifest for ever.
    pub(super) async fn run(mut self) {
        let mut pause = Backoff::new(PAUSE_MAX);
        let api = loop {
            match Api::connect(&self.cluster, &self.namespace).await {
                Ok(api) => break api,
                Err(error) => self.failed(&error.into()),
            }
            sleep(pause.pause()).await;
        };
        self.follow(&api).await;
    }

    /// Follows the manifest for ever.
    pub(super) async fn follow(&mut self, api: &Api) {
        let mut pause = Backoff::new(PAUSE_MAX);
        loop {
            let began = Instant::now();
            let ended = self.session(api).await;
            if began.elapsed() >= STEADY {
                pause.reset();
            }
            if let Err(error) = &ended {
                self.failed(error);
            }
            if ended.is_err() || began.elapsed() < STEADY {
                sleep(pause.pause()).await;
            }
        }
    }

    /// Reads the manifest and watches it until the watch ends (which they all do), or something fails that may pass.
    async fn session(&mut self, api: &Api) -> Result<(), LoadError> {
        let listed = api.manifest().await?;
        let mut newest = listed.found.clone();
        self.see(api, listed.found).await?;
        let mut watch = pin!(api.watch(&listed.version).await?);
        let mut reread_at = Instant::now() + REREAD;
        loop {
            tokio::select! {
                seen = watch.next() => {
                    let found = match seen.transpose()? {
                        None | Some(Seen::Expired) => return Ok(()),
                        Some(Seen::Found(found)) => Some(found),
                        Some(Seen::Gone) => None,
                    };
                    newest.clone_from(&found);
                    self.see(api, found).await?;
                }
                () = sleep_until(reread_at) => {
                    let listed = api.manifest().await?;
                    self.status.contact();
                    if listed.found != newest {
                        // The watch has missed something: it is not to be trusted.
                        return self.see(api, listed.found).await;
                    }
                    reread_at = Instant::now() + REREAD;
                }
                () = sleep_until(self.secrets_at) => self.read_secrets(api).await,
            }
        }
    }

    /// Takes what the manifest's object holds now.
    async fn see(&mut self, api: &Api, found: Option<Found>) -> Result<(), LoadError> {
        self.status.contact();
        match self.take(api, found).await {
            Ok(()) => {
                self.failing_since = None;
                if self.reports.problem(About::Policy, None) {
                    info!("the policy's source is in order again");
                }
                Ok(())
            }
            Err(error) if error.may_pass() => Err(error),
            Err(error) => {
                self.failed(&error);
                Ok(())
            }
        }
    }

    async fn take(&mut self, api: &Api, found: Option<Found>) -> Result<(), LoadError> {
        let object = || api.manifest_name().to_owned();
        let found = found.ok_or_else(|| LoadError::ManifestMissing { object: object() })?;
        let key = names::MANIFEST_KEY;
        let json = found.json.ok_or_else(|| LoadError::ManifestEmpty { object: object(), key })?;
        let Some(manifest) = self.loader.judge(&json)? else { return Ok(()) };
        self.fetch(api, &manifest).await?;
        let (generation, first) = (manifest.generation, self.loader.manifest().is_none());
        self.loader.load(manifest)?;
        self.supervisor.enforce(self.loader.bundle().clone(), 0);
        info!(generation, digest = %self.loader.bundle().digest(), "manifest in force");
        self.save();
        // The first time all listeners open at once, so that the pod is not called ready while some still miss their
        // certificates.
        if !first {
            self.listen();
        }
        self.secrets_pause.reset();
        self.read_secrets(api).await;
        Ok(())
    }

    /// Fetches the shards that are missing. What was fetched before something failed need not be fetched again.
    async fn fetch(&mut self, api: &Api, manifest: &Manifest) -> Result<(), LoadError> {
        let fetches = self.loader.missing(manifest).into_iter().map(|missing| fetch_one(api, missing));
        let mut fetches = pin!(stream::iter(fetches).buffer_unordered(FETCHES));
        while let Some((missing, packed)) = fetches.next().await {
            self.loader.take(&missing, packed?.as_deref())?;
        }
        Ok(())
    }

    /// Reads the Secrets that the listeners and the admin port need and puts them in use.
    async fn read_secrets(&mut self, api: &Api) {
        let mut complete = self.read_admin_certificate(api).await;
        let listeners = self.loader.manifest().map(|manifest| manifest.listeners.clone()).unwrap_or_default();
        let mut changed = false;
        for name in self.certificates.wanted(&listeners) {
            let secret = api.secret(&name).await;
            changed |= self.certificates.take(&listeners, &name, &secret);
        }
        complete &= self.certificates.wanted(&listeners).is_empty();
        if self.loader.manifest().is_some() {
            complete &= self.listen();
        }
        if changed {
            self.save();
        }
        if complete {
            self.secrets_pause.reset();
        }
        let pause = if complete { REREAD } else { self.secrets_pause.pause() };
        self.secrets_at = Instant::now() + pause;
    }

    /// True when the admin port has a certificate.
    async fn read_admin_certificate(&mut self, api: &Api) -> bool {
        let name = names::pods_certificate(&self.cluster);
        let said = match api.secret(&name).await {
            Ok(Some(secret)) => match self.admin.renew(secret) {
                Ok(true) => Some((true, "the admin port has a new certificate".to_owned())),
                Ok(false) => None,
                Err(text) => Some((false, format!("Secret `{name}`: {text}"))),
            },
            Ok(None) => Some((false, format!("Secret `{name}` was not found: the operator writes it"))),
            Err(error) => Some((false, format!("Secret `{name}` cannot be read: {error}"))),
        };
        match said {
            Some((true, text)) => info!("{text}"),
            Some((false, text)) if self.said.get("").is_none_or(|said| *said != text) => {
                warn!("admin port: {text}");
                self.said.insert(String::new(), text);
            }
            Some((false, _)) | None => {}
        }
        self.admin.is_there()
    }

    /// Opens, changes and closes listeners, and reports. True when all are as wanted.
    fn listen(&mut self) -> bool {
        let Some(manifest) = self.loader.manifest() else { return true };
        let problems = self.supervisor.listen(&self.certificates.specs(&manifest.listeners));
        let report = |name: &String| {
            let unopened = problems.iter().find(|problem| problem.listener == *name);
            let certificate = self.certificates.problem_of(name).map(str::to_owned);
            ListenerReport {
                name: name.clone(),
                open: self.supervisor.is_open(name),
                problem: certificate.or_else(|| unopened.map(|problem| problem.message.clone())),
            }
        };
        let reports: Vec<_> = manifest.listeners.iter().map(|listener| report(&listener.name)).collect();
        for ListenerReport { name, problem, .. } in &reports {
            match problem {
                Some(text) if self.said.get(name) != Some(text) => {
                    error!(listener = name, "{text}");
                    self.said.insert(name.clone(), text.clone());
                }
                Some(_) => {}
                None => {
                    self.said.remove(name);
                }
            }
        }
        self.reports.in_force(manifest, reports);
        problems.is_empty()
    }

    fn save(&self) {
        if let Some(manifest) = self.loader.manifest() {
            let (manifest, bundle) = (manifest.clone(), self.loader.bundle().clone());
            let certificates: BTreeMap<String, TlsMaterial> = self.certificates.materials();
            self.saver.save(Saved { manifest, bundle, certificates });
        }
    }

    fn failed(&mut self, error: &LoadError) {
        self.status.delivery_failed(error.reason());
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if error.may_pass() && since.elapsed() < GRACE {
            debug!(reason = error.reason(), "{error}");
            return;
        }
        if self.reports.problem(About::Policy, Some(error.to_problem())) {
            let meanwhile = match self.loader.manifest() {
                Some(manifest) => format!("generation {} stays in force", manifest.generation),
                None => "no policy is in force yet".to_owned(),
            };
            warn!(reason = error.reason(), "{error}; {meanwhile}");
        }
    }
}

async fn fetch_one(api: &Api, missing: Missing) -> (Missing, Result<Option<Vec<u8>>, ApiError>) {
    let packed = api.shard(&missing).await;
    (missing, packed)
}

fn told_by_volume(reports: &Reports, status: &Status, generation: u64, outcome: Result<(), StoreError>) {
    let problem = match outcome {
        Ok(()) => {
            status.generation_saved(generation);
            None
        }
        Err(error) => Some(error.to_problem()),
    };
    let text = problem.as_ref().map(|problem| problem.message.clone());
    if reports.problem(About::Volume, problem) {
        match text {
            Some(text) => warn!("{text}"),
            None => info!("the volume takes the policy again"),
        }
    }
}
