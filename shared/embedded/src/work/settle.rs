//! Settling: how attempts ended, each write fenced, and the message settled in the same transaction.

use lamplighter::{AttemptOutcome, ErrorText, Settle, Settled, Token, Verdict};
use rusqlite::{CachedStatement, params};

use super::{
    attempts::{self, Ended},
    burial::Cause,
    receipt::Receipt,
    row::JobRow,
};
use crate::{file::unit::Unit, state, time};

/// The usual case in one statement: a success, settled by the job's own row, on a standard queue.
pub(crate) const SUCCEED: &str = "UPDATE jobs SET state = 2, visible_at = NULL, since = ?5, purge_at = ?6 \
    WHERE seq = ?1 AND id = ?2 AND state = 5 AND attempt = ?3 AND owner = ?4 AND place IS NULL";

/// Writes down how attempts ended. The answers come in the order of the requests.
pub(crate) fn settle(unit: &mut Unit<'_>, requests: &[Settle]) -> rusqlite::Result<Vec<Settled>> {
    let mut usual = Usual { succeed: unit.prepare(SUCCEED)?, attempt: unit.prepare(attempts::INSERT)? };
    requests.iter().map(|request| one(unit, &mut usual, request)).collect()
}

struct Usual<'a> {
    succeed: CachedStatement<'a>,
    attempt: CachedStatement<'a>,
}

const APPLIED: Settled = Settled::Applied { message_done: true };

fn one(unit: &mut Unit<'_>, usual: &mut Usual<'_>, request: &Settle) -> rusqlite::Result<Settled> {
    let receipt = Receipt::parse(&request.receipt);
    let (id, token) = (request.id.as_str(), request.token);
    let ended_at = time::nearest(request.ended_at);
    if let (Some(Receipt { seq, kind }), Verdict::Succeeded { output, retention }) = (receipt, &request.verdict) {
        let purge_at = time::after(ended_at, *retention);
        let owner = token.owner.cast_signed();
        if usual.succeed.execute(params![seq, id, token.attempt, owner, ended_at, purge_at])? == 1 {
            let ended = ended(unit, request, AttemptOutcome::Succeeded, None)?;
            attempts::insert(&mut usual.attempt, seq, &ended)?;
            if request.exclusive.is_some() {
                unit.free_of(seq, owner)?;
            }
            if token.attempt > 1 {
                unit.trim_attempts(seq, lamplighter::Record::MAX_HISTORY)?;
            }
            unit.leaves(kind, state::RUNNING);
            unit.enters(kind, state::SUCCEEDED);
            unit.effects.job(id);
            if let Some(output) = output {
                unit.put_output(seq, output)?;
            }
            if let Some(progress) = request.progress {
                unit.put_progress(seq, progress)?;
            }
            return Ok(APPLIED);
        }
    }
    let Some(row) = unit.row_of(id)?.filter(|row| row.state != state::UNTRACKED) else {
        return Ok(Settled::Fenced(None));
    };
    if row.is_held_by(token.attempt, token.owner.cast_signed()) {
        if let Some(progress) = request.progress {
            unit.put_progress(row.seq, progress)?;
        }
        apply(unit, &row, request, ended_at)?;
    } else if !is_known(unit, &row, request, ended_at)? {
        return Ok(Settled::Fenced(state::of(row.state)));
    }
    // A second message of the same job, which carried it this time: the job's own row goes on without it.
    if let Some(carrier) = receipt.filter(|receipt| receipt.seq != row.seq)
        && let Some(carrier) = unit.row(carrier.seq)?.filter(|row| row.state == state::UNTRACKED)
    {
        unit.remove(&carrier)?;
    }
    Ok(APPLIED)
}

/// Whether this settlement was applied before: its attempt stands in the history as it ended, or the job lies where it
/// was put back.
fn is_known(unit: &Unit<'_>, row: &JobRow, request: &Settle, ended_at: i64) -> rusqlite::Result<bool> {
    let outcome = match &request.verdict {
        Verdict::Succeeded { .. } => AttemptOutcome::Succeeded,
        Verdict::Retry { outcome, .. } | Verdict::Failed { outcome, .. } => *outcome,
        Verdict::PutBack { .. } => {
            let Token { attempt, owner } = request.token;
            return Ok(row.state == state::QUEUED
                && row.owner == owner.cast_signed()
                && row.attempt == attempt.saturating_sub(1));
        }
    };
    let started_at = time::nearest(request.started_at);
    unit.has_attempt(row.seq, request.token.attempt, started_at, ended_at, outcome)
}

fn ended<'a>(
    unit: &mut Unit<'_>,
    request: &Settle,
    outcome: AttemptOutcome,
    error: Option<&'a ErrorText>,
) -> rusqlite::Result<Ended<'a>> {
    Ok(Ended {
        number: request.token.attempt,
        started_at: time::nearest(request.started_at),
        ended_at: time::nearest(request.ended_at),
        host: unit.host(&request.host)?,
        outcome,
        error,
    })
}

fn apply(unit: &mut Unit<'_>, row: &JobRow, request: &Settle, ended_at: i64) -> rusqlite::Result<()> {
    match &request.verdict {
        Verdict::Succeeded { output, retention } => {
            let ended = ended(unit, request, AttemptOutcome::Succeeded, None)?;
            unit.add_attempt(row.seq, &ended)?;
            if let Some(output) = output {
                unit.put_output(row.seq, output)?;
            }
            unit.end(row, state::SUCCEEDED, ended_at, time::after(ended_at, *retention))
        }
        Verdict::Retry { outcome, error, delay } => {
            let ended = ended(unit, request, *outcome, Some(error))?;
            unit.add_attempt(row.seq, &ended)?;
            put_back(unit, row, state::RETRYING, row.attempt, row.receives, time::after(ended_at, *delay))
        }
        Verdict::Failed { outcome, reason, error, retention } => {
            let ended = ended(unit, request, *outcome, Some(error))?;
            unit.add_attempt(row.seq, &ended)?;
            unit.bury(row, &Cause { reason: reason.as_str(), error: error.to_string() })?;
            unit.end(row, state::FAILED, ended_at, time::after(ended_at, *retention))
        }
        Verdict::PutBack { delay } => {
            let (attempt, receives) = (row.attempt.saturating_sub(1), row.receives.saturating_sub(1));
            put_back(unit, row, state::QUEUED, attempt, receives, time::after(ended_at, *delay))
        }
    }
}

fn put_back(
    unit: &mut Unit<'_>,
    row: &JobRow,
    code: i64,
    attempt: u32,
    receives: u32,
    due_at: i64,
) -> rusqlite::Result<()> {
    unit.prepare(
        "UPDATE jobs SET state = ?2, attempt = ?3, receives = ?4, visible_at = ?5, due_at = ?6, since = ?7 WHERE seq = ?1",
    )?
    .execute(params![row.seq, code, attempt, receives, row.visible_again(due_at), due_at, unit.now])?;
    unit.free(row)?;
    unit.moves(row, code);
    unit.effects.queue(row.queue);
    Ok(())
}
