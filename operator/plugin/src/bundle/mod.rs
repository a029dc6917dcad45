//! `bundle show`: the policy as it lies in the cluster for the pods, checked as they check it.
//!
//! [`read`] asks the API server for manifest and shards, [`check`] verifies them and makes the [`Report`](check::Report),
//! [`entries`] takes what is secret out of what is shown, [`render`] writes the answer. Only `read` does I/O.

mod check;
mod entries;
mod read;
mod render;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};

use crate::Answer;
use crate::cli::{BundleShow, Format};
use crate::connection;

pub(crate) fn show(arguments: &BundleShow) -> anyhow::Result<Answer> {
    let report = connection::ask(async {
        let connection = connection::connect(&arguments.access).await?;
        read::checked(&connection, arguments.cluster.as_deref(), arguments.entries).await
    })?;
    let text = match arguments.format {
        Format::Text => render::text(&report),
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if report.wrong.is_empty() { Answer::Yes } else { Answer::No })
}
