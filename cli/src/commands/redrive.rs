//! `lamp redrive`.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use clap::Args;
use indicatif::ProgressBar;
use jiff::Timestamp;
use lamplighter::{backend::StoreError, host::Stop};
use lamplighter_aws::{DeadLetterFilter as LettersOfStack, Redrive as Moving};
use lamplighter_embedded::{DeadLetterFilter, SqliteBackend};
use serde::Serialize;

use super::block_on;
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    output::{self, GOOD, WARN},
    place::{Deployed, Place, Target},
    progress,
    signals::Signals,
    when,
};

/// Move dead letters of a queue back to it.
///
/// Jobs keep their ids and their histories, and count their attempts anew. Letters that come while they are moved stay.
/// Ctrl-C ends it in order: what was moved stays moved, all others are still dead letters.
///
/// On a stack, each letter is sent first and deleted afterwards, so that none is lost. All letters of a standard queue
/// whose jobs keep no records are moved by SQS itself, up to 500 a second.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp redrive invoices --dry-run
  lamp redrive invoices --job invoices.send --since 2h
  lamp redrive invoices --stack shop --rate 20")]
pub(crate) struct Redrive {
    /// The queue.
    queue: String,
    /// Only letters of this job; it need not be one that is defined here.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Only letters that came since this moment, or within this time: 2h, 3 days, 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = when::since)]
    since: Option<Timestamp>,
    /// No more than so many a second.
    #[arg(long, value_name = "NUMBER")]
    rate: Option<NonZeroU32>,
    /// Count them by job and reason, and move none.
    #[arg(long, conflicts_with = "rate")]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
    /// Answer with a line of JSON; with --dry-run, one for each job and reason.
    #[arg(long)]
    json: bool,
}

/// What became of it, as `--json` shows it.
#[derive(Debug, Default, Serialize)]
struct Answer {
    queue: String,
    /// Moved back.
    moved: u64,
    /// Removed, since their jobs have ended otherwise, or are under way.
    obsolete: u64,
    /// To be moved, and still there.
    failed: u64,
    /// Moved, and could not be deleted: another redrive moves them again.
    twice: u64,
    /// Whether it was ended by a signal.
    stopped: bool,
    seconds: f64,
    #[serde(skip)]
    error: Option<StoreError>,
}

/// Letters of one job and one reason.
#[derive(Debug, Serialize)]
struct Count {
    queue: String,
    job: String,
    reason: String,
    dead_letters: u64,
}

/// Letters of an embedded file moved at once.
const STEP: u32 = 500;

