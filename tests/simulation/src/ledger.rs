//! The ledger: an account of what was observed at the ports and in the handlers, kept apart from the models, and the
//! invariants over it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use lamplighter::{
    Batch, Job, JobId, JobState, Timestamp,
    backend::{Decision, Token},
    record::AttemptOutcome,
};

use crate::{
    invariant::{Invariant, Violation},
    jobs::{ATTEMPTS, Alone},
    transitions::Transitions,
};

/// The accounts of all jobs.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) jobs: BTreeMap<JobId, Book>,
    /// The jobs of each FIFO group, in the order in which they were sent.
    groups: BTreeMap<Arc<str>, Vec<JobId>>,
    /// How often each batch has ended.
    batches_ended: BTreeMap<JobId, u32>,
    /// Jobs with a dead letter.
    pub(crate) dead: BTreeSet<JobId>,
    pub(crate) transitions: Transitions,
    pub(crate) executions: u64,
    violation: Option<Violation>,
}

/// The account of one job.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// The name under which the store first saw it.
    owner: String,
    pub(crate) acknowledged: bool,
    pub(crate) state: Option<JobState>,
    pub(crate) run_again: bool,
    pub(crate) cancelled: bool,
    /// Attempts counted in the current run.
    counted: u32,
    pub(crate) grants: Vec<Grant>,
    pub(crate) executions: Vec<Execution>,
    /// The state in which it first ended.
    pub(crate) first_end: Option<JobState>,
    pub(crate) group: Option<Arc<str>>,
}

/// A lease that was given to an attempt.
#[derive(Debug)]
pub(crate) struct Grant {
    token: Token,
    host: Arc<str>,
    until: Timestamp,
    standing: Standing,
    ended_at: Option<Timestamp>,
    execution: Option<usize>,
}

/// What has happened to an attempt's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Open,
    Settled,
    Lost,
    Cancelled,
}

/// One run of a handler.
#[derive(Debug)]
pub(crate) struct Execution {
    grant: usize,
    attempt: u32,
    pub(crate) end: Option<End>,
}

/// How a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Succeeded,
    Error,
    Failed,
    Panicked,
    Snoozed,
    Continued,
    /// It was stopped: by its timeout, its host's stop, or a lost lease.
    Dropped,
}

impl Ledger {
    /// Notes that an invariant does not hold. The first one counts.
    pub(crate) fn violates(&mut self, invariant: Invariant, message: String) {
        self.violation.get_or_insert(Violation { invariant, message });
    }

    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    fn book(&mut self, id: &JobId) -> &mut Book {
        if !self.jobs.contains_key(id) {
            self.jobs.insert(id.clone(), Book::default());
        }
        self.jobs.entry(id.clone()).or_default()
    }

    /// A job was written for the first time, under this name.
    pub(crate) fn owned(&mut self, id: &JobId, job: &str) {
        let book = self.book(id);
        if book.owner.is_empty() {
            job.clone_into(&mut book.owner);
        }
    }

    /// A job was put behind the others of its group.
    pub(crate) fn joined(&mut self, id: &JobId, group: &Arc<str>) {
        self.book(id).group = Some(group.clone());
        let jobs = self.groups.entry(group.clone()).or_default();
        jobs.retain(|job| job != id);
        jobs.push(id.clone());
    }

    pub(crate) fn acknowledged(&mut self, id: &JobId) {
        self.book(id).acknowledged = true;
    }

    /// A record has changed its state.
    pub(crate) fn state(&mut self, id: &JobId, from: Option<JobState>, to: JobState) {
        let book = self.book(id);
        let (known, run_again, is_batch) = (book.state.replace(to), book.run_again, book.owner == Batch::JOB);
        if to.is_final() {
            book.first_end.get_or_insert(to);
        }
        if known != from {
            self.violates(Invariant::FinalOnce, format!("{id} was {known:?} and changes from {from:?} to {to}"));
        }
        let Some(from) = from else {
            if !matches!(to, JobState::Waiting | JobState::Scheduled | JobState::Queued | JobState::Running) {
                self.violates(Invariant::KnownTransition, format!("{id} begins as {to}"));
            }
            return;
        };
        if from.is_final() && !(run_again && to == JobState::Queued) {
            self.violates(Invariant::FinalOnce, format!("{id} had ended as {from} and became {to}"));
        }
        // The record of a batch waits until it ends.
        let is_end_of_batch = is_batch && from == JobState::Waiting && to.is_final();
        if !is_end_of_batch && !self.transitions.see(from, to) {
            self.violates(Invariant::KnownTransition, format!("{id} changed from {from} to {to}"));
        }
    }

