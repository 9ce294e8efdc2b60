//! Reading records.

use std::sync::Arc;

use lamplighter::{
    JobId, JobState, RawValue, Record,
    message::Message,
    record::{Attempt, AttemptOutcome, ErrorText, Progress},
};
use rusqlite::{Connection, OptionalExtension, Row};

use super::{attempts, errors};
use crate::{state, time};

const SEQ_OF: &str = "SELECT seq FROM jobs WHERE id = ?1";

const BY_SEQ: &str = "SELECT jobs.id, queues.name, kinds.job, state, created_at, due_at, attempt, since, lease_until, noted, \
    bodies.body, output, done, total, checkpoint, reason, \
    (SELECT key FROM limit_waits WHERE limit_waits.seq = jobs.seq) \
    FROM jobs JOIN queues ON queues.id = jobs.queue JOIN kinds ON kinds.id = jobs.kind \
    JOIN bodies ON bodies.seq = jobs.seq LEFT JOIN notes ON notes.seq = jobs.seq WHERE state != 0 AND jobs.seq = ?1";

/// The attempt that stays in the row of a job.
const IN_ROW: &str = "SELECT attempt, lease_until, since, hosts.name, state FROM jobs JOIN hosts ON hosts.id = jobs.host \
    WHERE seq = ?1 AND state = 2 AND lease_until < 0";

const ATTEMPTS: &str = "SELECT number, started_at, ended_at, hosts.name, outcome, error, fingerprint \
    FROM attempts JOIN hosts ON hosts.id = attempts.host WHERE seq = ?1 ORDER BY place";

/// The record with that id.
pub(crate) fn by_id(connection: &Connection, id: &str) -> rusqlite::Result<Option<Record>> {
    let seq = connection.prepare_cached(SEQ_OF)?.query_row([id], |row| row.get(0)).optional()?;
    seq.map_or(Ok(None), |seq| by_seq(connection, seq))
}

/// The record in that row.
pub(crate) fn by_seq(connection: &Connection, seq: i64) -> rusqlite::Result<Option<Record>> {
    let found = connection.prepare_cached(BY_SEQ)?.query_row([seq], record).optional()?;
    found.map(|record| with_attempts(connection, seq, record)).transpose()
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let state = state::of(row.get(3)?).unwrap_or(JobState::Queued);
    let since = time::moment(row.get(7)?);
    let running = state == JobState::Running;
    let noted: bool = row.get(9)?;
    let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
    let progress = match (row.get::<_, Option<i64>>(12)?, row.get::<_, Option<i64>>(13)?) {
        (Some(done), Some(total)) => Some(Progress { done: done.unsigned_abs(), total: total.unsigned_abs() }),
        _ => None,
    };
    let message = Arc::new(message(&row.get::<_, String>(10)?, &row.get::<_, String>(2)?)?);
    let (id, queue) = (id(&row.get::<_, String>(0)?, 0)?, row.get::<_, String>(1)?);
    let mut record = Record::new(id, queue, state, message, time::moment(row.get(4)?));
    record.due_at = time::moment(row.get(5)?);
    record.attempt = row.get(6)?;
    record.started_at = running.then_some(since);
    record.lease_until = if running { Some(time::moment(row.get(8)?)) } else { None };
    record.finished_at = state.is_final().then_some(since);
    record.reason = row.get(15)?;
    record.limit = row.get(16)?;
    record.output = raw(row.get(11)?);
    record.progress = progress;
    record.checkpoint = if noted { raw(row.get(14)?) } else { None };
    Ok(record)
}

fn id(text: &str, column: usize) -> rusqlite::Result<JobId> {
    JobId::new(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn message(body: &str, job: &str) -> rusqlite::Result<Message> {
    // The body of a record was parsed when it was enqueued or claimed.
    body.parse()
        .or_else(|_| Message::new(job, RawValue::from_string("{}".into()).unwrap_or_default()))
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(10, rusqlite::types::Type::Text, Box::new(error)))
}

fn with_attempts(connection: &Connection, seq: i64, mut record: Record) -> rusqlite::Result<Record> {
    let attempts = connection
        .prepare_cached(ATTEMPTS)?
        .query_map([seq], |row| {
            let error: Option<String> = row.get(5)?;
            let ran = (time::moment(row.get(1)?), time::moment(row.get(2)?));
            let attempt = Attempt::new(row.get(0)?, row.get::<_, String>(3)?, ran, attempts::of(row.get(4)?));
            let error = error.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| ErrorText::new(text)));
            let fingerprint = row.get::<_, Option<i64>>(6)?.map(errors::of);
            Ok(attempt.with_error(error).with_fingerprint(fingerprint))
        })?
        .collect::<Result<_, _>>()?;
    record.attempts = attempts;
    if record.state == JobState::Succeeded {
        record.attempts.extend(connection.prepare_cached(IN_ROW)?.query_row([seq], in_row).optional()?.flatten());
    }
    Ok(record)
}

fn in_row(row: &Row<'_>) -> rusqlite::Result<Option<Attempt>> {
    let Some(started_at) = attempts::first_success(row.get(4)?, row.get(1)?) else { return Ok(None) };
    let ran = (time::moment(started_at), time::moment(row.get(2)?));
    Ok(Some(Attempt::new(row.get(0)?, row.get::<_, String>(3)?, ran, AttemptOutcome::Succeeded)))
}
