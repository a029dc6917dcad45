//! `status`: is everything in force, and if not, why and what to do.
//!
//! [`read`] asks the API server and reduces what it shows to [`Facts`](facts::Facts), [`report`] judges them, [`render`]
//! writes the answer. Only `read` does I/O.

mod facts;
mod pod;
mod read;
mod render;
mod report;
#[cfg(test)]
mod tests;

use std::io::{self, Write as _};

use anyhow::bail;

use crate::Answer;
use crate::cli::{Format, Status};
use crate::connection;
use report::Verdict;

pub(crate) fn run(arguments: &Status) -> anyhow::Result<Answer> {
    let facts = connection::ask(async {
        let connection = connection::connect(&arguments.access).await?;
        read::facts(&connection, arguments.all_namespaces, arguments.cluster.as_deref()).await
    })?;
    let report = report::of(&facts);
    let text = match arguments.format {
        Format::Text => render::text(&report),
        Format::Json => serde_json::to_string_pretty(&report)? + "\n",
    };
    io::stdout().lock().write_all(text.as_bytes())?;
    match report.verdict {
        Verdict::Ready => Ok(Answer::Yes),
        Verdict::NotReady => Ok(Answer::No),
        Verdict::Unknown => {
            bail!("not everything may be read: ask with more rights, or see what was not read")
        }
    }
}
