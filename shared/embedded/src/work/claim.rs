//! Claiming: who may run a job now.

use std::time::Duration;

use lamplighter::{AttemptOutcome, Claim, ClaimRequest, ErrorText, JobOwner, OnBusy};
use rusqlite::{CachedStatement, params};

use super::{attempts::Ended, burial::Cause, notes::EXPIRED, receipt::Receipt, row::JobRow};
use crate::{file::unit::Unit, state, time};

/// The usual case in one statement: a job on its first way, delivered by its own row, that needs nothing for itself
/// alone.
pub(crate) const FIRST: &str = "UPDATE jobs SET state = 5, attempt = 1, owner = ?3, lease_until = ?4, host = ?5, since = ?6, \
    receives = receives + 1 \
    WHERE seq = ?1 AND id = ?2 AND state = 1 AND attempt = 0 AND noted = 0 AND visible_at IS NOT NULL";

pub(crate) const AGAIN: &str = "UPDATE jobs SET state = 5, attempt = ?2, owner = ?3, lease_until = ?4, host = ?5, since = ?6, \
    receives = receives + 1 WHERE seq = ?1";

/// Asks for the right to run each job. The answers come in the order of the requests.
pub(crate) fn claim(unit: &mut Unit<'_>, requests: &[ClaimRequest]) -> rusqlite::Result<Vec<Claim>> {
    let mut first = unit.prepare(FIRST)?;
    requests.iter().map(|request| one(unit, &mut first, request)).collect()
}

fn one(unit: &mut Unit<'_>, first: &mut CachedStatement<'_>, request: &ClaimRequest) -> rusqlite::Result<Claim> {
    let receipt = Receipt::parse(&request.receipt);
    let expires_at = request.message.expires_at.map(time::nearest);
    if let Some(Receipt { seq, kind }) = receipt
        && request.exclusive.is_none()
        && expires_at.is_none_or(|at| at > unit.now)
    {
        let host = unit.host(&request.host)?;
        let (owner, lease_until) = (request.owner.cast_signed(), time::nearest(request.lease_until));
        let id = request.id.as_str();
        if first.execute(params![seq, id, owner, lease_until, host, unit.now])? == 1 {
            unit.leaves(kind, state::QUEUED);
            unit.enters(kind, state::RUNNING);
            unit.effects.job(id);
            return Ok(Claim::Run { attempt: 1, checkpoint: None, memo: None });
        }
    }
    match unit.row_of(request.id.as_str())? {
        Some(row) if receipt.is_none_or(|receipt| receipt.seq != row.seq) && !belongs(unit, &row, request)? => {
            Ok(Claim::Foreign(unit.owner_of(&row)?))
        }
        Some(row) if row.state != state::UNTRACKED => known(unit, &row, request),
        Some(row) => {
            let row = adopt(unit, row, request)?;
            known(unit, &row, request)
        }
        None => {
            let carrier = match receipt {
                Some(receipt) => unit.row(receipt.seq)?.filter(|row| row.state == state::UNTRACKED),
                None => None,
            };
            let row = match carrier {
                Some(row) => adopt(unit, row, request)?,
                None => announce(unit, request)?,
            };
            known(unit, &row, request)
        }
    }
}

/// Whether a row of that id is this job's. The row that carries the message is.
fn belongs(unit: &mut Unit<'_>, row: &JobRow, request: &ClaimRequest) -> rusqlite::Result<bool> {
    let JobOwner { job, queue } = unit.owner_of(row)?;
    Ok(job == request.message.job && queue == *request.queue)
}

/// A message without a record becomes a job's row.
fn adopt(unit: &mut Unit<'_>, row: JobRow, request: &ClaimRequest) -> rusqlite::Result<JobRow> {
    let kind = unit.kind(row.queue, &request.message.job)?;
    unit.prepare("UPDATE jobs SET id = ?2, kind = ?3, state = 1 WHERE seq = ?1")?.execute(params![
        row.seq,
        request.id.as_str(),
        kind
    ])?;
    unit.lies_in(kind, row.seq)?;
    unit.enters(kind, state::QUEUED);
    Ok(JobRow { id: request.id.to_string(), kind, state: state::QUEUED, ..row })
}

