//! Error groups: failed attempts of one cause, counted in the transaction that records them.
//!
//! A transaction collects its failures and writes each of their groups once, however many of its jobs have failed.
//! There are at most [`MOST`] groups: a new one takes the place of that whose latest failure is the longest ago. So
//! errors that cannot be grouped, since no two of them are alike, cost a row each, and no more.

use std::collections::BTreeMap;

use lamplighter::{
    JobId,
    backend::Failure,
    record::{AttemptOutcome, ErrorGroup, ErrorPage, ErrorQuery, ErrorSample, ErrorText, Fingerprint},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{attempts, error_notes, list::page_length, row::JobRow};
use crate::{db::transaction::Transaction, time};

/// The most groups that a file keeps.
const MOST: i64 = 2000;

/// Whether a job has failed in this way before, as far as its history goes.
const MET: &str = "SELECT 1 FROM attempts WHERE seq = ?1 AND fingerprint = ?2";
const AGAIN: &str = "UPDATE error_groups SET kind = ?2, first_at = min(first_at, ?3), last_at = max(last_at, ?4), \
    failures = failures + ?5, jobs = jobs + ?6, sample = ?7, message = ?8 WHERE fingerprint = ?1";
const NEW: &str = "INSERT INTO error_groups \
    (fingerprint, kind, outcome, title, first_at, last_at, failures, jobs, sample, message) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const TRIM: &str = "DELETE FROM error_groups WHERE fingerprint IN (SELECT fingerprint FROM error_groups \
    ORDER BY last_at LIMIT max(0, (SELECT count(*) FROM error_groups) - ?1))";
const FORGET: &str = "DELETE FROM error_groups WHERE fingerprint IN \
    (SELECT fingerprint FROM error_groups WHERE last_at <= ?1 ORDER BY last_at LIMIT ?2)";
const OLDEST: &str = "SELECT last_at FROM error_groups ORDER BY last_at LIMIT 1";
const ONE: &str = "SELECT error_groups.fingerprint, queues.name, kinds.job, outcome, title, first_at, last_at, failures, jobs, \
    sample, message, body FROM error_groups JOIN kinds ON kinds.id = error_groups.kind \
    JOIN queues ON queues.id = kinds.queue \
    LEFT JOIN error_notes ON error_notes.fingerprint = error_groups.fingerprint WHERE error_groups.fingerprint = ?1";
const LATEST: &str = "SELECT error_groups.fingerprint, queues.name, kinds.job, outcome, title, first_at, last_at, failures, \
    jobs, sample, message, body FROM error_groups CROSS JOIN kinds ON kinds.id = error_groups.kind \
    JOIN queues ON queues.id = kinds.queue \
    LEFT JOIN error_notes ON error_notes.fingerprint = error_groups.fingerprint \
    WHERE last_at >= ?1 AND last_at <= ?2 ORDER BY last_at DESC, error_groups.fingerprint DESC";

/// The failures of a transaction, by their fingerprints.
#[derive(Default)]
pub(crate) struct Errors(BTreeMap<i64, Failures>);

/// Failures of one group in one transaction.
struct Failures {
    kind: i64,
    first_at: i64,
    last_at: i64,
    failures: u32,
    jobs: u32,
    /// The latest one.
    failure: Failure,
}

/// A fingerprint's number in the file.
pub(crate) const fn number(fingerprint: Fingerprint) -> i64 {
    fingerprint.to_bits().cast_signed()
}

/// The fingerprint with that number.
pub(crate) const fn of(number: i64) -> Fingerprint {
    Fingerprint::from_bits(number.cast_unsigned())
}

impl Transaction<'_> {
    /// Counts a failed attempt, which is not in its job's history yet, and returns the number of its fingerprint.
    pub(crate) fn fails(
        &mut self,
        row: &JobRow,
        (outcome, ended_at): (AttemptOutcome, i64),
        error: &ErrorText,
    ) -> rusqlite::Result<i64> {
        let owner = self.owner_of(row)?;
        // The row's id was checked when it was added.
        let id = JobId::new(&row.id).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let failure = Failure::new(&id, (&owner.job, &owner.queue), (outcome, time::moment(ended_at)), error);
        let fingerprint = number(failure.fingerprint);
        let is_new = !self.prepare(MET)?.exists([row.seq, fingerprint])?;
        let known = self.errors.0.entry(fingerprint).or_insert_with(|| Failures {
            kind: row.kind,
            first_at: ended_at,
            last_at: ended_at,
            failures: 0,
            jobs: 0,
            failure: failure.clone(),
        });
        known.failures += 1;
        known.jobs += u32::from(is_new);
        known.first_at = known.first_at.min(ended_at);
        if ended_at >= known.last_at {
            (known.kind, known.last_at, known.failure) = (row.kind, ended_at, failure);
        }
        Ok(fingerprint)
    }

    /// Writes the groups of the failures that were counted.
    pub(crate) fn put_errors(&mut self) -> rusqlite::Result<()> {
        let errors = std::mem::take(&mut self.errors.0);
        let mut is_new = false;
        for (fingerprint, Failures { kind, first_at, last_at, failures, jobs, failure }) in errors {
            let Failure { title, outcome, sample: ErrorSample { id, message }, .. } = failure;
            let id = id.as_str();
            let mut again = self.prepare(AGAIN)?;
            if again.execute(params![fingerprint, kind, first_at, last_at, failures, jobs, id, message])? == 0 {
                let code = attempts::code(outcome);
                self.prepare(NEW)?.execute(params![
                    fingerprint,
                    kind,
                    code,
                    title,
                    first_at,
                    last_at,
                    failures,
                    jobs,
                    id,
                    message
                ])?;
                is_new = true;
            }
        }
        if is_new {
            self.prepare(TRIM)?.execute([MOST])?;
        }
        Ok(())
    }

    /// Deletes at most `most` groups without a failure for long, and the notes about groups that are gone.
    pub(crate) fn forget_errors(&self, most: i64) -> rusqlite::Result<usize> {
        let forgotten = self.prepare(FORGET)?.execute([time::before(self.now, ErrorGroup::KEPT), most])?;
        self.forget_notes()?;
        Ok(forgotten)
    }
}

