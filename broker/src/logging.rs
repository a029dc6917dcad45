//! Logs: one line each, for people or as JSON, with a level that can be changed while the broker runs.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Changes the level of the running process.
#[derive(Clone)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

/// The directives are no filter; the message says what is wrong.
#[derive(Debug, thiserror::Error)]
#[error(
    "failed to set the log level: {0}; give a level (error, warn, info, debug, trace) or target=level, comma-separated"
)]
pub struct LogLevelError(String);

impl LogLevel {
    /// Puts new directives in force, e.g. `debug` or `info,moat_broker::net=debug`.
    ///
    /// # Errors
    /// [`LogLevelError`]; the old directives stay.
    pub fn set(&self, directives: &str) -> Result<(), LogLevelError> {
        let filter = parse(directives)?;
        self.0.reload(filter).map_err(|error| LogLevelError(error.to_string()))
    }

    /// The directives in force.
    #[must_use]
    pub fn get(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_default()
    }
}

fn parse(directives: &str) -> Result<EnvFilter, LogLevelError> {
    EnvFilter::try_new(directives.trim()).map_err(|error| LogLevelError(error.to_string()))
}

/// Starts logging to standard error.
///
/// # Errors
/// [`LogLevelError`] for directives that cannot be read, or if logging was started before.
pub fn start(format: LogFormat, directives: &str) -> Result<LogLevel, LogLevelError> {
    let (filter, handle) = reload::Layer::new(parse(directives)?);
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Human => false,
        LogFormat::Json => true,
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).with_target(false).boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|error| LogLevelError(error.to_string()))?;
    Ok(LogLevel(handle))
}
