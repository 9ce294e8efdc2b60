//! An in-memory backend with configurable faults, and a few jobs, for the worker's tests.
#![allow(missing_docs, unreachable_pub, dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod log;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use lamplighter::{
    Cancellation, EnqueueError, Enqueued, Function, Job, JobId, JobState, ListQuery, Options, Queue, RawValue, Record,
    Retry, Timestamp,
    backend::{
        Backend, Claim, ClaimRequest, Completion, CompletionResult, DeadLetterReason, Decision, EnqueueRequest,
        JobData, LeaseStatus, Queues, RenewRequest, Store, StoreError, Token,
    },
    env::Env,
    host::{Delivery, Stop, Worker},
    record::{Count, ErrorText, LogLine, Page},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub const QUEUE: Queue = Queue::standard("test");

/// A job whose argument names the handler's behaviour.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Act {
    pub what: String,
}

impl Job for Act {
    const NAME: &'static str = "test.act";
    const QUEUE: Queue = QUEUE;

    fn options() -> Options {
        Options::new().timeout(Duration::from_secs(10)).retry(Retry::fixed(Duration::from_secs(7)).attempts(3))
    }
}

#[derive(Default)]
pub struct Faults {
    pub claims: u32,
    pub settles: u32,
    pub sends: u32,
    pub renewals: u32,
    pub panics: bool,
}

pub struct Entry {
    pub state: JobState,
    pub attempt: u32,
    pub holder: Option<(Token, Timestamp)>,
    /// The message that is to be dead-lettered.
    pub failed_message: Option<String>,
    /// Attempts that were settled, and when they ended.
    pub known: Vec<(Token, Timestamp)>,
    pub checkpoint: Option<Box<RawValue>>,
}

impl Entry {
    fn new(state: JobState, attempt: u32, holder: Option<(Token, Timestamp)>) -> Self {
        Self { state, attempt, holder, failed_message: None, checkpoint: None, known: Vec::new() }
    }
}

#[derive(Clone)]
pub struct Memory {
    pub env: Env,
    pub jobs: Arc<Mutex<HashMap<JobId, Entry>>>,
    pub claims: Arc<Mutex<Vec<ClaimRequest>>>,
    /// The answers to the next claims, instead of the memory's own.
    pub answers: Arc<Mutex<VecDeque<Claim>>>,
    pub settled: Arc<Mutex<Vec<Completion>>>,
    pub sent: Arc<Mutex<Vec<EnqueueRequest>>>,
    pub faults: Arc<Mutex<Faults>>,
    pub settle_calls: Arc<Mutex<usize>>,
}

impl Memory {
    pub fn new(env: &Env) -> Self {
        Self {
            env: env.clone(),
            jobs: Arc::default(),
            claims: Arc::default(),
            answers: Arc::default(),
            settled: Arc::default(),
            sent: Arc::default(),
            faults: Arc::default(),
            settle_calls: Arc::default(),
        }
    }

    pub fn backend(&self) -> Backend {
        Backend::new(Arc::new(self.clone())).with_store(Arc::new(self.clone()))
    }

    pub fn stateless(&self) -> Backend {
        Backend::new(Arc::new(self.clone()))
    }

    pub fn worker(&self, function: Function) -> Worker {
        Worker::new(function, self.backend(), self.env.clone(), "test-host", Stop::new())
    }

    pub fn state(&self, id: &str) -> JobState {
        self.jobs.lock().unwrap()[id].state
    }

    pub fn put(&self, id: &str, state: JobState, attempt: u32, holder: Option<(Token, Timestamp)>) {
        self.jobs.lock().unwrap().insert(JobId::new(id).unwrap(), Entry::new(state, attempt, holder));
    }
}

fn fault(left: &mut u32) -> Result<(), StoreError> {
    match left.checked_sub(1) {
        Some(rest) => {
            *left = rest;
            Err(StoreError::unavailable("unavailable for a test"))
        }
        None => Ok(()),
    }
}

#[async_trait]
impl Queues for Memory {
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        submissions
            .into_iter()
            .map(|submission| {
                fault(&mut self.faults.lock().unwrap().sends)?;
                let id = submission.id.clone();
                self.sent.lock().unwrap().push(submission);
                Ok(Enqueued::New(id))
            })
            .collect()
    }
}

