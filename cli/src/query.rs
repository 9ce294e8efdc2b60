//! Jobs by a query.

use clap::Args;
use jiff::Timestamp;
use lamplighter::{
    JobState,
    query::{Coverage, Query, Search},
    redaction::Redactions,
};

use crate::{catalog::Catalog, error::Error, output, place::Target, when};

/// A query for jobs.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct QueryArgs {
    /// Only jobs that fit all terms: state:failed,retrying job:webhook.* queue:webhooks since:2h before:TIME attempt:>3
    /// error:"timed out" fp:FINGERPRINT args.order:42 tag:blue schedule:daily batch:ID parent:ID id:ID -job:report.weekly;
    /// any other text is the beginning of an id, or a job's name.
    #[arg(long, value_name = "QUERY", allow_hyphen_values = true)]
    query: Option<Query>,
}

impl QueryArgs {
    /// The query, if there is one, when the names in it are known.
    pub(crate) async fn checked(&self, target: &Target, catalog: &Catalog) -> Result<Option<&Query>, Error> {
        let Some(query) = &self.query else { return Ok(None) };
        let whole = |names: &'_ [String]| names.iter().filter(|name| !name.contains('*')).cloned().collect::<Vec<_>>();
        for queue in whole(query.queues()) {
            target.check_names(catalog, Some(&queue), None).await?;
        }
        for job in whole(query.jobs()) {
            target.check_names(catalog, None, Some(&job)).await?;
        }
        Ok(Some(query))
    }
}

/// The query with one of these states, where it names none; `wrong` says why another one is refused.
pub(crate) fn in_states(
    query: &Query,
    states: &[JobState],
    is_right: fn(JobState) -> bool,
    wrong: &str,
) -> Result<Query, Error> {
    if let Some(state) = query.states().iter().find(|state| !is_right(**state)) {
        return Err(Error::Usage(format!("state:{state}: {wrong}")));
    }
    let states = if query.states().is_empty() { states } else { &[] };
    Ok(states.iter().copied().fold(query.clone(), Query::state))
}

/// A search for somebody who does not see sensitive arguments.
pub(crate) fn search(query: Query, catalog: &Catalog) -> Search {
    Search::new(query.pinned(Timestamp::now())).with_redactions(Redactions::of(&catalog.definitions()))
}

/// Says how far a search came that has not seen everything.
pub(crate) fn hint(coverage: Coverage) {
    if let Coverage::Searched { records, back_to } = coverage {
        if records == 0 {
            return output::hint("nothing found so far; go on with --cursor, or search everything with --limit 0");
        }
        let since = when::relative(back_to, Timestamp::now());
        output::hint(&format!(
            "searched {records} jobs, back to {} ({since}); go on with --cursor, or search them all with --limit 0",
            when::full(back_to)
        ));
    }
}
