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

#[cfg(test)]
mod tests {
    use lamplighter::{
        JobId, Timestamp,
        backend::{Claim, ClaimRequest},
        env::Env,
        message::SharedMessage,
        secs,
    };
    use rusqlite::Connection;

    use super::*;
    use crate::{
        backend::SqliteBackend,
        operations::receipt::{self, Receipt},
    };

    #[tokio::test(start_paused = true)]
    async fn a_message_that_was_received_before_the_deletion_runs_nothing() {
        let env = Env::driven(Timestamp::from_second(1_800_000_000).unwrap(), 1);
        let embedded = SqliteBackend::memory(env.clone()).unwrap();
        let body = r#"{"job":"a","id":"x"}"#;
        let message: SharedMessage = std::sync::Arc::new(body.parse().unwrap());
        let store = embedded.backend().store.unwrap();
        let id = JobId::new("x").unwrap();
        let request = lamplighter::backend::EnqueueRequest::new(id.clone(), "work", message.clone());
        embedded.backend().queues.send(vec![request]).await.pop().unwrap().unwrap();
        let columns = |connection: &Connection| {
            let columns = "SELECT seq, kind, owner FROM jobs";
            connection.query_row(columns, [], |row| {
                Ok(receipt::text(Receipt { seq: row.get(0)?, kind: row.get(1)? }, row.get(2)?))
            })
        };
        let receipt = embedded.0.writer.read(columns).await.unwrap();
        assert_eq!(embedded.client().cancel(&id).await.unwrap(), Some(JobState::Cancelled));
        assert_eq!(store.delete(&id).await.unwrap(), Some(JobState::Cancelled));
        let mut claim = ClaimRequest::new(id.clone(), "work", message, 77, env.now() + secs(60));
        claim.receipt = receipt;
        let by = tokio::time::Instant::now() + secs(60);
        let answer = store.claim(vec![claim], by).await.remove(0).unwrap();
        assert!(matches!(answer, Claim::Ended(JobState::Cancelled)), "{answer:?}");
        assert!(store.get(&id).await.unwrap().is_none());
    }
}
