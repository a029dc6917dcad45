//! Where the programs under test and the foreign clients are.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};

/// The Python client that the stories drive, at the version that they were written against.
const PAHO: &str = "paho-mqtt==2.1.0";

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    // This crate lies two folders below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(PathBuf::new, Path::to_owned)
}

/// The built broker: `MOAT_BROKER`, or what cargo built in the same profile as this test.
///
/// # Errors
///
/// When it is not there; the message says how to build it.
pub fn broker() -> Result<PathBuf> {
    built("moat-broker", "MOAT_BROKER")
}

/// The built kubectl plugin: `KUBECTL_MOAT`, or what cargo built in the same profile as this test.
///
/// # Errors
///
/// When it is not there; the message says how to build it.
pub fn plugin() -> Result<PathBuf> {
    built("kubectl-moat", "KUBECTL_MOAT")
}

/// The program that keeps a Kubernetes for the tests: `MOAT_KUBERNETES`, or what cargo built in the same profile.
///
/// # Errors
///
/// When it is not there; the message says how to build it.
pub fn kubernetes() -> Result<PathBuf> {
    built("moat-kubernetes", "MOAT_KUBERNETES")
}

/// The folder below cargo's target folder where the stories keep what they made once.
///
/// # Errors
///
/// When this was not built by cargo, or the folder cannot be made.
pub fn cache() -> Result<PathBuf> {
    let profile = profile_folder()?;
    let cache = profile.parent().unwrap_or(&profile).join("e2e");
    fs::create_dir_all(&cache).with_context(|| format!("failed to make {}", cache.display()))?;
    Ok(cache)
}

fn built(name: &str, variable: &str) -> Result<PathBuf> {
    let path = match env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => profile_folder()?.join(name),
    };
    ensure!(
        path.is_file(),
        "{} is not there: run `cargo build -p {name}` with the tests' profile, or set {variable}",
        path.display()
    );
    Ok(path)
}

/// Cargo's folder for this profile, such as `target/debug`; programs lie in it, tests in `deps` below it.
fn profile_folder() -> Result<PathBuf> {
    let program = env::current_exe().context("failed to find this program itself")?;
    let deps = program.ancestors().find(|folder| folder.file_name() == Some(OsStr::new("deps")));
    let folder = deps.unwrap_or(&program).parent();
    folder.map(Path::to_owned).with_context(|| format!("{} was not built by cargo", program.display()))
}

/// A program of a Debian package, installed first if it is missing and this is root.
///
/// # Errors
///
/// When it is missing and cannot be installed; the message names the package.
pub fn debian(program: &str, package: &str) -> Result<PathBuf> {
    if let Some(path) = on_path(program) {
        return Ok(path);
    }
    install(package).with_context(|| {
        format!(
            "{program} is missing: install Debian's package {package} (as root: apt-get install {package})"
        )
    })?;
    on_path(program).with_context(|| format!("{package} is installed, but {program} is not on the PATH"))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Daemons lie in /usr/sbin, which a plain user's PATH leaves out.
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn install(package: &str) -> Result<()> {
    let arguments = ["install", "-y", "-qq", "--no-install-recommends", package];
    let attempt = || run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"));
    // The lists may never have been fetched, or be older than the archive.
    attempt().or_else(|_| run(Command::new("apt-get").args(["update", "-qq"])).and_then(|_| attempt()))?;
    Ok(())
}

/// A Python interpreter that has the MQTT client, made once below the target folder.
///
/// # Errors
///
/// When Python, its `venv` module or the package cannot be had; the message says what is missing.
pub fn python() -> Result<PathBuf> {
    static MADE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| make_python().map_err(|error| format!("{error:#}")));
    made.clone().map_err(anyhow::Error::msg)
}

fn make_python() -> Result<PathBuf> {
    let cache = cache()?;
    let ready = cache.join(PAHO.replace("==", "-"));
    let interpreter = ready.join("bin/python");
    if interpreter.is_file() {
        return Ok(interpreter);
    }
    // Test programs run side by side: each makes its own, and the first one to finish gives it the name. An
    // environment knows its path, so it is its `bin` that is called and never its activation scripts.
    let draft = tempfile::Builder::new().prefix("python-").tempdir_in(&cache)?;
    let python = debian("python3", "python3")?;
    if run(Command::new(&python).args(["-m", "venv"]).arg(draft.path())).is_err() {
        install("python3-venv").context("Python's venv module is missing: install Debian's python3-venv")?;
        run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(draft.path()))?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PAHO];
    run(Command::new(draft.path().join("bin/python")).args(pip))
        .with_context(|| format!("failed to install {PAHO} for the foreign clients"))?;
    match fs::rename(draft.path(), &ready) {
        Ok(()) => {
            // Renamed away: there is nothing left to clean up.
            let _ = draft.keep();
        }
        Err(error) if interpreter.is_file() => drop(error),
        Err(error) => return Err(error).context("failed to put the Python environment in its place"),
    }
    Ok(interpreter)
}

/// Runs a command to its end and gives its standard output.
///
/// # Errors
///
/// When it cannot be started or fails; the message holds its output.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("failed to run {:?}", command.get_program()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?} ended with {}:\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}
