//! Enqueues many jobs: one for each line of a file.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use lamplighter::{Definition, EnqueueError, Enqueued, JobId, JobState, NewJob, Options, RawValue};
use serde::{Deserialize, Serialize};

use super::{
    Opened, When,
    lines::{Line, Source},
};
use crate::{
    arguments::ArgumentCheck,
    database,
    error::Error,
    output::{self, FAINT, GOOD, NAME, WARN},
    progress, signals, when,
};

/// The options for many jobs.
#[derive(Debug, Args)]
pub(super) struct Many {
    /// Enqueue many jobs: one for each line of this file, or of standard input with -; a line holds the arguments.
    #[arg(long = "from", value_name = "FILE", conflicts_with_all = ["args", "id"], value_parser = file)]
    pub(super) from: Option<PathBuf>,
    /// Each line is an object with `args`, and optionally `id`, `delay` or `at`, `group` and `tags`.
    #[arg(long, requires = "from")]
    with_options: bool,
    /// Set the jobs' ids: this text, a hyphen and the line's number. A file that is sent twice is then enqueued once,
    /// where jobs have records.
    #[arg(long, value_name = "TEXT", requires = "from")]
    id_prefix: Option<String>,
    /// Enqueue them as one batch, all or none: `lamp batch ID` shows how it stands. The id is the batch's idempotency key; a
    /// new one by default.
    #[arg(
        long,
        value_name = "ID",
        requires = "from",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        conflicts_with_all = ["id_prefix", "after_line", "after", "unique", "queue_url"]
    )]
    pub(super) batch: Option<String>,
    /// Begin after this line, where an earlier run was interrupted.
    #[arg(long, value_name = "NUMBER", requires = "from", default_value_t = 0, hide_default_value = true)]
    after_line: u64,
    /// Check all lines, and enqueue none.
    #[arg(long, requires = "from")]
    dry_run: bool,
}

fn file(typed: &str) -> Result<PathBuf, String> {
    if typed == "-" { Ok(typed.into()) } else { database::at_home(typed.as_ref()) }
}

/// A line with options, not only its job's arguments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Full<'a> {
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    delay: Option<String>,
    #[serde(default)]
    at: Option<String>,
    #[serde(default)]
    group: Option<String>,
    /// Beside those of the command line.
    #[serde(default)]
    tags: Vec<String>,
}

/// The result of a line, as `--json` shows it.
#[derive(Serialize)]
struct Answer<'a> {
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a JobId>,
    job: &'a str,
    queue: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    /// Whether a job that was there already has its arguments and its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The progress so far.
#[derive(Debug, Default)]
struct Tally {
    enqueued: u64,
    duplicates: u64,
    replaced: u64,
    failed: u64,
    /// The last line whose result is known.
    line: u64,
    /// Whether a signal ended it.
    stopped: bool,
    /// The error of a backend that accepts no more jobs.
    backend: Option<EnqueueError>,
}

/// The context of sending.
pub(super) struct Sending<'a> {
    pub(super) many: &'a Many,
    pub(super) definition: &'a Definition,
    pub(super) when: &'a When,
    pub(super) json: bool,
}

