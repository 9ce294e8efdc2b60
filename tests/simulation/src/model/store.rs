//! A model of the store of records: what the port's documentation says, and nothing else.
//!
//! Each call is one transaction. What follows from a change is returned, for the world to do in the same moment: messages to
//! send, and what the ledger must know.

use std::{collections::BTreeMap, sync::Arc};

use lamplighter::{
    After, JobId, JobState, RawValue, Record, Timestamp,
    backend::{
        Claim, ClaimRequest, Completion, CompletionResult, DeadLetterReason, Decision, EnqueueRequest, JobData,
        JobOwner, LeaseStatus, RenewRequest, Standing, Token,
    },
    message::Message,
    record::{Attempt, AttemptOutcome, ErrorText},
};

use super::batches::BatchModel;
use crate::mutant::Mutant;

/// Something that happened to a record.
#[derive(Debug)]
pub(crate) enum Change {
    /// A record is new, or its state changed.
    State { id: JobId, from: Option<JobState>, to: JobState },
    /// An attempt was given the lease.
    Granted { id: JobId, token: Token, host: Arc<str>, until: Timestamp },
    /// Its lease had ended, and it is recorded as lost.
    Lost { id: JobId },
    /// An attempt was settled for the first time.
    Settled { id: JobId, token: Token, decision: Decision, ended_at: Timestamp },
    /// A settlement that is known was answered as applied.
    KnownAgain { id: JobId, token: Token, ended_at: Timestamp },
    /// A settlement was refused.
    Fenced { id: JobId, token: Token, ended_at: Timestamp },
    /// A lease was renewed.
    Renewed { id: JobId, token: Token, until: Timestamp },
    /// An attempt has saved something.
    Saved { id: JobId, token: Token },
    /// The job runs again by hand.
    RunAgain { id: JobId },
    /// A batch has ended.
    BatchEnded { id: JobId },
    /// A message is to be sent.
    Send { id: JobId, queue: Arc<str>, message: Arc<Message>, group: Option<Arc<str>>, due: Timestamp },
}

/// A record.
#[derive(Debug)]
pub(crate) struct Row {
    owner: JobOwner,
    pub(crate) state: JobState,
    message: Arc<Message>,
    group: Option<Arc<str>>,
    created_at: Timestamp,
    due: Timestamp,
    attempt: u32,
    lease: Option<Lease>,
    /// The owner of its last attempt.
    last_owner: Option<u64>,
    settled: Vec<(Token, Timestamp)>,
    history: Vec<Attempt>,
    checkpoint: Option<Box<RawValue>>,
    /// The message that is to be dead-lettered, and why.
    dead: Option<(String, DeadLetterReason, ErrorText)>,
    /// The jobs that it waits for.
    after: Vec<After>,
    /// The limits in which its attempt has a place, and until when.
    places: Vec<(String, Timestamp)>,
    pub(crate) batch: Option<JobId>,
    /// Whether its batch has counted it.
    counted: bool,
    /// Whether its record was deleted: what is left keeps late messages from running it again.
    deleted: bool,
}

#[derive(Debug, Clone)]
struct Lease {
    token: Token,
    until: Timestamp,
    host: Arc<str>,
    started_at: Timestamp,
}

/// The store.
#[derive(Debug, Default)]
pub(crate) struct StoreModel {
    pub(crate) rows: BTreeMap<JobId, Row>,
    pub(crate) batches: BTreeMap<JobId, BatchModel>,
    pub(super) changes: Vec<Change>,
    mutant: Option<Mutant>,
    /// Counts that a mutant makes later.
    later: Vec<(JobId, JobState)>,
}

/// Why a message of a job that waits is not run.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

impl StoreModel {
    pub(crate) fn new(mutant: Option<Mutant>) -> Self {
        Self { mutant, ..Self::default() }
    }

    pub(crate) fn changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// The owner and the state of an id.
    pub(crate) fn known(&self, id: &JobId) -> Option<(JobOwner, JobState)> {
        self.rows.get(id).map(|row| (row.owner.clone(), row.state))
    }

