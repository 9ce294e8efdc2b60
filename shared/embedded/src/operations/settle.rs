//! Settlement: writes how attempts ended, each write fenced, and settles the message in the same transaction.

use lamplighter::{
    backend::{Completion, CompletionResult, Decision, Token},
    record::{AttemptOutcome, ErrorText},
};
use rusqlite::{CachedStatement, params};

use super::{
    attempts::{self, AttemptRow},
    dead_letters::Cause,
    receipt::Receipt,
    row::JobRow,
};
use crate::{db::transaction::Transaction, state, time};

/// The usual case in one statement: a success at the first attempt, settled by the job's own row, on a standard queue. The
/// attempt [stays in the row](super::attempts::first_success).
const SUCCEED: &str = "UPDATE jobs SET state = 2, visible_at = NULL, since = ?4, purge_at = ?5, lease_until = ?6 \
    WHERE seq = ?1 AND id = ?2 AND state = 5 AND attempt = 1 AND owner = ?3 AND place IS NULL";

/// Settles attempts. The answers are in the order of the requests.
pub(crate) fn settle(tx: &mut Transaction<'_>, requests: &[Completion]) -> rusqlite::Result<Vec<CompletionResult>> {
    let mut succeed = tx.prepare(SUCCEED)?;
    requests.iter().map(|request| one(tx, &mut succeed, request)).collect()
}

const APPLIED: CompletionResult = CompletionResult::Applied { message_done: true };

fn one(
    tx: &mut Transaction<'_>,
    succeed: &mut CachedStatement<'_>,
    request: &Completion,
) -> rusqlite::Result<CompletionResult> {
    let receipt = Receipt::parse(&request.receipt);
    let (id, token) = (request.id.as_str(), request.token);
    let ended_at = time::nearest(request.ended_at);
    if let (Some(Receipt { seq, kind }), Decision::Succeeded { output, retention }, 1) =
        (receipt, &request.decision, token.attempt)
    {
        let purge_at = time::after(ended_at, *retention);
        let owner = token.owner.cast_signed();
        let started_at = attempts::in_row(time::nearest(request.started_at));
        if succeed.execute(params![seq, id, owner, ended_at, purge_at, started_at])? == 1 {
            if !request.limits.is_empty() {
                tx.free_places(seq)?;
            }
            tx.leaves(kind, state::RUNNING);
            tx.enters(kind, state::SUCCEEDED);
            tx.effects.job(id);
            tx.has_ended(seq, id, state::SUCCEEDED)?;
            if let Some(output) = output {
                tx.put_output(seq, output)?;
            }
            if let Some(progress) = request.progress {
                tx.put_progress(seq, progress)?;
            }
            tx.put_log(seq, &request.log)?;
            return Ok(APPLIED);
        }
    }
    let Some(row) = tx.row_of(id)?.filter(|row| row.state != state::UNTRACKED) else {
        return Ok(CompletionResult::Fenced(None));
    };
    if row.is_held_by(token.attempt, token.owner.cast_signed()) {
        if let Some(progress) = request.progress {
            tx.put_progress(row.seq, progress)?;
        }
        tx.put_log(row.seq, &request.log)?;
        apply(tx, &row, request, ended_at)?;
    } else if !is_known(tx, &row, request, ended_at)? {
        return Ok(CompletionResult::Fenced(state::of(row.state)));
    }
    // A second message of the same job carried this delivery: the job's own row continues without it.
    if let Some(carrier) = receipt.filter(|receipt| receipt.seq != row.seq)
        && let Some(carrier) = tx.row(carrier.seq)?.filter(|row| row.state == state::UNTRACKED)
    {
        tx.remove(&carrier)?;
    }
    Ok(APPLIED)
}