    pub(crate) fn run_again(&mut self, id: &JobId) {
        let book = self.book(id);
        (book.run_again, book.counted) = (true, 0);
        for grant in book.grants.iter_mut().filter(|grant| grant.standing == Standing::Open) {
            grant.standing = Standing::Cancelled;
        }
    }

    pub(crate) fn cancelled(&mut self, id: &JobId) {
        let book = self.book(id);
        book.cancelled = true;
        for grant in book.grants.iter_mut().filter(|grant| grant.standing == Standing::Open) {
            grant.standing = Standing::Cancelled;
        }
    }

    /// The running attempt of a job was recorded as lost.
    pub(crate) fn lost(&mut self, id: &JobId, now: Timestamp) {
        let book = self.book(id);
        let open = book.grants.iter_mut().rev().find(|grant| grant.standing == Standing::Open);
        let early = open.and_then(|grant| {
            grant.standing = Standing::Lost;
            (grant.until > now).then_some(grant.token.attempt)
        });
        book.counted += 1;
        if let Some(attempt) = early {
            self.violates(
                Invariant::OneLease,
                format!("attempt {attempt} of {id} is called lost while it holds its lease"),
            );
        }
    }

    /// The lease of a job was given to an attempt.
    pub(crate) fn granted(&mut self, id: &JobId, token: Token, host: &Arc<str>, until: Timestamp, now: Timestamp) {
        let book = self.book(id);
        let other = book.grants.iter_mut().rev().find(|grant| grant.standing == Standing::Open);
        let mut broken = None;
        if let Some(other) = other {
            // The store should have said that it was lost.
            other.standing = Standing::Lost;
            broken = Some(match other.until > now {
                true => (Invariant::OneLease, format!("{id} was given to {host}, and {} holds its lease", other.host)),
                false => {
                    (Invariant::AttemptIsExecution, format!("{id} was given to {host}, and an attempt is not counted"))
                }
            });
        }
        let is_alone = book.owner == Alone::NAME;
        let (attempt, counted) = (token.attempt, book.counted);
        if attempt > ATTEMPTS {
            broken.get_or_insert((
                Invariant::AttemptsWithinLimit,
                format!("attempt {attempt} of {id} begins; {ATTEMPTS} are allowed"),
            ));
        }
        if attempt != counted + 1 {
            let text = format!("attempt {attempt} of {id} begins, and {counted} were counted before");
            broken.get_or_insert((Invariant::AttemptIsExecution, text));
        }
        let grant =
            Grant { token, host: host.clone(), until, standing: Standing::Open, ended_at: None, execution: None };
        book.grants.push(grant);
        if is_alone {
            let holds = |grant: &Grant| grant.standing == Standing::Open && grant.until > now;
            let others = self.jobs.iter().filter(|(other, book)| *other != id && book.owner == Alone::NAME);
            let other =
                others.into_iter().find(|(_, book)| book.grants.iter().any(holds)).map(|(other, _)| other.clone());
            if let Some(other) = other {
                broken.get_or_insert((Invariant::LimitIsKept, format!("{id} was given a place that {other} has")));
            }
        }
        if let Some((invariant, message)) = broken {
            self.violates(invariant, message);
        }
    }

    fn grant_of(&mut self, id: &JobId, token: Token) -> Option<&mut Grant> {
        self.book(id).grants.iter_mut().rev().find(|grant| grant.token == token)
    }

