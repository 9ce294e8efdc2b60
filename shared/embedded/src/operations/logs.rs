//! What jobs write down while they run.

use lamplighter::record::{LogLevel, LogLine};
use rusqlite::{Connection, ToSql, params};

use crate::{db::transaction::Transaction, state, time};

const NEXT: &str = "SELECT coalesce(max(place), 0) + 1 FROM logs WHERE seq = ?1";
const ADD: &str = "INSERT INTO logs (seq, place, at, attempt, level, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const OF_OPERATORS: &str = "SELECT count(*), max(instr(text, ?2) > 0) FROM logs WHERE seq = ?1 AND attempt = 0";
const OF_JOB: &str = "SELECT at, attempt, level, text FROM logs WHERE seq = (SELECT seq FROM jobs WHERE id = ?1 AND state != 0) ORDER BY place";

const fn code(level: LogLevel) -> i64 {
    match level {
        LogLevel::Debug => 1,
        LogLevel::Info => 2,
        LogLevel::Warn => 3,
        LogLevel::Error => 4,
    }
}

const fn level(code: i64) -> LogLevel {
    match code {
        1 => LogLevel::Debug,
        2 => LogLevel::Info,
        3 => LogLevel::Warn,
        _ => LogLevel::Error,
    }
}

impl Transaction<'_> {
    /// Adds lines to a job's log.
    pub(crate) fn put_log(&self, seq: i64, lines: &[LogLine]) -> rusqlite::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let next: i64 = self.prepare(NEXT)?.query_row([seq], |row| row.get(0))?;
        let mut add = self.prepare(ADD)?;
        for (place, line) in (next..).zip(lines) {
            add.execute(params![seq, place, time::nearest(line.at), line.attempt, code(line.level), line.text])?;
        }
        Ok(())
    }
}

/// Adds a line about an operation, unless there is one. The line names the operation.
pub(crate) fn of_operation(
    tx: &mut Transaction<'_>,
    id: &str,
    operation: &str,
    line: &LogLine,
) -> rusqlite::Result<()> {
    let Some(row) = tx.row_of(id)?.filter(|row| row.state != state::UNTRACKED) else { return Ok(()) };
    let (count, has_it): (usize, bool) =
        tx.prepare(OF_OPERATORS)?.query_row([&row.seq as &dyn ToSql, &operation], |row| {
            Ok((row.get::<_, u32>(0)? as usize, row.get::<_, Option<bool>>(1)?.unwrap_or_default()))
        })?;
    if has_it || count >= LogLine::MAX_OF_OPERATORS {
        return Ok(());
    }
    tx.effects.job(id);
    tx.put_log(row.seq, std::slice::from_ref(line))
}

/// Returns the lines of a job, oldest first: a settlement may have come before the lines of an earlier write.
pub(crate) fn of_job(connection: &Connection, id: &str) -> rusqlite::Result<Vec<LogLine>> {
    let mut lines: Vec<LogLine> = connection
        .prepare_cached(OF_JOB)?
        .query_map([id], |row| {
            let text: String = row.get(3)?;
            Ok(LogLine::new(time::moment(row.get(0)?), row.get(1)?, level(row.get(2)?), text))
        })?
        .collect::<rusqlite::Result<_>>()?;
    lines.sort_by_key(|line| line.at);
    Ok(lines)
}