/// Returns whether this settlement was applied before: its attempt is in the history with this end, or the job has been
/// released already.
fn is_known(tx: &Transaction<'_>, row: &JobRow, request: &Completion, ended_at: i64) -> rusqlite::Result<bool> {
    let outcome = match &request.decision {
        Decision::Succeeded { .. } => AttemptOutcome::Succeeded,
        Decision::Retry { outcome, .. } | Decision::Failed { outcome, .. } | Decision::Continued { outcome, .. } => {
            *outcome
        }
        Decision::Released { .. } => {
            let Token { attempt, owner } = request.token;
            return Ok(row.state == state::QUEUED
                && row.owner == owner.cast_signed()
                && row.attempt == attempt.saturating_sub(1));
        }
    };
    let Token { attempt, owner } = request.token;
    let is_first = attempt == row.attempt && outcome == AttemptOutcome::Succeeded && row.owner == owner.cast_signed();
    if is_first && row.first_success().is_some() {
        return Ok(true);
    }
    let started_at = time::nearest(request.started_at);
    tx.has_attempt(row.seq, request.token.attempt, started_at, ended_at, outcome)
}

fn ended<'a>(
    tx: &mut Transaction<'_>,
    request: &Completion,
    outcome: AttemptOutcome,
    error: Option<&'a ErrorText>,
) -> rusqlite::Result<AttemptRow<'a>> {
    Ok(AttemptRow {
        number: request.token.attempt,
        started_at: time::nearest(request.started_at),
        ended_at: time::nearest(request.ended_at),
        host: tx.host(&request.host)?,
        outcome,
        error,
        fingerprint: None,
    })
}

/// An attempt that has failed, and counts in its error group.
fn failed<'a>(
    tx: &mut Transaction<'_>,
    row: &JobRow,
    request: &Completion,
    outcome: AttemptOutcome,
    error: &'a ErrorText,
) -> rusqlite::Result<AttemptRow<'a>> {
    let ended = ended(tx, request, outcome, Some(error))?;
    let fingerprint = tx.fails(row, (outcome, ended.ended_at), error)?;
    Ok(AttemptRow { fingerprint: Some(fingerprint), ..ended })
}

fn apply(tx: &mut Transaction<'_>, row: &JobRow, request: &Completion, ended_at: i64) -> rusqlite::Result<()> {
    match &request.decision {
        Decision::Succeeded { output, retention } => {
            let ended = ended(tx, request, AttemptOutcome::Succeeded, None)?;
            tx.add_attempt(row.seq, &ended)?;
            if let Some(output) = output {
                tx.put_output(row.seq, output)?;
            }
            tx.end(row, state::SUCCEEDED, ended_at, time::after(ended_at, *retention))
        }
        Decision::Retry { outcome, error, delay } => {
            let ended = failed(tx, row, request, *outcome, error)?;
            tx.add_attempt(row.seq, &ended)?;
            retry(tx, row, state::RETRYING, row.attempt, row.receives, time::after(ended_at, *delay))
        }
        Decision::Failed { outcome, reason, error, retention } => {
            let ended = failed(tx, row, request, *outcome, error)?;
            tx.add_attempt(row.seq, &ended)?;
            tx.dead_letter(row, &Cause { reason: reason.as_str(), error: error.to_string() })?;
            tx.end(row, state::FAILED, ended_at, time::after(ended_at, *retention))
        }
        Decision::Continued { outcome, error, checkpoint } => {
            let ended = ended(tx, request, *outcome, error.as_ref())?;
            tx.add_attempt(row.seq, &ended)?;
            if let Some(checkpoint) = checkpoint {
                tx.put_checkpoint(row.seq, checkpoint)?;
            }
            retry(tx, row, state::QUEUED, 0, 0, ended_at)
        }
        Decision::Released { delay } => {
            let (attempt, receives) = (row.attempt.saturating_sub(1), row.receives.saturating_sub(1));
            retry(tx, row, state::QUEUED, attempt, receives, time::after(ended_at, *delay))
        }
    }
}

fn retry(
    tx: &mut Transaction<'_>,
    row: &JobRow,
    code: i64,
    attempt: u32,
    receives: u32,
    due_at: i64,
) -> rusqlite::Result<()> {
    tx.prepare(
        "UPDATE jobs SET state = ?2, attempt = ?3, receives = ?4, visible_at = ?5, due_at = ?6, since = ?7 WHERE seq = ?1",
    )?
    .execute(params![row.seq, code, attempt, receives, row.visible_again(due_at), due_at, tx.now])?;
    tx.free_places(row.seq)?;
    tx.moves(row, code);
    tx.effects.queue(row.queue);
    Ok(())
}
