//! `lamp redrive`.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    backend::{DeadLetterFilter, RedriveProgress, RedriveResult},
    operation::{self, Action, OperationState},
};
use lamplighter_dashboard::view::DeadLetterCountsView;
use serde::Serialize;

use super::block_on;
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    operating::{Asking, Operating},
    output::{self, GOOD, WARN},
    place::{Place, Target},
    progress, signals, when,
};

/// Move dead letters of a queue back to it.
///
/// Jobs keep their ids and histories; their attempts are counted from the start. Dead letters that arrive meanwhile
/// stay. Ctrl-C stops it cleanly: moved messages stay moved, all others are still dead letters.
///
/// On a stack, each dead letter is sent before it is deleted, so that none is lost. SQS itself moves the dead letters
/// of a standard queue if none of its jobs keeps a record, up to 500 a second.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp redrive invoices --dry-run
  lamp redrive invoices --job invoices.send --since 2h
  lamp redrive invoices --stack shop --rate 20")]
pub(crate) struct Redrive {
    /// The queue.
    queue: String,
    /// Only dead letters of this job; it need not be defined here.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Only dead letters that arrived since this moment, or within this time: 2h, 3 days, 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = when::since)]
    since: Option<Timestamp>,
    /// The maximum number per second.
    #[arg(long, value_name = "NUMBER")]
    rate: Option<NonZeroU32>,
    /// Count them by job and reason, and move none.
    #[arg(long, conflicts_with = "rate")]
    dry_run: bool,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    place: Place,
    /// Print a line of JSON; with --dry-run, one for each job and reason.
    #[arg(long)]
    json: bool,
}

/// The result, as `--json` shows it.
#[derive(Debug, Default, Serialize)]
struct Answer {
    queue: String,
    /// Moved back.
    moved: u64,
    /// Removed, since their jobs have ended otherwise, or are in progress.
    obsolete: u64,
    /// Not moved because of an error.
    failed: u64,
    /// Moved but not deleted: another redrive moves them again.
    twice: u64,
    /// Whether a signal stopped it.
    stopped: bool,
    seconds: f64,
    #[serde(skip)]
    error: Option<String>,
}

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
        if let Some(operating) = Operating::on(target, catalog, &self.asking) {
            return self.as_operation(&operating).await;
        }
        let stop = signals::stop()?;
        let began = Instant::now();
        let bar = progress::bar("moving", 0);
        let mut redrive = lamplighter::backend::Redrive::all().with_filter(self.filter());
        if let Some(rate) = self.rate {
            redrive = redrive.with_rate(rate);
        }
        if !catalog.keeps_records(&self.queue) {
            redrive = redrive.without_records();
        }
        let progress = |far: RedriveProgress| {
            bar.set_length(far.total);
            bar.set_position(far.moved + far.obsolete + far.left);
        };
        let result = target.operator.redrive(&self.queue, &redrive, &stop, &progress).await;
        bar.finish_and_clear();
        let RedriveResult { progress, failed, twice, stopped, error, .. } = result?;
        let (queue, seconds) = (self.queue.clone(), began.elapsed().as_secs_f64());
        let RedriveProgress { moved, obsolete, .. } = progress;
        let error = error.map(|error| error.to_string());
        self.tell(Answer { queue, moved, obsolete, failed, twice, stopped, seconds, error })
    }

    async fn as_operation(&self, operating: &Operating<'_>) -> Result<(), Error> {
        let (began, queue) = (Instant::now(), self.queue.clone());
        let (action, of) = (Action::Redrive { limit: None }, operation::Target::dead_letters(&*queue, &self.filter()));
        let ended = operating.all(action, of, self.rate, ("moving", None)).await?;
        let (progress, seconds) = (ended.progress, began.elapsed().as_secs_f64());
        self.tell(Answer {
            queue,
            moved: progress.changed,
            obsolete: progress.unchanged,
            failed: progress.failed,
            twice: 0,
            stopped: ended.state == OperationState::Stopped,
            seconds,
            error: ended.error,
        })
    }

    fn filter(&self) -> DeadLetterFilter {
        let mut filter = DeadLetterFilter::all();
        (filter.job, filter.since) = (self.job.clone(), self.since);
        filter
    }

    fn tell(&self, answer: Answer) -> Result<(), Error> {
        let queue = &self.queue;
        let printed = if self.json {
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
        printed.map_err(|error| error.after(format_args!("{} moved back to {queue}", were(answer.moved))))?;
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
        let (mut counts, mut uncounted) = (Vec::new(), 0);
        // Otherwise no job has been enqueued on it yet.
        if target.has_queue(&self.queue).await? {
            let stop = signals::stop()?;
            let counted = target.operator.count_dead_letters(&self.queue, &self.filter(), &stop).await?;
            uncounted = counted.uncounted;
            counts = DeadLetterCountsView::of(&self.queue, counted, Timestamp::now()).counts;
        }
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
        if uncounted > 0 {
            output::hint(&format!(
                "about {uncounted} more could not be looked at: of a FIFO queue only ten of each group can"
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