    /// A settlement was applied.
    pub(crate) fn settled(&mut self, id: &JobId, token: Token, decision: &Decision, ended_at: Timestamp) {
        let Some(grant) = self.grant_of(id, token) else {
            let text = format!("attempt {} of {id} was settled, and nobody was given it", token.attempt);
            return self.violates(Invariant::ZombieChangesNothing, text);
        };
        let (standing, execution) = (grant.standing, grant.execution);
        (grant.standing, grant.ended_at) = (Standing::Settled, Some(ended_at));
        if standing != Standing::Open {
            let text = format!("attempt {} of {id} ({standing:?}) changed the record", token.attempt);
            self.violates(Invariant::ZombieChangesNothing, text);
        }
        let book = self.book(id);
        let end = execution.and_then(|index| book.executions.get(index)).map(|execution| execution.end);
        match decision {
            Decision::Released { .. } => {}
            Decision::Continued { .. } => book.counted = 0,
            Decision::Succeeded { .. } | Decision::Retry { .. } | Decision::Failed { .. } => book.counted += 1,
        }
        if !is_true(decision, end) {
            let text = format!(
                "attempt {} of {id} is recorded as {:?}, and its handler: {end:?}",
                token.attempt,
                kind(decision)
            );
            self.violates(Invariant::RecordIsTrue, text);
        }
    }

    /// A settlement was answered as one that is known.
    pub(crate) fn known_again(&mut self, id: &JobId, token: Token, ended_at: Timestamp) {
        let is_known = self.grant_of(id, token).is_some_and(|grant| grant.ended_at == Some(ended_at));
        if !is_known {
            let text = format!("attempt {} of {id} is called settled, and was not", token.attempt);
            self.violates(Invariant::SettlementIsKnown, text);
        }
    }

    /// A settlement was refused.
    pub(crate) fn fenced(&mut self, id: &JobId, token: Token, ended_at: Timestamp) {
        let Some(grant) = self.grant_of(id, token) else { return };
        let (standing, known) = (grant.standing, grant.ended_at);
        if standing == Standing::Open || known == Some(ended_at) {
            let text =
                format!("the settlement of attempt {} of {id} was refused, and it is {standing:?}", token.attempt);
            self.violates(Invariant::SettlementIsKnown, text);
        }
    }

    /// The lease of an attempt was renewed.
    pub(crate) fn renewed(&mut self, id: &JobId, token: Token, until: Timestamp) {
        let standing = self.grant_of(id, token).map(|grant| {
            grant.until = until;
            grant.standing
        });
        if standing != Some(Standing::Open) {
            let text = format!("attempt {} of {id} ({standing:?}) renewed its lease", token.attempt);
            self.violates(Invariant::ZombieChangesNothing, text);
        }
    }

    /// An attempt has saved a checkpoint or progress.
    pub(crate) fn saved(&mut self, id: &JobId, token: Token) {
        let standing = self.grant_of(id, token).map(|grant| grant.standing);
        if standing != Some(Standing::Open) {
            let text = format!("attempt {} of {id} ({standing:?}) saved a checkpoint", token.attempt);
            self.violates(Invariant::ZombieChangesNothing, text);
        }
    }

    /// A handler begins. Returns the number of the execution, from 0.
    pub(crate) fn begins(&mut self, id: &JobId, job: &str, attempt: u32, host: &str) -> usize {
        self.executions += 1;
        let book = self.book(id);
        let is_of = |grant: &Grant| grant.token.attempt == attempt && *grant.host == *host && grant.execution.is_none();
        let grant = book.grants.iter().rposition(is_of);
        let number = book.executions.len();
        book.executions.push(Execution { grant: grant.unwrap_or(usize::MAX), attempt, end: None });
        // One that is run again by hand may come by its old message or by its new one.
        let (owner, group) = (book.owner.clone(), book.group.clone().filter(|_| !book.run_again));
        if let Some(grant) = grant.and_then(|grant| book.grants.get_mut(grant)) {
            grant.execution = Some(number);
        } else {
            let text = format!("{host} runs attempt {attempt} of {id}, which it was not given, or has run already");
            self.violates(Invariant::AttemptIsExecution, text);
        }
        if owner != job {
            self.violates(Invariant::OneOwner, format!("{job} runs under the id {id} of {owner}"));
        }
        if let Some(group) = group {
            self.check_order(id, &group);
        }
        number
    }

    fn check_order(&mut self, id: &JobId, group: &Arc<str>) {
        let before = self.groups.get(group).into_iter().flatten().take_while(|job| *job != id);
        let open = before.into_iter().find(|job| self.jobs.get(*job).is_some_and(|book| !self.is_over(job, book)));
        if let Some(open) = open.cloned() {
            let text = format!("{id} runs before {open}, which is before it in group {group}");
            self.violates(Invariant::FifoOrder, text);
        }
    }

