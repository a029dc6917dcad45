//! `kubectl moat`: what a person asks before and after applying resources. Put `kubectl-moat` on the PATH and kubectl
//! finds it.
//!
//! | command | answers | exit codes |
//! |---|---|---|
//! | `validate` | are these files right? | 0 yes, 1 no, 2 cannot read |
//! | `can-i` | may this user do that, and which permission decides? | 0 yes, 1 no, 3 undecidable, 2 cannot ask |
//! | `hash-password` | what goes under `hash` in a Credential's Secret? | 0, 2 |
//! | `status` | is everything in force, and if not, why? | 0 yes, 1 no, 2 cannot ask |
//! | `bundle show` | what do the pods enforce, and is it whole? | 0 yes, 1 no, 2 cannot ask |
//!
//! Files are read, judged and compiled by the very code that the operator and the broker use. Only the last two talk
//! to a cluster: they read, with the caller's rights, and write nothing.

mod bundle;
mod can_i;
mod cli;
mod connection;
mod files;
mod hash_password;
mod status;
mod text;
mod validate;

use std::process::ExitCode;

use clap::Parser;

use cli::{BundleCommand, Cli, Command};

/// The answer to a command; also its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Yes, or done.
    Yes = 0,
    /// No.
    No = 1,
    /// It depends on something that was not given.
    Undecidable = 3,
}

/// The exit code of questions that could not be answered; clap uses the same for wrong usage.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let answer = match Cli::parse().command {
        Command::Validate(arguments) => validate::run(&arguments),
        Command::CanI(arguments) => can_i::run(&arguments),
        Command::HashPassword(arguments) => hash_password::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Bundle(arguments) => match arguments.command {
            BundleCommand::Show(arguments) => bundle::show(&arguments),
        },
    };
    match answer {
        Ok(answer) => ExitCode::from(answer as u8),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}
