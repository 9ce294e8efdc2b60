//! Commands over all jobs that match.

use std::collections::BTreeMap;

use lamplighter::{Client, JobId, ListQuery, Record};

use crate::{error::Error, output};

/// The number of records per request.
const PAGE: usize = 500;

/// A job that matches.
pub(super) struct Found {
    pub(super) id: JobId,
    pub(super) job: String,
    pub(super) queue: String,
}

/// Returns the jobs that match.
pub(super) async fn find(
    client: &Client,
    query: ListQuery,
    fits: impl Fn(&Record) -> bool,
) -> Result<Vec<Found>, Error> {
    let mut query = ListQuery { limit: PAGE, cursor: None, ..query };
    let mut found = Vec::new();
    loop {
        let page = client.list(&query).await?;
        let matching = page.records.into_iter().filter(&fits);
        found.extend(matching.map(|record| Found {
            id: record.id,
            job: record.message.job.clone(),
            queue: record.queue,
        }));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(found);
        }
    }
}

/// Shows how many jobs match, by job and queue.
pub(super) fn count(found: &[Found], column: &str) -> Result<(), Error> {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for Found { job, queue, .. } in found {
        *counts.entry((job, queue)).or_default() += 1;
    }
    let mut table = output::table(&["JOB", "QUEUE", column]);
    for ((job, queue), jobs) in counts {
        table.add_row([output::cell(job), output::cell(queue), output::cell(jobs)]);
    }
    output::print_table(&table)
}
