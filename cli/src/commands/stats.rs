//! `lamp stats`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use lamplighter::meter::{Percentiles, Rollup, RollupPoint, RollupQuery};
use lamplighter_dashboard::view::StatsView;

use super::block_on;
use crate::{catalog::Catalog, error::Error, output, place::Place, when};

/// Show what workers have measured, by job and queue: how many jobs ended how, how long handlers took, and how long jobs
/// waited.
///
/// A file keeps this by the minute for two days, and then by the hour for 90 days. Of a stack, it is read from CloudWatch,
/// and needs the parameter `Metrics` of its template to be `cloudwatch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp stats --since 2h
  lamp stats --job report.build --since '2 days' --step 1h
  lamp stats --stack jobs-prod --json")]
pub(crate) struct Stats {
    /// Only jobs of this name.
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// Only jobs of this queue.
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// From this moment on, or within this time: 2h, 3 days, 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = when::since, default_value = "1h")]
    since: Timestamp,
    /// Until this moment, or this time ago, instead of now.
    #[arg(long, value_name = "TIME", value_parser = when::since)]
    before: Option<Timestamp>,
    /// One row for each such length of time: 1m, 15m, 1h. Without it, one row for all of it.
    #[arg(long, value_name = "TIME", value_parser = when::delay)]
    step: Option<Duration>,
    #[command(flatten)]
    place: Place,
    /// Print one row per line as JSON.
    #[arg(long)]
    json: bool,
}

impl Stats {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        block_on(self.print(catalog))
    }

    async fn print(self, catalog: &Catalog) -> Result<(), Error> {
        let until = self.before.unwrap_or_else(Timestamp::now);
        let mut query = RollupQuery::new(self.since, until, self.step.unwrap_or_default());
        if self.step.is_none() {
            query.step = query.length();
        }
        query.minutes().map_err(|error| Error::Usage(error.to_string()))?;
        let target = self.place.look().await?;
        let client = target.client();
        target.check_names(catalog, self.queue.as_deref(), self.job.as_deref()).await?;
        (query.job, query.queue) = (self.job, self.queue);
        let rollups = client.rollups(&query).await?;
        let rows = rollups.iter().flat_map(|rollup| rollup.points.iter().map(move |point| (rollup, point)));
        if self.json {
            return output::json_lines(rows.map(|(rollup, point)| StatsView::of(rollup, point)));
        }
        if rollups.is_empty() {
            let why = match target.is_deployed().await? {
                true => "; functions write metrics where the template's parameter Metrics is cloudwatch",
                false => "",
            };
            output::hint(&format!("nothing was measured in that time{why}"));
            return Ok(());
        }
        table(rows, self.step.is_some())
    }
}

fn table<'a>(rows: impl Iterator<Item = (&'a Rollup, &'a RollupPoint)>, by_time: bool) -> Result<(), Error> {
    let mut names = vec!["JOB", "QUEUE", "SUCCEEDED", "RETRIED", "FAILED", "P50", "P95", "P99", "WAITED P95"];
    if by_time {
        names.insert(0, "FROM");
    }
    let mut table = output::table(&names);
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|(_, point)| point.start);
    for (rollup, point) in rows {
        let took = |which: fn(&Percentiles) -> Duration| shown(point.duration.as_ref().map(which));
        let mut cells = vec![
            output::cell(&rollup.job),
            output::cell(&rollup.queue),
            output::cell(point.succeeded),
            output::cell(point.retried),
            output::cell(point.failed),
            output::cell(took(|took| took.p50)),
            output::cell(took(|took| took.p95)),
            output::cell(took(|took| took.p99)),
            output::cell(shown(point.queue_latency.map(|waited| waited.p95))),
        ];
        if by_time {
            cells.insert(0, output::cell(point.start));
        }
        table.add_row(cells);
    }
    output::print_table(&table)
}

fn shown(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), when::short)
}