impl Sending<'_> {
    /// Sends all lines, some at a time; only those are in memory.
    pub(super) async fn run(
        &self,
        from: &Path,
        open: impl AsyncFnOnce() -> Result<Opened, Error>,
    ) -> Result<(), Error> {
        if let Some(prefix) = &self.many.id_prefix {
            JobId::new(format!("{prefix}-{}", u64::MAX))?;
        }
        let source = Source::of(from);
        let opened = if self.many.dry_run { None } else { Some(open().await?) };
        let check = ArgumentCheck::new(self.definition);
        let stop = signals::stop()?;
        let bar = progress::bytes(if self.many.dry_run { "judging" } else { "enqueueing" }, source.size());
        let (began, mut tally) = (Instant::now(), Tally { line: self.many.after_line, ..Tally::default() });
        let mut chunks = source.read();
        loop {
            let chunk = tokio::select! {
                biased;
                () = stop.draining() => {
                    tally.stopped = true;
                    break;
                }
                chunk = chunks.recv() => match chunk {
                    Some(chunk) => chunk.inspect_err(|_| bar.finish_and_clear()),
                    None => break,
                },
            };
            let chunk = match chunk {
                Ok(chunk) => chunk,
                // Jobs that were sent are reported all the same.
                Err(error) if tally.line > self.many.after_line => {
                    output::error(&error.to_string());
                    self.tell(&tally, began.elapsed())?;
                    return Err(cut_off(&tally, "the rest cannot be read"));
                }
                Err(error) => return Err(error),
            };
            let lines: Vec<_> = chunk.lines.into_iter().filter(|line| line.number > self.many.after_line).collect();
            let Some(last) = lines.last().map(|line| line.number) else { continue };
            let answers = self.send(&check, opened.as_ref(), lines).await;
            tally.line = last;
            tally.count(&answers);
            let printed = bar.suspend(|| self.answer(&answers));
            printed.map_err(|error| error.after(format_args!("what stands in the lines up to {last} was enqueued")))?;
            bar.set_position(chunk.read);
            if tally.backend.is_some() {
                break;
            }
        }
        bar.finish_and_clear();
        self.tell(&tally, began.elapsed())?;
        if let Some(opened) = &opened {
            opened.hint_if_paused(self.definition).await;
        }
        end(&tally, self.many.dry_run)
    }

    /// Checks some lines and sends the valid ones. Returns the result of each; lines without a job are left out.
    async fn send(
        &self,
        check: &ArgumentCheck<'_>,
        opened: Option<&Opened>,
        lines: Vec<Line>,
    ) -> Vec<(u64, Result<Option<Enqueued>, Failure>)> {
        let (mut answers, mut jobs, mut places) = (Vec::with_capacity(lines.len()), Vec::new(), Vec::new());
        for line in lines {
            let made = match &line.text {
                Ok(text) if text.trim().is_empty() => continue,
                Ok(text) => self.job(check, line.number, text),
                Err(why) => Err((*why).to_owned()),
            };
            let answer = match made {
                Ok(job) => {
                    jobs.push(job);
                    places.push(answers.len());
                    Ok(None)
                }
                Err(why) => Err(Failure::Line(why)),
            };
            answers.push((line.number, answer));
        }
        if let Some(opened) = opened {
            let sent = opened.client.enqueue_all(jobs).await;
            for (place, answer) in places.into_iter().zip(sent) {
                answers[place].1 = answer.map(Some).map_err(Failure::Enqueue);
            }
        }
        answers
    }

    pub(super) const fn is_dry_run(&self) -> bool {
        self.many.dry_run
    }

    /// Returns the job of one line.
    pub(super) fn job(&self, check: &ArgumentCheck<'_>, number: u64, text: &str) -> Result<NewJob, String> {
        let refusal = |error: Error| error.to_string();
        let (args, options) = if self.many.with_options {
            let mut full: Full<'_> = serde_json::from_str(text).map_err(|error| {
                let what = "with --with-options, a line is an object with args, and id, delay, at, group and tags";
                format!("{what} ({})", crate::arguments::expectation(&error))
            })?;
            let args = full.args.take().map_or("{}", RawValue::get);
            (check.check(args).map_err(refusal)?, Some(full))
        } else {
            (check.check(text).map_err(refusal)?, None)
        };
        let Definition { name, queue, .. } = *self.definition;
        let Options { tracking, ref limits, .. } = self.definition.options;
        let job = NewJob::raw(name, queue.name(), tracking, args).limits(limits.clone());
        let mut said = self.when.clone();
        let mut id = self.many.id_prefix.as_ref().map(|prefix| format!("{prefix}-{number}"));
        if let Some(full) = options {
            if full.delay.is_some() && full.at.is_some() {
                return Err("it has both delay and at; say one".into());
            }
            if let Some(delay) = &full.delay {
                (said.delay, said.at) = (Some(when::delay(delay).map_err(|why| format!("delay: {why}"))?), None);
            }
            if let Some(at) = &full.at {
                (said.at, said.delay) = (Some(when::moment(at).map_err(|why| format!("at: {why}"))?), None);
            }
            said.tags.extend(full.tags);
            said.group = full.group.or(said.group);
            id = full.id.or(id);
        }
        let job = said.say(job);
        Ok(match id {
            Some(id) => job.id(id),
            None => job,
        })
    }

    /// Reports the results of some lines: with `--json` all of them, otherwise the failures.
    fn answer(&self, answers: &[(u64, Result<Option<Enqueued>, Failure>)]) -> Result<(), Error> {
        let Definition { name: job, queue, .. } = *self.definition;
        let queue = queue.name();
        if !self.json {
            for (line, answer) in answers {
                if let Err(why) = answer {
                    output::hint(&format!("line {line}: {why}"));
                }
            }
            return Ok(());
        }
        output::json_lines(answers.iter().filter_map(|(line, answer)| {
            let none =
                Answer { line: *line, id: None, job, queue, duplicate: None, replaced: None, state: None, error: None };
            match answer {
                // Only checked, and valid.
                Ok(None) => None,
                Ok(Some(answer)) => {
                    let state = answer.existing_state().map(JobState::as_str);
                    let (id, duplicate) = (Some(answer.id()), Some(answer.is_duplicate()));
                    let replaced = matches!(answer, Enqueued::Replaced(_)).then_some(true);
                    Some(Answer { id, duplicate, replaced, state, ..none })
                }
                Err(why) => Some(Answer { error: Some(why.to_string()), ..none }),
            }
        }))
    }

    /// Prints the totals.
    fn tell(&self, tally: &Tally, took: Duration) -> Result<(), Error> {
        let Tally { enqueued, duplicates, replaced, failed, .. } = tally;
        let Definition { name, queue, .. } = self.definition;
        let (queue, took) = (queue.name(), when::short(took));
        let jobs = |count: u64| if count == 1 { "one job".to_owned() } else { format!("{count} jobs") };
        let verb = if self.many.dry_run { "judged" } else { "enqueued" };
        if self.json {
            let replaced = if *replaced > 0 { format!(", replaced {replaced}") } else { String::new() };
            output::hint(&format!(
                "{verb} {enqueued}{replaced}, there already {duplicates}, failed {failed}, in {took}"
            ));
            return Ok(());
        }
        let printed = output::print(|out| {
            writeln!(
                out,
                "{GOOD}{verb}{GOOD:#} {NAME}{}{NAME:#} {FAINT}{name} on {queue} in {took}{FAINT:#}",
                jobs(*enqueued)
            )?;
            if *replaced > 0 {
                writeln!(out, "{GOOD}replaced{GOOD:#} {NAME}{}{NAME:#}", jobs(*replaced))?;
            }
            if *duplicates > 0 {
                writeln!(out, "{WARN}there already{WARN:#} {NAME}{}{NAME:#}", jobs(*duplicates))?;
            }
            Ok(())
        });
        printed.map_err(|error| error.after(format_args!("{verb} {}", jobs(*enqueued))))
    }
}