/// Returns when the next group expires.
pub(crate) fn next_expiry(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let oldest = connection.prepare_cached(OLDEST)?.query_row([], |row| row.get(0)).optional()?;
    Ok(oldest.map(|last_at| time::after(last_at, ErrorGroup::KEPT)))
}

/// The group with that fingerprint.
pub(crate) fn get(connection: &Connection, fingerprint: Fingerprint) -> rusqlite::Result<Option<ErrorGroup>> {
    connection.prepare_cached(ONE)?.query_row([number(fingerprint)], group).optional()
}

/// A page of groups; `None` if the cursor is not from this store.
pub(crate) fn list(connection: &Connection, query: &ErrorQuery) -> rusqlite::Result<Option<ErrorPage>> {
    let mut after = (i64::MAX, i64::MAX);
    if let Some(cursor) = &query.cursor {
        let Some(parsed) = parse(cursor) else { return Ok(None) };
        after = parsed;
    }
    let since = query.since.map_or(i64::MIN, time::nearest);
    let limit = page_length(query.limit);
    let mut statement = connection.prepare_cached(LATEST)?;
    let mut rows = statement.query([since, after.0])?;
    let mut page = ErrorPage::default();
    let mut last = after;
    while let Some(row) = rows.next()? {
        let place: (i64, i64) = (row.get(6)?, row.get(0)?);
        let group = group(row)?;
        let fits = query.job.as_ref().is_none_or(|job| *job == group.job)
            && query.queue.as_ref().is_none_or(|queue| *queue == group.queue);
        if place >= after || !fits {
            continue;
        }
        if page.groups.len() == limit {
            page.next = Some(format!("{}.{}", last.0, of(last.1)));
            break;
        }
        page.groups.push(group);
        last = place;
    }
    Ok(Some(page))
}

