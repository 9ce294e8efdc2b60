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
//! The jobs of an error group are found by the index of failed attempts; at most [`FEW`] of them are looked at for one
//! page.
//!
//! `since` and `before` become bounds of `seq`, found by bisection: see the [layout](crate::db::schema).

use std::{collections::HashMap, time::Duration};

use lamplighter::{
    JobState, ListQuery, Record, Timestamp,
    backend::Accuracy,
    record::{Count, Page},
};
use rusqlite::{Connection, OptionalExtension};

use super::{errors, records};
use crate::{
    db::catalog::{self, QueueJob, block_of, first_of_block},
    state,
    time::{self, HELD},
};

const BY_STATE: &str = "SELECT seq, created_at FROM jobs INDEXED BY jobs_listed \
    WHERE kind = ?1 AND state = ?2 AND state > 2 AND seq >= ?3 AND seq < ?4 ORDER BY seq DESC";
const MESSAGES: &str = "SELECT seq, created_at, kind, state FROM jobs INDEXED BY jobs_ready \
    WHERE queue = ?1 AND visible_at IS NOT NULL AND visible_at >= ?2 AND visible_at <= ?3 ORDER BY visible_at";
const ENDED: &str = "SELECT seq, created_at, kind, state FROM jobs INDEXED BY jobs_purge \
    WHERE purge_at IS NOT NULL AND purge_at >= ?1 ORDER BY purge_at DESC";
const BLOCK: &str = "SELECT block FROM blocks WHERE kind = ?1 AND block <= ?2 ORDER BY block DESC LIMIT 1";
const BACKWARDS: &str =
    "SELECT seq, created_at, kind, state FROM jobs WHERE state != 0 AND seq >= ?1 AND seq < ?2 ORDER BY seq DESC";
const BY_ERROR: &str = "SELECT DISTINCT seq FROM attempts INDEXED BY attempts_failed \
    WHERE fingerprint = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq DESC";
const LAST_ERROR: &str = "SELECT fingerprint FROM attempts WHERE seq = ?1 ORDER BY place DESC LIMIT 1";
/// Not a job whose latest attempt [stays in its row](super::attempts), which has succeeded.
const SEEN: &str = "SELECT seq, created_at, kind, state FROM jobs WHERE seq = ?1 AND state != 0 \
    AND NOT (state = 2 AND lease_until < 0)";
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
    let Some(search) = Search::of(connection, query)? else { return Ok(None) };
    let (found, next) = match query.error {
        Some(fingerprint) => search.by_error(connection, errors::number(fingerprint))?,
        None => {
            let found = search.run(connection)?;
            let next = (found.len() > search.limit).then(|| found[search.limit - 1]);
            (found, next)
        }
    };
    let next = next.map(|seq| seq.to_string());
    let rows = found.into_iter().take(search.limit);
    let records = rows.filter_map(|seq| records::by_seq(connection, seq).transpose());
    Ok(Some(Page { records: records.collect::<rusqlite::Result<Vec<Record>>>()?, next }))
}

