//! The view of a running demo: on a terminal one line per job, updated in place; elsewhere one line per event.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use jiff::Timestamp;
use lamplighter::{JobId, JobState, Record};

use super::Watched;
use crate::{
    error::Error,
    foreign::safe,
    output::{self, BAD, FAINT, GOOD, NAME, WARN},
    when,
};

/// Every job that is shown.
pub(crate) struct Watch {
    lines: MultiProgress,
    live: bool,
    began: Instant,
    jobs: BTreeMap<JobId, Line>,
}

struct Line {
    label: String,
    bar: Option<ProgressBar>,
    /// The last state that was shown: state, attempts, and ended attempts.
    said: Option<(JobState, u32, usize)>,
}

impl Watch {
    /// Creates the view, without jobs.
    pub(crate) fn new() -> Self {
        let live = console::Term::stderr().is_term();
        Self { lines: MultiProgress::new(), live, began: Instant::now(), jobs: BTreeMap::new() }
    }

    /// Adds a job. Returns whether it is new.
    pub(crate) fn enter(&mut self, job: &Watched) -> bool {
        if self.jobs.contains_key(&job.id) {
            return false;
        }
        let label = safe(&job.label);
        let bar = self.live.then(|| {
            let bar = self.lines.add(ProgressBar::new_spinner());
            bar.set_style(style(RUNNING));
            bar.set_message(format!("{label:<46}"));
            bar.enable_steady_tick(Duration::from_millis(80));
            bar
        });
        self.jobs.insert(job.id.clone(), Line { label: label.into_owned(), bar, said: None });
        true
    }

    /// Shows the state of a job.
    pub(crate) fn show(&mut self, record: &Record) -> Result<(), Error> {
        let Some(line) = self.jobs.get_mut(&record.id) else { return Ok(()) };
        let news = (record.state, record.attempt, record.attempts.len());
        let shown = line.said.replace(news) == Some(news);
        let text = describe(record);
        match &line.bar {
            Some(bar) => {
                bar.set_message(painted(format!("{:<46} {text}", line.label)));
                if record.state.is_final() && !bar.is_finished() {
                    let good = record.state == JobState::Succeeded;
                    bar.set_style(style(if good { DONE } else { BROKEN }));
                    bar.set_prefix(if good { "✔" } else { "✘" });
                    bar.finish();
                }
            }
            None if !shown => {
                let seconds = self.began.elapsed().as_secs_f64();
                output::print(|out| writeln!(out, "{FAINT}{seconds:6.2} s{FAINT:#}  {:<46} {text}", line.label))?;
            }
            None => {}
        }
        Ok(())
    }

    /// Leaves the lines as they are.
    pub(crate) fn end(self) {
        for bar in self.jobs.values().filter_map(|line| line.bar.as_ref()) {
            if !bar.is_finished() {
                bar.set_style(style(BROKEN));
                bar.set_prefix("✘");
                bar.abandon();
            }
        }
    }
}

const RUNNING: &str = "  {spinner:.yellow} {wide_msg}";
const DONE: &str = "  {prefix:.green.bold} {wide_msg}";
const BROKEN: &str = "  {prefix:.red.bold} {wide_msg}";

fn style(template: &str) -> ProgressStyle {
    // The templates are constants that a test reads.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Returns the text with its colours if standard error shows them and the environment allows it.
fn painted(text: String) -> String {
    if console::colors_enabled_stderr() { text } else { console::strip_ansi_codes(&text).into_owned() }
}

/// A job's state in a few words.
fn describe(record: &Record) -> String {
    // The address is the same for all attempts; the answer is what changes.
    let error = record.last_error().map_or("", |error| match error.message.split_once(" answered ") {
        Some((_, answer)) => answer,
        None => &error.message,
    });
    let error = output::one_line(error, 48);
    let tries = match record.attempt {
        0 | 1 => String::new(),
        n => format!(" on attempt {n}"),
    };
    match record.state {
        JobState::Succeeded => {
            let took = record.attempts.last().map(|last| when::short(when::between(last.started_at, last.ended_at)));
            format!("{GOOD}succeeded{GOOD:#}{tries} {FAINT}{}{FAINT:#}", took.unwrap_or_default())
        }
        JobState::Failed => format!("{BAD}failed{BAD:#}{tries} {error}"),
        JobState::Retrying => {
            let wait = when::short(when::between(Timestamp::now(), record.due_at));
            format!("{WARN}again in {wait}{WARN:#} {FAINT}{error}{FAINT:#}")
        }
        JobState::Scheduled => {
            let wait = when::short(when::between(Timestamp::now(), record.due_at));
            format!("{FAINT}starts in {wait}{FAINT:#}")
        }
        JobState::Running => format!("{NAME}running{NAME:#}{tries}"),
        state @ (JobState::Waiting | JobState::Queued | JobState::Cancelled) => format!("{FAINT}{state}{FAINT:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [RUNNING, DONE, BROKEN] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