/// The place that a cursor names: a moment, and the number of a fingerprint.
fn parse(cursor: &str) -> Option<(i64, i64)> {
    let (last_at, fingerprint) = cursor.split_once('.')?;
    Some((last_at.parse().ok()?, number(fingerprint.parse().ok()?)))
}

fn group(row: &Row<'_>) -> rusqlite::Result<ErrorGroup> {
    let id = JobId::new(row.get::<_, String>(9)?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(9, rusqlite::types::Type::Text, Box::new(error)))?;
    let count = |column| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
    let mut group = ErrorGroup::of(Failure {
        fingerprint: of(row.get(0)?),
        queue: row.get(1)?,
        job: row.get(2)?,
        outcome: attempts::of(row.get(3)?),
        title: row.get(4)?,
        at: time::moment(row.get(5)?),
        sample: ErrorSample { id, message: row.get(10)? },
    });
    group.last_seen = time::moment(row.get(6)?);
    group.failures = count(7)?;
    group.jobs = Some(count(8)?);
    group.note = error_notes::read(row.get(11)?);
    Ok(group)
}

#[cfg(test)]
mod tests {
    use lamplighter::{ListQuery, RawValue, Timestamp, Tracking, env::Env};

    use super::*;
    use crate::{
        backend::SqliteBackend,
        operations::{clock, retention},
    };

    /// A file in memory with jobs of these ids.
    async fn with_jobs(ids: &[&str]) -> SqliteBackend {
        let embedded = SqliteBackend::memory(Env::seeded("2026-11-26T00:00:00Z".parse().unwrap(), 1)).unwrap();
        for id in ids {
            let args = RawValue::from_string("{}".into()).unwrap();
            embedded.client().enqueue_raw("act", "work", Tracking::Full, args).id(id).await.unwrap();
        }
        embedded
    }

