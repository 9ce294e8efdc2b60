//! The import of the demo: a CSV with what goes wrong in such files.

use std::{fs, path::Path};

use imports::Report;
use lamplighter::{Job, JobId, JobState, ListQuery, Record};
use lamplighter_cli::demo::{Check, DemoEnv, DemoError, Watched};
use lamplighter_jobs::imports::{ColumnType, ConvertRows, ImportCsv, ReportImport};
use serde_json::Value;

/// Included in the binary, so that the demo does not depend on the current folder.
const CSV: &[u8] = include_bytes!("../../../functions/imports/assets/lamp-posts.csv");
const SOURCE: &str = "uploads/lamp-posts.csv";
const NAME: &str = "lamp-posts.csv";
const ID: &str = "lamp-posts";
const BATCH: &str = "lamp-posts:rows";

/// Stores the CSV, and enqueues its import in small ranges.
pub(super) async fn enqueue(env: &DemoEnv) -> Result<Watched, DemoError> {
    super::put(&env.objects_folder().join(SOURCE), CSV)?;
    let job = ImportCsv::of(SOURCE)
        .required("post", ColumnType::Text)
        .column("installed", ColumnType::Date)
        .column("height_m", ColumnType::Number)
        .column("watts", ColumnType::Integer)
        .column("lit", ColumnType::Boolean)
        .range_bytes(4096);
    let sent = env.client().enqueue(job).id(ID).await?;
    Ok(Watched::new(sent.id().clone(), format!("{}  {NAME}", ImportCsv::NAME)))
}

/// Returns the import's batch and its report, once they exist.
pub(super) async fn started(env: &DemoEnv) -> Result<Vec<Watched>, DemoError> {
    let (client, batch) = (env.client(), JobId::new(BATCH)?);
    let mut started = Vec::new();
    if client.batch(&batch).await?.is_some() {
        started.push(Watched::new(batch, format!("batch of {}  {NAME}", ConvertRows::NAME)));
    }
    let query = ListQuery { jobs: vec![ReportImport::NAME.into()], ..ListQuery::default() };
    for report in client.list(&query).await?.records {
        started.push(Watched::new(report.id, format!("{}  after the batch", ReportImport::NAME)));
    }
    Ok(started)
}

/// Returns whether the report has ended, or can never begin.
pub(super) fn is_complete(records: &[Record]) -> bool {
    let ended = |job: &str| records.iter().find(|record| record.message.job == job && record.state.is_final());
    ended(ReportImport::NAME).is_some()
        || ended(ImportCsv::NAME).is_some_and(|import| import.state != JobState::Succeeded)
}

/// Returns the output of one of the import's jobs, or of its batch, in a few words.
pub(super) fn output(value: &Value) -> Option<String> {
    if let (Some(rows), Some(bad)) = (value["rows"].as_u64(), value["bad"].as_u64()) {
        return Some(format!("{rows} rows, {bad} of them bad"));
    }
    if let (Some(total), Some(succeeded)) = (value["total"].as_u64(), value["succeeded"].as_u64()) {
        return Some(format!("{succeeded} of {total} jobs succeeded"));
    }
    value["batch"].as_str().map(|batch| format!("its batch is {batch}"))
}

/// Returns the folder of the results.
pub(super) fn folder(env: &DemoEnv) -> std::path::PathBuf {
    env.objects_folder().join("imports").join(ID)
}

/// Compares the report with the rows that were written.
pub(super) fn check(env: &DemoEnv) -> Check {
    let file = folder(env).join("report.json");
    let report: Report =
        serde_json::from_str(&read(&file)?).map_err(|error| format!("{} is not a report: {error}", file.display()))?;
    if !report.complete || report.ranges < 2 {
        return Err(format!("the report of {NAME} is not complete, or not of several ranges"));
    }
    let mut written = 0;
    for output in &report.outputs {
        for line in read(&env.objects_folder().join(output))?.lines() {
            let row: Value = serde_json::from_str(line).map_err(|error| format!("{output} is not NDJSON: {error}"))?;
            if row["post"].as_str().is_none_or(str::is_empty) {
                return Err(format!("{output} has a row without a post"));
            }
            written += 1;
        }
    }
    if (written, report.bad) != (report.good, report.bad_rows.len() as u64) {
        return Err(format!("{written} rows of {NAME} were written, and the report says {}", report.good));
    }
    let lines: Vec<_> = report.bad_rows.iter().take(3).map(|row| row.line.to_string()).collect();
    Ok(format!(
        "{} rows of {NAME} became JSON in {} ranges, and the report names {} bad ones: lines {}, …",
        report.good,
        report.ranges,
        report.bad,
        lines.join(", ")
    ))
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}
