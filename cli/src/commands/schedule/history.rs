//! `lamp schedule runs` and `lamp schedule backfill`.

use clap::Args;
use jiff::Timestamp;
use lamplighter::backend::{ScheduleRun, ScheduleRunKind};
use serde::Serialize;

use super::super::block_on;
use crate::{
    error::Error,
    foreign::safe,
    output::{self, FAINT, GOOD, NAME},
    place::Place,
    when,
};

/// Show what became of a schedule's latest ticks, newest first.
///
/// Jobs that were triggered between ticks are not among them; `lamp jobs` lists those too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp schedule runs daily-report
  lamp schedule runs daily-report --limit 50 --json")]
pub(super) struct Runs {
    /// The schedule's name.
    name: String,
    /// The number of ticks, at most 50.
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=50))]
    limit: u64,
    #[command(flatten)]
    place: Place,
    /// Print one tick per line as JSON.
    #[arg(long)]
    json: bool,
}

/// Start a schedule's job for each of its ticks in a past time, under the ids of these ticks.
///
/// A tick that has a job already gets no other. At most 1000 ticks are run at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp schedule backfill daily-report 2026-11-01T00:00:00Z..2026-11-08T00:00:00Z --dry-run
  lamp schedule backfill sync '6h..1h' --stack shop")]
pub(super) struct Backfill {
    /// The schedule's name.
    name: String,
    /// The ticks after the first moment, up to and including the second: moments, or how long ago they were.
    #[arg(value_name = "FROM..TO", value_parser = range)]
    range: (Timestamp, Timestamp),
    /// List the ticks, and start nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
    /// Print one tick per line as JSON.
    #[arg(long)]
    json: bool,
}

fn range(text: &str) -> Result<(Timestamp, Timestamp), String> {
    let form = "write FROM..TO, such as 2026-11-01T00:00:00Z..2026-11-08T00:00:00Z or 6h..1h";
    let (from, to) = text.split_once("..").ok_or(form)?;
    let (from, to) = (when::since(from)?, when::since(to)?);
    if from < to { Ok((from, to)) } else { Err(format!("the first moment is not before the second; {form}")) }
}

/// A tick of a backfill as `--json` shows it.
#[derive(Serialize)]
struct Filled {
    tick: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<bool>,
}

impl Runs {
    pub(super) fn run(self) -> Result<(), Error> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let runs = block_on(async {
            let target = self.place.look().await?;
            Ok(target.client().schedule_runs(&self.name, limit).await?)
        })?;
        if self.json {
            return output::json_lines(runs);
        }
        if runs.is_empty() {
            output::hint("no ticks yet");
            return Ok(());
        }
        table(&runs)
    }
}

fn table(runs: &[ScheduleRun]) -> Result<(), Error> {
    let now = Timestamp::now();
    let mut table = output::table(&["TICK", "", "RESULT", "TOOK", "JOB"]);
    for run in runs {
        let result = match (run.kind, run.state) {
            (_, Some(state)) => state.to_string(),
            (ScheduleRunKind::Missed, None) => "missed".into(),
            (ScheduleRunKind::Paused, None) => "paused".into(),
            (ScheduleRunKind::Expired, None) => "record expired".into(),
            _ => "not known".into(),
        };
        let took = run.started_at.zip(run.finished_at);
        let took = took.map_or_else(|| "-".into(), |(start, end)| when::short(when::between(start, end)));
        table.add_row([
            output::cell(run.tick),
            output::cell(when::relative(run.tick, now)),
            output::cell(result),
            output::cell(took),
            output::cell(&run.id),
        ]);
    }
    output::print_table(&table)
}

impl Backfill {
    pub(super) fn run(self) -> Result<(), Error> {
        let Self { name, range: (from, to), dry_run, place, json } = self;
        if dry_run {
            let ticks = block_on(async {
                let target = place.look().await?;
                Ok(target.client().backfill_ticks(&name, from, to).await?)
            })?;
            return listed(&ticks, json);
        }
        let answers = block_on(async { Ok(place.open().await?.client().backfill(&name, from, to).await?) })?;
        let new = answers.iter().filter(|answer| !answer.is_duplicate()).count();
        let printed = if json {
            let ids = answers.iter().map(|answer| {
                let tick = answer.id().as_str().rsplit_once('@').and_then(|(_, tick)| tick.parse().ok());
                let (id, new) = (Some(answer.id().to_string()), Some(!answer.is_duplicate()));
                Filled { tick: tick.unwrap_or_default(), id, new }
            });
            output::json_lines(ids)
        } else {
            output::print(|out| {
                let known = answers.len() - new;
                writeln!(
                    out,
                    "{GOOD}started{GOOD:#} {new} jobs of {NAME}{}{NAME:#} {FAINT}{known} ticks had one already{FAINT:#}",
                    safe(&name)
                )
            })
        };
        printed.map_err(|error| error.after(format_args!("{new} jobs of the schedule {name} were started")))
    }
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
