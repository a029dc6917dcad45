//! An operator that has nothing to do sends nothing but its Lease, and brokers never write at all.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use moat_e2e::kube::{Instance, Mark, Write};
use moat_e2e::until;

use crate::breakable;
use crate::fleet::{Fleet, HEALING, SECONDS};
use crate::operator::USER;

/// The Lease is renewed every 3 s.
const RENEWALS_IN_A_MINUTE: usize = 20;

#[test]
fn a_settled_operator_writes_nothing_but_its_lease_for_a_minute() -> Result<()> {
    breakable::story(|kubernetes, _| {
        let instance = kubernetes.instance().context("it is an instance of ours")?;
        let begin = instance.mark()?;
        let fleet = Fleet::found(kubernetes, "settled")?;
        let mut resident = fleet.resident()?;
        fleet.edit_is_enforced(&mut resident, SECONDS)?;
        until::some_within(HEALING, "the operator to settle", || {
            let mark = instance.mark()?;
            Ok(other_writes(&after_renewals(instance, mark, 2)?).is_empty().then_some(()))
        })?;
        let writes = after_renewals(instance, instance.mark()?, RENEWALS_IN_A_MINUTE)?;
        ensure!(other_writes(&writes).is_empty(), "a settled operator writes: {:#?}", other_writes(&writes));
        resident.lives_on()?;

        let all = instance.writes_since(begin)?;
        ensure!(
            all.iter().any(|write| write.user == USER && write.resource == "configmaps"),
            "it has written"
        );
        let brokers = format!("system:serviceaccount:{}:", &**fleet);
        let written: Vec<_> = all.iter().filter(|write| write.user.starts_with(&brokers)).collect();
        ensure!(written.is_empty(), "brokers write nothing: {written:#?}");
        Ok(())
    })
}

/// Waits until the Lease was renewed so often since a mark, and gives all writes of the operator since then.
fn after_renewals(instance: &Instance, mark: Mark, renewals: usize) -> Result<Vec<Write>> {
    until::some_within(Duration::from_secs(180), "the Lease to be renewed", || {
        let writes = instance.writes_since(mark)?;
        let ours: Vec<_> = writes.into_iter().filter(|write| write.user == USER).collect();
        let leases = ours.iter().filter(|write| write.resource == "leases").count();
        Ok((leases >= renewals).then_some(ours))
    })
}

fn other_writes(writes: &[Write]) -> Vec<&Write> {
    writes.iter().filter(|write| write.resource != "leases").collect()
}
