//! Deleting the records of ended jobs.

use lamplighter::JobState;

use super::retention::OF_JOB;
use crate::{
    db::{catalog::block_of, transaction::Transaction},
    state,
};

/// What came of a deletion.
pub(crate) enum Deleted {
    /// There is no such job.
    Unknown,
    /// The job was in this state: if it had ended, its record is gone.
    Was(JobState),
    /// It is a batch, and stays.
    Batch,
}

/// Deletes the record of an ended job. Its dead letters stay, as does a unique key that it holds for a time: whether any other
/// key is free follows from there being no such job.
pub(crate) fn delete(tx: &mut Transaction<'_>, id: &str) -> rusqlite::Result<Deleted> {
    let Some(row) = tx.row_of(id)? else { return Ok(Deleted::Unknown) };
    // A message without a record.
    let Some(was) = state::of(row.state) else { return Ok(Deleted::Unknown) };
    if tx.is_batch(row.seq)? {
        return Ok(Deleted::Batch);
    }
    if was.is_final() {
        for sql in OF_JOB {
            tx.prepare(sql)?.execute([row.seq])?;
        }
        tx.leaves(row.kind, row.state);
        tx.remove_from_block(row.kind, block_of(row.seq))?;
        tx.effects.job(id);
    }
    Ok(Deleted::Was(was))
}
