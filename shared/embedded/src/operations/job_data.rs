//! Output, progress, checkpoints, and cancellation reasons.

use lamplighter::{
    RawValue,
    backend::{JobData, LeaseStatus, Token},
    record::Progress,
};
use rusqlite::{OptionalExtension, params};

use crate::{db::transaction::Transaction, state};

/// The cancellation reason of a job that expired before it began.
pub(crate) const EXPIRED: &str = "it had expired before it began";

const PUT_OUTPUT: &str =
    "INSERT INTO notes (seq, output) VALUES (?1, ?2) ON CONFLICT (seq) DO UPDATE SET output = excluded.output";
const PUT_REASON: &str =
    "INSERT INTO notes (seq, reason) VALUES (?1, ?2) ON CONFLICT (seq) DO UPDATE SET reason = excluded.reason";
const PUT_PROGRESS: &str = "INSERT INTO notes (seq, done, total) VALUES (?1, ?2, ?3) \
    ON CONFLICT (seq) DO UPDATE SET done = excluded.done, total = excluded.total";
const PUT_CHECKPOINT: &str = "INSERT INTO notes (seq, checkpoint) VALUES (?1, ?2) ON CONFLICT (seq) DO UPDATE SET checkpoint = excluded.checkpoint";

impl Transaction<'_> {
    pub(crate) fn put_output(&self, seq: i64, output: &RawValue) -> rusqlite::Result<()> {
        self.prepare(PUT_OUTPUT)?.execute(params![seq, output.get()])?;
        Ok(())
    }

    /// Stores why a job was cancelled.
    pub(crate) fn put_reason(&self, seq: i64, reason: &str) -> rusqlite::Result<()> {
        self.prepare(PUT_REASON)?.execute(params![seq, reason])?;
        Ok(())
    }

    pub(crate) fn put_progress(&self, seq: i64, progress: Progress) -> rusqlite::Result<()> {
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.prepare(PUT_PROGRESS)?.execute(params![seq, number(progress.done), number(progress.total)])?;
        Ok(())
    }

    /// Stores the checkpoint for the next attempt.
    pub(crate) fn put_checkpoint(&self, seq: i64, checkpoint: &RawValue) -> rusqlite::Result<()> {
        self.prepare(PUT_CHECKPOINT)?.execute(params![seq, checkpoint.get()])?;
        self.prepare("UPDATE jobs SET noted = 1 WHERE seq = ?1")?.execute([seq])?;
        Ok(())
    }

    /// The checkpoint of an earlier attempt.
    pub(crate) fn checkpoint(&self, seq: i64) -> rusqlite::Result<Option<Box<RawValue>>> {
        let text: Option<String> = self
            .prepare("SELECT checkpoint FROM notes WHERE seq = ?1")?
            .query_row([seq], |row| row.get(0))
            .optional()?
            .flatten();
        Ok(text.and_then(|text| RawValue::from_string(text).ok()))
    }
}

/// Stores data of a running attempt, if it still holds the lease.
pub(crate) fn save_job_data(
    tx: &mut Transaction<'_>,
    id: &str,
    token: Token,
    data: &JobData,
) -> rusqlite::Result<LeaseStatus> {
    let Some(row) = tx.row_of(id)?.filter(|row| row.state != state::UNTRACKED) else { return Ok(LeaseStatus::Lost) };
    tx.put_log(row.seq, &data.log)?;
    if !row.is_held_by(token.attempt, token.owner.cast_signed()) {
        return Ok(LeaseStatus::Lost);
    }
    if let Some(progress) = data.progress {
        tx.put_progress(row.seq, progress)?;
    }
    if let Some(checkpoint) = &data.checkpoint {
        tx.put_checkpoint(row.seq, checkpoint)?;
    }
    tx.effects.job(id);
    Ok(LeaseStatus::Held)
}
