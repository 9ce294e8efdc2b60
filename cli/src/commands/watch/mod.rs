//! `lamp watch`.

mod changes;
mod text;

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    Client, JobId, JobState, Record,
    operation::{Operation, OperationState},
};
use lamplighter_hosts::Signals;
use tokio::time::{Instant, sleep_until};

use self::changes::{Change, Shown};
use super::block_on;
use crate::{
    catalog::Catalog,
    error::Error,
    output,
    place::{Place, Target},
    reveal::{self, Reveal},
    signals, when,
};

/// Follow one job, batch or operation until it ends: its states, attempts, progress and the lines of its log, as they come.
///
/// The exit code says how it ended: 0 when it has succeeded, 1 when it has failed, was cancelled or stopped, and 4 when it had not
/// ended after --timeout, or Ctrl-C ended this command. What it follows goes on in any case.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp watch order-42
  lamp watch import-42 --timeout 10m
  lamp watch order-42 --stack shop --json")]
pub(crate) struct Watch {
    /// The id of the job, the batch or the operation.
    id: JobId,
    /// Stop after this time if it has not ended by then.
    #[arg(long, value_name = "TIME", value_parser = when::delay)]
    timeout: Option<Duration>,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    place: Place,
    /// Print one change per line as JSON.
    #[arg(long)]
    json: bool,
}

impl Watch {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        block_on(self.follow(catalog))
    }

    async fn follow(&self, catalog: &Catalog) -> Result<(), Error> {
        let target = self.place.look().await?;
        let client = target.records()?;
        let mut until = Until {
            signals: signals::listen("ended at once")?,
            timeout: self.timeout,
            end: self.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        };
        if self.id.as_str().starts_with(Operation::PREFIX) && client.get(&self.id).await?.is_none() {
            return match self.operation(&target, &client, &mut until).await? {
                OperationState::Done => Ok(()),
                _ => Err(Error::Unwell),
            };
        }
        let first = target.record(&client, &self.id).await?;
        let ended = match first.is_batch() {
            true => self.batch(&target, &client, &mut until).await?,
            false => self.job(&target, &client, &self.reveal.of(catalog), &mut until).await?,
        };
        match ended {
            JobState::Succeeded => Ok(()),
            _ => Err(Error::Unwell),
        }
    }

    /// Follows an operation to its end, and returns its last state.
    async fn operation(&self, target: &Target, client: &Client, until: &mut Until) -> Result<OperationState, Error> {
        let store = client.store()?.clone();
        let mut last = None;
        loop {
            let changed = store.changed(&self.id);
            let Some(operation) = client.operation(&self.id).await? else { return Err(target.no_job(&self.id)) };
            let news = (operation.state, operation.progress);
            if last.replace(news) != Some(news) {
                self.show(&[Change::of_operation(&operation, Timestamp::now())])?;
            }
            if operation.state.is_final() {
                return Ok(operation.state);
            }
            until.or(changed, &self.id).await?;
        }
    }

    /// Follows a job to its end, and returns its last state.
    async fn job(
        &self,
        target: &Target,
        client: &Client,
        reveal: &reveal::Shown,
        until: &mut Until,
    ) -> Result<JobState, Error> {
        let (store, mut shown) = (client.store()?.clone(), Shown::default());
        loop {
            // Subscribed before the look, so that no change between the two is missed.
            let changed = store.changed(&self.id);
            let record: Record = reveal.record(target.record(client, &self.id).await?);
            let log = if shown.may_have_logged(&record) { client.log(&self.id).await? } else { Vec::new() };
            let mut changes = if log.is_empty() { Vec::new() } else { shown.lines(&log) };
            changes.extend(shown.changes(&record, Timestamp::now()));
            self.show(&changes)?;
            if record.state.is_final() {
                return Ok(record.state);
            }
            until.or(changed, &self.id).await?;
        }
    }

    /// Follows a batch to its end, and returns its last state.
    async fn batch(&self, target: &Target, client: &Client, until: &mut Until) -> Result<JobState, Error> {
        let store = client.store()?.clone();
        let mut last = None;
        loop {
            let changed = store.changed(&self.id);
            let Some(batch) = client.batch(&self.id).await? else { return Err(target.no_job(&self.id)) };
            if last.as_ref() != Some(&batch) {
                let at = Timestamp::now();
                let mut changes = vec![Change::Batch { at, batch: &batch }];
                if batch.state.is_final() {
                    let (id, state) = (&batch.id, batch.state);
                    changes.push(Change::End { at, id, state, output: None, error: None, reason: None });
                }
                self.show(&changes)?;
            }
            if batch.state.is_final() {
                return Ok(batch.state);
            }
            last = Some(batch);
            until.or(changed, &self.id).await?;
        }
    }

    fn show(&self, changes: &[Change<'_>]) -> Result<(), Error> {
        match (self.json, changes.is_empty()) {
            (_, true) => Ok(()),
            (true, _) => output::json_lines(changes),
            (false, _) => output::print(|out| changes.iter().try_for_each(|change| text::line(out, change))),
        }
    }
}

/// What ends the command before the end of what it follows.
struct Until {
    signals: Signals,
    timeout: Option<Duration>,
    end: Option<Instant>,
}

impl Until {
    /// Waits for the change. Fails when the time is up, or the process is asked to end.
    async fn or(&mut self, changed: impl Future<Output = ()>, id: &JobId) -> Result<(), Error> {
        let end = self.end;
        let time_is_up = async {
            match end {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => Ok(()),
            () = time_is_up => {
                let time = self.timeout.map(when::short).unwrap_or_default();
                Err(Error::NotEnded(format!("{id} has not ended within {time}; it goes on")))
            }
            _ = self.signals.asked() => Err(Error::NotEnded(format!("{id} has not ended yet; it goes on"))),
        }
    }
}