#[async_trait]
impl Store for Memory {
    async fn claim(&self, requests: Vec<ClaimRequest>, _: Instant) -> Vec<Result<Claim, StoreError>> {
        let now = self.env.now();
        requests
            .into_iter()
            .map(|request| {
                fault(&mut self.faults.lock().unwrap().claims)?;
                self.claims.lock().unwrap().push(request.clone());
                if let Some(answer) = self.answers.lock().unwrap().pop_front() {
                    return Ok(answer);
                }
                let mut jobs = self.jobs.lock().unwrap();
                let entry = jobs.entry(request.id).or_insert(Entry::new(JobState::Queued, 0, None));
                if entry.failed_message.as_ref() == Some(&request.message_id) {
                    let error = ErrorText::new("no luck");
                    return Ok(Claim::DeadLetterPending {
                        reason: DeadLetterReason::Failed,
                        error,
                        attempts: entry.attempt,
                    });
                }
                if entry.state.is_final() {
                    return Ok(Claim::Ended(entry.state));
                }
                if let Some((token, _)) = entry.holder.filter(|(token, _)| token.owner == request.owner) {
                    let checkpoint = entry.checkpoint.clone();
                    return Ok(Claim::Run { attempt: token.attempt, checkpoint, claim_hint: None, message: None });
                }
                if let Some((_, until)) = entry.holder.filter(|(_, until)| *until > now) {
                    return Ok(Claim::Busy(until));
                }
                if entry.holder.take().is_some() && entry.attempt >= request.max_attempts {
                    entry.state = JobState::Failed;
                    return Ok(Claim::Exhausted { attempts: entry.attempt });
                }
                entry.attempt += 1;
                entry.state = JobState::Running;
                entry.holder = Some((Token { attempt: entry.attempt, owner: request.owner }, request.lease_until));
                Ok(Claim::Run {
                    attempt: entry.attempt,
                    checkpoint: entry.checkpoint.clone(),
                    claim_hint: None,
                    message: None,
                })
            })
            .collect()
    }

    async fn settle(&self, requests: Vec<Completion>, _: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        *self.settle_calls.lock().unwrap() += 1;
        requests
            .into_iter()
            .map(|settle| {
                fault(&mut self.faults.lock().unwrap().settles)?;
                let mut jobs = self.jobs.lock().unwrap();
                let Some(entry) = jobs.get_mut(&settle.id) else { return Ok(CompletionResult::Fenced(None)) };
                if entry.known.contains(&(settle.token, settle.ended_at)) {
                    return Ok(CompletionResult::Applied { message_done: false });
                }
                if entry.holder.is_none_or(|(token, _)| token != settle.token) {
                    return Ok(CompletionResult::Fenced(Some(entry.state)));
                }
                entry.holder = None;
                entry.known.push((settle.token, settle.ended_at));
                entry.state = match &settle.decision {
                    Decision::Succeeded { .. } => JobState::Succeeded,
                    Decision::Retry { .. } => JobState::Retrying,
                    Decision::Failed { .. } => {
                        entry.failed_message = Some(settle.message_id.clone());
                        JobState::Failed
                    }
                    Decision::Continued { checkpoint, .. } => {
                        entry.attempt = 0;
                        if checkpoint.is_some() {
                            entry.checkpoint.clone_from(checkpoint);
                        }
                        JobState::Queued
                    }
                    Decision::Released { .. } => {
                        entry.attempt -= 1;
                        JobState::Queued
                    }
                };
                self.settled.lock().unwrap().push(settle);
                Ok(CompletionResult::Applied { message_done: false })
            })
            .collect()
    }

    async fn save_job_data(&self, id: &JobId, token: Token, data: JobData) -> Result<LeaseStatus, StoreError> {
        let mut jobs = self.jobs.lock().unwrap();
        let Some(entry) = jobs.get_mut(id) else { return Ok(LeaseStatus::Lost) };
        let held = entry.holder.is_some_and(|(holder, _)| holder == token);
        if held && data.checkpoint.is_some() {
            entry.checkpoint = data.checkpoint;
        }
        Ok(if held { LeaseStatus::Held } else { LeaseStatus::Lost })
    }

    async fn renew(&self, requests: Vec<RenewRequest>, _: Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        let mut jobs = self.jobs.lock().unwrap();
        let answers = requests.into_iter().map(|request| {
            fault(&mut self.faults.lock().unwrap().renewals)?;
            let held = jobs.get_mut(&request.id).and_then(|entry| entry.holder.as_mut());
            match held.filter(|(holder, _)| *holder == request.token) {
                Some((_, until)) => {
                    *until = request.lease_until;
                    Ok(LeaseStatus::Held)
                }
                None => Ok(LeaseStatus::Lost),
            }
        });
        answers.collect()
    }

    async fn get(&self, _: &JobId) -> Result<Option<Record>, StoreError> {
        Ok(None)
    }

    async fn log(&self, _: &JobId) -> Result<Vec<LogLine>, StoreError> {
        Ok(Vec::new())
    }

    async fn log_operation(&self, _: &JobId, _: &JobId, _: LogLine) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&self, _: &ListQuery) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        Ok(Vec::new())
    }

    async fn cancel(&self, _: &JobId, _: &Cancellation) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }

    async fn retry(&self, _: &JobId) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }

    async fn delete(&self, _: &JobId) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }

    async fn reschedule(&self, _: &JobId, _: Timestamp) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }

    async fn mark_queued(&self, _: &JobId) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }
}

pub fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// A delivery of [`Act`] under an id of its own.
pub fn act(id: &str, what: &str) -> Delivery {
    let body = serde_json::json!({ "job": Act::NAME, "id": id, "args": { "what": what } });
    delivery(id, &body.to_string())
}

pub fn delivery(message_id: &str, body: &str) -> Delivery {
    Delivery::new("test", message_id, format!("receipt-{message_id}"), body)
}
