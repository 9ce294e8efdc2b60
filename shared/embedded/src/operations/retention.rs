//! Deleting expired records, dead letters, error groups, operations and roll-ups.

use std::{collections::BTreeSet, time::Duration};

use rusqlite::{Connection, OptionalExtension, params};

use super::{errors, rollups, tracked};
use crate::{
    db::{catalog::block_of, transaction::Transaction},
    time,
};

/// How long dead letters are kept: 14 days, the longest that SQS keeps a message.
pub(crate) const DEAD_LETTERS: Duration = Duration::from_secs(14 * 86_400);

const DUE_RECORDS: &str = "SELECT seq, kind, state, id FROM jobs INDEXED BY jobs_purge \
    WHERE purge_at IS NOT NULL AND purge_at <= ?1 ORDER BY purge_at LIMIT ?2";
/// Deletes what a file has of one job.
pub(crate) const OF_JOB: [&str; 7] = [
    "DELETE FROM jobs WHERE seq = ?1",
    "DELETE FROM bodies WHERE seq = ?1",
    "DELETE FROM notes WHERE seq = ?1",
    "DELETE FROM attempts WHERE seq = ?1",
    "DELETE FROM logs WHERE seq = ?1",
    "DELETE FROM batches WHERE seq = ?1",
    "DELETE FROM members WHERE seq = ?1",
];
const DUE_DEAD_LETTERS: &str = "DELETE FROM dead_letters WHERE seq IN \
    (SELECT seq FROM dead_letters WHERE buried_at <= ?1 ORDER BY buried_at LIMIT ?2)";
const NEXT_RECORD: &str = "SELECT purge_at FROM jobs INDEXED BY jobs_purge \
    WHERE purge_at IS NOT NULL ORDER BY purge_at LIMIT 1";
const NEXT_KEY: &str = "SELECT until FROM unique_keys ORDER BY until LIMIT 1";
const NEXT_DEAD_LETTER: &str = "SELECT buried_at FROM dead_letters ORDER BY buried_at LIMIT 1";

/// Deletes at most `limit` expired records, and as many dead letters, error groups and operations, and an hour of old roll-ups.
/// Returns their number. Deletes nothing right after the clock has jumped forward: it may be wrong, and deleted records cannot be restored when it is
/// corrected.
pub(crate) fn purge(tx: &mut Transaction<'_>, limit: usize) -> rusqlite::Result<usize> {
    if tx.leapt {
        return Ok(0);
    }
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let due: Vec<(i64, i64, i64, String)> = tx
        .prepare(DUE_RECORDS)?
        .query_map(params![tx.now, most], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    let mut statements = OF_JOB.iter().map(|sql| tx.prepare(sql)).collect::<Result<Vec<_>, _>>()?;
    for (seq, kind, code, id) in &due {
        for statement in &mut statements {
            statement.execute([seq])?;
        }
        tx.leaves(*kind, *code);
        tx.effects.job(id);
    }
    drop(statements);
    let blocks: BTreeSet<_> = due.iter().map(|(seq, kind, ..)| (*kind, block_of(*seq))).collect();
    for (kind, block) in blocks {
        tx.remove_from_block(kind, block)?;
    }
    let dead_before = tx.now.saturating_sub_unsigned(u64::try_from(DEAD_LETTERS.as_nanos()).unwrap_or(u64::MAX));
    let dead_letters = tx.prepare(DUE_DEAD_LETTERS)?.execute(params![dead_before, most])?;
    Ok(due.len()
        + dead_letters
        + tx.forget_keys(most)?
        + tx.forget_rates(most)?
        + tx.forget_errors(most)?
        + tx.forget_operations(most)?
        + tx.fold_rollups()?)
}

/// Returns when the next record, unique key, dead letter, error group, operation or roll-up expires.
pub(crate) fn next(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let first = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)).optional();
    let dead_letter = first(NEXT_DEAD_LETTER)?.map(|dead_since| time::after(dead_since, DEAD_LETTERS));
    let group = errors::next_expiry(connection)?;
    let rollup = rollups::next(connection)?;
    let operation = tracked::next_expiry(connection)?;
    Ok(first(NEXT_RECORD)?
        .into_iter()
        .chain(first(NEXT_KEY)?)
        .chain(dead_letter)
        .chain(group)
        .chain(rollup)
        .chain(operation)
        .min())
}
