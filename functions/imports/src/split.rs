//! `csv.split`: splits a CSV into ranges, and adds jobs for them to its batch.

use std::time::Duration;

use lamplighter::{Context, JobError, JobId, NewJob, secs};
use lamplighter_jobs::imports::{ConvertRows, SplitCsv};
use serde::Serialize;

use crate::{
    Settings,
    error::Error,
    on_a_thread,
    results::{Folder, SplitResult},
    source::Source,
    splitter::{Sizes, Splitter},
};

/// An attempt goes on in a fresh invocation when it has less time than this, or than a quarter of what it had.
const LEAST: Duration = secs(60);
/// How many bytes may have to be read again after a crash, about.
const UNSAVED: u64 = 256 << 20;
/// The most batches of ranges, about. Each is one job to the import's batch, whose record names those that are open.
const BATCHES: u64 = 1000;

/// The output of `csv.split`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Split {
    /// The number of ranges.
    pub ranges: u64,
}

/// Adds ranges to the import's batch.
struct Adding<'a> {
    ctx: &'a Context,
    batch: &'a JobId,
    job: &'a SplitCsv,
    /// Ranges in a batch.
    together: usize,
}

pub(crate) async fn run(job: SplitCsv, ctx: &Context, settings: &Settings) -> Result<Split, Error> {
    let batch = ctx.batch().ok_or(Error::NoBatch("csv.split"))?;
    let folder = Folder::new(&job.folder, &settings.objects)?;
    let source = Source::of(job.source.clone(), &settings.objects, settings.limits)?;
    let size = source.size();
    let sizes = Sizes { range: job.range_bytes.max(1), row: settings.limits.row_bytes as u64 };
    let together = size.div_ceil(sizes.range).div_ceil(BATCHES).max(1);
    let adding = Adding { ctx, batch, job: &job, together: usize::try_from(together).unwrap_or(usize::MAX) };

    let mut splitter: Splitter =
        ctx.resume().unwrap_or_else(|| Splitter::new(source.delimiter, sizes, job.start, job.line));
    let (least, began) = (LEAST.min(ctx.remaining() / 4), splitter.at());
    let (mut windows, mut saved) = (source.windows(began, size), began);
    loop {
        ctx.progress(splitter.at(), size);
        if ctx.is_cancelled() && splitter.at() == began {
            // Nothing was done, so nothing is counted.
            return Ok(ctx.snooze(Duration::ZERO)?);
        }
        if ctx.is_cancelled() || ctx.remaining() < least {
            return Ok(ctx.continue_with(&splitter)?);
        }
        let Some(window) = windows.next().await? else { break };
        splitter = on_a_thread(move || {
            splitter.feed(&window);
            splitter
        })
        .await?;
        let added = adding.add(&mut splitter, adding.together).await?;
        if added > 0 || splitter.at() - saved >= UNSAVED {
            ctx.checkpoint(&splitter).await.map_err(JobError::from)?;
            saved = splitter.at();
        }
    }
    splitter.end();
    adding.add(&mut splitter, 1).await?;
    let ranges = splitter.number();
    folder.put_split(&SplitResult { ranges }).await?;
    tracing::info!(%batch, ranges, "the CSV is split");
    Ok(Split { ranges })
}

impl Adding<'_> {
    /// Adds the ranges that have ended, as long as there are this many of them. Returns how many were added.
    ///
    /// The id of a batch of ranges follows from the number of the first of them, and which ranges are in it only from the CSV:
    /// an attempt that follows one that was killed finds it here already, and so does one that is not known to be the second.
    async fn add(&self, splitter: &mut Splitter, least: usize) -> Result<usize, Error> {
        let Self { ctx, batch, job, together } = *self;
        let mut added = 0;
        while splitter.ranges().len() >= least.max(1) {
            let ranges = splitter.take(together);
            let Some(first) = ranges.first().map(|range| range.number) else { break };
            added += ranges.len();
            let jobs = ranges.into_iter().map(|range| {
                let rows = ConvertRows { source: job.source.clone(), folder: job.folder.clone(), range };
                NewJob::from(rows).group(batch.as_str())
            });
            ctx.client().enqueue_batch(jobs).id(format!("{batch}:{first}")).within(batch).await?;
        }
        Ok(added)
    }
}
