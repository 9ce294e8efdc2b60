//! `lamp job`.

use std::io::{self, Write};

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    JobId, RawValue, Record,
    record::{Attempt, AttemptOutcome, LogLevel, LogLine},
};
use lamplighter_dashboard::view::JobView;
use serde_json::Value;

use super::block_on;
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::{safe, safe_lines},
    output::{self, BAD, FAINT, GOOD, NAME, STRONG, WARN},
    place::Place,
    reveal::Reveal,
    when,
};

/// Show one job: its arguments and output, and every attempt, newest first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp job order-42
  lamp job order-42 --log
  lamp job order-42 --stack shop --json")]
pub(crate) struct Job {
    /// The job's id.
    id: JobId,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    place: Place,
    /// Show the lines that it has written to its log, oldest first, instead.
    #[arg(long)]
    log: bool,
    /// Print a line of JSON, or one for each line of the log.
    #[arg(long)]
    json: bool,
}

impl Job {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        block_on(async {
            let target = self.place.look().await?;
            let client = target.records()?;
            let record = target.record(&client, &self.id).await?;
            if self.log {
                return lines(&client.log(&self.id).await?, self.json);
            }
            let record = self.reveal.of(catalog).record(record);
            if self.json {
                return output::json_lines([JobView::from(&record)]);
            }
            output::print(|out| describe(out, &record, Timestamp::now()))
        })
    }
}

fn lines(log: &[LogLine], json: bool) -> Result<(), Error> {
    if json {
        return output::json_lines(log);
    }
    if log.is_empty() {
        output::hint("its log is empty");
    }
    output::print(|out| {
        log.iter().try_for_each(|LogLine { at, attempt, level, text, .. }| {
            let style = match level {
                LogLevel::Debug | LogLevel::Info => FAINT,
                LogLevel::Warn => WARN,
                LogLevel::Error => BAD,
            };
            writeln!(
                out,
                "{}  {style}{level:<5}{style:#}  {FAINT}{attempt:>2}{FAINT:#}  {}",
                when::full(*at),
                safe(text)
            )
        })
    })
}

fn describe(out: &mut dyn Write, record: &Record, now: Timestamp) -> io::Result<()> {
    let style = output::state_style(record.state);
    let message = &record.message;
    writeln!(out, "{STRONG}{}{STRONG:#}  {style}{}{style:#}", safe(&message.job), record.state)?;
    let mut line = |name: &str, value: &str| writeln!(out, "  {FAINT}{name:<10}{FAINT:#} {value}");
    line("id", record.id.as_str())?;
    line("queue", &safe(&record.queue))?;
    line("created", &moment(record.created_at, now))?;
    if let Some(schedule) = &message.schedule {
        line("schedule", &safe(schedule))?;
    }
    if let Some(parent) = &message.parent {
        line("parent", parent.as_str())?;
    }
    if let Some(batch) = &message.batch {
        line("batch", batch.id.as_str())?;
    }
    if !message.tags.is_empty() {
        line("tags", &message.tags.iter().collect::<Vec<_>>().join(", "))?;
    }
    if !record.state.is_final() && record.due_at > now {
        line("due", &moment(record.due_at, now))?;
    }
    if let Some(limit) = &record.limit {
        line("waits", &format!("for a place in the limit {}", safe(limit)))?;
    }
    if let Some(reason) = &record.reason {
        line("because", &safe(reason))?;
    }
    if let Some(progress) = record.progress {
        line("progress", &format!("{} of {}", progress.done, progress.total))?;
    }
    if let Some(finished) = record.finished_at {
        line("finished", &moment(finished, now))?;
    }
    json(out, "arguments", &message.args)?;
    if let Some(output) = &record.output {
        json(out, "output", output)?;
    }
    writeln!(out, "\n{STRONG}attempts{STRONG:#}")?;
    if let Some(started) = record.started_at.filter(|_| record.finished_at.is_none()) {
        let number = record.attempt;
        writeln!(out, "  {NAME}{number:>3}  running{NAME:#}    since {}", moment(started, now))?;
    }
    record.attempts.iter().rev().try_for_each(|ended| attempt(out, ended))?;
    if record.attempts.is_empty() && record.started_at.is_none() {
        writeln!(out, "  {FAINT}none yet{FAINT:#}")?;
    }
    Ok(())
}

fn attempt(out: &mut dyn Write, attempt: &Attempt) -> io::Result<()> {
    let style = match attempt.outcome {
        AttemptOutcome::Succeeded | AttemptOutcome::Continued => GOOD,
        AttemptOutcome::Lost | AttemptOutcome::Cancelled => WARN,
        AttemptOutcome::Error | AttemptOutcome::Panic | AttemptOutcome::TimedOut => BAD,
    };
    writeln!(
        out,
        "  {style}{:>3}  {:<9}{style:#}  {}  {:>8}  {FAINT}{}{FAINT:#}",
        attempt.number,
        attempt.outcome.as_str(),
        when::full(attempt.started_at),
        when::short(when::between(attempt.started_at, attempt.ended_at)),
        safe(&attempt.host),
    )?;
    if let Some(error) = &attempt.error {
        writeln!(out, "       {}", safe(&error.message))?;
        error.chain.iter().try_for_each(|cause| writeln!(out, "       {FAINT}because{FAINT:#} {}", safe(cause)))?;
    }
    if let Some(fingerprint) = attempt.fingerprint {
        writeln!(out, "       {FAINT}error {fingerprint}{FAINT:#}")?;
    }
    Ok(())
}

/// A moment, and how long ago that is.
pub(super) fn moment(moment: Timestamp, now: Timestamp) -> String {
    format!("{}  {FAINT}{}{FAINT:#}", when::full(moment), when::relative(moment, now))
}

/// Prints JSON on as many lines as it needs.
fn json(out: &mut dyn Write, name: &str, raw: &RawValue) -> io::Result<()> {
    let pretty = serde_json::from_str::<Value>(raw.get()).and_then(|value| serde_json::to_string_pretty(&value));
    writeln!(out, "\n{STRONG}{name}{STRONG:#}")?;
    let text = pretty.unwrap_or_else(|_| raw.get().to_owned());
    safe_lines(&text).try_for_each(|line| writeln!(out, "  {line}"))
}
