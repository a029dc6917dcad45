//! Instances of a Kubernetes with Moat for stories that break more than their own namespace: one story at a time, and
//! the next one goes on where the last one has left everything in order.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use moat_e2e::kube::{Kubernetes, Options};

use crate::operator::Operator;

/// Those that no story is in: not more than there are stories at a time.
static FREE: Mutex<Vec<Kubernetes>> = Mutex::new(Vec::new());

/// Tells a story in an instance that it may break, with one operator. The instance of a story that fails is ended.
/// Skipped, aloud, where none can be started.
pub(crate) fn story(tell: impl FnOnce(&Kubernetes, Operator<'_>) -> Result<()>) -> Result<()> {
    let Some(kubernetes) = enter()? else { return Ok(()) };
    let operator = Operator(&kubernetes);
    operator.scale(1)?;
    tell(&kubernetes, operator)?;
    FREE.lock().unwrap_or_else(PoisonError::into_inner).push(kubernetes);
    Ok(())
}

fn enter() -> Result<Option<Kubernetes>> {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    if free.is_some() {
        return Ok(free);
    }
    let Some(kubernetes) = Kubernetes::start(&Options::default())? else { return Ok(None) };
    kubernetes.install()?;
    Ok(Some(kubernetes))
}
