//! Imports CSV of any size from an object store, for a local folder and for S3 with the same code: the rows become NDJSON, a
//! report says which could not be converted, and why.
//!
//! `csv.import` reads the header and creates a batch. Its first job, `csv.split`, goes over the CSV once and splits it into
//! ranges at row borders. Since it is a job of the batch, the batch cannot end before all ranges are in it, and the first of
//! them are converted while it still runs. A range is converted by a job `csv.rows`, in a batch of its own or with a few others,
//! that is a part of the first: it has an id, which follows from the import's id and its number, so it exists once, however
//! often `csv.split` is killed or delivered. When all have ended, the batch's continuation `csv.report` writes the report.
//!
//! | object in `<folder>/<id of the import>` | content |
//! | --- | --- |
//! | `rows/000000.ndjson`, … | the rows of a range, one JSON object each |
//! | `ranges/000000.json`, … | the counts of a range, and its bad rows |
//! | `split.json` | the number of ranges, once all are known |
//! | `report.json` | the [report](Report) |
//!
//! | case | result |
//! | --- | --- |
//! | no such object, a header that cannot be used | `csv.import` has failed for good |
//! | the object changes while it is imported | the jobs that see it have failed for good, and so has the batch |
//! | a row above [`Limits::row_bytes`] or [`Limits::columns`], of another number of columns, or with a value that does not fit | a bad row |
//! | a quotation mark that is never closed | the rest of the CSV is a bad row |
//! | the object store or the records are unavailable | tried again by the job's policy |
//! | the host stops, or an invocation is over | `csv.split` goes on from where it is, the others begin again |
//!
//! A job never has more of a CSV in memory than a few windows of [`Limits::window`] bytes and a row. It runs any number of
//! times with the same results, since a job names the version of the CSV and all objects have fixed names.
//!
//! Rows are read as the crate `csv` does: quotation marks are doubled within quotes, a row ends with a line feed, a carriage
//! return or both, empty lines mean nothing.
//!
//! The store is named by `LAMPLIGHTER_OBJECTS`; see [`Objects::from_env`].

mod convert;
mod error;
mod import;
mod lines;
mod parser;
mod problem;
mod report;
mod results;
mod source;
mod split;
mod splitter;
mod table;
mod value;

#[cfg(test)]
mod tests;

use std::time::Duration;

use lamplighter::{Context, Function, JobError, State, Variables};
use lamplighter_jobs::imports::{ConvertRows, ImportCsv, ReportImport, SplitCsv};
use lamplighter_objects::Objects;

pub use self::{
    convert::Converted,
    import::Imported,
    problem::{BadRow, Problem},
    report::{Report, Reported},
    split::Split,
};
use self::{error::Error, parser::RowLimits};

/// The longest id of an import: those of its batches are longer, and have at most 128 characters.
pub(crate) const MAX_ID: usize = 112;

/// The object store, and the limits of imports.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store of CSV and of results.
    pub objects: Objects,
    /// The limits.
    pub limits: Limits,
}

/// What a job reads at most, and how much at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest row in bytes, line break excluded. Default 1 MiB.
    pub row_bytes: usize,
    /// The most columns. Default 2,000.
    pub columns: usize,
    /// The most ranges of a CSV, about: those of a large one are larger than the import says. Default 10,000.
    pub ranges: u64,
    /// How many bytes are read at once. Default 2 MiB.
    pub window: u64,
    /// The most bad rows that a range lists; the others are counted. Default 100.
    pub bad_rows_of_range: usize,
    /// The most bad rows that a report lists; the others are counted. Default 1,000.
    pub bad_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            row_bytes: 1 << 20,
            columns: 2000,
            ranges: 10_000,
            window: 2 << 20,
            bad_rows_of_range: 100,
            bad_rows: 1000,
        }
    }
}

impl Limits {
    pub(crate) const fn rows(&self) -> RowLimits {
        RowLimits { bytes: self.row_bytes, columns: self.columns }
    }
}

impl Settings {
    /// CSV in this store, within the default limits.
    #[must_use]
    pub fn new(objects: Objects) -> Self {
        Self { objects, limits: Limits::default() }
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
    Function::new("imports")
        .description("Imports CSV of any size")
        .memory_mb(512)
        .uses_objects()
        .enqueues::<SplitCsv>()
        .enqueues::<ConvertRows>()
        .enqueues::<ReportImport>()
        .job(import_csv)
        .job(split_csv)
        .job(convert_rows)
        .job(report_import)
        .with_state(settings)
}

/// Begins an import.
///
/// # Errors
/// See the [table](crate).
pub async fn import_csv(job: ImportCsv, ctx: Context, State(settings): State<Settings>) -> Result<Imported, JobError> {
    import::run(job, &ctx, &settings).await.map_err(Error::into_job_error)
}

/// Splits a CSV into ranges, and adds jobs for them to its batch.
///
/// # Errors
/// See the [table](crate).
pub async fn split_csv(job: SplitCsv, ctx: Context, State(settings): State<Settings>) -> Result<Split, JobError> {
    split::run(job, &ctx, &settings).await.map_err(Error::into_job_error)
}

/// Converts the rows of a range.
///
/// # Errors
/// See the [table](crate).
pub async fn convert_rows(
    job: ConvertRows,
    ctx: Context,
    State(settings): State<Settings>,
) -> Result<Converted, JobError> {
    tokio::select! {
        converted = convert::run(job, &ctx, &settings) => converted.map_err(Error::into_job_error),
        // The next attempt converts the range again from its beginning.
        () = ctx.cancelled() => ctx.snooze(Duration::ZERO),
    }
}

/// Writes the report of an import.
///
/// # Errors
/// See the [table](crate).
pub async fn report_import(
    job: ReportImport,
    ctx: Context,
    State(settings): State<Settings>,
) -> Result<Reported, JobError> {
    tokio::select! {
        reported = report::run(job, &ctx, &settings) => reported.map_err(Error::into_job_error),
        () = ctx.cancelled() => ctx.snooze(Duration::ZERO),
    }
}

/// Runs work that takes processor time on a thread that may block, so that others go on.
pub(crate) async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopped)
}
