//! `can-i`: one question to the policy that the files compile to, answered by the very code that brokers ask.

mod question;
mod ruling;

use std::io::{self, Write};

use anyhow::{bail, ensure};
use moat_crds::compile::{self, Compiled, Conflicts, LastGood, Options, Verifiers};
use moat_policy::{Policy, SecretString};

use crate::Answer;
use crate::cli::CanI;
use crate::files::{Files, Line};
use question::Question;
use ruling::{Court, Ruling};

pub(crate) fn run(arguments: &CanI) -> anyhow::Result<Answer> {
    let question = Question::parse(arguments)?;
    let files = Files::read(&arguments.paths)?;
    let compiled = policy_of(&files)?;
    let court = Court { policy: Policy::load(&compiled.bundle), bundle: &compiled.bundle };
    let listeners: Vec<&str> = compiled.listeners.iter().map(|listener| listener.name.as_str()).collect();
    let chosen = match &arguments.listener {
        None => listeners,
        Some(name) => {
            ensure!(
                listeners.contains(&name.as_str()),
                "the cluster has no listener `{name}`: it has {}",
                listeners.join(", ")
            );
            vec![name.as_str()]
        }
    };
    let mut rulings = Vec::with_capacity(chosen.len());
    for listener in chosen {
        rulings.push((listener, court.rule(&question, listener)?));
    }
    announce(&rulings)
}

/// Prints the answer that all listeners agree on.
fn announce(rulings: &[(&str, Ruling)]) -> anyhow::Result<Answer> {
    let Some((_, first)) = rulings.first() else { bail!("the files hold no MqttCluster with a listener") };
    if rulings.iter().any(|(_, ruling)| ruling.answer != first.answer) {
        let each: Vec<_> =
            rulings.iter().map(|(listener, ruling)| format!("{listener}: {}", ruling.word())).collect();
        bail!("the answer depends on the listener ({}): choose one with --listener", each.join(", "));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}", first.word())?;
    if rulings.iter().all(|(_, ruling)| ruling.text == first.text) {
        writeln!(out, "{}", first.text)?;
    } else {
        for (listener, ruling) in rulings {
            writeln!(out, "listener {listener}: {}", ruling.text)?;
        }
    }
    Ok(first.answer)
}

/// Compiles the files. What the reader refuses ends the question, because nobody knows what was meant; what only
/// `compile` finds fault with is told and left out, as the broker does.
fn policy_of(files: &Files) -> anyhow::Result<Compiled> {
    let mut refused: Vec<Line> = files.lines().filter(|line| line.wrong).collect();
    refused.sort();
    if !refused.is_empty() {
        refused.iter().for_each(|line| eprintln!("{line}"));
        bail!("the files are not valid: correct them first");
    }
    let options = Options { conflicts: Conflicts::AreErrors, ..Options::default() };
    let compile = |verifiers: &Verifiers| {
        compile::compile(&options, files.assembly.resources(), &LastGood::new(), verifiers)
    };
    let mut compiled = compile(&Verifiers::new());
    if !compiled.wanted.is_empty() {
        // Rights do not depend on what a password hashes to, only on there being a hash.
        let mut verifiers = Verifiers::new();
        for wanted in std::mem::take(&mut compiled.wanted) {
            verifiers.insert(wanted.key, SecretString::from("can-i verifies no passwords"));
        }
        compiled = compile(&verifiers);
    }
    let mut lines: Vec<Line> =
        compiled.diagnostics.iter().map(|diagnostic| files.line_of(diagnostic)).collect();
    lines.sort();
    lines.iter().for_each(|line| eprintln!("{line}"));
    Ok(compiled)
}
