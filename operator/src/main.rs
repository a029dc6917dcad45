//! `moat-operator`: see docs/kubernetes.md.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match moat_operator::process::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("moat-operator: {error:#}");
            ExitCode::FAILURE
        }
    }
}