impl Redrive {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        block_on(async {
            if !self.dry_run {
                let target = self.place.open_with_queue(catalog, &self.queue).await?;
                return self.move_back(catalog, &target).await;
            }
            let target = self.place.look().await?;
            target.check_queue(catalog, &self.queue).await?;
            self.count(&target).await
        })
    }

    async fn move_back(&self, catalog: &Catalog, target: &Target) -> Result<(), Error> {
        let stop = Signals::stop()?;
        let began = Instant::now();
        let bar = progress::bar("moving", 0);
        let answer = match target {
            Target::File(file) => self.in_file(&file.embedded, &stop, &bar).await,
            Target::Stack(deployed) => self.on_stack(catalog, deployed, &stop, &bar).await,
        };
        bar.finish_and_clear();
        self.tell(Answer { queue: self.queue.clone(), seconds: began.elapsed().as_secs_f64(), ..answer? })
    }

    async fn in_file(&self, embedded: &SqliteBackend, stop: &Stop, bar: &ProgressBar) -> Result<Answer, Error> {
        let before = Some(Timestamp::now());
        let filter = DeadLetterFilter { job: self.job.clone(), since: self.since, before };
        let counts = embedded.count_dead_letters(&self.queue, &filter).await?;
        bar.set_length(counts.iter().map(|count| count.letters).sum());
        // Ten times a second, where there is a rate to keep.
        let step = self.rate.map_or(STEP, |rate| rate.get().div_ceil(10).min(STEP));
        let mut answer = Answer::default();
        while !stop.is_draining() {
            let moved = embedded.redrive_some(&self.queue, &filter, step as usize).await?;
            answer.moved += moved as u64;
            bar.set_position(answer.moved);
            if moved < step as usize {
                return Ok(answer);
            }
            if let Some(rate) = self.rate {
                let pause = Duration::from_secs(1) * step / rate.get();
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.draining() => {}
                }
            }
        }
        Ok(Answer { stopped: true, ..answer })
    }

    async fn on_stack(
        &self,
        catalog: &Catalog,
        deployed: &Deployed,
        stop: &Stop,
        bar: &ProgressBar,
    ) -> Result<Answer, Error> {
        let mut moving = Moving::new().filter(self.filter());
        if let Some(rate) = self.rate {
            moving = moving.per_second(rate);
        }
        let client = deployed.aws.client();
        if let Ok(store) = client.store()
            && catalog.keeps_records(&self.queue)
        {
            moving = moving.store(store.clone());
        }
        let tell = |far: lamplighter_aws::Moved| {
            bar.set_length(far.of);
            bar.set_position(far.moved + far.obsolete + far.left);
        };
        let redriven = deployed.operator.redrive(&self.queue, &moving, stop, tell).await?;
        Ok(Answer {
            moved: redriven.moved.moved,
            obsolete: redriven.moved.obsolete,
            failed: redriven.failed,
            twice: redriven.twice,
            stopped: redriven.stopped,
            error: redriven.error,
            ..Answer::default()
        })
    }

    fn filter(&self) -> LettersOfStack {
        LettersOfStack { job: self.job.clone(), since: self.since }
    }

    fn tell(&self, answer: Answer) -> Result<(), Error> {
        let queue = &self.queue;
        let told = if self.json {
            output::json_lines([&answer])
        } else if answer.moved == 0 && answer.obsolete == 0 && answer.failed == 0 && answer.error.is_none() {
            let fit = if self.job.is_some() || self.since.is_some() { " that fit" } else { "" };
            output::hint(&format!("no dead letters{fit} on {queue}"));
            Ok(())
        } else {
            output::print(|out| {
                let took = when::short(Duration::from_secs_f64(answer.seconds));
                writeln!(out, "{GOOD}moved{GOOD:#} {} back to {} in {took}", letters(answer.moved), safe(queue))?;
                if answer.obsolete > 0 {
                    let whose = "jobs that have ended otherwise, or are under way";
                    writeln!(out, "{WARN}removed{WARN:#} {} of {whose}", letters(answer.obsolete))?;
                }
                Ok(())
            })
        };
        told.map_err(|error| error.after(format_args!("{} moved back to {queue}", were(answer.moved))))?;
        let Answer { failed, twice, error, stopped, .. } = answer;
        if let Some(error) = error {
            let what = match (failed, twice) {
                (0, 0) => "not all dead letters were moved".to_owned(),
                (0, twice) => format!("{} moved, but not deleted, and would be moved again", were(twice)),
                (failed, _) => format!("{} not moved", were(failed)),
            };
            return Err(Error::failed(format_args!("{what}: {error}")));
        }
        if stopped {
            return Err(Error::failed(format_args!(
                "stopped before the end: the other dead letters of {queue} are still there; run it again for the rest"
            )));
        }
        Ok(())
    }

    async fn count(&self, target: &Target) -> Result<(), Error> {
        let count = |job: &str, reason: &str, dead_letters| Count {
            queue: self.queue.clone(),
            job: job.into(),
            reason: reason.into(),
            dead_letters,
        };
        let (counts, unreadable) = match target {
            // No job of it has been enqueued there yet.
            Target::File(file) if !file.has_queue(&self.queue).await? => (Vec::new(), 0),
            Target::File(file) => {
                let filter = DeadLetterFilter { job: self.job.clone(), since: self.since, before: None };
                let counts = file.embedded.count_dead_letters(&self.queue, &filter).await?;
                (counts.iter().map(|one| count(&one.job, &one.reason, one.letters)).collect::<Vec<_>>(), 0)
            }
            Target::Stack(deployed) => {
                let stop = Signals::stop()?;
                let counted = deployed.operator.count_dead_letters(&self.queue, &self.filter(), &stop).await?;
                let counts = counted.by_job_and_reason.iter();
                let counts = counts.map(|((job, reason), letters)| count(job, reason, *letters)).collect();
                (counts, counted.of.saturating_sub(counted.looked_at))
            }
        };
        if self.json {
            output::json_lines(&counts)?;
        } else if counts.is_empty() {
            output::hint(&format!("no dead letters that fit on {}", self.queue));
        } else {
            let mut table = output::table(&["JOB", "REASON", "DEAD LETTERS"]);
            for one in &counts {
                table.add_row([output::cell(&one.job), output::cell(&one.reason), output::cell(one.dead_letters)]);
            }
            output::print_table(&table)?;
        }
        if unreadable > 0 {
            output::hint(&format!(
                "about {unreadable} more could not be looked at: of a FIFO queue only ten of each group can"
            ));
        }
        Ok(())
    }
}

fn letters(count: u64) -> String {
    if count == 1 { "one dead letter".into() } else { format!("{count} dead letters") }
}

fn were(count: u64) -> String {
    if count == 1 { "one dead letter was".into() } else { format!("{count} dead letters were") }
}
