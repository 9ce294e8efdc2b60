//! Listing and counting records.
//!
//! Newest first is by `seq`, the order in which the file came to know them. Three roads lead to a page:
//!
//! - A state other than queued and succeeded: by the index of those, one kind (a queue and a job's name) beside the
//!   other. As cheap as the page is long.
//! - Otherwise from the newest row backwards. `counts` says how many there are in all, so that the search for few
//!   among many ends with the last of them.
//! - `since` and `before` become bounds of `seq`, found by bisection: rows are as old as they are far from the end.

use lamplighter::{Count, JobState, ListQuery, Page, Record};
use rusqlite::{Connection, OptionalExtension, params};

use super::records;
use crate::{
    file::catalog::{self, Kind},
    state, time,
};

pub(crate) const BY_STATE: &str = "SELECT seq, created_at FROM jobs INDEXED BY jobs_listed \
    WHERE kind = ?1 AND state = ?2 AND state > 2 AND seq >= ?3 AND seq < ?4 ORDER BY seq DESC LIMIT ?5";
pub(crate) const BACKWARDS: &str =
    "SELECT seq, created_at, kind, state FROM jobs WHERE state != 0 AND seq >= ?1 AND seq < ?2 ORDER BY seq DESC";
pub(crate) const FROM: &str = "SELECT seq, created_at FROM jobs WHERE seq >= ?1 ORDER BY seq LIMIT 1";

/// The longest page.
const LONGEST: usize = 1000;
/// The page of those who name no limit.
const USUAL: usize = 50;

/// A page of records. `None`: the cursor is none of ours.
pub(crate) fn list(connection: &Connection, query: &ListQuery) -> rusqlite::Result<Option<Page>> {
    let Some(search) = Search::of(connection, query)? else { return Ok(None) };
    let found = search.run(connection)?;
    let next = (found.len() > search.limit).then(|| found[search.limit - 1].to_string());
    let rows = found.into_iter().take(search.limit);
    let records = rows.filter_map(|seq| records::by_seq(connection, seq).transpose());
    Ok(Some(Page { records: records.collect::<rusqlite::Result<Vec<Record>>>()?, next }))
}

struct Search {
    kinds: Vec<Kind>,
    /// Whether the kinds are fewer than there are.
    some_kinds: bool,
    state: Option<i64>,
    /// `seq` lies in here.
    from: i64,
    below: i64,
    since: i64,
    before: i64,
    limit: usize,
}

impl Search {
    fn of(connection: &Connection, query: &ListQuery) -> rusqlite::Result<Option<Self>> {
        let mut below = i64::MAX;
        if let Some(cursor) = &query.cursor {
            match cursor.parse() {
                Ok(seq) => below = seq,
                Err(_) => return Ok(None),
            }
        }
        let since = query.since.map_or(i64::MIN, time::nearest);
        let before = query.before.map_or(i64::MAX, time::nearest);
        let mut from = i64::MIN;
        if query.since.is_some() {
            from = first_at(connection, since)?;
        }
        if query.before.is_some() {
            below = below.min(first_at(connection, before)?);
        }
        let all = catalog::kinds(connection)?;
        let kinds: Vec<_> = all
            .iter()
            .filter(|kind| query.queue.as_ref().is_none_or(|queue| *queue == kind.queue))
            .filter(|kind| query.job.as_ref().is_none_or(|job| *job == kind.job))
            .cloned()
            .collect();
        let some_kinds = kinds.len() < all.len();
        let limit = if query.limit == 0 { USUAL } else { query.limit.min(LONGEST) };
        Ok(Some(Self { kinds, some_kinds, state: query.state.map(state::code), from, below, since, before, limit }))
    }

    /// One row more than the page holds, where there is one: so much is known about the next page.
    fn run(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        match self.state {
            Some(code) if code != state::QUEUED && code != state::SUCCEEDED => self.by_state(connection, code),
            _ => self.backwards(connection),
        }
    }

    fn by_state(&self, connection: &Connection, code: i64) -> rusqlite::Result<Vec<i64>> {
        let mut statement = connection.prepare_cached(BY_STATE)?;
        let mut found: Vec<i64> = Vec::new();
        for kind in &self.kinds {
            let most = i64::try_from(self.limit + 1).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![kind.id, code, self.from, self.below, most])?;
            while let Some(row) = rows.next()? {
                if self.is_of_time(row.get(1)?) {
                    found.push(row.get(0)?);
                }
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(self.limit + 1);
        Ok(found)
    }

    fn backwards(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let mut in_all = 0;
        for kind in &self.kinds {
            for code in JobState::ALL.into_iter().map(state::code) {
                if self.state.is_none_or(|wanted| wanted == code) {
                    in_all += catalog::counted(connection, kind.id, code)?;
                }
            }
        }
        let wanted = usize::try_from(in_all).unwrap_or(usize::MAX).min(self.limit + 1);
        let mut found: Vec<i64> = Vec::new();
        let mut statement = connection.prepare_cached(BACKWARDS)?;
        let mut rows = statement.query([self.from, self.below])?;
        while found.len() < wanted {
            let Some(row) = rows.next()? else { break };
            let (kind, code): (i64, i64) = (row.get(2)?, row.get(3)?);
            let fits = self.state.is_none_or(|wanted| wanted == code)
                && (!self.some_kinds || self.kinds.iter().any(|known| known.id == kind))
                && self.is_of_time(row.get(1)?);
            if fits {
                found.push(row.get(0)?);
            }
        }
        Ok(found)
    }

    fn is_of_time(&self, created_at: i64) -> bool {
        (self.since..self.before).contains(&created_at)
    }
}

/// The first row that became known at this moment or later.
fn first_at(connection: &Connection, moment: i64) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(FROM)?;
    let mut row_from =
        |seq: i64| statement.query_row([seq], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional();
    let Some(end) = connection.query_row("SELECT max(seq) FROM jobs", [], |row| row.get::<_, Option<i64>>(0))? else {
        return Ok(i64::MAX);
    };
    let (mut low, mut high) = (0, end + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match row_from(middle)? {
            Some((seq, created_at)) if created_at < moment => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

pub(crate) const COUNTS: &str = "SELECT queues.name, counts.state, sum(counts.jobs) FROM counts \
    JOIN kinds ON kinds.id = counts.kind JOIN queues ON queues.id = kinds.queue \
    GROUP BY queues.name, counts.state HAVING sum(counts.jobs) > 0";

/// How many records stand in each state, by queue. Adds up a row for each kind and state, however many jobs there are.
pub(crate) fn counts(connection: &Connection) -> rusqlite::Result<Vec<Count>> {
    let mut statement = connection.prepare_cached(COUNTS)?;
    let rows =
        statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    let mut counts = Vec::new();
    for row in rows {
        let (queue, code, jobs) = row?;
        if let Some(state) = state::of(code) {
            counts.push(Count { queue, state, jobs: u64::try_from(jobs).unwrap_or(0) });
        }
    }
    Ok(counts)
}
