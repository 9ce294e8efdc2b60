//! `lamp outbox`.

use std::{num::NonZeroI64, path::PathBuf};

use clap::Args;
use jiff::Timestamp;
use lamplighter_aws::outbox as aws;
use lamplighter_embedded::outbox::{Outbox as File, OutboxStatus};
use serde::Serialize;

use super::{block_on, job::moment};
use crate::{
    error::Error,
    foreign::safe,
    output::{self, BAD, FAINT, GOOD, STRONG},
    place::{Chosen, Place},
};

/// Failed entries that are read at a time.
const PAGE: usize = 200;

/// Show an outbox: the entries that cannot be enqueued, and how many wait.
///
/// FILE is your own SQLite database with the table lamplighter_outbox. Without it, this is the outbox in the table of the
/// deployed stack that --stack names.
///
/// `lamp dev --outbox FILE` and `lamp work --outbox FILE` enqueue entries as they come. With --sweep, this command does it once: into the
/// embedded file, or with --stack into a deployed stack.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp outbox shop.db
  lamp outbox shop.db --sweep --stack shop
  lamp outbox shop.db --retry 42
  lamp outbox --stack shop --retry order-42")]
pub(crate) struct Outbox {
    /// Your database.
    #[arg(value_name = "FILE")]
    outbox: Option<PathBuf>,
    /// Enqueue what waits.
    #[arg(long, requires = "outbox")]
    sweep: bool,
    /// Let the next sweep try this failed entry again: by its number, or in a stack by its job's id.
    #[arg(long, value_name = "ENTRY", conflicts_with_all = ["sweep", "retry_all", "forget"])]
    retry: Option<String>,
    /// Let the next sweep try all failed entries again.
    #[arg(long, conflicts_with_all = ["sweep", "forget"])]
    retry_all: bool,
    /// Delete this failed entry.
    #[arg(long, value_name = "ENTRY", conflicts_with = "sweep")]
    forget: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Print a line of JSON for each failed entry; with --sweep, what was done.
    #[arg(long)]
    json: bool,
}

/// A failed entry.
#[derive(Serialize)]
struct Failed {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<i64>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_at: Option<Timestamp>,
}

impl Outbox {
    pub(super) fn run(self) -> Result<(), Error> {
        block_on(async {
            match &self.outbox {
                Some(file) => self.of_file(&File::new(file)).await,
                None => self.of_stack().await,
            }
        })
    }

    async fn of_file(&self, outbox: &File) -> Result<(), Error> {
        let status = outbox.status().await?;
        if self.sweep {
            let target = self.place.open_or_make().await?;
            let swept = outbox.sweep(&target.client()).await?;
            let (enqueued, failed) = (swept.enqueued, swept.failed);
            if self.json {
                return output::json_lines([serde_json::json!({ "enqueued": enqueued, "failed": failed })]);
            }
            return output::print(|out| {
                writeln!(out, "{GOOD}enqueued{GOOD:#} {enqueued}")?;
                if failed > 0 {
                    writeln!(out, "{BAD}failed{BAD:#} {failed}")?;
                }
                Ok(())
            });
        }
        if let Some(entry) = &self.forget {
            return match outbox.forget(number(entry)?).await? {
                true => done("deleted", 1),
                false => Err(no_entry(entry)),
            };
        }
        if self.retry_all {
            return done("to be tried again", outbox.retry(None).await?);
        }
        if let Some(entry) = &self.retry {
            return match outbox.retry(Some(number(entry)?)).await? {
                0 => Err(no_entry(entry)),
                count => done("to be tried again", count),
            };
        }
        let (mut failed, mut after) = (Vec::new(), 0);
        loop {
            let page = outbox.failed(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            failed.extend(page.into_iter().map(|entry| Failed {
                entry: Some(entry.seq),
                id: entry.id,
                job: entry.job,
                error: entry.error,
                failed_at: entry.failed_at,
            }));
        }
        self.show(&failed, Some(status))
    }

    async fn of_stack(&self) -> Result<(), Error> {
        let nothing =
            || Error::Usage("name your database, `lamp outbox FILE`, or a deployed stack with --stack NAME".into());
        if matches!(self.place.chosen()?, Chosen::File(_)) {
            return Err(nothing());
        }
        let outbox = self.place.look().await?.outbox()?.ok_or_else(nothing)?;
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = outbox.failed(cursor).await?;
            found.extend(page.entries);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        if let Some(id) = self.forget.as_ref().or(self.retry.as_ref()) {
            found.retain(|entry| entry.id == *id);
            if found.is_empty() {
                return Err(no_entry(id));
            }
        }
        if self.forget.is_some() {
            for entry in &found {
                outbox.forget(entry).await?;
            }
            return done("deleted", found.len() as u64);
        }
        if self.retry_all || self.retry.is_some() {
            let mut count = 0;
            for entry in &found {
                count += u64::from(outbox.retry(entry).await?);
            }
            return done("to be tried again", count);
        }
        let failed: Vec<_> = found
            .into_iter()
            .map(|aws::FailedEntry { id, job, error, failed_at, .. }| Failed { entry: None, id, job, error, failed_at })
            .collect();
        self.show(&failed, None)
    }

    fn show(&self, failed: &[Failed], status: Option<OutboxStatus>) -> Result<(), Error> {
        if self.json {
            return output::json_lines(failed);
        }
        if let Some(OutboxStatus { waiting, oldest, .. }) = status {
            let since = oldest.filter(|_| waiting > 0).map(|oldest| moment(oldest, Timestamp::now()));
            let since = since.map_or_else(String::new, |since| format!(" {FAINT}the oldest from {since}{FAINT:#}"));
            output::print(|out| writeln!(out, "{STRONG}waiting{STRONG:#} {waiting}{since}"))?;
        }
        if failed.is_empty() {
            return output::print(|out| writeln!(out, "no entry has failed"));
        }
        let mut table = output::table(&["ENTRY", "ID", "JOB", "ERROR"]);
        for Failed { entry, id, job, error, .. } in failed {
            let entry = entry.map(|entry| entry.to_string()).unwrap_or_default();
            let job = job.as_deref().unwrap_or_default();
            table.add_row([entry.as_str(), id, job, error].map(|text| output::cell(safe(text))));
        }
        output::print_table(&table)
    }
}

fn number(entry: &str) -> Result<i64, Error> {
    let number = entry.parse::<NonZeroI64>();
    number.map(NonZeroI64::get).map_err(|_| Error::Usage(format!("{entry:?} is not the number of an entry")))
}

fn no_entry(entry: &str) -> Error {
    Error::failed(format_args!("no failed entry {entry}"))
}

fn done(what: &str, count: u64) -> Result<(), Error> {
    output::print(|out| writeln!(out, "{GOOD}{what}{GOOD:#} {count}"))
}
