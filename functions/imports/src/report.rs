//! `csv.report`: sums up an import.

use std::collections::BTreeMap;

use lamplighter::{Context, JobError, JobId, JobState};
use lamplighter_jobs::imports::ReportImport;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{
    Settings,
    error::Error,
    problem::{BadRow, Problem},
    results::{Folder, RangeResult},
};

/// Results that are read at once.
const AT_ONCE: u64 = 16;
/// The most numbers of missing ranges in a report.
const MISSING: usize = 100;

/// What came of an import. It is written as `report.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The CSV's key in the object store.
    pub source: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// How the import's batch has ended.
    pub state: Option<JobState>,
    /// Whether all rows of the CSV are in this report. Otherwise the CSV was not split to its end, or ranges are missing.
    pub complete: bool,
    /// The number of ranges, as far as it is known.
    pub ranges: u64,
    /// The number of ranges without results.
    pub missing: u64,
    /// The numbers of the first 100 of these.
    pub missing_ranges: Vec<u64>,
    /// All rows: good and bad ones. The header is none.
    pub rows: u64,
    /// Rows that were converted.
    pub good: u64,
    /// Rows that were not.
    pub bad: u64,
    /// How often columns have which problem; columns without problems are left out. A row may have several.
    pub columns: BTreeMap<String, BTreeMap<Problem, u64>>,
    /// Bad rows in the order of their lines: the first of each range, up to a limit.
    pub bad_rows: Vec<BadRow>,
    /// The number of bad rows that are not among these.
    pub more_bad_rows: u64,
    /// The keys of the rows as NDJSON, in the order of the CSV.
    pub outputs: Vec<String>,
    /// Their size in bytes.
    pub output_bytes: u64,
}

/// The output of `csv.report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reported {
    /// The key of the report.
    pub report: String,
    /// Whether all rows of the CSV are in it.
    pub complete: bool,
    /// All rows.
    pub rows: u64,
    /// Rows that were converted.
    pub good: u64,
    /// Rows that were not.
    pub bad: u64,
}

pub(crate) async fn run(job: ReportImport, ctx: &Context, settings: &Settings) -> Result<Reported, Error> {
    let folder = Folder::new(&job.folder, &settings.objects)?;
    let batch = JobId::new(&job.batch).map_err(JobError::fail)?;
    let state = ctx.client().batch(&batch).await.map_err(JobError::from)?.map(|batch| batch.state);
    let split = folder.split().await?;
    // Without the number of ranges, there are those that have results.
    let numbers = match split {
        Some(split) => (0..split.ranges).collect(),
        None => folder.ranges(usize::try_from(settings.limits.ranges.saturating_mul(4)).unwrap_or(usize::MAX)).await?,
    };
    let mut report =
        Report { source: job.source, bytes: job.bytes, state, ranges: numbers.len() as u64, ..Report::default() };
    let (mut done, total) = (0, report.ranges);
    for together in numbers.chunks(AT_ONCE as usize) {
        ctx.progress(done, total);
        for (number, result) in read(&folder, together).await? {
            report.add(number, result, settings.limits.bad_rows);
        }
        done += together.len() as u64;
    }
    report.complete = split.is_some() && report.missing == 0;
    report.rows = report.good + report.bad;
    report.more_bad_rows = report.bad - report.bad_rows.len() as u64;
    let key = folder.put_report(&report).await?.to_string();
    let Report { complete, rows, good, bad, .. } = report;
    tracing::info!(%batch, complete, rows, good, bad, "import reported");
    Ok(Reported { report: key, complete, rows, good, bad })
}

/// Reads the results of some ranges, concurrently.
async fn read(folder: &Folder, numbers: &[u64]) -> Result<BTreeMap<u64, Option<RangeResult>>, Error> {
    let mut reads: JoinSet<Result<_, Error>> = JoinSet::new();
    for &number in numbers {
        let folder = folder.clone();
        reads.spawn(async move { Ok((number, folder.range(number).await?)) });
    }
    let mut results = BTreeMap::new();
    while let Some(read) = reads.join_next().await {
        let (number, result) = read.map_err(|_| Error::Stopped)??;
        results.insert(number, result);
    }
    Ok(results)
}

impl Report {
    fn add(&mut self, number: u64, result: Option<RangeResult>, most_bad_rows: usize) {
        let Some(RangeResult { good, bad, bad_rows, columns, output, output_bytes }) = result else {
            self.missing += 1;
            if self.missing_ranges.len() < MISSING {
                self.missing_ranges.push(number);
            }
            return;
        };
        self.good += good;
        self.bad += bad;
        let room = most_bad_rows - self.bad_rows.len().min(most_bad_rows);
        self.bad_rows.extend(bad_rows.into_iter().take(room));
        for (column, problems) in columns {
            let known = self.columns.entry(column).or_default();
            for (problem, count) in problems {
                *known.entry(problem).or_default() += count;
            }
        }
        self.outputs.push(output);
        self.output_bytes += output_bytes;
    }
}
