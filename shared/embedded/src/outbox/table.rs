//! The statements over an outbox's table. It is in a database of others: what stands in it is not trusted.

use lamplighter::{JobId, Timestamp, outbox::OutboxEntry};
use rusqlite::{Connection, TransactionBehavior, params, types::ValueRef};

use super::{FailedEntry, MAX_ENTRY_BYTES, OutboxStatus};

/// Rows of a portion, and the bytes after which it ends.
const PORTION: usize = 500;
const PORTION_BYTES: usize = 4 << 20;
/// The longest error that is stored, in bytes.
const MAX_ERROR: usize = 2048;

const IS_THERE: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'lamplighter_outbox')";
/// An entry that is too large is not read.
const READ: &str = "SELECT seq, id, iif(octet_length(entry) <= ?2, entry, NULL), octet_length(entry) \
    FROM lamplighter_outbox WHERE error IS NULL AND seq > ?1 ORDER BY seq";
const DELETE: &str = "DELETE FROM lamplighter_outbox WHERE seq = ?1 AND id IS ?2 AND error IS NULL";
const MARK: &str =
    "UPDATE lamplighter_outbox SET error = ?3, failed_at = ?4 WHERE seq = ?1 AND id IS ?2 AND error IS NULL";
const STATUS: &str = "SELECT (SELECT count(*) FROM lamplighter_outbox WHERE error IS NULL), \
    (SELECT created_at FROM lamplighter_outbox WHERE error IS NULL ORDER BY seq LIMIT 1), \
    (SELECT count(*) FROM lamplighter_outbox WHERE error IS NOT NULL)";
const FAILED: &str = "SELECT seq, id, error, failed_at, iif(octet_length(entry) <= ?3, entry, NULL) FROM lamplighter_outbox \
    WHERE error IS NOT NULL AND seq > ?1 ORDER BY seq LIMIT ?2";
const RETRY: &str = "UPDATE lamplighter_outbox SET error = NULL, failed_at = NULL WHERE error IS NOT NULL AND seq = ?1";
const RETRY_ALL: &str = "UPDATE lamplighter_outbox SET error = NULL, failed_at = NULL WHERE error IS NOT NULL";
const FORGET: &str = "DELETE FROM lamplighter_outbox WHERE error IS NOT NULL AND seq = ?1";

/// A row to be enqueued.
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) id: RowId,
    /// Its entry, or why that cannot be read.
    pub(super) entry: Result<OutboxEntry, String>,
}

/// The id as it stands in the row, whatever it is.
pub(super) type RowId = rusqlite::types::Value;

/// The end of a row: enqueued, or with an error.
pub(super) struct Settled {
    pub(super) seq: i64,
    pub(super) id: RowId,
    pub(super) error: Option<String>,
}

type Answer<T> = rusqlite::Result<Option<T>>;

/// Runs `work` if the table is there.
fn there<T>(connection: &mut Connection, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Answer<T> {
    let is_there: bool = connection.prepare_cached(IS_THERE)?.query_row([], |row| row.get(0))?;
    is_there.then(|| work(connection)).transpose()
}

/// The next rows after a number, as many as fit into a portion.
pub(super) fn read(connection: &mut Connection, after: i64) -> Answer<Vec<Row>> {
    there(connection, |connection| {
        let mut statement = connection.prepare_cached(READ)?;
        let mut found = statement.query(params![after, MAX_ENTRY_BYTES as i64])?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while let Some(row) = found.next()? {
            let seq = row.get(0)?;
            let id: RowId = row.get(1)?;
            let entry = match row.get_ref(2)? {
                ValueRef::Text(text) => {
                    bytes += text.len();
                    parse(&id, text)
                }
                ValueRef::Null if row.get::<_, Option<i64>>(3)?.is_some() => {
                    Err(format!("its entry is larger than {MAX_ENTRY_BYTES} bytes"))
                }
                _ => Err("its entry is not a text".into()),
            };
            rows.push(Row { seq, id, entry });
            if rows.len() == PORTION || bytes >= PORTION_BYTES {
                break;
            }
        }
        Ok(rows)
    })
}

fn parse(id: &RowId, text: &[u8]) -> Result<OutboxEntry, String> {
    let RowId::Text(id) = id else { return Err("its id is not a text".into()) };
    let id = JobId::new(id).map_err(|_| "its id is not 1 to 128 characters of A-Z a-z 0-9 . _ : @ -".to_owned())?;
    let text = std::str::from_utf8(text).map_err(|_| "its entry is not valid UTF-8".to_owned())?;
    let entry: OutboxEntry = text.parse().map_err(|error: lamplighter::outbox::InvalidEntry| error.to_string())?;
    entry.with_id(id).map_err(|error| error.to_string())
}

/// Deletes what was enqueued, and marks what cannot be, in one transaction.
pub(super) fn settle(connection: &mut Connection, settled: &[Settled], now: Timestamp) -> Answer<()> {
    there(connection, |connection| {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let (mut delete, mut mark) = (tx.prepare_cached(DELETE)?, tx.prepare_cached(MARK)?);
            for Settled { seq, id, error } in settled {
                match error {
                    None => delete.execute(params![seq, id])?,
                    Some(error) => mark.execute(params![seq, id, shortened(error), now.to_string()])?,
                };
            }
        }
        tx.commit()
    })
}

fn shortened(error: &str) -> &str {
    let mut end = error.len().min(MAX_ERROR);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    &error[..end]
}

pub(super) fn status(connection: &mut Connection) -> Answer<OutboxStatus> {
    there(connection, |connection| {
        connection.prepare_cached(STATUS)?.query_row([], |row| {
            let (waiting, failed): (i64, i64) = (row.get(0)?, row.get(2)?);
            let oldest = moment(row.get_ref(1)?);
            Ok(OutboxStatus { waiting: waiting.unsigned_abs(), oldest, failed: failed.unsigned_abs() })
        })
    })
}

fn moment(value: ValueRef<'_>) -> Option<Timestamp> {
    value.as_str().ok().and_then(|text| text.parse().ok())
}

pub(super) fn failed(connection: &mut Connection, after: i64, limit: usize) -> Answer<Vec<FailedEntry>> {
    there(connection, |connection| {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut statement = connection.prepare_cached(FAILED)?;
        let rows = statement.query_map(params![after, limit, MAX_ENTRY_BYTES as i64], |row| {
            let lossy = |value: ValueRef<'_>| match value {
                ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
                ValueRef::Integer(number) => number.to_string(),
                ValueRef::Real(number) => number.to_string(),
                ValueRef::Null => String::new(),
            };
            let entry = row.get_ref(4)?.as_str().ok().and_then(|text| text.parse::<OutboxEntry>().ok());
            Ok(FailedEntry {
                seq: row.get(0)?,
                id: lossy(row.get_ref(1)?),
                job: entry.map(|entry| entry.job_name().to_owned()),
                error: lossy(row.get_ref(2)?),
                failed_at: moment(row.get_ref(3)?),
            })
        })?;
        rows.collect()
    })
}

pub(super) fn retry(connection: &mut Connection, seq: Option<i64>) -> Answer<u64> {
    there(connection, |connection| {
        let changed = match seq {
            Some(seq) => connection.execute(RETRY, [seq])?,
            None => connection.execute(RETRY_ALL, [])?,
        };
        Ok(changed as u64)
    })
}

pub(super) fn forget(connection: &mut Connection, seq: i64) -> Answer<bool> {
    there(connection, |connection| Ok(connection.execute(FORGET, [seq])? > 0))
}
