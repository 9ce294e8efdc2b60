//! Reading records.

use std::sync::Arc;

use lamplighter::{
    JobId, JobState, RawValue, Record,
    message::Message,
    record::{Attempt, ErrorText, Progress},
};
use rusqlite::{Connection, OptionalExtension, Row};

use super::attempts;
use crate::{state, time};

macro_rules! record {
    ($condition:literal) => {
        concat!(
            "SELECT jobs.seq, jobs.id, queues.name, kinds.job, state, created_at, due_at, attempt, since, lease_until, \
             noted, bodies.body, output, done, total, checkpoint, reason \
             FROM jobs JOIN queues ON queues.id = jobs.queue JOIN kinds ON kinds.id = jobs.kind \
             JOIN bodies ON bodies.seq = jobs.seq LEFT JOIN notes ON notes.seq = jobs.seq \
             WHERE state != 0 AND ",
            $condition
        )
    };
}

pub(crate) const BY_ID: &str = record!("jobs.id = ?1");
pub(crate) const BY_SEQ: &str = record!("jobs.seq = ?1");

pub(crate) const ATTEMPTS: &str = "SELECT number, started_at, ended_at, hosts.name, outcome, error \
    FROM attempts JOIN hosts ON hosts.id = attempts.host WHERE seq = ?1 ORDER BY place";

/// The record of that id.
pub(crate) fn by_id(connection: &Connection, id: &str) -> rusqlite::Result<Option<Record>> {
    let found = connection.prepare_cached(BY_ID)?.query_row([id], |row| Ok((row.get(0)?, record(row)?))).optional()?;
    found.map(|(seq, record)| with_attempts(connection, seq, record)).transpose()
}

/// The record in that row.
pub(crate) fn by_seq(connection: &Connection, seq: i64) -> rusqlite::Result<Option<Record>> {
    let found = connection.prepare_cached(BY_SEQ)?.query_row([seq], record).optional()?;
    found.map(|record| with_attempts(connection, seq, record)).transpose()
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let state = state::of(row.get(4)?).unwrap_or(JobState::Queued);
    let since = time::moment(row.get(8)?);
    let running = state == JobState::Running;
    let noted: bool = row.get(10)?;
    let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
    let progress = match (row.get::<_, Option<i64>>(13)?, row.get::<_, Option<i64>>(14)?) {
        (Some(done), Some(total)) => Some(Progress { done: done.unsigned_abs(), total: total.unsigned_abs() }),
        _ => None,
    };
    Ok(Record {
        id: id(&row.get::<_, String>(1)?, 1)?,
        queue: row.get(2)?,
        state,
        message: Arc::new(message(&row.get::<_, String>(11)?, &row.get::<_, String>(3)?)?),
        created_at: time::moment(row.get(5)?),
        due_at: time::moment(row.get(6)?),
        attempt: row.get(7)?,
        started_at: running.then_some(since),
        lease_until: if running { Some(time::moment(row.get(9)?)) } else { None },
        finished_at: state.is_final().then_some(since),
        reason: row.get(16)?,
        output: raw(row.get(12)?),
        progress,
        checkpoint: if noted { raw(row.get(15)?) } else { None },
        attempts: Vec::new(),
    })
}

fn id(text: &str, column: usize) -> rusqlite::Result<JobId> {
    JobId::new(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn message(body: &str, job: &str) -> rusqlite::Result<Message> {
    // What has a record was parsed when it was enqueued or claimed.
    body.parse()
        .or_else(|_| Message::new(job, RawValue::from_string("{}".into()).unwrap_or_default()))
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(11, rusqlite::types::Type::Text, Box::new(error)))
}

fn with_attempts(connection: &Connection, seq: i64, record: Record) -> rusqlite::Result<Record> {
    let attempts = connection
        .prepare_cached(ATTEMPTS)?
        .query_map([seq], |row| {
            let error: Option<String> = row.get(5)?;
            Ok(Attempt {
                number: row.get(0)?,
                started_at: time::moment(row.get(1)?),
                ended_at: time::moment(row.get(2)?),
                host: row.get(3)?,
                outcome: attempts::of(row.get(4)?),
                error: error.map(|text| serde_json::from_str(&text).unwrap_or_else(|_| ErrorText::new(text))),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(Record { attempts, ..record })
}
