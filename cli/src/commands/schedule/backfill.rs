//! `lamp schedule backfill`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    Client, JobId,
    operation::{self, Action, Runner},
    schedule::Schedule,
};
use serde::Serialize;

use super::super::block_on;
use crate::{
    catalog::Catalog,
    error::Error,
    foreign::safe,
    operating::{Asking, Operating, Outcome},
    output::{self, FAINT, GOOD, NAME},
    place::Place,
    when,
};

/// Start a schedule's job for each of its ticks in a past time, under the ids of these ticks.
///
/// A tick that has a job already gets no other. At most 1000 ticks are run at once. Ctrl-C stops it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp schedule backfill daily-report 2026-11-01T00:00:00Z..2026-11-08T00:00:00Z --dry-run
  lamp schedule backfill sync '6h..1h' --stack shop --reason 'the supplier was away'")]
pub(super) struct Backfill {
    /// The schedule's name.
    name: String,
    /// The ticks from the first moment to the second, both included: moments, or how long ago they were.
    #[arg(value_name = "FROM..TO", value_parser = range)]
    range: (Timestamp, Timestamp),
    /// List the ticks, and start nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    asking: Asking,
    #[command(flatten)]
    place: Place,
    /// Print one tick per line as JSON.
    #[arg(long)]
    json: bool,
}

fn range(text: &str) -> Result<(Timestamp, Timestamp), String> {
    let form = "write FROM..TO, such as 2026-11-01T00:00:00Z..2026-11-08T00:00:00Z or 6h..1h";
    let (from, to) = text.split_once("..").ok_or(form)?;
    let now = Timestamp::now();
    let (from, to) = (when::since_at(from, now)?, when::since_at(to, now)?);
    if from < to { Ok((from, to)) } else { Err(format!("the first moment is not before the second; {form}")) }
}

/// A tick as `--json` shows it.
#[derive(Debug, Clone, Serialize)]
struct Filled {
    tick: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<JobId>,
    /// Whether it had no job before, as far as that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<bool>,
}

/// What was started.
struct Done {
    new: u64,
    known: u64,
    /// The ticks that had their turn.
    ticks: Vec<Filled>,
    outcome: Outcome,
}

impl Backfill {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        if self.dry_run {
            let ticks = block_on(async { self.ticks(&self.place.look().await?.client()).await })?;
            return listed(&ticks, self.json);
        }
        let Done { new, known, ticks, outcome } = block_on(self.fill(catalog))?;
        let name = &self.name;
        let printed = if self.json {
            output::json_lines(ticks)
        } else {
            output::print(|out| {
                let name = safe(name);
                writeln!(
                    out,
                    "{GOOD}started{GOOD:#} {new} jobs of {NAME}{name}{NAME:#} {FAINT}{known} ticks had one already{FAINT:#}",
                )
            })
        };
        printed.map_err(|error| error.after(format_args!("{new} jobs of the schedule {name} were started")))?;
        match (outcome.error, outcome.stopped) {
            (Some(error), _) => Err(Error::failed(format_args!("not all ticks were run: {error}"))),
            (None, Some(id)) => Err(Error::failed(format_args!(
                "stopped before the end; run it again for the rest, `lamp ops {id}` shows how far it came"
            ))),
            (None, None) => Ok(()),
        }
    }

    async fn ticks(&self, client: &Client) -> Result<Vec<Timestamp>, Error> {
        let (from, to) = self.range;
        // Ticks are asked for after a moment, and the first one is meant too.
        let after = from.saturating_sub(Duration::from_nanos(1)).unwrap_or(from);
        Ok(client.backfill_ticks(&self.name, after, to).await?)
    }

    async fn fill(&self, catalog: &Catalog) -> Result<Done, Error> {
        let (from, to) = self.range;
        let target = self.place.open().await?;
        let (client, ticks) = (target.client(), self.ticks(&target.client()).await?);
        let Some(operating) = Operating::on(&target, catalog, &self.asking) else {
            return self.without_operations(&client).await;
        };
        let ids = ticks.iter().map(|tick| id_of(&self.name, *tick)).collect::<Result<Vec<_>, _>>()?;
        // The operation counts which of them are new, and does not say which.
        let mut before = Vec::new();
        for ids in ids.chunks(Runner::PAGE).filter(|_| self.json) {
            before.extend(client.store()?.get_each(ids).await?);
        }
        let target = operation::Target::Schedule { schedule: self.name.clone() };
        let expected = Some(ticks.len() as u64);
        let ended = operating.all(Action::Backfill { from, to }, target, None, ("starting", expected)).await?;
        let (new, known) = (ended.progress.changed, ended.progress.unchanged);
        let done = usize::try_from(ended.progress.done).unwrap_or(usize::MAX);
        let filled = ticks.into_iter().zip(ids).zip(before).take(done);
        let ticks = filled.map(|((tick, id), record)| Filled { tick, id: Some(id), new: Some(record.is_none()) });
        Ok(Done { new, known, ticks: ticks.collect(), outcome: ended.into() })
    }

    /// On a stack without a table.
    async fn without_operations(&self, client: &Client) -> Result<Done, Error> {
        let (from, to) = self.range;
        let after = from.saturating_sub(Duration::from_nanos(1)).unwrap_or(from);
        let answers = client.backfill(&self.name, after, to).await?;
        let known = answers.iter().filter(|answer| answer.is_duplicate()).count() as u64;
        let ticks: Vec<_> = answers
            .iter()
            .map(|answer| {
                let tick = answer.id().as_str().rsplit_once('@').and_then(|(_, tick)| tick.parse().ok());
                let (id, new) = (Some(answer.id().clone()), Some(!answer.is_duplicate()));
                Filled { tick: tick.unwrap_or_default(), id, new }
            })
            .collect();
        Ok(Done { new: ticks.len() as u64 - known, known, ticks, outcome: Outcome::default() })
    }
}

/// The id of a tick's job.
fn id_of(name: &str, tick: Timestamp) -> Result<JobId, Error> {
    Ok(JobId::new(Schedule::at(name, tick).tick_id(tick))?)
}

fn listed(ticks: &[Timestamp], json: bool) -> Result<(), Error> {
    if json {
        return output::json_lines(ticks.iter().map(|tick| Filled { tick: *tick, id: None, new: None }));
    }
    output::print(|out| ticks.iter().try_for_each(|tick| writeln!(out, "{tick}")))?;
    output::hint(&format!("{} ticks; without --dry-run, those that have no job get one", ticks.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_two_moments_in_their_order() {
        let (from, to) = range("2026-11-01T00:00:00Z..2026-11-08T00:00:00Z").unwrap();
        assert!(from < to);
        let (from, to) = range("6h..1h").unwrap();
        assert_eq!(to.duration_since(from).as_hours(), 5);
        for wrong in ["", "6h", "1h..6h", "6h..6h", "x..1h"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }
}
