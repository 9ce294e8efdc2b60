//! Settles messages that the store did not settle with their records: those of untracked jobs, and deliveries that
//! never ran.

use std::time::Duration;

use lamplighter::{Retention, backend::Token, host::MessageAction, message::Message};

use super::{dead_letters::Cause, job_data::EXPIRED, receipt::Receipt, row::JobRow};
use crate::{db::transaction::Transaction, state, time};

/// The settlement of one message.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    pub(crate) receipt: Receipt,
    /// The owner of its row when it was received.
    pub(crate) owner: Option<i64>,
    pub(crate) action: MessageAction,
    /// The fencing token under which its job ran, if any.
    pub(crate) token: Option<Token>,
    /// How long until it becomes visible again if its visibility timeout is unchanged.
    pub(crate) hidden_for: Duration,
}

impl Transport {
    /// Returns whether the message is still the one that was received: its attempt holds its lease, or no attempt has
    /// claimed it since.
    fn is_of(&self, row: &JobRow) -> bool {
        match self.token {
            // A settlement may have been written late, after all: then the message is settled too.
            Some(token) if row.state != state::UNTRACKED => row.is_held_by(token.attempt, token.owner.cast_signed()),
            _ => self.owner == Some(row.owner),
        }
    }
}

/// Settles messages. Does nothing for a message that no longer exists, whose job has ended, or that is under another
/// token.
pub(crate) fn transport(tx: &mut Transaction<'_>, settlements: &[Transport]) -> rusqlite::Result<()> {
    for settlement in settlements {
        let Transport { receipt, action, hidden_for, .. } = settlement;
        let Some(row) = tx.row(receipt.seq)?.filter(|row| row.visible_at.is_some()) else { continue };
        if !settlement.is_of(&row) {
            // The fetcher could not receive it while it counted as in flight.
            tx.effects.queue(row.queue);
            continue;
        }
        let untracked = row.state == state::UNTRACKED;
        match action {
            MessageAction::Ack if untracked => tx.remove(&row)?,
            // Its function keeps no record of it, although its sender asked for one.
            MessageAction::Ack if row.state != state::RUNNING => {
                let now = tx.now;
                let code = if expired(tx, row.seq)? { state::CANCELLED } else { state::SUCCEEDED };
                if code == state::CANCELLED {
                    tx.put_reason(row.seq, EXPIRED)?;
                }
                tx.end(&row, code, now, time::after(now, Retention::default().succeeded))?;
            }
            // Another attempt has taken over: the message belongs to it.
            MessageAction::Ack => {}
            MessageAction::Retry(delay) => tx.comes_again(&row, time::after(tx.now, *delay), row.receives)?,
            // Released unchanged, as if it had never been received. A job with a record counts its receives when it is
            // claimed, which has not happened.
            MessageAction::Release(Some(rest)) if rest.is_zero() => {
                let receives = if untracked { row.receives.saturating_sub(1) } else { row.receives };
                tx.comes_again(&row, tx.now, receives)?;
            }
            // Delayed for a while: the receive counts, so that the next host sees how often this has happened.
            MessageAction::Release(Some(rest)) => {
                let receives = if untracked { row.receives } else { row.receives + 1 };
                tx.comes_again(&row, time::after(tx.now, *rest), receives)?;
            }
            MessageAction::Release(None) => tx.comes_again(&row, time::after(tx.now, *hidden_for), row.receives)?,
            MessageAction::DeadLetter(dead_letters) => {
                tx.dead_letter(&row, &Cause::from(dead_letters))?;
                if untracked {
                    tx.remove(&row)?;
                } else {
                    tx.end(&row, state::FAILED, tx.now, time::after(tx.now, Retention::default().failed))?;
                }
            }
        }
    }
    Ok(())
}

fn expired(tx: &Transaction<'_>, seq: i64) -> rusqlite::Result<bool> {
    let body: String = tx.prepare("SELECT body FROM bodies WHERE seq = ?1")?.query_row([seq], |row| row.get(0))?;
    let expires_at = body.parse::<Message>().ok().and_then(|message| message.expires_at);
    Ok(expires_at.is_some_and(|at| time::nearest(at) <= tx.now))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lamplighter::{
        JobId, JobState, Record, Timestamp,
        backend::{ClaimRequest, Completion, Decision},
        env::Env,
        record::{AttemptOutcome, ErrorText},
        secs,
    };
    use rusqlite::Connection;

    use super::*;
    use crate::{backend::SqliteBackend, operations::receipt};

    /// Settles a job's failed attempt late, then its message as the host had decided meanwhile.
    async fn after(action: MessageAction) -> (Record, i64) {
        let env = Env::driven(Timestamp::from_second(1_800_000_000).unwrap(), 1);
        let embedded = SqliteBackend::memory(env.clone()).unwrap();
        embedded.send_raw("work", r#"{"job":"a","id":"x"}"#).await.unwrap();
        let columns = |connection: &Connection| {
            let columns = "SELECT seq, kind, owner FROM jobs";
            connection.query_row(columns, [], |row| {
                Ok((Receipt { seq: row.get(0)?, kind: row.get(1)? }, row.get::<_, i64>(2)?))
            })
        };
        let (receipt, owner) = embedded.0.writer.read(columns).await.unwrap();
        let text = receipt::text(receipt, owner);
        let (store, id) = (embedded.backend().store.unwrap(), JobId::new("x").unwrap());
        let (by, now) = (tokio::time::Instant::now() + secs(60), env.now());
        let message = Arc::new(r#"{"job":"a","id":"x"}"#.parse().unwrap());
        let mut claim = ClaimRequest::new(id.clone(), "work", message, 77, now + secs(60));
        claim.receipt = text.clone();
        claim.message_id = "m".into();
        claim.max_attempts = 5;
        store.claim(vec![claim], by).await.remove(0).unwrap();
        let token = Token { attempt: 1, owner: 77 };
        let decision = Decision::Retry { outcome: AttemptOutcome::Error, error: ErrorText::new("no"), delay: secs(3) };
        let mut settle = Completion::new(id.clone(), "work", token, (now, now), decision);
        settle.receipt = text.clone();
        settle.message_id = "m".into();
        store.settle(vec![settle], by).await.remove(0).unwrap();
        let late = vec![Transport { receipt, owner: Some(owner), action, token: Some(token), hidden_for: secs(1800) }];
        embedded.0.writer.run(1, move |tx| transport(tx, &late)).await.unwrap();
        let visible = |connection: &Connection| {
            connection.query_row("SELECT visible_at FROM jobs", [], |row| row.get::<_, i64>(0))
        };
        let visible_at = embedded.0.writer.read(visible).await.unwrap();
        (store.get(&id).await.unwrap().unwrap(), visible_at - time::nearest(now))
    }

    #[tokio::test(start_paused = true)]
    async fn late_settlements_are_not_changed_by_message_actions() {
        for action in [
            MessageAction::Ack,
            MessageAction::Release(None),
            MessageAction::Retry(secs(900)),
            MessageAction::Release(Some(secs(900))),
        ] {
            let (record, visible_after) = after(action.clone()).await;
            assert_eq!(record.state, JobState::Retrying, "{action:?}");
            assert_eq!(visible_after, 3_000_000_000, "{action:?}");
        }
    }
}