    /// Adds failed attempts of a job, which ended at these seconds, in one transaction.
    async fn fail(embedded: &SqliteBackend, id: &'static str, failures: Vec<(i64, String)>) {
        let fail = move |tx: &mut Transaction<'_>| {
            let row = tx.row_of(id)?.unwrap();
            for (second, text) in &failures {
                let (at, error) = (second * 1_000_000_000, ErrorText::new(&**text));
                let fingerprint = tx.fails(&row, (AttemptOutcome::Error, at), &error)?;
                tx.add_attempt(
                    row.seq,
                    &attempts::AttemptRow {
                        number: 1,
                        started_at: at,
                        ended_at: at,
                        host: 1,
                        outcome: AttemptOutcome::Error,
                        error: None,
                        fingerprint: Some(fingerprint),
                    },
                )?;
            }
            Ok(())
        };
        embedded.0.writer.run(1, fail).await.unwrap();
    }

    async fn all(embedded: &SqliteBackend, limit: usize) -> Vec<ErrorGroup> {
        let (mut query, mut groups) = (ErrorQuery { limit, ..ErrorQuery::default() }, Vec::new());
        loop {
            let page = embedded.client().error_groups(&query).await.unwrap();
            assert!(page.groups.len() <= limit);
            groups.extend(page.groups);
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => return groups,
            }
        }
    }

    /// A word for a number.
    fn word(n: i64) -> String {
        n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect()
    }

    #[tokio::test]
    async fn failures_of_one_transaction_are_counted_together_with_their_jobs() {
        let embedded = with_jobs(&["a", "b"]).await;
        fail(&embedded, "a", vec![(7, "no 1".into()), (5, "no 2".into()), (9, "never".into())]).await;
        fail(&embedded, "b", vec![(8, "no 3".into())]).await;
        fail(&embedded, "a", vec![(6, "no 4".into())]).await;
        let groups = all(&embedded, 1).await;
        let told: Vec<_> = groups
            .iter()
            .map(|group| {
                let (first, last) = (group.first_seen.as_second(), group.last_seen.as_second());
                (&*group.title, group.failures, group.jobs, first, last, group.sample.id.as_str())
            })
            .collect();
        assert_eq!(told, [("never", 1, Some(1), 9, 9, "a"), ("no <n>", 4, Some(2), 5, 8, "a")]);
    }

    #[tokio::test]
    async fn errors_of_which_no_two_are_alike_are_bounded() {
        let embedded = with_jobs(&["a"]).await;
        for lot in 0..5 {
            fail(&embedded, "a", (0..1000).map(|n| (lot * 1000 + n, word(lot * 1000 + n))).collect()).await;
        }
        let groups = all(&embedded, 700).await;
        assert_eq!(groups.len(), usize::try_from(MOST).unwrap());
        let newest: Vec<_> = (0..5000).rev().take(groups.len()).map(word).collect();
        assert!(groups.iter().map(|group| &*group.title).eq(newest.iter().map(String::as_str)));
    }

    #[tokio::test]
    async fn groups_without_a_failure_for_long_are_purged() {
        let embedded = with_jobs(&["a"]).await;
        let now = embedded.env().now().as_second();
        let kept = i64::try_from(ErrorGroup::KEPT.as_secs()).unwrap();
        fail(&embedded, "a", vec![(now - kept, "old".into()), (now - kept + 60, "young".into())]).await;
        let next = embedded.0.readers.read(retention::next).await.unwrap().map(time::moment);
        assert_eq!(next, Some(Timestamp::from_second(now).unwrap()));
        embedded.0.writer.run(1, |tx| retention::purge(tx, 10)).await.unwrap();
        let left: Vec<_> = all(&embedded, 10).await.into_iter().map(|group| group.title).collect();
        assert_eq!(left, ["young"]);
    }

    #[tokio::test]
    async fn groups_of_a_clock_that_was_ahead_are_corrected_with_it() {
        let embedded = with_jobs(&["a"]).await;
        let now = embedded.env().now().as_second();
        fail(&embedded, "a", vec![(now - 60, "no".into()), (now + 940, "no".into()), (now + 950, "never".into())])
            .await;
        embedded.0.writer.run(1, |tx| clock::set_right(tx, tx.now + 1000 * 1_000_000_000)).await.unwrap();
        let groups = all(&embedded, 10).await;
        let told: Vec<_> = groups
            .iter()
            .map(|group| (&*group.title, group.first_seen.as_second() - now, group.last_seen.as_second() - now))
            .collect();
        assert_eq!(told, [("never", -50, -50), ("no", -60, -60)]);
    }

    #[tokio::test]
    async fn jobs_are_found_by_their_last_error_in_bounded_steps() {
        let embedded = with_jobs(&["a", "b", "c"]).await;
        fail(&embedded, "a", vec![(1, "no 1".into())]).await;
        fail(&embedded, "b", vec![(2, "no 2".into()), (3, "never".into())]).await;
        fail(&embedded, "c", vec![(4, "never".into()), (5, "no 3".into()), (6, "no 4".into())]).await;
        let group = all(&embedded, 10).await.into_iter().find(|group| group.title == "no <n>").unwrap();
        let query = ListQuery { error: Some(group.fingerprint), limit: 1, ..ListQuery::default() };
        let (mut query, mut found) = (query, Vec::new());
        loop {
            let page = embedded.client().list(&query).await.unwrap();
            found.extend(page.records.iter().map(|record| record.id.to_string()));
            match page.next {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(found, ["c", "a"], "the last attempt of b has failed otherwise");
    }

    #[tokio::test]
    async fn a_foreign_cursor_is_refused() {
        let embedded = with_jobs(&[]).await;
        for cursor in ["", "5", "5.x", "x.0000000000000001"] {
            let query = ErrorQuery { cursor: Some(cursor.into()), ..ErrorQuery::default() };
            assert!(embedded.client().error_groups(&query).await.is_err(), "{cursor:?}");
        }
    }
}
