//! Enqueues the jobs of a file as one batch.

use std::path::Path;

use lamplighter::{Definition, Enqueued, JobId, JobState};
use serde::Serialize;

use super::{Opened, lines::Source, many::Sending};
use crate::{
    arguments::ArgumentCheck,
    error::Error,
    output::{self, FAINT, GOOD, NAME, WARN},
};

/// The answer, as `--json` shows it.
#[derive(Serialize)]
struct Answer<'a> {
    batch: &'a JobId,
    jobs: usize,
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<JobState>,
}

impl Sending<'_> {
    /// Sends all lines as the jobs of one batch: all of them, or none.
    pub(super) async fn run_as_batch(
        &self,
        from: &Path,
        id: &str,
        open: impl AsyncFnOnce() -> Result<Opened, Error>,
    ) -> Result<(), Error> {
        let id = match id {
            "" => None,
            id => Some(JobId::new(id)?),
        };
        let check = ArgumentCheck::new(self.definition);
        let (mut jobs, mut refused) = (Vec::new(), 0);
        let mut chunks = Source::of(from).read();
        while let Some(chunk) = chunks.recv().await {
            for line in chunk?.lines {
                let made = match &line.text {
                    Ok(text) if text.trim().is_empty() => continue,
                    Ok(text) => self.job(&check, line.number, text),
                    Err(why) => Err((*why).to_owned()),
                };
                match made {
                    Ok(job) => jobs.push(job),
                    Err(why) => {
                        refused += 1;
                        output::hint(&format!("line {}: {why}", line.number));
                    }
                }
            }
        }
        let lines = if refused == 1 { "one line was".to_owned() } else { format!("{refused} lines were") };
        if refused > 0 {
            return Err(Error::failed(format_args!(
                "{lines} refused, reported above with the reason, and nothing was enqueued: a batch has all of its jobs or none"
            )));
        }
        let count = jobs.len();
        if self.is_dry_run() {
            return self.say(&format!("{GOOD}judged{GOOD:#} {NAME}{count} jobs{NAME:#}"));
        }
        let opened = open().await?;
        let batch = opened.client.enqueue_batch(jobs);
        let answer = match &id {
            Some(id) => batch.id(id).await?,
            None => batch.await?,
        };
        let told = self.tell_batch(&answer, count);
        told.map_err(|error| error.after(format_args!("batch {} was enqueued", answer.id())))?;
        opened.hint_if_paused(self.definition).await;
        Ok(())
    }

    fn tell_batch(&self, answer: &Enqueued, count: usize) -> Result<(), Error> {
        let (id, state) = (answer.id(), answer.existing_state());
        if self.json {
            let jobs = if answer.is_duplicate() { 0 } else { count };
            return output::json_lines([Answer { batch: id, jobs, duplicate: answer.is_duplicate(), state }]);
        }
        let Definition { name, queue, .. } = self.definition;
        self.say(&match state {
            Some(state) => format!("{WARN}there already{WARN:#} batch {NAME}{id}{NAME:#} {FAINT}{state}{FAINT:#}"),
            None => {
                let queue = queue.name();
                format!(
                    "{GOOD}enqueued{GOOD:#} batch {NAME}{id}{NAME:#} {FAINT}{count} jobs, {name} on {queue}{FAINT:#}"
                )
            }
        })
    }

    fn say(&self, line: &str) -> Result<(), Error> {
        output::print(|out| writeln!(out, "{line}"))
    }
}
