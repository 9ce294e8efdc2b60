//! Listing and counting records.
//!
//! Newest first is by `seq`, the order of insertion. There are four ways to find a page:
//!
//! - A state other than queued and succeeded: by the index of those states, one kind (a queue and a job's name) after
//!   the other.
//! - Queued jobs, where they are few, and their queues have few messages: by the index of messages.
//! - Succeeded jobs, where few have ended: by the index of records that will be purged.
//! - Otherwise backwards from the newest block of rows with a record of the wanted kinds. Only kinds with records in
//!   the state are searched; `counts` has their total, so a search for a few records among many ends with the last of
//!   them.
//!
//! Several states are found by the index of states, where all of them are there, or else by the searches of a single
//! one, if it is rare in its own; a page of them all is the newest of each.
//!
//! The jobs of an error group are found by the index of failed attempts; at most [`FEW`] of them are looked at for one
//! page. Ids that begin with a text are a range of the index of ids, up to [`FEW`] of them; where there are more, the
//! newest rows are looked at, [`FEW`] for one page.
//!
//! `since` and `before` become bounds of `seq`, found by bisection: see the [layout](crate::db::schema).

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use lamplighter::{
    JobState, ListQuery, Record, Timestamp,
    backend::Accuracy,
    query::name_fits,
    record::{Count, Page},
};
use rusqlite::{Connection, OptionalExtension};

use super::{errors, records};
use crate::{
    db::catalog::{self, Counted, QueueJob, block_of, first_of_block},
    state,
    time::{self, HELD},
};

mod narrow;
#[cfg(test)]
mod tests;

const BY_STATE: &str = "SELECT seq, created_at FROM jobs INDEXED BY jobs_listed \
    WHERE kind = ?1 AND state = ?2 AND state > 2 AND seq >= ?3 AND seq < ?4 ORDER BY seq DESC";
const MESSAGES: &str = "SELECT seq, created_at, kind, state FROM jobs INDEXED BY jobs_ready \
    WHERE queue = ?1 AND visible_at IS NOT NULL AND visible_at >= ?2 AND visible_at <= ?3 ORDER BY visible_at";
const ENDED: &str = "SELECT seq, created_at, kind, state FROM jobs INDEXED BY jobs_purge \
    WHERE purge_at IS NOT NULL AND purge_at >= ?1 ORDER BY purge_at DESC";
const BLOCK: &str = "SELECT block FROM blocks WHERE kind = ?1 AND block <= ?2 ORDER BY block DESC LIMIT 1";
const BACKWARDS: &str =
    "SELECT seq, created_at, kind, state FROM jobs WHERE state != 0 AND seq >= ?1 AND seq < ?2 ORDER BY seq DESC";
const FROM: &str = "SELECT seq, created_at FROM jobs WHERE seq >= ?1 ORDER BY seq LIMIT 1";
const NEWEST: &str = "SELECT max(seq) FROM jobs";

/// At most this many index entries are read to find a page: a few milliseconds.
const FEW: u64 = 5000;
/// The maximum difference by which a row's moment may be before that of the previous row:
/// [`SLACK`](super::clock::SLACK) plus [`PRECISION`](super::clock::PRECISION).
const UNSURE: Duration = Duration::from_secs(2);
/// The largest page.
const LONGEST: usize = 1000;
/// The page size without a limit.
const USUAL: usize = 50;

/// The length of a page, by the limit that is asked for; 0 for none.
pub(super) fn page_length(limit: usize) -> usize {
    if limit == 0 { USUAL } else { limit.min(LONGEST) }
}

/// A page of records; `None` if the cursor is not from this store.
pub(crate) fn list(connection: &Connection, query: &ListQuery) -> rusqlite::Result<Option<Page>> {
    let Some(search) = Search::of(connection, query, None)? else { return Ok(None) };
    let (found, next) = match query {
        ListQuery { error: Some(error), .. } => search.by_error(connection, errors::number(*error), query)?,
        ListQuery { id_prefix: None, text: None, .. } => search.cut(search.run(connection)?),
        _ => search.by_id(connection, query)?,
    };
    let next = next.map(|seq| seq.to_string());
    let rows = found.into_iter().take(search.limit);
    let records = rows.filter_map(|seq| records::by_seq(connection, seq).transpose());
    Ok(Some(Page { records: records.collect::<rusqlite::Result<Vec<Record>>>()?, next }))
}

struct Search {
    queue_jobs: Vec<QueueJob>,
    /// Their places, by their numbers.
    by_kind: HashMap<i64, usize>,
    /// Empty for any.
    states: Vec<i64>,
    /// The number of records of these kinds in these states, of any age.
    in_all: u64,
    /// The number of them in each state, by its number.
    in_state: [u64; 9],
    /// The number of records of these kinds, in any state.
    records: u64,
    /// The number of ended records, of all kinds.
    ended: u64,
    /// The number of messages on the queues of these kinds.
    messages: u64,
    /// The most rows that a search backwards reads.
    rows: u64,
    /// The range of `seq`.
    from: i64,
    below: i64,
    since: i64,
    before: i64,
    limit: usize,
}

