//! Sums up the jobs of a day (UTC): how many of each kind, how they ended, how long they took, and the most frequent
//! errors. The report is written as an HTML page and as CSV, under keys that follow from the day
//! (`reports/2026-11-23.html`), so that a repeated report replaces the old one.
//!
//! A job belongs to the day on which the store first saw it; its attempts are counted whenever they ran. Records are
//! read page by page, and the newest [`Settings::max_records`] of the day are counted at most: a report that omits some
//! says so.
//!
//! The object store is named by `LAMPLIGHTER_OBJECTS`; see [`Objects::from_env`]. Without a store of records there is
//! nothing to report on, and the job fails for good.

mod day;
mod error;
mod page;
mod summary;
mod table;

use jiff::{Timestamp, civil::Date};
use lamplighter::{Context, Function, JobError, ListQuery, State, Variables};
use lamplighter_jobs::DailyReport;
use lamplighter_objects::{Key, Objects};
use serde::Serialize;

use self::error::Error;
pub use self::summary::{Durations, ErrorSummary, Hour, JobSummary, Summary};

/// Records per page: the most that a store returns.
const PAGE: usize = 1000;

/// The destination and the size of reports.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where reports are written.
    pub objects: Objects,
    /// The most records that are counted. Default 200,000, which take a few megabytes.
    pub max_records: usize,
}

impl Settings {
    /// Reports in this object store, of the default size.
    #[must_use]
    pub fn new(objects: Objects) -> Self {
        Self { objects, max_records: 200_000 }
    }
}

/// The function, with settings from the environment.
#[must_use]
pub fn function() -> Function {
    function_from(&Variables::system())
}

/// The function, with settings from these variables.
#[must_use]
pub fn function_from(variables: &Variables) -> Function {
    function_with(Settings::new(Objects::from_variables(variables)))
}

/// The function with these settings.
#[must_use]
pub fn function_with(settings: Settings) -> Function {
    Function::new("reports")
        .description("Sums up the jobs of a day")
        .memory_mb(256)
        .uses_objects()
        .job(report)
        .with_state(settings)
}

/// The job's output.
#[derive(Debug, Serialize)]
pub struct Reported {
    /// The day, UTC.
    pub day: Date,
    /// How many jobs were counted.
    pub jobs: u64,
    /// Whether all jobs were counted.
    pub complete: bool,
    /// The page's key in the object store.
    pub html: String,
    /// The table's key in the object store.
    pub csv: String,
}

/// Makes the report of one day.
///
/// # Errors
/// Fails for good without a store of records; tries again when it or the object store is unavailable.
pub async fn report(job: DailyReport, ctx: Context, State(settings): State<Settings>) -> Result<Reported, JobError> {
    run(job, &ctx, &settings).await.map_err(Error::into_job_error)
}

async fn run(job: DailyReport, ctx: &Context, settings: &Settings) -> Result<Reported, Error> {
    if ctx.client().store().is_err() {
        return Err(Error::Stateless);
    }
    let now = Timestamp::now();
    let day = day::day(job.day, ctx.message(), now);
    let summary = collect(day, ctx, settings.max_records).await?;
    let (html, csv) = (Key::new(format!("reports/{day}.html"))?, Key::new(format!("reports/{day}.csv"))?);
    settings.objects.put(&csv, table::render(&summary)?, "text/csv; charset=utf-8").await?;
    settings.objects.put(&html, page::render(&summary, now)?, "text/html; charset=utf-8").await?;
    let jobs = summary.total();
    tracing::info!(%day, jobs, complete = summary.complete, "report written");
    Ok(Reported { day, jobs, complete: summary.complete, html: html.to_string(), csv: csv.to_string() })
}

async fn collect(day: Date, ctx: &Context, most: usize) -> Result<Summary, Error> {
    let (since, before) = day::bounds(day).ok_or(Error::Day(day))?;
    let mut summary = Summary::new(day);
    let mut query = ListQuery { since: Some(since), before: Some(before), ..ListQuery::default() };
    let mut left = most;
    loop {
        query.limit = PAGE.min(left);
        let page = ctx.client().list(&query).await.map_err(|source| Error::Records { day, source })?;
        for record in page.records.iter().take(left) {
            summary.add(record);
        }
        left = left.saturating_sub(page.records.len());
        match page.next {
            None => break,
            Some(_) if left == 0 => {
                summary.complete = false;
                break;
            }
            next => query.cursor = next,
        }
    }
    Ok(summary)
}