    /// Whether nothing more of a job is to run.
    fn is_over(&self, id: &JobId, book: &Book) -> bool {
        let ended = book.executions.iter().any(|execution| match execution.end {
            Some(End::Succeeded | End::Failed) => true,
            Some(End::Error | End::Panicked | End::Dropped) => execution.attempt >= ATTEMPTS,
            Some(End::Snoozed | End::Continued) | None => false,
        });
        ended || book.first_end.is_some() || self.dead.contains(id)
    }

    /// A handler ends. Returns whether it had not ended before.
    pub(crate) fn ends(&mut self, id: &JobId, execution: usize, end: End) -> bool {
        match self.book(id).executions.get_mut(execution) {
            Some(execution) if execution.end.is_none() => {
                execution.end = Some(end);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn batch_ended(&mut self, id: &JobId) {
        let times = self.batches_ended.entry(id.clone()).or_default();
        *times += 1;
        if *times > 1 {
            self.violates(Invariant::BatchIsExact, format!("batch {id} ended twice"));
        }
    }

    /// Checks a batch when all has ended: its counts, and how often it should have ended.
    pub(crate) fn check_batch(&mut self, batch: &Batch, jobs: &[JobId]) {
        let ends = |state| {
            jobs.iter().filter(|job| self.jobs.get(*job).and_then(|book| book.first_end) == Some(state)).count() as u64
        };
        let counted = (batch.succeeded, batch.failed, batch.cancelled);
        let expected = (ends(JobState::Succeeded), ends(JobState::Failed), ends(JobState::Cancelled));
        let times = self.batches_ended.get(&batch.id).copied().unwrap_or_default();
        if counted != expected || times != 1 || batch.done() != batch.total {
            let text = format!(
                "batch {} counts {counted:?} succeeded, failed, cancelled of {}, its jobs {expected:?}, and it ended {times} times",
                batch.id, batch.total
            );
            self.violates(Invariant::BatchIsExact, text);
        }
    }

    /// Checks that each execution is recorded, where nothing but the store was at fault.
    pub(crate) fn check_outcomes(&mut self) {
        let unrecorded = self.jobs.iter().find_map(|(id, book)| {
            // A settlement outside of its group may be overtaken by the job, as the documentation says.
            let counts = book.group.is_none() && !book.cancelled && !book.run_again;
            let lost = book.executions.iter().find(|execution| {
                counts && book.grants.get(execution.grant).is_some_and(|grant| grant.standing == Standing::Lost)
            })?;
            Some((id.clone(), lost.attempt, lost.end))
        });
        if let Some((id, attempt, end)) = unrecorded {
            let text = format!(
                "attempt {attempt} of {id} ran ({end:?}) and is recorded as lost, though only the store was away"
            );
            self.violates(Invariant::OutcomeIsKept, text);
        }
    }
}

fn kind(decision: &Decision) -> JobState {
    decision.state()
}

/// Whether a decision follows from what the handler did; `None` for an attempt without an execution.
fn is_true(decision: &Decision, end: Option<Option<End>>) -> bool {
    match (decision, end) {
        (Decision::Succeeded { .. }, end) => end == Some(Some(End::Succeeded)),
        (Decision::Retry { outcome, .. } | Decision::Failed { outcome, .. }, Some(end)) => match outcome {
            AttemptOutcome::Error => matches!(end, Some(End::Error | End::Failed)),
            AttemptOutcome::Panic => end == Some(End::Panicked),
            // A handler that ends in the same moment may have been stopped by its timeout all the same.
            AttemptOutcome::TimedOut => true,
            _ => false,
        },
        // Stopped before its first step, or with arguments that do not fit.
        (Decision::Retry { outcome, .. } | Decision::Failed { outcome, .. }, None) => *outcome != AttemptOutcome::Panic,
        (Decision::Continued { outcome: AttemptOutcome::Continued, .. }, end) => end == Some(Some(End::Continued)),
        (Decision::Continued { .. }, end) => end.is_some(),
        // Snoozed, handed back, or stopped by its host.
        (Decision::Released { .. }, end) => {
            !matches!(end, Some(Some(End::Error | End::Failed | End::Panicked | End::Continued)))
        }
    }
}
