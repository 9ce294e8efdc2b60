//! `csv.import`: reads the header, and creates the batch.

use lamplighter::{Context, NewJob};
use lamplighter_jobs::imports::{ImportCsv, ReportImport, SplitCsv};
use lamplighter_objects::Key;
use serde::Serialize;

use crate::{
    MAX_ID, Settings,
    error::Error,
    source::{Head, Source},
    table::is_named_twice,
};

/// The output of `csv.import`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// The id of the batch with the import's jobs.
    pub batch: String,
    /// The folder of the results in the object store.
    pub folder: String,
    /// The CSV's size in bytes.
    pub bytes: u64,
}

pub(crate) async fn run(job: ImportCsv, ctx: &Context, settings: &Settings) -> Result<Imported, Error> {
    check(&job)?;
    let id = ctx.id().as_str();
    if id.len() > MAX_ID {
        return Err(Error::Id);
    }
    let folder = Key::new(&job.folder)?.join(id)?;
    let source = Source::find(&job, &settings.objects, settings.limits).await?;
    let Head { start, line, .. } = source.head().await?;
    let bytes = source.size();
    let (batch, folder) = (format!("{id}:rows"), folder.to_string());
    let split = SplitCsv {
        range_bytes: job.range_bytes.max(bytes.div_ceil(settings.limits.ranges.max(1))),
        source: source.csv,
        folder: folder.clone(),
        start,
        line,
    };
    let report = ReportImport { batch: batch.clone(), source: job.source, bytes, folder: folder.clone() };
    // The import is a tenant: a large one does not keep the others waiting. When the batch exists already, this is another
    // delivery of the import, and the first one's version of the CSV counts.
    let mut created = ctx
        .client()
        .enqueue_batch([NewJob::from(split).group(&batch)])
        .id(&batch)
        .on_end(NewJob::from(report).group(&batch));
    if let Some(outer) = ctx.batch() {
        created = created.within(outer);
    }
    created.await?;
    tracing::info!(batch, bytes, "import begun");
    Ok(Imported { batch, folder, bytes })
}

/// Senders check arguments against the schema, but a message may come from elsewhere.
fn check(job: &ImportCsv) -> Result<(), Error> {
    let fits = |name: &str| (1..=ImportCsv::MAX_NAME).contains(&name.chars().count());
    if job.columns.len() > ImportCsv::MAX_COLUMNS
        || job.columns.iter().any(|column| !fits(&column.name))
        || is_named_twice(&job.columns)
    {
        return Err(Error::Columns);
    }
    if !ImportCsv::RANGE_BYTES.contains(&job.range_bytes) {
        return Err(Error::RangeBytes);
    }
    Ok(())
}