/// Why a line's job was not enqueued.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The line is invalid.
    #[error("{0}")]
    Line(String),
    #[error(transparent)]
    Enqueue(EnqueueError),
}

impl Tally {
    fn count(&mut self, answers: &[(u64, Result<Option<Enqueued>, Failure>)]) {
        for (_, answer) in answers {
            match answer {
                Ok(Some(Enqueued::Replaced(_))) => self.replaced += 1,
                Ok(Some(answer)) if answer.is_duplicate() => self.duplicates += 1,
                Ok(_) => self.enqueued += 1,
                Err(failure) => {
                    self.failed += 1;
                    if let Failure::Enqueue(error @ EnqueueError::Backend(_)) = failure {
                        self.backend.get_or_insert_with(|| error.clone());
                    }
                }
            }
        }
    }
}

/// Returns the result of the command.
fn end(tally: &Tally, dry_run: bool) -> Result<(), Error> {
    if let Some(error) = &tally.backend {
        return Err(cut_off(tally, &error.to_string()));
    }
    if tally.stopped {
        return Err(cut_off(tally, "it was asked to stop"));
    }
    let lines = match tally.failed {
        0 => return Ok(()),
        1 => "one line was".to_owned(),
        failed => format!("{failed} lines were"),
    };
    let advice = "reported above with the reason: repair it and send it alone";
    Err(match dry_run {
        true => Error::failed(format_args!("{lines} refused, each {advice}")),
        false => Error::failed(format_args!("{lines} not enqueued, each {advice}")),
    })
}

/// Returns the error for a run that ended before the last line.
fn cut_off(tally: &Tally, why: &str) -> Error {
    let failed = match tally.failed {
        0 => String::new(),
        1 => "; one line up to there was not enqueued, and is reported above".into(),
        failed => format!("; {failed} lines up to there were not enqueued, and are reported above"),
    };
    Error::failed(format_args!(
        "stopped after line {}{failed}: {why}; for what comes behind it, run it again with --after-line {0}",
        tally.line
    ))
}
