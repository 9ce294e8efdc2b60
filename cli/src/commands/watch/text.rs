//! A change in a line, for people.

use std::io::{self, Write};

use jiff::Timestamp;
use lamplighter::{
    JobState,
    operation::OperationState,
    record::{AttemptOutcome, LogLevel, LogLine},
};

use super::changes::Change;
use crate::{
    foreign::safe,
    output::{self, BAD, FAINT, GOOD, NAME, WARN},
    when,
};

/// Writes a change: when, what, and the details.
pub(super) fn line(out: &mut dyn Write, change: &Change<'_>) -> io::Result<()> {
    match change {
        Change::State { at, state, attempt, due_at } => {
            let style = output::state_style(*state);
            begin(out, *at)?;
            write!(out, "{style}{:<10}{style:#}", state.to_string())?;
            match due_at {
                Some(due) => writeln!(out, " {}", when::relative(*due, *at)),
                None if *attempt > 0 && *state == JobState::Running => writeln!(out, " attempt {attempt}"),
                None => writeln!(out),
            }
        }
        Change::Progress { at, progress } => {
            begin(out, *at)?;
            writeln!(out, "{NAME}{:<10}{NAME:#} {} of {}", "progress", progress.done, progress.total)
        }
        Change::Attempt { at, attempt, .. } => {
            let style = match attempt.outcome {
                AttemptOutcome::Succeeded | AttemptOutcome::Continued => GOOD,
                AttemptOutcome::Lost | AttemptOutcome::Cancelled => WARN,
                AttemptOutcome::Error | AttemptOutcome::Panic | AttemptOutcome::TimedOut => BAD,
            };
            let took = when::short(when::between(attempt.started_at, attempt.ended_at));
            let error = attempt.error.as_ref().map(|error| format!(": {}", safe(&error.to_string())));
            begin(out, *at)?;
            let (outcome, number) = (attempt.outcome.as_str(), attempt.number);
            writeln!(out, "{style}{outcome:<10}{style:#} attempt {number} after {took}{}", error.unwrap_or_default())
        }
        Change::Log(LogLine { at, level, text, .. }) => {
            let style = match level {
                LogLevel::Debug | LogLevel::Info => FAINT,
                LogLevel::Warn => WARN,
                LogLevel::Error => BAD,
            };
            begin(out, *at)?;
            writeln!(out, "{style}{level:<10}{style:#} {}", safe(text))
        }
        Change::Batch { at, batch } => {
            begin(out, *at)?;
            let style = output::state_style(batch.state);
            let (done, total) = (batch.done(), batch.total);
            writeln!(
                out,
                "{style}{:<10}{style:#} {done} of {total} jobs have ended: {} succeeded, {} failed, {} cancelled",
                batch.state.to_string(),
                batch.succeeded,
                batch.failed,
                batch.cancelled
            )
        }
        Change::Operation { at, id, action, state, progress, error } => {
            let style = match state {
                OperationState::Done => GOOD,
                OperationState::Failed => BAD,
                _ => NAME,
            };
            let counted = format!(
                "{} changed, {} as they were, {} failed",
                progress.changed, progress.unchanged, progress.failed
            );
            let error = error.map(|error| format!(": {}", safe(error))).unwrap_or_default();
            begin(out, *at)?;
            writeln!(out, "{style}{:<10}{style:#} {action} {NAME}{id}{NAME:#} {counted}{error}", state.as_str())
        }
        Change::End { at, id, state, output, error, reason } => {
            let style = output::state_style(*state);
            begin(out, *at)?;
            let details = match (output, error, reason) {
                (_, _, Some(reason)) => safe(reason).into_owned(),
                (_, Some(error), _) => safe(&error.to_string()).into_owned(),
                (Some(output), ..) => output::one_line(output.get(), 120),
                (None, None, None) => String::new(),
            };
            writeln!(out, "{style}{:<10}{style:#} {NAME}{id}{NAME:#} {details}", state.to_string())
        }
    }
}

fn begin(out: &mut dyn Write, at: Timestamp) -> io::Result<()> {
    write!(out, "{FAINT}{}{FAINT:#}  ", at.strftime("%H:%M:%S%.3fZ"))
}