/// The columns that a search reads: `seq`, `created_at`, `kind` and `state`.
type Seen = (i64, i64, i64, i64);

fn seen(row: &rusqlite::Row<'_>) -> rusqlite::Result<Seen> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

impl Search {
    /// The search for a query, among the jobs of this name, if there is one; `None` if the cursor is not from this store.
    fn of(connection: &Connection, query: &ListQuery, named: Option<&str>) -> rusqlite::Result<Option<Self>> {
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
            from = first_at(connection, time::before(since, UNSURE))?;
        }
        if query.before.is_some() {
            below = below.min(first_at(connection, time::after(before, UNSURE))?);
        }
        let mut states: Vec<i64> = query.states.iter().copied().map(state::code).collect();
        states.sort_unstable();
        states.dedup();
        let (mut queue_jobs, mut in_state, mut ended, mut records, mut all) = (Vec::new(), [0; 9], 0, 0, 0);
        let mut on_queues = HashMap::<_, u64>::new();
        let counted = Counted::all(connection)?;
        for kind in catalog::queue_jobs(connection)? {
            let wanted =
                query.takes_names(&kind.queue, &kind.job) && named.is_none_or(|pattern| name_fits(pattern, &kind.job));
            let (mut of_kind, mut with_record) = ([0; 9], 0);
            let messages = on_queues.entry(kind.queue.clone()).or_default();
            for code in JobState::ALL.into_iter().map(state::code) {
                let jobs = counted.of(kind.id, code);
                match state::is_final(code) {
                    true => ended += jobs,
                    false => *messages += jobs,
                }
                if let Some(of_state) = usize::try_from(code).ok().and_then(|code| of_kind.get_mut(code))
                    && (states.is_empty() || states.contains(&code))
                {
                    *of_state = jobs;
                }
                with_record += jobs;
            }
            all += with_record;
            if wanted && of_kind.iter().any(|jobs| *jobs > 0) {
                in_state.iter_mut().zip(of_kind).for_each(|(of_state, jobs)| *of_state += jobs);
                records += with_record;
                queue_jobs.push(kind);
            }
        }
        let limit = page_length(query.limit);
        let wanted: HashSet<&str> = queue_jobs.iter().map(|kind| &*kind.queue).collect();
        on_queues.retain(|queue, _| wanted.contains(&**queue));
        let messages = on_queues.values().sum();
        // At worst, each of the records is in a block of its own.
        let rows = records.saturating_mul(first_of_block(1).unsigned_abs()).min(all);
        let in_all = in_state.iter().sum();
        let by_kind = queue_jobs.iter().enumerate().map(|(at, kind)| (kind.id, at)).collect();
        Ok(Some(Self {
            queue_jobs,
            by_kind,
            states,
            in_all,
            in_state,
            records,
            ended,
            messages,
            rows,
            from,
            below,
            since,
            before,
            limit,
        }))
    }

    /// Returns one row more than the page holds, if there is one, to find out whether there is a next page.
    fn run(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let mut found = Vec::new();
        if self.is_by_index() {
            for code in &self.states {
                found.extend(match *code {
                    state::QUEUED => self.by_message(connection)?,
                    state::SUCCEEDED => self.by_end(connection)?,
                    code => self.by_state(connection, code)?,
                });
            }
        } else {
            found = self.backwards(connection)?;
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(self.limit + 1);
        Ok(found)
    }

    /// Whether an index finds the records of each state without reading many others. Where all records of these kinds are
    /// in these states, the newest rows are read.
    fn is_by_index(&self) -> bool {
        let finds = |code: &i64| match *code {
            state::QUEUED => self.in_state(state::QUEUED) <= FEW && self.messages <= self.rows,
            state::SUCCEEDED => self.ended <= FEW,
            _ => true,
        };
        match &*self.states {
            [] => false,
            [only] => finds(only),
            several => self.in_all < self.records && several.iter().all(finds),
        }
    }

    fn in_state(&self, code: i64) -> u64 {
        usize::try_from(code).ok().and_then(|code| self.in_state.get(code)).copied().unwrap_or_default()
    }

    /// The rows of a page, and its cursor, of rows of which there is one more if there is a next page.
    fn cut(&self, mut found: Vec<i64>) -> (Vec<i64>, Option<i64>) {
        let next = (found.len() > self.limit).then(|| found[self.limit - 1]);
        found.truncate(self.limit);
        (found, next)
    }

    fn by_state(&self, connection: &Connection, code: i64) -> rusqlite::Result<Vec<i64>> {
        let mut statement = connection.prepare_cached(BY_STATE)?;
        let mut found: Vec<i64> = Vec::new();
        for kind in &self.queue_jobs {
            let (mut rows, mut of_kind) = (statement.query([kind.id, code, self.from, self.below])?, 0);
            while of_kind <= self.limit {
                let Some(row) = rows.next()? else { break };
                if self.is_of_time(row.get(1)?) {
                    found.push(row.get(0)?);
                    of_kind += 1;
                }
            }
        }
        Ok(found)
    }

    /// All queued jobs have a message. Messages held by their group are at the end of the index, after all delayed
    /// ones, so they are read separately.
    fn by_message(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let mut statement = connection.prepare_cached(MESSAGES)?;
        let (mut found, mut left) = (Vec::new(), self.in_state(state::QUEUED));
        let mut queues: Vec<&str> = self.queue_jobs.iter().map(|kind| &*kind.queue).collect();
        queues.dedup();
        for (from, to) in [(HELD, HELD), (i64::MIN, time::LAST)] {
            for name in &queues {
                let Some(queue) = catalog::find_queue(connection, name)? else { continue };
                let mut rows = statement.query([queue.id, from, to])?;
                while left > 0 {
                    let Some(row) = rows.next()? else { break };
                    self.gather(seen(row)?, &[state::QUEUED], &mut left, &mut found);
                }
            }
        }
        Ok(found)
    }

    fn by_end(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let mut statement = connection.prepare_cached(ENDED)?;
        let (mut found, mut left) = (Vec::new(), self.in_state(state::SUCCEEDED));
        let mut rows = statement.query([i64::MIN])?;
        while left > 0 {
            let Some(row) = rows.next()? else { break };
            self.gather(seen(row)?, &[state::SUCCEEDED], &mut left, &mut found);
        }
        Ok(found)
    }

    fn backwards(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let (mut blocks, mut statement) = (connection.prepare_cached(BLOCK)?, connection.prepare_cached(BACKWARDS)?);
        let mut newest =
            |kind: &QueueJob, at_most: i64| blocks.query_row([kind.id, at_most], |row| row.get::<_, i64>(0)).optional();
        let mut at = Vec::with_capacity(self.queue_jobs.len());
        for kind in &self.queue_jobs {
            at.push((kind, newest(kind, block_of(self.below.saturating_sub(1)))?));
        }
        let (mut found, mut left) = (Vec::new(), self.in_all);
        while let Some(block) = at.iter().filter_map(|(_, block)| *block).max().filter(|_| left > 0) {
            let (first, end) = (first_of_block(block), first_of_block(block + 1));
            if end <= self.from {
                break;
            }
            let mut rows = statement.query([first.max(self.from), end.min(self.below)])?;
            while let Some(row) = rows.next()? {
                self.gather(seen(row)?, &self.states, &mut left, &mut found);
                if found.len() > self.limit {
                    return Ok(found);
                }
            }
            for (kind, of_kind) in at.iter_mut().filter(|(_, of_kind)| *of_kind == Some(block)) {
                *of_kind = newest(kind, block - 1)?;
            }
        }
        Ok(found)
    }

    /// Collects matching rows, and counts down those of the kinds and in these states.
    fn gather(&self, seen: Seen, states: &[i64], left: &mut u64, found: &mut Vec<i64>) {
        let (seq, created_at, kind, code) = seen;
        if !(states.is_empty() || states.contains(&code)) || self.queue_job(kind).is_none() {
            return;
        }
        *left = left.saturating_sub(1);
        if (self.from..self.below).contains(&seq) && self.is_of_time(created_at) {
            found.push(seq);
        }
    }

    fn queue_job(&self, kind: i64) -> Option<&QueueJob> {
        self.queue_jobs.get(*self.by_kind.get(&kind)?)
    }

    /// Whether a row is of these kinds, in these states, of the time, and behind the cursor.
    fn takes(&self, (seq, created_at, kind, code): Seen) -> bool {
        code != state::UNTRACKED
            && (self.states.is_empty() || self.states.contains(&code))
            && self.queue_job(kind).is_some()
            && (self.from..self.below).contains(&seq)
            && self.is_of_time(created_at)
    }

    fn is_of_time(&self, created_at: i64) -> bool {
        (self.since..self.before).contains(&created_at)
    }
}

/// The first row that was added at this moment or later.
fn first_at(connection: &Connection, moment: i64) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(FROM)?;
    let mut row_from =
        |seq: i64| statement.query_row([seq], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional();
    let Some(end) = connection.prepare_cached(NEWEST)?.query_row([], |row| row.get::<_, Option<i64>>(0))? else {
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

const COUNTS: &str = "SELECT queues.name, counts.state, sum(counts.jobs) FROM counts \
    JOIN kinds ON kinds.id = counts.kind JOIN queues ON queues.id = kinds.queue \
    GROUP BY queues.name, counts.state HAVING sum(counts.jobs) > 0";

/// Returns the number of records in each state, by queue. Adds up one row per kind and state, for any number of jobs.
pub(crate) fn counts(connection: &Connection, as_of: Timestamp) -> rusqlite::Result<Vec<Count>> {
    let mut statement = connection.prepare_cached(COUNTS)?;
    let rows =
        statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))?;
    let mut counts = Vec::new();
    for row in rows {
        let (queue, code, jobs) = row?;
        if let Some(state) = state::of(code) {
            let (jobs, accuracy) = (u64::try_from(jobs).unwrap_or(0), Accuracy::Exact);
            counts.push(Count { queue, state, jobs, accuracy, as_of });
        }
    }
    Ok(counts)
}
