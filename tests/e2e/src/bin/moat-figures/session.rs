//! The live session, and everything that is asked of the cluster around it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use moat_e2e::Kubernetes;
use moat_e2e::kube::{Instance, Namespace};

use crate::api::Api;
use crate::clock::Clock;
use crate::cold::{self, ColdStart};
use crate::edits::{self, Bench, Edit};
use crate::fleet::{Fleet, Made};
use crate::mqtt::{Client, Refusal};
use crate::operator::Operator;
use crate::pace::{COARSE, look};
use crate::processes::Process;
use crate::report::Row;
use crate::scene::{self, HEARER, PASSWORD, TELLER};
use crate::shares::{self, Logs, PARTS};
use crate::writes::{self, Counters};

/// How long the cluster may take until it lets its clients in.
const PATIENCE: Duration = Duration::from_secs(180);

/// A cluster in a namespace of its own.
pub(crate) struct Session<'a> {
    kubernetes: &'a Kubernetes,
    instance: &'a Instance,
    api: &'a Api<'a>,
    operator: &'a Operator<'a>,
    namespace: Namespace<'a>,
    clock: Clock,
}

/// What came of a series of edits.
pub(crate) struct Measured {
    pub(crate) began: Instant,
    pub(crate) edits: Vec<Edit>,
    /// Where the time of each edit went, as far as the logs tell.
    pub(crate) shares: Vec<Option<[Duration; PARTS.len()]>>,
    /// Processor time that programs used meanwhile.
    pub(crate) processors: Vec<(&'static str, Duration)>,
    before: Counters,
    after: Counters,
}

/// Programs whose processor time is worth knowing.
const PROGRAMS: [(&str, &str); 2] = [("operator", "/moat-operator"), ("broker", "/moat-broker")];

impl<'a> Session<'a> {
    /// Makes the cluster and waits until both clients may enter.
    pub(crate) fn open(
        kubernetes: &'a Kubernetes,
        api: &'a Api<'a>,
        operator: &'a Operator<'a>,
        clock: Clock,
    ) -> Result<Self> {
        let instance = kubernetes.instance().context("the cluster is not ours")?;
        let namespace = kubernetes.namespace("figures")?;
        namespace.apply(&scene::yaml())?;
        let session = Self { kubernetes, instance, api, operator, namespace, clock };
        session.enter(HEARER)?;
        Ok(session)
    }

    /// The operator that serves it.
    pub(crate) fn operator(&self) -> &'a Operator<'a> {
        self.operator
    }

    /// Makes edits once nobody has anything left to do.
    pub(crate) fn measure(&mut self, count: usize, seed: u64) -> Result<Measured> {
        let (teller, hearer) = (self.enter(TELLER)?, self.enter(HEARER)?);
        cold::wait(self.operator)?;
        let mut connection = self.api.connect()?;
        let before = Counters::read(self.kubernetes, self.operator)?;
        let used = self.processor_times()?;
        let began = Instant::now();
        let bench = Bench { api: &mut connection, namespace: &self.namespace, teller, hearer };
        let edits = edits::measure(bench, count, seed)?;
        let processors = self.processor_times()?.into_iter().zip(used);
        let processors =
            processors.map(|((program, after), (_, before))| (program, after - before)).collect();
        // What follows from the last edit is written a little later.
        cold::wait(self.operator)?;
        let after = Counters::read(self.kubernetes, self.operator)?;
        let logs = Logs {
            operator: self.clock.lines(&self.operator.log()?),
            broker: self.clock.lines(&self.namespace.kubectl(&["logs", &format!("{}-0", scene::CLUSTER)])?),
        };
        let shares = edits.iter().map(|edit| shares::of(edit, &logs)).collect();
        Ok(Measured { began, edits, shares, processors, before, after })
    }

    /// What was written for a series of edits.
    pub(crate) fn writes(&self, measured: &Measured, setting: &str) -> Result<Vec<Row>> {
        let Measured { before, after, edits, .. } = measured;
        writes::rows(self.instance, (before, after), edits.len(), setting)
    }

    /// What operator and broker hold now.
    pub(crate) fn memories(&self, setting: &str) -> Result<Vec<Row>> {
        let rows = PROGRAMS.iter().map(|(name, program)| {
            let memory = cold::settled_memory(&Process::find(self.kubernetes, program)?)?;
            let row = Row::memory(format!("memory of the {name} after the edits, {setting}"), memory);
            Ok(crate::rows::memory_target(row, name, memory))
        });
        rows.collect()
    }

    /// Makes a fleet beside the session.
    pub(crate) fn make(&self, fleet: Fleet, patience: Duration) -> Result<Made> {
        fleet.make(self.api, &self.namespace, patience)
    }

    /// Starts the operator, of which none runs.
    pub(crate) fn cold_start(&self) -> Result<ColdStart> {
        cold::start(self.operator, self.instance, &self.clock)
    }

    fn processor_times(&self) -> Result<Vec<(&'static str, Duration)>> {
        let time = |program: &str| Process::find(self.kubernetes, program)?.processor_time();
        PROGRAMS.iter().map(|(name, program)| Ok((*name, time(program)?))).collect()
    }

    /// Logs a user in through the Service, as soon as it may.
    fn enter(&self, user: &str) -> Result<Client> {
        let mut connection = self.api.connect()?;
        let path = format!("{}/{}", scene::core(&self.namespace, "services"), scene::SERVICE);
        look(&format!("{user} to be let in"), COARSE, PATIENCE, || {
            let Some(service) = connection.get(&path)? else { return Ok(None) };
            let address = service["spec"]["clusterIP"].as_str().context("the Service has no address")?;
            let Ok(stream) = self.kubernetes.connect(address, scene::PORT) else { return Ok(None) };
            match Client::login(stream, user, PASSWORD) {
                Ok(client) => Ok(Some(client)),
                Err(Refusal::Unreachable | Refusal::Refused(_)) => Ok(None),
            }
        })
    }
}