    /// How the jobs stand that a new one is to wait for.
    pub(crate) fn standing<'a>(&self, after: &'a [After]) -> Standing<'a> {
        let found = Standing::of::<()>(after, |id| Ok(self.rows.get(id).map(|row| row.state)));
        found.unwrap_or(Standing::Met)
    }

    /// Adds the record of a job, and sends it unless it waits.
    pub(crate) fn insert(&mut self, request: &EnqueueRequest, now: Timestamp) {
        let after: Vec<After> = match self.standing(&request.message.after) {
            Standing::Open(open) => open.into_iter().cloned().collect(),
            Standing::Met | Standing::Unmet(_) | Standing::Unknown(_) => Vec::new(),
        };
        let due = request.due_at.unwrap_or(now);
        let state = match () {
            () if !after.is_empty() => JobState::Waiting,
            () if due > now => JobState::Scheduled,
            () => JobState::Queued,
        };
        let unmet = matches!(self.standing(&request.message.after), Standing::Unmet(_));
        let mut row = Row::new(&request.queue, request.message.clone(), state, now);
        (row.due, row.group, row.after) = (due, request.group.clone(), after);
        row.batch = request.message.batch.as_ref().map(|batch| batch.id.clone());
        self.rows.insert(request.id.clone(), row);
        self.changes.push(Change::State { id: request.id.clone(), from: None, to: state });
        if unmet {
            self.end(&request.id, JobState::Cancelled, now);
        } else if state != JobState::Waiting {
            self.send(&request.id, due);
        }
    }

    fn send(&mut self, id: &JobId, due: Timestamp) {
        if let Some(row) = self.rows.get(id) {
            self.changes.push(Change::Send {
                id: id.clone(),
                queue: row.owner.queue.as_str().into(),
                message: row.message.clone(),
                group: row.group.clone(),
                due,
            });
        }
    }

    pub(super) fn set_state(&mut self, id: &JobId, to: JobState) {
        if let Some(row) = self.rows.get_mut(id)
            && row.state != to
        {
            let from = Some(std::mem::replace(&mut row.state, to));
            self.changes.push(Change::State { id: id.clone(), from, to });
        }
    }

    /// Ends a job, and does what follows from that.
    pub(super) fn end(&mut self, id: &JobId, state: JobState, now: Timestamp) {
        self.set_state(id, state);
        let Some(row) = self.rows.get_mut(id) else { return };
        row.lease = None;
        let batch = row.batch.clone().filter(|_| !std::mem::replace(&mut row.counted, true));
        self.follow(id, state, None, now);
        if let Some(batch) = batch {
            if self.is(Mutant::CounterOutside) {
                self.later.push((batch, state));
            } else {
                self.count(&batch, state, now);
            }
        }
    }

    /// Counts what the mutant has left for later, or forgets it.
    pub(crate) fn count_later(&mut self, is_answered: bool, now: Timestamp) {
        for (batch, state) in std::mem::take(&mut self.later) {
            if is_answered {
                self.count(&batch, state, now);
            }
        }
    }

    /// Starts or cancels the jobs that wait for this one; with `only`, those that wait for that outcome.
    pub(super) fn follow(
        &mut self,
        id: &JobId,
        state: JobState,
        only: Option<lamplighter::message::Outcome>,
        now: Timestamp,
    ) {
        let waits = |row: &Row| row.state == JobState::Waiting && row.after.iter().any(|after| after.id == *id);
        let children: Vec<JobId> =
            self.rows.iter().filter(|(_, row)| waits(row)).map(|(child, _)| child.clone()).collect();
        for child in children {
            let Some(row) = self.rows.get_mut(&child) else { continue };
            let (of_this, others): (Vec<After>, Vec<After>) = row.after.drain(..).partition(|after| after.id == *id);
            if only.is_some_and(|only| of_this.iter().any(|after| after.on != only)) {
                row.after = of_this.into_iter().chain(others).collect();
                continue;
            }
            let due = row.due.max(now);
            row.after = others;
            if of_this.iter().any(|after| !after.on.is_met_by(state)) {
                self.end(&child, JobState::Cancelled, now);
            } else if self.rows.get(&child).is_some_and(|row| row.after.is_empty()) {
                self.set_state(&child, if due > now { JobState::Scheduled } else { JobState::Queued });
                self.send(&child, due);
            }
        }
    }

    pub(crate) fn claim(&mut self, request: &ClaimRequest, now: Timestamp) -> Claim {
        let id = &request.id;
        if let Some(until) = self.is_full(request, now)
            && self
                .rows
                .get(id)
                .is_none_or(|row| !row.state.is_final() && row.lease.as_ref().is_none_or(|lease| lease.until <= now))
            && self.rows.get(id).is_none_or(|row| row.owner.is(&request.message.job, &request.queue))
        {
            return Claim::Limited { until, is_hidden: false };
        }
        if !self.rows.contains_key(id) {
            let mut row = Row::new(&request.queue, request.message.clone(), JobState::Running, now);
            row.batch = request.message.batch.as_ref().map(|batch| batch.id.clone());
            self.rows.insert(id.clone(), row);
            self.changes.push(Change::State { id: id.clone(), from: None, to: JobState::Running });
            return self.grant(request, now);
        }
        let (ended_job_claimed, owner_not_checked) =
            (self.is(Mutant::EndedJobClaimed), self.is(Mutant::OwnerNotChecked));
        let (lease_not_checked, waiting_claimed) =
            (self.is(Mutant::LeaseNotChecked), self.is(Mutant::WaitingJobClaimed));
        let late_granted = self.is(Mutant::LateClaimGranted);
        let (repeated_counts, limit_ignored) = (self.is(Mutant::RepeatedClaimCounted), self.is(Mutant::LimitIgnored));
        let Some(row) = self.rows.get_mut(id) else { return Claim::Busy(now) };
        if !row.owner.is(&request.message.job, &request.queue) && !owner_not_checked {
            return Claim::Foreign(row.owner.clone());
        }
        if row.state.is_final() && !ended_job_claimed {
            return match &row.dead {
                Some((message, reason, error)) if *message == request.message_id => {
                    Claim::DeadLetterPending { reason: *reason, error: error.clone(), attempts: row.attempt }
                }
                _ => Claim::Ended(row.state),
            };
        }
        if row.state == JobState::Waiting && !waiting_claimed {
            return Claim::Busy(now + LOOK_AGAIN);
        }
        if let Some(lease) = &row.lease {
            if lease.token.owner == request.owner && !repeated_counts {
                let (attempt, checkpoint) = (lease.token.attempt, row.checkpoint.clone());
                return Claim::Run { attempt, checkpoint, claim_hint: None, message: None };
            }
            if lease.until > now && lease.token.owner != request.owner && !lease_not_checked {
                return Claim::Busy(lease.until);
            }
            let exhausted = row.attempt >= request.max_attempts && !limit_ignored;
            self.lose(id, exhausted);
            if exhausted {
                return self.exhaust(request, now);
            }
        } else if row.due > now && !row.state.is_final() {
            return Claim::Busy(row.due);
        } else if row.last_owner == Some(request.owner) && !late_granted {
            return Claim::Busy(now);
        }
        self.grant(request, now)
    }

    /// Returns until when a limit has no place for a job: the first of the others' leases ends then.
    fn is_full(&self, request: &ClaimRequest, now: Timestamp) -> Option<Timestamp> {
        if self.is(Mutant::PlaceNotChecked) {
            return None;
        }
        let kept = self.is(Mutant::PlaceNotFreed);
        request.limits.iter().find_map(|limit| {
            let others = self.rows.iter().filter(|(other, row)| **other != request.id && (kept || row.lease.is_some()));
            let places = others.flat_map(|(_, row)| &row.places);
            let held: Vec<_> = places
                .filter(|(key, until)| *key == limit.key && (kept || *until > now))
                .map(|(_, until)| *until)
                .collect();
            let is_full = limit.at_once.is_some_and(|at_once| held.len() >= at_once as usize);
            is_full.then(|| held.into_iter().min().unwrap_or(now).max(now + std::time::Duration::from_secs(1)))
        })
    }

    /// Records the running attempt as lost.
    fn lose(&mut self, id: &JobId, is_last: bool) {
        let uncounted = self.is(Mutant::LostNotCounted) && !is_last;
        let Some((row, lease)) = self.rows.get_mut(id).and_then(|row| row.lease.take().map(|lease| (row, lease)))
        else {
            return;
        };
        if uncounted {
            row.attempt = row.attempt.saturating_sub(1);
        }
        let times = (lease.started_at, lease.until);
        row.history.push(Attempt::new(lease.token.attempt, &*lease.host, times, AttemptOutcome::Lost));
        self.changes.push(Change::Lost { id: id.clone() });
    }

    fn exhaust(&mut self, request: &ClaimRequest, now: Timestamp) -> Claim {
        self.end(&request.id, JobState::Failed, now);
        let Some(row) = self.rows.get_mut(&request.id) else { return Claim::Busy(now) };
        let error = ErrorText::new("its last attempt was lost");
        row.dead = Some((request.message_id.clone(), DeadLetterReason::AttemptsExhausted, error));
        Claim::Exhausted { attempts: row.attempt }
    }

    fn grant(&mut self, request: &ClaimRequest, now: Timestamp) -> Claim {
        let Some(row) = self.rows.get_mut(&request.id) else { return Claim::Busy(now) };
        row.attempt += 1;
        let (attempt, host, until) = (row.attempt, request.host.clone(), request.lease_until);
        let token = Token { attempt, owner: request.owner };
        row.last_owner = Some(request.owner);
        row.lease = Some(Lease { token, until, host: host.clone(), started_at: now });
        row.places = request.limits.iter().map(|limit| (limit.key.clone(), until)).collect();
        let checkpoint = row.checkpoint.clone();
        self.set_state(&request.id, JobState::Running);
        self.changes.push(Change::Granted { id: request.id.clone(), token, host, until });
        Claim::Run { attempt, checkpoint, claim_hint: None, message: None }
    }

    pub(crate) fn settle(&mut self, request: &Completion, now: Timestamp) -> CompletionResult {
        let Completion { id, token, ended_at, .. } = request;
        let forgets = self.is(Mutant::SettlementForgotten);
        let (counts_again, unfenced) = (self.is(Mutant::CountedAgain), self.is(Mutant::FenceDropped));
        let Some(row) = self.rows.get_mut(id) else { return CompletionResult::Fenced(None) };
        let held = row.lease.as_ref().is_some_and(|lease| lease.token == *token);
        if !held {
            if row.settled.contains(&(*token, *ended_at)) && !forgets {
                let (batch, state) = (row.batch.clone(), row.state);
                self.changes.push(Change::KnownAgain { id: id.clone(), token: *token, ended_at: *ended_at });
                if let Some(batch) = batch.filter(|_| counts_again && state.is_final()) {
                    self.count(&batch, state, now);
                }
                return CompletionResult::Applied { message_done: false };
            }
            if !unfenced {
                let state = row.state;
                self.changes.push(Change::Fenced { id: id.clone(), token: *token, ended_at: *ended_at });
                return CompletionResult::Fenced(Some(state));
            }
        }
        row.settled.push((*token, *ended_at));
        row.lease = None;
        let mut decision = request.decision.clone();
        if self.is(Mutant::EverythingSucceeds) && !matches!(decision, Decision::Released { .. }) {
            decision = Decision::Succeeded { output: None, retention: std::time::Duration::from_secs(3600) };
        }
        self.changes.push(Change::Settled {
            id: id.clone(),
            token: *token,
            decision: decision.clone(),
            ended_at: *ended_at,
        });
        self.apply(request, decision, now);
        CompletionResult::Applied { message_done: false }
    }

    fn apply(&mut self, request: &Completion, decision: Decision, now: Timestamp) {
        let release_counted = self.is(Mutant::ReleaseCounted);
        let Completion { id, token, ended_at, .. } = request;
        let Some(row) = self.rows.get_mut(id) else { return };
        let attempt = |outcome, error: Option<&ErrorText>| {
            let times = (request.started_at, *ended_at);
            Attempt::new(token.attempt, &*request.host, times, outcome).with_error(error.cloned())
        };
        match decision {
            Decision::Succeeded { .. } => {
                row.history.push(attempt(AttemptOutcome::Succeeded, None));
                self.end(id, JobState::Succeeded, now);
            }
            Decision::Retry { outcome, error, delay } => {
                row.history.push(attempt(outcome, Some(&error)));
                row.due = *ended_at + delay;
                self.set_state(id, JobState::Retrying);
            }
            Decision::Failed { outcome, error, reason, .. } => {
                row.history.push(attempt(outcome, Some(&error)));
                row.dead = Some((request.message_id.clone(), reason, error));
                self.end(id, JobState::Failed, now);
            }
            Decision::Continued { outcome, error, checkpoint } => {
                row.history.push(attempt(outcome, error.as_ref()));
                row.checkpoint = checkpoint.or_else(|| row.checkpoint.take());
                (row.attempt, row.due) = (0, *ended_at);
                self.set_state(id, JobState::Queued);
            }
            Decision::Released { delay } => {
                if !release_counted {
                    row.attempt = row.attempt.saturating_sub(1);
                }
                row.due = *ended_at + delay;
                self.set_state(id, JobState::Queued);
            }
        }
    }

    pub(crate) fn save(&mut self, id: &JobId, token: Token, data: JobData) -> LeaseStatus {
        let Some(row) = self.rows.get_mut(id) else { return LeaseStatus::Lost };
        if row.lease.as_ref().is_none_or(|lease| lease.token != token) {
            return LeaseStatus::Lost;
        }
        if data.checkpoint.is_some() {
            row.checkpoint = data.checkpoint;
        }
        self.changes.push(Change::Saved { id: id.clone(), token });
        LeaseStatus::Held
    }

    pub(crate) fn renew(&mut self, request: &RenewRequest) -> LeaseStatus {
        match self.rows.get_mut(&request.id).and_then(|row| row.lease.as_mut()) {
            Some(lease) if lease.token == request.token => {
                lease.until = request.lease_until;
                if let Some(row) = self.rows.get_mut(&request.id) {
                    row.places.iter_mut().for_each(|(_, until)| *until = request.lease_until);
                }
                let (id, token, until) = (request.id.clone(), request.token, request.lease_until);
                self.changes.push(Change::Renewed { id, token, until });
                LeaseStatus::Held
            }
            _ => LeaseStatus::Lost,
        }
    }

    pub(crate) fn cancel(&mut self, id: &JobId, now: Timestamp) -> Option<JobState> {
        let row = self.rows.get_mut(id)?;
        if !row.state.is_final() {
            row.after.clear();
            if let Some(lease) = row.lease.take() {
                let (attempt, host) = (lease.token.attempt, &*lease.host);
                row.history.push(Attempt::new(attempt, host, (lease.started_at, now), AttemptOutcome::Cancelled));
            }
            self.end(id, JobState::Cancelled, now);
        }
        self.rows.get(id).map(|row| row.state)
    }

    /// Deletes the record of an ended job, and keeps what a late message needs.
    pub(crate) fn delete(&mut self, id: &JobId) -> Option<JobState> {
        let row = self.rows.get_mut(id).filter(|row| !row.deleted)?;
        row.deleted = row.state.is_final();
        Some(row.state)
    }

    /// Lets a job that has not begun, or waits for its next attempt, run at `at` instead: the record has the time, and a
    /// message of its own is sent for it.
    pub(crate) fn reschedule(&mut self, id: &JobId, at: Timestamp, now: Timestamp) -> Option<JobState> {
        let row = self.rows.get_mut(id)?;
        if !matches!(row.state, JobState::Scheduled | JobState::Queued | JobState::Retrying) {
            return Some(row.state);
        }
        let due = at.max(now);
        row.due = due;
        let state = match (row.attempt, row.state) {
            (0, JobState::Scheduled | JobState::Queued) if due > now => JobState::Scheduled,
            (0, JobState::Scheduled | JobState::Queued) => JobState::Queued,
            (_, state) => state,
        };
        self.set_state(id, state);
        self.send(id, due);
        Some(state)
    }

    /// Runs an ended job again.
    pub(crate) fn run_again(&mut self, id: &JobId, sends: bool, now: Timestamp) -> Option<JobState> {
        let row = self.rows.get_mut(id).filter(|row| !row.deleted)?;
        if !row.state.is_final() {
            return Some(row.state);
        }
        (row.attempt, row.due, row.dead, row.lease) = (0, now, None, None);
        self.changes.push(Change::RunAgain { id: id.clone() });
        self.set_state(id, JobState::Queued);
        if sends {
            self.send(id, now);
        }
        Some(JobState::Queued)
    }

    /// Sends the messages of records that run, though their lease has ended: maintenance does, where the queue is empty.
    pub(crate) fn send_stale(&mut self, queue: &str, now: Timestamp) {
        let is_stale =
            |row: &Row| row.owner.queue == queue && row.lease.as_ref().is_some_and(|lease| lease.until <= now);
        let stale: Vec<JobId> = self.rows.iter().filter(|(_, row)| is_stale(row)).map(|(id, _)| id.clone()).collect();
        for id in stale {
            self.send(&id, now);
        }
    }

    /// Whether a record runs.
    pub(crate) fn has_stale(&self) -> bool {
        self.rows.values().any(|row| row.lease.is_some())
    }

    pub(crate) fn record(&self, id: &JobId) -> Option<Record> {
        let row = self.rows.get(id).filter(|row| !row.deleted)?;
        let mut record = Record::new(id.clone(), &*row.owner.queue, row.state, row.message.clone(), row.created_at);
        (record.due_at, record.attempt) = (row.due, row.attempt);
        record.lease_until = row.lease.as_ref().map(|lease| lease.until);
        record.checkpoint.clone_from(&row.checkpoint);
        record.attempts.clone_from(&row.history);
        Some(record)
    }
}

impl Row {
    pub(super) fn new(queue: &str, message: Arc<Message>, state: JobState, now: Timestamp) -> Self {
        let owner = JobOwner { job: message.job.clone(), queue: queue.to_owned() };
        Self {
            owner,
            state,
            message,
            group: None,
            created_at: now,
            due: now,
            attempt: 0,
            lease: None,
            last_owner: None,
            settled: Vec::new(),
            history: Vec::new(),
            checkpoint: None,
            dead: None,
            after: Vec::new(),
            places: Vec::new(),
            batch: None,
            counted: false,
            deleted: false,
        }
    }
}
