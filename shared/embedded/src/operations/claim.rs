//! Claims: whether a delivery may run its job.

use std::time::Duration;

use lamplighter::{
    JobState,
    backend::{Claim, ClaimRequest, JobOwner, LimitState},
    message::{Message, SharedMessage},
    record::{AttemptOutcome, ErrorText},
};
use rusqlite::{CachedStatement, params};

use super::{
    attempts::AttemptRow,
    dead_letters::Cause,
    job_data::EXPIRED,
    receipt::{self, Receipt},
    row::JobRow,
};
use crate::{
    db::transaction::Transaction,
    state,
    time::{self, HELD},
};

/// The usual case in one statement: a job's first delivery, by its own row, without limits.
const FIRST: &str = "UPDATE jobs SET state = 5, attempt = 1, owner = ?3, lease_until = ?4, host = ?5, since = ?6, \
    receives = receives + 1 \
    WHERE seq = ?1 AND id = ?2 AND state = 1 AND attempt = 0 AND noted = 0 AND visible_at IS NOT NULL AND owner = ?7";

const AGAIN: &str = "UPDATE jobs SET state = 5, attempt = ?2, owner = ?3, lease_until = ?4, host = ?5, since = ?6, \
    receives = receives + 1 WHERE seq = ?1";

/// When to look again at a job that waits for others.
const WAITS: Duration = Duration::from_secs(60);

/// Claims each job. The answers are in the order of the requests.
pub(crate) fn claim(tx: &mut Transaction<'_>, requests: &[ClaimRequest]) -> rusqlite::Result<Vec<Claim>> {
    let mut first = tx.prepare(FIRST)?;
    requests.iter().map(|request| one(tx, &mut first, request)).collect()
}

fn one(tx: &mut Transaction<'_>, first: &mut CachedStatement<'_>, request: &ClaimRequest) -> rusqlite::Result<Claim> {
    // Asked for before the clock was set forward: the lease would have ended when it begins.
    let lease_until = time::nearest(request.lease_until);
    if lease_until <= tx.now {
        return Ok(Claim::Busy(time::moment(tx.now)));
    }
    let receipt = Receipt::parse(&request.receipt);
    let expires_at = request.message.expires_at.map(time::nearest);
    if let Some(Receipt { seq, kind }) = receipt
        && let Some(received_under) = receipt::owner(&request.receipt)
        && request.limits.is_empty()
        && expires_at.is_none_or(|at| at > tx.now)
    {
        let host = tx.host(&request.host)?;
        let (id, owner) = (request.id.as_str(), request.owner.cast_signed());
        if first.execute(params![seq, id, owner, lease_until, host, tx.now, received_under])? == 1 {
            tx.leaves(kind, state::QUEUED);
            tx.enters(kind, state::RUNNING);
            tx.effects.job(id);
            return Ok(Claim::Run { attempt: 1, checkpoint: None, claim_hint: None, message: None });
        }
    }
    match tx.row_of(request.id.as_str())? {
        Some(row) if receipt.is_none_or(|receipt| receipt.seq != row.seq) && !belongs(tx, &row, request)? => {
            Ok(Claim::Foreign(tx.owner_of(&row)?))
        }
        Some(row) if row.state != state::UNTRACKED => known(tx, &row, request),
        Some(row) => {
            let row = adopt(tx, row, request)?;
            known(tx, &row, request)
        }
        None => {
            let carrier = match receipt {
                Some(receipt) => tx.row(receipt.seq)?.filter(|row| row.state == state::UNTRACKED),
                None => None,
            };
            let row = match carrier {
                Some(row) => adopt(tx, row, request)?,
                // It was received from a row that has been deleted meanwhile: its job had ended.
                None if receipt.is_some() => return Ok(Claim::Ended(JobState::Cancelled)),
                None => announce(tx, request)?,
            };
            known(tx, &row, request)
        }
    }
}

/// Returns whether the row with that id is this job's. The row that carries the message always is.
fn belongs(tx: &mut Transaction<'_>, row: &JobRow, request: &ClaimRequest) -> rusqlite::Result<bool> {
    let JobOwner { job, queue } = tx.owner_of(row)?;
    Ok(job == request.message.job && queue == *request.queue)
}

/// Converts a message without a record into a job's row.
fn adopt(tx: &mut Transaction<'_>, row: JobRow, request: &ClaimRequest) -> rusqlite::Result<JobRow> {
    let kind = tx.kind(row.queue, &request.message.job)?;
    tx.prepare("UPDATE jobs SET id = ?2, kind = ?3, state = 1 WHERE seq = ?1")?.execute(params![
        row.seq,
        request.id.as_str(),
        kind
    ])?;
    tx.add_to_block(kind, row.seq)?;
    tx.enters(kind, state::QUEUED);
    Ok(JobRow { id: request.id.to_string(), kind, state: state::QUEUED, ..row })
}

/// Adds a job that is new to this file. If its host dies, the message created here becomes visible when the lease has
/// ended.
fn announce(tx: &mut Transaction<'_>, request: &ClaimRequest) -> rusqlite::Result<JobRow> {
    super::enqueue::inject(tx, &request.queue, request.id.as_str(), &request.message.to_json(), None)?;
    match tx.row_of(request.id.as_str())? {
        Some(row) => {
            let until = row.visible_again(time::nearest(request.lease_until));
            tx.prepare("UPDATE jobs SET visible_at = ?2 WHERE seq = ?1")?.execute([row.seq, until])?;
            adopt(tx, JobRow { visible_at: Some(until), ..row }, request)
        }
        None => Err(rusqlite::Error::QueryReturnedNoRows),
    }
}

