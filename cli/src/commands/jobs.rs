//! `lamp jobs`.

use clap::Args;
use comfy_table::{ColumnConstraint, Width};
use jiff::Timestamp;
use lamplighter::{
    JobState, Record,
    query::{Coverage, Query, Search},
    record::Fingerprint,
};
use lamplighter_dashboard::view::JobView;

use super::block_on;
use crate::{
    catalog::Catalog,
    error::Error,
    output,
    place::Place,
    query::{self, QueryArgs},
    reveal::Reveal,
    when,
};

/// List jobs, newest first.
///
/// If there are more than --limit, the cursor of the next page goes to standard error as `next: CURSOR`.
///
/// A query that looks into records, such as at their arguments, looks at 2,000 of them and says so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lamp jobs --state failed --since 2h
  lamp jobs --query 'state:failed,retrying job:webhook.*'
  lamp jobs --query 'error:\"timed out\" attempt:>3 -queue:mails'
  lamp jobs --query 'args.customer.id:42 tag:blue' --limit 0
  lamp jobs --stack shop --queue invoices --json")]
pub(crate) struct Jobs {
    #[command(flatten)]
    query: QueryArgs,
    /// Only jobs in this state: scheduled, waiting, queued, running, retrying, succeeded, failed, cancelled.
    #[arg(long, value_name = "STATE", conflicts_with = "query")]
    state: Option<JobState>,
    /// Only jobs of this name.
    #[arg(long, value_name = "NAME", conflicts_with = "query")]
    job: Option<String>,
    /// Only jobs of this queue.
    #[arg(long, value_name = "NAME", conflicts_with = "query")]
    queue: Option<String>,
    /// Only jobs enqueued at or after this moment, or within this time: 2h, 3 days, 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "query", value_parser = when::since)]
    since: Option<Timestamp>,
    /// Only jobs enqueued before this moment, or longer ago than this: 2h, 3 days, 2026-12-24T18:00:00Z.
    #[arg(long, value_name = "TIME", conflicts_with = "query", value_parser = when::since)]
    before: Option<Timestamp>,
    /// Only jobs whose latest attempt has failed in this way: a fingerprint from `lamp errors`.
    #[arg(long, value_name = "FINGERPRINT", conflicts_with = "query")]
    error: Option<Fingerprint>,
    /// The maximum number of jobs; 0 for all.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
    /// Continue where an earlier page ended.
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    reveal: Reveal,
    #[command(flatten)]
    place: Place,
    /// Print one job per line as JSON; long arguments are cut, and whole in `lamp job ID --json`.
    #[arg(long)]
    json: bool,
}

/// The number of records per request.
const PAGE: usize = 500;

impl Jobs {
    pub(super) fn run(self, catalog: &Catalog) -> Result<(), Error> {
        block_on(self.list(catalog))
    }

    async fn list(self, catalog: &Catalog) -> Result<(), Error> {
        let target = self.place.look().await?;
        let client = target.records()?;
        target.check_names(catalog, self.queue.as_deref(), self.job.as_deref()).await?;
        let mut left = if self.limit == 0 { usize::MAX } else { self.limit };
        let query = self.query.checked(&target, catalog).await?;
        let is_query = query.is_some();
        let query = query.cloned().unwrap_or_else(|| self.options()).pinned(Timestamp::now());
        let search = self.reveal.search(Search::new(query), catalog);
        let mut search = search.with_cursor(self.cursor.clone());
        let shown = self.reveal.of(catalog);
        let mut widths = None;
        let coverage = loop {
            search.limit = left.min(PAGE);
            let mut page = client.search(&search).await?;
            page.records = page.records.into_iter().map(|record| shown.record(record)).collect();
            left = left.saturating_sub(page.records.len());
            search.cursor = page.next;
            if self.json {
                output::json_lines(page.records.iter().map(JobView::listed))?;
            } else {
                // Page by page, so that a million jobs take no more memory than a few.
                widths = table(&page.records, widths)?;
            }
            let is_enough = is_query && self.limit > 0 && page.coverage != Coverage::Exact;
            if search.cursor.is_none() || left == 0 || is_enough {
                break page.coverage;
            }
        };
        if !self.json && widths.is_none() {
            output::hint("no jobs");
        }
        if let Some(cursor) = search.cursor {
            query::hint(coverage);
            output::hint(&format!("next: {cursor}"));
        }
        Ok(())
    }

    /// The other options, as a query.
    fn options(&self) -> Query {
        let mut query = self.state.into_iter().fold(Query::new(), Query::state);
        query = self.job.iter().fold(query, |query, name| query.job(name));
        query = self.queue.iter().fold(query, |query, name| query.queue(name));
        query = self.since.into_iter().fold(query, Query::since);
        query = self.before.into_iter().fold(query, Query::before);
        self.error.into_iter().fold(query, Query::error_group)
    }
}

const HEADERS: &[&str] = &["ID", "JOB", "STATE", "TRIES", "CREATED", "TOOK", "NOTE"];

/// Writes a page; all but the first without headers, in columns as wide as those of the earlier pages (`widths`).
pub(super) fn table(records: &[Record], widths: Option<Vec<u16>>) -> Result<Option<Vec<u16>>, Error> {
    if records.is_empty() {
        return Ok(widths);
    }
    let now = Timestamp::now();
    let mut table = output::table(if widths.is_none() { HEADERS } else { &[] });
    for record in records {
        table.add_row([
            output::cell(&record.id),
            output::cell(&record.message.job),
            output::state_cell(record.state),
            output::cell(record.attempt),
            output::cell(when::relative(record.created_at, now)),
            output::cell(took(record)),
            output::cell(note(record, now)),
        ]);
    }
    output::keep_whole(&mut table, 0);
    let own = table.column_max_content_widths();
    for ((column, width), own) in table.column_iter_mut().zip(widths.iter().flatten()).zip(&own) {
        if own <= width {
            let width = width.saturating_add(column.padding_width());
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
    }
    output::print_table(&table)?;
    Ok(widths.or(Some(own)))
}

/// Returns the duration of the latest attempt.
fn took(record: &Record) -> String {
    match record.attempts.last() {
        Some(last) => when::short(when::between(last.started_at, last.ended_at)),
        None => String::new(),
    }
}

/// Returns the remark of the row: the next moment, the progress, or the error.
fn note(record: &Record, now: Timestamp) -> String {
    match record.state {
        JobState::Waiting => {
            let ids: Vec<_> = record.message.after.iter().map(|after| after.id.as_str()).collect();
            format!("after {}", ids.join(", "))
        }
        JobState::Scheduled => when::relative(record.due_at, now),
        JobState::Running => {
            let progress = record.progress.map(|progress| format!("{} of {}", progress.done, progress.total));
            progress.unwrap_or_default()
        }
        JobState::Retrying => {
            let error = record.last_error().map(|error| output::one_line(&error.to_string(), 60));
            format!("{}: {}", when::relative(record.due_at, now), error.unwrap_or_default())
        }
        JobState::Failed => {
            record.last_error().map(|error| output::one_line(&error.to_string(), 80)).unwrap_or_default()
        }
        JobState::Succeeded | JobState::Cancelled | JobState::Queued => String::new(),
    }
}
