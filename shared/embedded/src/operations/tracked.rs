//! What operators do: the audit trail.

use lamplighter::operation::{Created, Operation, OperationPage, OperationQuery};
use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::list::page_length;
use crate::{db::transaction::Transaction, time};

const NEW: &str = "INSERT INTO operations (id, created_at, ended, version, body) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO NOTHING";
const ONE: &str = "SELECT body FROM operations WHERE id = ?1";
/// What has ended is never written again.
const SAVE: &str =
    "UPDATE operations SET ended = ?3, version = ?4, body = ?5 WHERE id = ?1 AND version = ?2 AND ended = 0";
const LATEST: &str = "SELECT body FROM operations WHERE (created_at, id) < (?1, ?2) AND created_at > ?3 \
    ORDER BY created_at DESC, id DESC LIMIT ?4";
const OPEN: &str = "SELECT body FROM operations WHERE ended = 0 ORDER BY created_at LIMIT ?1";
const FORGET: &str = "DELETE FROM operations WHERE id IN \
    (SELECT id FROM operations WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)";
const OLDEST: &str = "SELECT created_at FROM operations ORDER BY created_at LIMIT 1";

fn to_json(operation: &Operation) -> rusqlite::Result<String> {
    serde_json::to_string(operation).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn operation(row: &Row<'_>) -> rusqlite::Result<Operation> {
    let body: String = row.get(0)?;
    serde_json::from_str(&body)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// Writes a new operation, unless there is one of its id.
pub(crate) fn create(tx: &mut Transaction<'_>, new: &Operation) -> rusqlite::Result<Created> {
    let (id, created_at, ended) = (new.id.as_str(), time::nearest(new.created_at), new.state.is_final());
    let body = to_json(new)?;
    match tx.prepare(NEW)?.execute(params![id, created_at, ended, number(new.version), body])? {
        0 => tx.prepare(ONE)?.query_row([id], operation).map(|found| Created::Existing(Box::new(found))),
        _ => Ok(Created::New),
    }
}

/// One operation.
pub(crate) fn get(connection: &Connection, id: &str) -> rusqlite::Result<Option<Operation>> {
    connection.prepare_cached(ONE)?.query_row([id], operation).optional()
}

/// Replaces an operation that was read at its version, and returns whether it did.
pub(crate) fn save(tx: &mut Transaction<'_>, changed: &Operation) -> rusqlite::Result<bool> {
    let mut saved = changed.clone();
    saved.version += 1;
    let (id, body) = (saved.id.as_str(), to_json(&saved)?);
    let (was, next, ended) = (number(changed.version), number(saved.version), saved.state.is_final());
    if tx.prepare(SAVE)?.execute(params![id, was, ended, next, body])? == 1 {
        return Ok(true);
    }
    // The same save, whose answer was lost.
    let found: Option<String> = tx.prepare(ONE)?.query_row([id], |row| row.get(0)).optional()?;
    Ok(found.is_some_and(|found| found == body))
}

/// A page of operations, the latest first; `None` if the cursor is not from this store.
pub(crate) fn list(
    connection: &Connection,
    query: &OperationQuery,
    now: i64,
) -> rusqlite::Result<Option<OperationPage>> {
    let (mut before, mut id) = (i64::MAX, String::new());
    if let Some(cursor) = &query.cursor {
        let parsed = cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
        let Some(parsed) = parsed else { return Ok(None) };
        (before, id) = parsed;
    }
    let limit = page_length(query.limit);
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut operations: Vec<Operation> = connection
        .prepare_cached(LATEST)?
        .query_map(params![before, id, time::before(now, Operation::KEPT), most], operation)?
        .collect::<rusqlite::Result<_>>()?;
    let is_more = operations.len() > limit;
    operations.truncate(limit);
    let last = operations.last().filter(|_| is_more);
    let next = last.map(|last| format!("{}.{}", time::nearest(last.created_at), last.id));
    Ok(Some(OperationPage::new(operations, next)))
}

/// Those that have not ended, the oldest first.
pub(crate) fn open(connection: &Connection) -> rusqlite::Result<Vec<Operation>> {
    let most = i64::try_from(OperationQuery::MOST_OPEN).unwrap_or(i64::MAX);
    connection.prepare_cached(OPEN)?.query_map([most], operation)?.collect()
}

impl Transaction<'_> {
    /// Deletes at most `most` operations that have expired.
    pub(crate) fn forget_operations(&self, most: i64) -> rusqlite::Result<usize> {
        self.prepare(FORGET)?.execute([time::before(self.now, Operation::KEPT), most])
    }
}

/// Returns when the next operation expires.
pub(crate) fn next_expiry(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let oldest = connection.prepare_cached(OLDEST)?.query_row([], |row| row.get(0)).optional()?;
    Ok(oldest.map(|created_at| time::after(created_at, Operation::KEPT)))
}

#[cfg(test)]
mod tests {
    use lamplighter::{
        JobId, Timestamp,
        env::Env,
        operation::{Action, Target},
    };

    use super::*;
    use crate::{backend::SqliteBackend, operations::retention};

    #[tokio::test]
    async fn operations_are_purged_after_a_year() {
        let now: Timestamp = "2026-11-28T00:00:00Z".parse().unwrap();
        let embedded = SqliteBackend::memory(Env::seeded(now, 1)).unwrap();
        let year = i64::try_from(Operation::KEPT.as_secs()).unwrap();
        for (name, second) in [("old", now.as_second() - year), ("young", now.as_second() - year + 60)] {
            let at = Timestamp::from_second(second).unwrap();
            let (id, target) = (JobId::new(format!("op-{name}")).unwrap(), Target::Queue { queue: "work".into() });
            let new = Operation::new(id, Action::PauseQueue, target, "ada", at);
            embedded.0.writer.run(1, move |tx| create(tx, &new)).await.unwrap();
        }
        let next = embedded.0.readers.read(retention::next).await.unwrap().map(time::moment);
        assert_eq!(next, Some(now));
        assert_eq!(embedded.0.writer.run(1, |tx| retention::purge(tx, 10)).await.unwrap(), 1);
        let left = embedded.0.readers.read(open).await.unwrap();
        assert_eq!(left.iter().map(|operation| operation.id.as_str()).collect::<Vec<_>>(), ["op-young"]);
    }
}