fn known(tx: &mut Transaction<'_>, row: &JobRow, request: &ClaimRequest) -> rusqlite::Result<Claim> {
    if let Some(ended) = state::of(row.state).filter(|state| state.is_final()) {
        return Ok(Claim::Ended(ended));
    }
    let now = tx.now;
    let current = current(tx, row, request)?;
    let message = current.as_ref().unwrap_or(&request.message);
    if row.state == state::WAITING {
        // Somebody has sent a message for it.
        return Ok(Claim::Busy(time::moment(time::after(now, WAITS))));
    }
    let lost = row.state == state::RUNNING;
    // A repeated claim, whose first answer was lost.
    if lost && row.owner == request.owner.cast_signed() {
        let checkpoint = if row.noted { tx.checkpoint(row.seq)? } else { None };
        return Ok(Claim::Run { attempt: row.attempt, checkpoint, claim_hint: None, message: current });
    }
    if lost && row.lease_until > now {
        return Ok(Claim::Busy(time::moment(row.lease_until)));
    }
    // It was granted under the same owner, and that attempt has been settled: nobody would run what it is given now.
    if row.owner == request.owner.cast_signed() {
        return Ok(Claim::Busy(time::moment(row.visible_at.filter(|at| *at != HELD).unwrap_or(now).max(now))));
    }
    if lost && row.attempt >= request.max_attempts {
        add_lost(tx, row)?;
        return exhausted(tx, row, request.retention.failed);
    }
    // The job was given another time after this message was received.
    if !lost
        && current.is_some()
        && let Some(at) = row.visible_at.filter(|at| *at > now && *at != HELD)
        && is_stale(row, request)
    {
        return Ok(Claim::Busy(time::moment(at)));
    }
    if !lost && row.has_not_begun() && message.expires_at.is_some_and(|at| time::nearest(at) <= now) {
        cancel(tx, row, request, EXPIRED)?;
        return Ok(Claim::Ended(JobState::Cancelled));
    }
    if !request.limits.is_empty()
        && let Some(refused) = tx.admit(row, &request.limits)?
    {
        if let Some(reason) = refused.reason().filter(|_| !lost && row.has_not_begun()) {
            cancel(tx, row, request, reason)?;
            return Ok(Claim::Skipped);
        }
        // Only the job's own message waits in the line: another one asks again.
        let is_hidden = Receipt::parse(&request.receipt).is_none_or(|receipt| receipt.seq == row.seq);
        let until = match is_hidden {
            true => tx.wait_in_line(row, &refused, request.owner)?,
            false => time::after(now, LimitState::ASK_AGAIN),
        };
        return Ok(Claim::Limited { until: time::moment(until), is_hidden });
    }
    if lost {
        add_lost(tx, row)?;
    }
    let attempt = row.attempt + 1;
    let host = tx.host(&request.host)?;
    let (owner, lease_until) = (request.owner.cast_signed(), time::nearest(request.lease_until));
    tx.prepare(AGAIN)?.execute(params![row.seq, attempt, owner, lease_until, host, now])?;
    if !request.limits.is_empty() {
        tx.take_places(&request.limits, row.seq, owner, lease_until)?;
    }
    tx.moves(row, state::RUNNING);
    let checkpoint = if row.noted { tx.checkpoint(row.seq)? } else { None };
    Ok(Claim::Run { attempt, checkpoint, claim_hint: None, message: current })
}

/// Returns whether this message was received from the row before the row was given another owner.
fn is_stale(row: &JobRow, request: &ClaimRequest) -> bool {
    Receipt::parse(&request.receipt).is_some_and(|receipt| receipt.seq == row.seq)
        && receipt::owner(&request.receipt) != Some(row.owner)
}

/// The job's message, where the one that was delivered may be an older one: received before the job was given other arguments,
/// or sent a second time.
fn current(tx: &Transaction<'_>, row: &JobRow, request: &ClaimRequest) -> rusqlite::Result<Option<SharedMessage>> {
    let carries = Receipt::parse(&request.receipt).is_some_and(|receipt| receipt.seq == row.seq);
    if carries && !is_stale(row, request) {
        return Ok(None);
    }
    let body = tx.body(row.seq)?;
    Ok(body.and_then(|body| body.parse::<Message>().ok()).map(Into::into))
}

/// Adds the attempt whose lease has ended to the history.
fn add_lost(tx: &mut Transaction<'_>, row: &JobRow) -> rusqlite::Result<()> {
    let error = ErrorText::new("its host ended without a word");
    let fingerprint = tx.fails(row, (AttemptOutcome::Lost, row.lease_until), &error)?;
    let lost = AttemptRow {
        number: row.attempt,
        started_at: row.since,
        ended_at: row.lease_until,
        host: row.host,
        outcome: AttemptOutcome::Lost,
        error: Some(&error),
        fingerprint: Some(fingerprint),
    };
    tx.add_attempt(row.seq, &lost)
}

fn cancel(tx: &mut Transaction<'_>, row: &JobRow, request: &ClaimRequest, reason: &str) -> rusqlite::Result<()> {
    tx.put_reason(row.seq, reason)?;
    tx.end(row, state::CANCELLED, tx.now, time::after(tx.now, request.retention.cancelled))
}

fn exhausted(tx: &mut Transaction<'_>, row: &JobRow, keep: Duration) -> rusqlite::Result<Claim> {
    let attempts = row.attempt;
    // Written here, although the worker reports it too: a crash between the two would lose the dead letter.
    let cause = Cause {
        reason: lamplighter::backend::DeadLetterReason::AttemptsExhausted.as_str(),
        error: format!("attempt {attempts} of {attempts} was lost: its host ended without a word"),
    };
    tx.dead_letter(row, &cause)?;
    tx.end(row, state::FAILED, tx.now, time::after(tx.now, keep))?;
    Ok(Claim::Exhausted { attempts })
}
