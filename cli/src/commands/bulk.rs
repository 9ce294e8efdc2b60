//! Commands over several jobs: given by id, or all that match.

use std::collections::BTreeMap;

use lamplighter::{Client, JobId, ListQuery, Record, operation};
use lamplighter_dashboard::desk::CommandLine;

use crate::{
    error::Error,
    help::PROGRAM,
    output::{self, GOOD, NAME},
};

/// Does something to each of the given jobs, and says so; `done` is the participle. An error for one does not stop the
/// others.
pub(super) async fn each(
    ids: &[JobId],
    done: &str,
    act: impl AsyncFn(&JobId) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut errors, mut unanswered) = (Vec::new(), Vec::new());
    for id in ids {
        match act(id).await {
            // Whether anybody reads the answers or not, it is done to the others too.
            Ok(()) => unanswered.extend(
                output::print(|out| writeln!(out, "{GOOD}{done}{GOOD:#} {NAME}{id}{NAME:#}"))
                    .err()
                    .map(|error| error.after(format_args!("job {id} was {done}"))),
            ),
            Err(error) => errors.push(error),
        }
    }
    let last = if errors.is_empty() { unanswered.pop() } else { None };
    unanswered.iter().for_each(|error| output::hint(&error.to_string()));
    if let Some(last) = last {
        return Err(last);
    }
    let count = errors.len();
    match errors.pop() {
        None => Ok(()),
        Some(error) if ids.len() == 1 => Err(error),
        Some(last) => {
            errors.push(last);
            errors.iter().for_each(|error| output::hint(&error.to_string()));
            Err(Error::failed(format_args!("{count} of {} jobs were not {done}", ids.len())))
        }
    }
}

/// A command about a job, for a hint. An id that looks like an option is none in it.
pub(super) fn about(verb: &str, id: &JobId) -> String {
    let command = CommandLine::new(verb).about(id).typed(&[PROGRAM.to_owned()]);
    command.map(|command| format!("`{command}`")).unwrap_or_default()
}

/// The number of records per request.
const PAGE: usize = 500;

/// A job that matches.
pub(super) struct Found {
    id: JobId,
    job: String,
    queue: String,
}

impl From<Record> for Found {
    fn from(record: Record) -> Self {
        Self { id: record.id, job: record.message.job.clone(), queue: record.queue }
    }
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
        found.extend(matching.map(Found::from));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(found);
        }
    }
}

/// How many they are, by job and queue.
pub(super) fn counts(found: &[Found]) -> Vec<((String, String), u64)> {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for Found { job, queue, .. } in found {
        *counts.entry((job, queue)).or_default() += 1;
    }
    counts.into_iter().map(|((job, queue), jobs)| ((job.to_owned(), queue.to_owned()), jobs)).collect()
}

/// The jobs as targets of operations.
pub(super) fn named(found: &[Found]) -> Vec<operation::Target> {
    let chunks = found.chunks(operation::Target::MOST_JOBS);
    chunks.map(|found| operation::Target::Jobs { ids: found.iter().map(|one| one.id.clone()).collect() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_never_about_all_jobs() {
        let hint = |id: &str| about("cancel", &JobId::new(id).unwrap());
        assert_eq!(hint("order-42"), "`lamp cancel order-42`");
        assert_eq!(hint("--all"), "`lamp cancel -- --all`");
    }
}
