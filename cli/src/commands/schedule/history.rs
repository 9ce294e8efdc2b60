//! `lamp schedule runs`.

use clap::Args;
use jiff::Timestamp;
use lamplighter::backend::{ScheduleRun, ScheduleRunKind};

use super::super::block_on;
use crate::{error::Error, output, place::Place, when};

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