struct Search {
    queue_jobs: Vec<QueueJob>,
    state: Option<i64>,
    /// The number of records of these kinds in this state, of any age.
    in_all: u64,
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
            from = first_at(connection, time::before(since, UNSURE))?;
        }
        if query.before.is_some() {
            below = below.min(first_at(connection, time::after(before, UNSURE))?);
        }
        let state = query.state.map(state::code);
        let (mut queue_jobs, mut in_all, mut ended, mut records, mut all) = (Vec::new(), 0, 0, 0, 0);
        let mut on_queues = HashMap::<_, u64>::new();
        for kind in catalog::queue_jobs(connection)? {
            let wanted = query.queue.as_ref().is_none_or(|queue| *queue == kind.queue)
                && query.job.as_ref().is_none_or(|job| *job == kind.job);
            let (mut of_kind, mut with_record) = (0, 0);
            let messages = on_queues.entry(kind.queue.clone()).or_default();
            for code in JobState::ALL.into_iter().map(state::code) {
                let jobs = catalog::counted(connection, kind.id, code)?;
                match state::is_final(code) {
                    true => ended += jobs,
                    false => *messages += jobs,
                }
                of_kind += if state.is_none_or(|wanted| wanted == code) { jobs } else { 0 };
                with_record += jobs;
            }
            all += with_record;
            if wanted && of_kind > 0 {
                (in_all, records) = (in_all + of_kind, records + with_record);
                queue_jobs.push(kind);
            }
        }
        let limit = page_length(query.limit);
        on_queues.retain(|queue, _| queue_jobs.iter().any(|kind| kind.queue == *queue));
        let messages = on_queues.values().sum();
        // At worst, each of the records is in a block of its own.
        let rows = records.saturating_mul(first_of_block(1).unsigned_abs()).min(all);
        Ok(Some(Self { queue_jobs, state, in_all, ended, messages, rows, from, below, since, before, limit }))
    }

    /// Returns one row more than the page holds, if there is one, to find out whether there is a next page.
    fn run(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let mut found = match self.state {
            Some(state::QUEUED) if self.in_all <= FEW && self.messages <= self.rows => self.by_message(connection)?,
            Some(state::SUCCEEDED) if self.ended <= FEW => self.by_end(connection)?,
            Some(state::QUEUED | state::SUCCEEDED) | None => self.backwards(connection)?,
            Some(code) => self.by_state(connection, code)?,
        };
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(self.limit + 1);
        Ok(found)
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
        let (mut found, mut left) = (Vec::new(), self.in_all);
        let mut queues: Vec<&str> = self.queue_jobs.iter().map(|kind| &*kind.queue).collect();
        queues.dedup();
        for (from, to) in [(HELD, HELD), (i64::MIN, time::LAST)] {
            for name in &queues {
                let Some(queue) = catalog::find_queue(connection, name)? else { continue };
                let mut rows = statement.query([queue.id, from, to])?;
                while left > 0 {
                    let Some(row) = rows.next()? else { break };
                    self.gather(seen(row)?, &mut left, &mut found);
                }
            }
        }
        Ok(found)
    }

    fn by_end(&self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        let mut statement = connection.prepare_cached(ENDED)?;
        let (mut found, mut left) = (Vec::new(), self.in_all);
        let mut rows = statement.query([i64::MIN])?;
        while left > 0 {
            let Some(row) = rows.next()? else { break };
            self.gather(seen(row)?, &mut left, &mut found);
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
                self.gather(seen(row)?, &mut left, &mut found);
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

    /// Returns the jobs whose latest attempt has failed with this fingerprint, and after which row the next page
    /// begins.
    fn by_error(&self, connection: &Connection, fingerprint: i64) -> rusqlite::Result<(Vec<i64>, Option<i64>)> {
        let (mut last, mut job) = (connection.prepare_cached(LAST_ERROR)?, connection.prepare_cached(SEEN)?);
        let mut statement = connection.prepare_cached(BY_ERROR)?;
        let mut rows = statement.query([fingerprint, self.from, self.below])?;
        let (mut found, mut looked_at, mut before) = (Vec::new(), 0, None);
        while let Some(row) = rows.next()? {
            if found.len() == self.limit || looked_at == FEW {
                return Ok((found, before));
            }
            let seq: i64 = row.get(0)?;
            (looked_at, before) = (looked_at + 1, Some(seq));
            let is_last = last.query_row([seq], |row| row.get::<_, Option<i64>>(0)).optional()?;
            if is_last.flatten() != Some(fingerprint) {
                continue;
            }
            if let Some((_, created_at, kind, code)) = job.query_row([seq], seen).optional()?
                && self.state.is_none_or(|wanted| wanted == code)
                && self.queue_jobs.iter().any(|known| known.id == kind)
                && self.is_of_time(created_at)
            {
                found.push(seq);
            }
        }
        Ok((found, None))
    }

    /// Collects matching rows, and counts down those of the kinds and in the state.
    fn gather(&self, (seq, created_at, kind, code): Seen, left: &mut u64, found: &mut Vec<i64>) {
        if self.state.is_some_and(|wanted| wanted != code) || !self.queue_jobs.iter().any(|known| known.id == kind) {
            return;
        }
        *left = left.saturating_sub(1);
        if (self.from..self.below).contains(&seq) && self.is_of_time(created_at) {
            found.push(seq);
        }
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

#[cfg(test)]
mod tests {
    use lamplighter::env::Env;
    use rusqlite::StatementStatus;

    use super::*;
    use crate::{backend::SqliteBackend, db::transaction::Transaction, settings::Settings};

    /// Inserts `rows` rows, whose kind and state are given by two expressions over `n`.
    fn fill(tx: &mut Transaction<'_>, rows: i64, kind: &str, code: &str) -> rusqlite::Result<()> {
        for name in ["common", "rare", "other"] {
            let queue = tx.queue(name)?.id;
            tx.kind(queue, name)?;
        }
        tx.connection.execute_batch(&format!(
            "CREATE TEMP TABLE made AS WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT {rows})
               SELECT n, {kind} AS kind, {code} AS state FROM numbers;
             INSERT INTO jobs SELECT n, 'job-' || n, kind, kind, state, 0, 0, 0, 0,
               CASE WHEN state IN (2, 7, 8) THEN NULL WHEN n % 7 = 0 AND state = 1 THEN {HELD} ELSE n END,
               0, n * 1000000000, n, n, CASE WHEN state IN (2, 7, 8) THEN n + 1000000 END, 0, NULL, NULL FROM made;
             INSERT INTO bodies SELECT n, '{{\"job\":\"a\"}}' FROM made;
             INSERT INTO blocks SELECT DISTINCT kind, n >> 8 FROM made WHERE state != 0;
             INSERT INTO counts SELECT kind, state, count(*) FROM made WHERE state != 0 GROUP BY kind, state;
             DROP TABLE made;"
        ))
    }

    async fn filled(folder: &std::path::Path, rows: i64, kind: &'static str, code: &'static str) -> SqliteBackend {
        let settings = Settings::new().env(Env::seeded("2026-11-26T00:00:00Z".parse().unwrap(), 1));
        let embedded = SqliteBackend::open(folder.join("jobs.db"), settings).unwrap();
        embedded.0.writer.run(1, move |tx| fill(tx, rows, kind, code)).await.unwrap();
        embedded
    }

    async fn ids(embedded: &SqliteBackend, query: &ListQuery) -> Vec<String> {
        let (mut query, mut ids) = (query.clone(), Vec::new());
        loop {
            let page = embedded.client().list(&query).await.unwrap();
            ids.extend(page.records.iter().map(|record| record.id.to_string()));
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return ids,
            }
        }
    }

    #[tokio::test]
    async fn every_search_finds_the_same_records_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (kind, code) = ("CASE WHEN n % 97 = 0 THEN 2 WHEN n % 3 = 0 THEN 3 ELSE 1 END", "2 * n * n % 9");
        let embedded = filled(folder.path(), 3000, kind, code).await;
        let of = |n: i64| {
            if n % 97 == 0 {
                "rare"
            } else if n % 3 == 0 {
                "other"
            } else {
                "common"
            }
        };
        let second = |n: i64| Some(jiff::Timestamp::from_second(n).unwrap());
        for state in JobState::ALL.into_iter().map(Some).chain([None]) {
            for queue in [None, Some("rare"), Some("other"), Some("nowhere")] {
                for (since, before) in [(None, None), (Some(1000), None), (None, Some(500)), (Some(700), Some(900))] {
                    let wanted: Vec<_> = (1..=3000)
                        .rev()
                        .filter(|n| state.map_or(2 * n * n % 9 != 0, |state| state::code(state) == 2 * n * n % 9))
                        .filter(|n| queue.is_none_or(|queue| of(*n) == queue))
                        .filter(|n| since.is_none_or(|since| *n >= since) && before.is_none_or(|before| *n < before))
                        .map(|n| format!("job-{n}"))
                        .collect();
                    for limit in [7, 1000] {
                        let query = ListQuery {
                            state,
                            queue: queue.map(Into::into),
                            since: since.and_then(second),
                            before: before.and_then(second),
                            limit,
                            ..ListQuery::default()
                        };
                        assert_eq!(ids(&embedded, &query).await, wanted, "{query:?}");
                    }
                }
            }
        }
    }

    /// Returns SQLite's work for listings on this connection, in steps of its virtual machine: about eight per row.
    fn steps(connection: &Connection) -> i32 {
        [BY_STATE, MESSAGES, ENDED, BLOCK, BACKWARDS]
            .iter()
            .map(|sql| connection.prepare_cached(sql).unwrap().reset_status(StatementStatus::VmStep))
            .sum()
    }

    #[tokio::test]
    async fn rare_records_are_found_without_reading_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let kind = "CASE WHEN n IN (5, 30000, 99000) THEN 2 ELSE 1 END";
        let embedded = filled(folder.path(), 100_000, kind, "CASE WHEN n IN (9, 30000) THEN 1 ELSE 2 END").await;
        let query =
            |state, queue: Option<&str>| ListQuery { state, queue: queue.map(Into::into), ..ListQuery::default() };
        let cases = [
            (query(None, Some("rare")), 3),
            (query(Some(JobState::Succeeded), Some("rare")), 2),
            (query(Some(JobState::Queued), None), 2),
            (query(Some(JobState::Queued), Some("common")), 1),
            (query(Some(JobState::Running), None), 0),
            (query(None, Some("other")), 0),
            (ListQuery { since: Some(jiff::Timestamp::from_second(99_990).unwrap()), ..query(None, None) }, 11),
        ];
        embedded
            .0
            .writer
            .read(move |connection| {
                for (query, wanted) in &cases {
                    let found = list(connection, query)?.unwrap().records.len();
                    assert_eq!(found, *wanted, "{query:?}");
                    let steps = steps(connection);
                    assert!(steps < 20_000, "{steps} steps for {query:?}");
                }
                Ok(())
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn few_queued_jobs_are_found_among_many_of_their_queue() {
        let folder = tempfile::tempdir().unwrap();
        let embedded = filled(folder.path(), 100_000, "1", "1").await;
        let rare = |tx: &mut Transaction<'_>| {
            let kind = tx.kind(1, "seldom")?;
            tx.connection.execute_batch(&format!(
                "UPDATE jobs SET kind = {kind} WHERE seq IN (5, 30000, 99000);
                 INSERT INTO blocks SELECT kind, seq >> 8 FROM jobs WHERE kind = {kind};
                 UPDATE counts SET jobs = jobs - 3;
                 INSERT INTO counts VALUES ({kind}, 1, 3);"
            ))
        };
        embedded.0.writer.run(1, rare).await.unwrap();
        let query = ListQuery { state: Some(JobState::Queued), job: Some("seldom".into()), ..ListQuery::default() };
        assert_eq!(ids(&embedded, &query).await, ["job-99000", "job-30000", "job-5"]);
        let look = move |connection: &Connection| {
            list(connection, &query)?;
            Ok(steps(connection))
        };
        let steps = embedded.0.writer.read(look).await.unwrap();
        assert!(steps < 10_000, "{steps} steps");
    }

    #[tokio::test]
    async fn few_succeeded_jobs_are_found_among_many_queued() {
        let folder = tempfile::tempdir().unwrap();
        let embedded = filled(folder.path(), 100_000, "1", "CASE WHEN n <= 3 THEN 2 ELSE 1 END").await;
        let query = ListQuery { state: Some(JobState::Succeeded), ..ListQuery::default() };
        let look = move |connection: &Connection| {
            let found = list(connection, &query)?.unwrap().records.len();
            Ok((found, steps(connection)))
        };
        let (found, steps) = embedded.0.writer.read(look).await.unwrap();
        assert_eq!(found, 3);
        assert!(steps < 1000, "{steps} steps");
    }
}
