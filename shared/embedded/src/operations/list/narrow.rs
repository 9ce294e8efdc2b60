//! Searches that look at a bounded number of jobs: of an error group, and by the beginning of an id.

use lamplighter::ListQuery;
use rusqlite::{Connection, OptionalExtension};

use super::{FEW, Search, Seen, seen};

const BY_ERROR: &str = "SELECT DISTINCT seq FROM attempts INDEXED BY attempts_failed \
    WHERE fingerprint = ?1 AND seq >= ?2 AND seq < ?3 ORDER BY seq DESC";
const LAST_ERROR: &str = "SELECT fingerprint FROM attempts WHERE seq = ?1 ORDER BY place DESC LIMIT 1";
/// Not a job whose latest attempt [stays in its row](crate::operations::attempts), which has succeeded.
const SEEN: &str = "SELECT seq, created_at, kind, state, id FROM jobs WHERE seq = ?1 AND state != 0 \
    AND NOT (state = 2 AND lease_until < 0)";
pub(super) const BY_ID: &str = "SELECT seq, created_at, kind, state, id FROM jobs INDEXED BY jobs_id \
    WHERE id >= ?1 AND id < ?2";
pub(super) const NEWEST_ROWS: &str =
    "SELECT seq, created_at, kind, state, id FROM jobs WHERE seq >= ?1 AND seq < ?2 ORDER BY seq DESC";

/// The rows of a page, and the row behind which the next one begins.
type Found = (Vec<i64>, Option<i64>);

impl Search {
    /// The jobs whose latest attempt has failed with this fingerprint.
    pub(super) fn by_error(
        &self,
        connection: &Connection,
        fingerprint: i64,
        query: &ListQuery,
    ) -> rusqlite::Result<Found> {
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
            if let Some((row, id)) = job.query_row([seq], seen_with_id).optional()?
                && self.takes(row)
                && self.takes_id(row, &id, query)
            {
                found.push(seq);
            }
        }
        Ok((found, None))
    }

    /// The jobs whose id begins as it must, and those of a name where that would do.
    pub(super) fn by_id(&self, connection: &Connection, query: &ListQuery) -> rusqlite::Result<Found> {
        let Some(start) = query.id_prefix.as_ref().or(query.text.as_ref()) else { return Ok((Vec::new(), None)) };
        let mut statement = connection.prepare_cached(BY_ID)?;
        // Ids are ASCII, and this character is in none.
        let mut rows = statement.query([start, &format!("{start}\u{7f}")])?;
        let (mut found, mut looked_at) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            if looked_at == FEW {
                return self.among_newest(connection, query);
            }
            looked_at += 1;
            let (row, id) = seen_with_id(row)?;
            if self.takes(row) && self.takes_id(row, &id, query) {
                found.push(row.0);
            }
        }
        if query.id_prefix.is_none()
            && let Some(of_name) = Self::of(connection, query, Some(start))?
        {
            found.extend(of_name.run(connection)?);
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup();
        found.truncate(self.limit + 1);
        Ok(self.cut(found))
    }

    /// The same where very many ids begin so: among the newest rows.
    fn among_newest(&self, connection: &Connection, query: &ListQuery) -> rusqlite::Result<Found> {
        let mut statement = connection.prepare_cached(NEWEST_ROWS)?;
        let mut rows = statement.query([self.from, self.below])?;
        let (mut found, mut looked_at, mut before) = (Vec::new(), 0, None);
        while let Some(row) = rows.next()? {
            if found.len() == self.limit || looked_at == FEW {
                return Ok((found, before));
            }
            let (row, id) = seen_with_id(row)?;
            (looked_at, before) = (looked_at + 1, Some(row.0));
            if self.takes(row) && self.takes_id(row, &id, query) {
                found.push(row.0);
            }
        }
        Ok((found, None))
    }

    fn takes_id(&self, (_, _, kind, _): Seen, id: &str, query: &ListQuery) -> bool {
        self.queue_job(kind).is_some_and(|known| query.takes_id(id, &known.job))
    }
}

fn seen_with_id(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Seen, String)> {
    Ok((seen(row)?, row.get(4)?))
}