/// A job that this file has never heard of. Should its asker die, the message that it is given here comes up when the
/// lease has ended.
fn announce(unit: &mut Unit<'_>, request: &ClaimRequest) -> rusqlite::Result<JobRow> {
    super::enqueue::inject(unit, &request.queue, request.id.as_str(), &request.message.to_json(), None)?;
    match unit.row_of(request.id.as_str())? {
        Some(row) => {
            let until = row.visible_again(time::nearest(request.lease_until));
            unit.prepare("UPDATE jobs SET visible_at = ?2 WHERE seq = ?1")?.execute([row.seq, until])?;
            adopt(unit, JobRow { visible_at: Some(until), ..row }, request)
        }
        None => Err(rusqlite::Error::QueryReturnedNoRows),
    }
}

fn known(unit: &mut Unit<'_>, row: &JobRow, request: &ClaimRequest) -> rusqlite::Result<Claim> {
    if let Some(ended) = state::of(row.state).filter(|state| state.is_final()) {
        return Ok(Claim::Ended(ended));
    }
    let now = unit.now;
    let lost = row.state == state::RUNNING;
    // Its own claim, whose answer was lost.
    if lost && row.owner == request.owner.cast_signed() {
        let checkpoint = if row.noted { unit.checkpoint(row.seq)? } else { None };
        return Ok(Claim::Run { attempt: row.attempt, checkpoint, memo: None });
    }
    if lost && row.lease_until > now {
        return Ok(Claim::Busy(time::moment(row.lease_until)));
    }
    if lost && row.attempt >= request.max_attempts {
        add_lost(unit, row)?;
        return exhausted(unit, row, request.retention.failed);
    }
    if !lost && row.attempt == 0 && request.message.expires_at.is_some_and(|at| time::nearest(at) <= now) {
        cancel(unit, row, request, EXPIRED)?;
        return Ok(Claim::Ended(lamplighter::JobState::Cancelled));
    }
    let held = match &request.exclusive {
        Some(exclusive) => unit.held(exclusive)?.map(|again| (again, &exclusive.on_busy)),
        None => None,
    };
    match held {
        Some((_, OnBusy::Cancel { reason })) if row.attempt == 0 => {
            cancel(unit, row, request, reason)?;
            return Ok(Claim::Skipped);
        }
        Some((again, _)) => return Ok(Claim::Waits(time::moment(again))),
        None => {}
    }
    if lost {
        add_lost(unit, row)?;
    }
    let attempt = row.attempt + 1;
    let host = unit.host(&request.host)?;
    let (owner, lease_until) = (request.owner.cast_signed(), time::nearest(request.lease_until));
    unit.prepare(AGAIN)?.execute(params![row.seq, attempt, owner, lease_until, host, now])?;
    if let Some(exclusive) = &request.exclusive {
        unit.take(exclusive, row.seq, owner, lease_until)?;
    }
    unit.moves(row, state::RUNNING);
    let checkpoint = if row.noted { unit.checkpoint(row.seq)? } else { None };
    Ok(Claim::Run { attempt, checkpoint, memo: None })
}

/// Writes down the attempt whose lease has ended.
fn add_lost(unit: &Unit<'_>, row: &JobRow) -> rusqlite::Result<()> {
    let lost = Ended {
        number: row.attempt,
        started_at: row.since,
        ended_at: row.lease_until,
        host: row.host,
        outcome: AttemptOutcome::Lost,
        error: Some(&ErrorText::new("its host ended without a word")),
    };
    unit.add_attempt(row.seq, &lost)
}

fn cancel(unit: &mut Unit<'_>, row: &JobRow, request: &ClaimRequest, reason: &str) -> rusqlite::Result<()> {
    unit.put_reason(row.seq, reason)?;
    unit.end(row, state::CANCELLED, unit.now, time::after(unit.now, request.retention.cancelled))
}

fn exhausted(unit: &mut Unit<'_>, row: &JobRow, keep: Duration) -> rusqlite::Result<Claim> {
    let attempts = row.attempt;
    // Here and now, although the worker will say so too: a crash between the two would lose the dead letter.
    let cause = Cause {
        reason: lamplighter::BurialReason::AttemptsExhausted.as_str(),
        error: format!("attempt {attempts} of {attempts} was lost: its host ended without a word"),
    };
    unit.bury(row, &cause)?;
    unit.end(row, state::FAILED, unit.now, time::after(unit.now, keep))?;
    Ok(Claim::Exhausted { attempts })
}
