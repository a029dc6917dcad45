//! How long an operator takes from the start of its process until there is nothing left to do, and what it holds then.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use moat_e2e::kube::Instance;

use crate::clock::Clock;
use crate::operator::Operator;
use crate::pace::{look, rest};
use crate::processes::{Memory, Process};
use crate::writes;

/// An operator that has written nothing for so long has settled.
const QUIET: Duration = Duration::from_secs(6);

/// How long settling may take: every status may have to be written.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Time between two looks at its counters.
const STEP: Duration = Duration::from_millis(500);

/// A start of the operator.
pub(crate) struct ColdStart {
    /// From the start of its process until it held the Lease, for which it must have read everything.
    pub(crate) leading: Duration,
    /// Until the first compile was done.
    pub(crate) compiled: Duration,
    /// Until the last write that was not of its Lease; the later one of the above, if there was none.
    pub(crate) settled: Duration,
    /// Those writes.
    pub(crate) writes: usize,
    /// What it held then.
    pub(crate) memory: Memory,
    /// Whether it ended meanwhile and was started again, which says why.
    pub(crate) restarts: Option<String>,
}

/// Starts the operator, of which none runs, and waits until it has settled.
pub(crate) fn start(operator: &Operator<'_>, instance: &Instance, clock: &Clock) -> Result<ColdStart> {
    let mark = instance.mark()?;
    let process = operator.start()?;
    wait(operator)?;
    let lines = clock.lines(&operator.log()?);
    let said = |message: &str| {
        let line = lines.iter().find(|line| line.says(message));
        line.map(|line| line.at).with_context(|| format!("the operator never said {message:?}"))
    };
    let (leading, compiled) = (said("leading")?, said("compiled")?);
    let mut settled = leading.max(compiled);
    let mut count = 0;
    for write in instance.writes_since(mark)?.iter().filter(|write| writes::counts(write)) {
        settled = settled.max(clock.read(&write.at)?);
        count += 1;
    }
    let since = |at: Instant| at.saturating_duration_since(process.started);
    Ok(ColdStart {
        leading: since(leading),
        compiled: since(compiled),
        settled: since(settled),
        writes: count,
        // It may be another process by now.
        memory: settled_memory(&operator.process()?)?,
        restarts: operator.restarts()?,
    })
}

/// Waits until the operator leads, has compiled, and writes nothing any more.
pub(crate) fn wait(operator: &Operator<'_>) -> Result<()> {
    let mut last = (0.0, Instant::now());
    look("the operator to settle", STEP, PATIENCE, || {
        // Its port may not be open yet.
        let Ok(metrics) = operator.metrics() else { return Ok(None) };
        let value = |name: &str| metrics.get(name).copied().unwrap_or_default();
        let writes = writes::total(&metrics);
        let works =
            value("moat_operator_leading") > 0.0 && value("moat_operator_compile_seconds_count") > 0.0;
        if !works || writes > last.0 {
            last = (writes, Instant::now());
        }
        Ok((works && last.1.elapsed() >= QUIET).then_some(()))
    })
}

/// What the process holds once its allocator has given back what it does not need: after a moment.
pub(crate) fn settled_memory(process: &Process) -> Result<Memory> {
    rest(Duration::from_secs(2));
    process.memory()
}
