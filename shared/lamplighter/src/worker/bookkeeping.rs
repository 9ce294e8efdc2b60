//! Recording how attempts ended. A failed write never changes a job's outcome: when the store cannot take a settlement,
//! it is sent as a message and applied later, and the handler is not run again for it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::{
    Inner, Report,
    budget::{Budget, callee_deadline},
    carried::Carrier,
    intake::{Claimed, Ready},
};
use crate::{
    delivery::{Delivery, Disposition, MessageAction},
    log::LogLine,
    meter::{Run, RunEnd},
    ports::{self, Completion, Decision, EnqueueRequest, Event, Store, StoreError, StoreErrorKind},
    record::{JobState, Progress},
};

/// A job whose attempt has ended, or that is handed back without one.
pub(super) struct EndedAttempt {
    pub(super) job: Claimed,
    /// When its handler began, if it did.
    pub(super) started_at: Option<Timestamp>,
    /// How long it ran, by the timer, if it did.
    pub(super) took: Option<Duration>,
    pub(super) ended_at: Timestamp,
    pub(super) decision: Decision,
    pub(super) action: MessageAction,
    pub(super) progress: Option<Progress>,
    pub(super) log: Vec<LogLine>,
    /// The jobs behind it in its FIFO group, which wait for it to be settled.
    pub(super) behind: VecDeque<Claimed>,
}

/// The result of settling jobs.
#[derive(Default)]
pub(super) struct Recorded {
    pub(super) reports: Vec<Report>,
    /// The events to publish.
    pub(super) events: Vec<Event>,
    /// The jobs behind settled ones in their FIFO groups, and whether the settled one's message is deleted.
    pub(super) behind: Vec<(VecDeque<Claimed>, bool)>,
    is_measured: bool,
}

impl Recorded {
    /// The outcome counts. `done`: the message is settled too.
    fn applied(&mut self, ended: EndedAttempt, done: bool) {
        self.events.extend(ended.event());
        self.report(ended, done, true);
    }

    /// `counts`: whether the outcome counts.
    fn report(&mut self, mut ended: EndedAttempt, done: bool, counts: bool) {
        let behind = std::mem::take(&mut ended.behind);
        if !behind.is_empty() {
            self.behind.push((behind, ended.action == MessageAction::Ack));
        }
        let run = self.is_measured.then(|| Box::new(ended.run(counts)));
        let mut report = ended.report();
        report.run = run;
        report.settlement.done = done;
        self.reports.push(report);
    }
}

/// Pauses between tries to reach a store that is unavailable. After the last, the settlement is sent as a message.
const STORE_RETRIES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];
/// The target of the log's lines about single successes: a program that shows them names it.
const SUCCESS: &str = "lamplighter::success";
/// Settlements per call to the queue: the result of one call is known even if the next one fails.
const CARRIED_PER_CALL: usize = 50;
/// How many such calls run concurrently.
const CONCURRENT_CALLS: usize = 4;

impl Inner {
    /// Records ended attempts, in one call, and returns the answers for the host.
    pub(super) async fn settle(&self, ended: Vec<EndedAttempt>, budget: Budget) -> Recorded {
        let mut settled = Recorded {
            reports: Vec::with_capacity(ended.len()),
            is_measured: self.is_measured(),
            ..Recorded::default()
        };
        let mut tracked = Vec::with_capacity(self.backend.store.as_ref().map_or(0, |_| ended.len()));
        for ended in ended {
            self.log(&ended);
            if ended.job.tracked {
                tracked.push(ended);
            } else {
                settled.applied(ended, false);
            }
        }
        if let Some(store) = self.backend.store.as_ref().filter(|_| !tracked.is_empty()) {
            self.write(&**store, tracked, budget, &mut settled).await;
        }
        settled
    }

    /// Publishes events. No outcome depends on it: a failure is only logged.
    pub(super) async fn publish(&self, events: Vec<Event>, by: Instant) {
        let Some(port) = self.backend.events.as_ref() else { return };
        let ids = events.iter().map(|event| event.id.to_string()).collect::<Vec<_>>().join(", ");
        match timeout_at(by, port.publish(events)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(ids, %error, "events not published"),
            Err(_) => tracing::warn!(ids, "events not published before the deadline"),
        }
    }

    async fn write(&self, store: &dyn Store, ended: Vec<EndedAttempt>, budget: Budget, settled: &mut Recorded) {
        let mut open = ended;
        let last = budget.settle_by();
        for pause in STORE_RETRIES.into_iter().map(Some).chain([None]) {
            let now = Instant::now();
            // A try gets half of the store's time: the connection may be dead rather than the store.
            let by = if pause.is_some() { now + last.saturating_duration_since(now) / 2 } else { last };
            let requests = open.iter().map(|ended| ended.settle(&self.host)).collect();
            let answers = timeout_at(by, store.settle(requests, callee_deadline(by))).await;
            let silent = answers.is_err();
            let mut answers = answers.unwrap_or_default().into_iter();
            let mut failed = Vec::new();
            for mut ended in open {
                match answers.next() {
                    Some(Ok(ports::CompletionResult::Applied { message_done })) => settled.applied(ended, message_done),
                    Some(Ok(ports::CompletionResult::Fenced(state))) => {
                        let (id, attempt) = (&ended.job.ready.id, ended.job.token.attempt);
                        // If the job has ended elsewhere, its message is done. Otherwise it belongs to the new owner;
                        // and the message of a failed job may still have to be dead-lettered.
                        let over = matches!(state, Some(JobState::Succeeded | JobState::Cancelled));
                        ended.action = if over { MessageAction::Ack } else { MessageAction::Release(None) };
                        tracing::warn!(
                            %id, attempt, ?state, acknowledged = over,
                            "lost its lease before it ended; its outcome is dropped"
                        );
                        settled.report(ended, false, false);
                    }
                    Some(Err(error)) => failed.push((ended, error)),
                    None if silent => failed.push((ended, StoreError::unavailable("the store did not answer in time"))),
                    None => failed.push((ended, StoreError::unavailable("the store returned no answer"))),
                }
            }
            if failed.is_empty() {
                return;
            }
            let in_time = |pause: &Duration| Instant::now() + *pause < last;
            let worth_it = failed.iter().any(|(_, error)| error.kind() == StoreErrorKind::Unavailable);
            match pause.filter(in_time).filter(|_| worth_it) {
                Some(pause) => {
                    tokio::time::sleep(pause).await;
                    open = failed.into_iter().map(|(ended, _)| ended).collect();
                }
                None => return self.carry(failed, budget, settled).await,
            }
        }
    }

    /// Sends settlements that the store could not take as messages on their jobs' queues.
    async fn carry(&self, failed: Vec<(EndedAttempt, StoreError)>, budget: Budget, settled: &mut Recorded) {
        let mut actions = Vec::with_capacity(failed.len());
        let mut submissions = Vec::with_capacity(failed.len());
        for (ended, error) in &failed {
            tracing::error!(id = %ended.job.ready.id, %error, "settlement not written; it is sent as a message");
            let carrier = self.carrier(ended, budget);
            actions.push(carrier.as_ref().map(|carrier| carrier.action.clone()));
            submissions.extend(carrier.map(|carrier: Carrier| carrier.submission));
        }
        let mut calls = Vec::new();
        while !submissions.is_empty() {
            let rest = submissions.split_off(submissions.len().min(CARRIED_PER_CALL));
            calls.push(self.send(std::mem::replace(&mut submissions, rest), budget.answers_end));
        }
        let sent: Vec<Result<(), String>> =
            stream::iter(calls).buffered(CONCURRENT_CALLS).flat_map(stream::iter).collect().await;
        let mut sent = sent.into_iter();
        for ((mut ended, _), action) in failed.into_iter().zip(actions) {
            let answer = match action {
                Some(action) => sent.next().unwrap_or_else(|| Err("no answer".into())).map(|()| action),
                None => Err("it does not fit into a message".into()),
            };
            match answer {
                Ok(action) => {
                    ended.action = action;
                    settled.applied(ended, false);
                }
                Err(error) => {
                    // Neither store nor queue: the job can only run again when its lease has ended.
                    let id = &ended.job.ready.id;
                    tracing::error!(%id, error, "settlement neither written nor sent; the job will run again");
                    ended.action = MessageAction::Release(None);
                    settled.report(ended, false, false);
                }
            }
        }
    }

    /// Sends some settlements, and returns for each whether it is known to be sent.
    async fn send(&self, submissions: Vec<EnqueueRequest>, by: Instant) -> Vec<Result<(), String>> {
        let count = submissions.len();
        match timeout_at(by, self.backend.queues.send(submissions)).await {
            Ok(answers) => {
                let mut answers: Vec<_> =
                    answers.into_iter().map(|answer| answer.map(|_| ()).map_err(|error| error.to_string())).collect();
                answers.resize(count, Err("no answer".into()));
                answers
            }
            Err(_) => vec![Err("no answer before the deadline".into()); count],
        }
    }

    fn log(&self, ended: &EndedAttempt) {
        let EndedAttempt { job, took, decision, .. } = ended;
        let (name, id, attempt) = (&job.ready.message.job, &job.ready.id, job.token.attempt);
        // As a number: JSON logs show wider integers as text.
        let ms = took.map_or(0, |took| i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
        match decision {
            // One summary of the batch says that all is well: see `Meter`.
            Decision::Succeeded { .. } => {
                tracing::debug!(target: SUCCESS, job = name, %id, attempt, ms, "job succeeded");
            }
            Decision::Retry { outcome, error, delay } => {
                let (outcome, delay_s) = (outcome.as_str(), delay.as_secs_f64());
                tracing::warn!(job = name, %id, attempt, ms, outcome, %error, delay_s, "attempt failed, job is retried");
            }
            Decision::Failed { outcome, error, .. } => {
                tracing::error!(job = name, %id, attempt, ms, outcome = outcome.as_str(), %error, "job failed");
            }
            Decision::Continued { outcome, .. } => {
                let outcome = outcome.as_str();
                tracing::info!(job = name, %id, attempt, ms, outcome, "job continues from its checkpoint");
            }
            Decision::Released { delay } => {
                tracing::info!(job = name, %id, attempt, ms, delay_s = delay.as_secs_f64(), "job released");
            }
        }
    }
}

impl EndedAttempt {
    pub(super) fn settle(&self, host: &Arc<str>) -> Completion {
        Completion {
            id: self.job.ready.id.clone(),
            queue: self.job.ready.delivery.queue.clone(),
            receipt: self.job.ready.delivery.receipt.clone(),
            message_id: self.job.ready.message_id().to_owned(),
            token: self.job.token,
            host: host.clone(),
            started_at: self.started_at.unwrap_or(self.ended_at),
            ended_at: self.ended_at,
            decision: self.decision.clone(),
            progress: self.progress,
            log: self.log.clone(),
            tracking: self.job.ready.route.options.tracking,
            claim_hint: self.job.claim_hint.clone(),
            limits: self.job.limits.clone(),
            batch: self.job.ready.message.batch.clone(),
        }
    }

    fn event(&self) -> Option<Event> {
        let ready = &self.job.ready;
        let error = match &self.decision {
            Decision::Failed { error, .. } => Some(error.clone()),
            Decision::Succeeded { .. } if ready.route.options.announce_success => None,
            _ => return None,
        };
        Some(ready.event(self.decision.state(), self.job.token.attempt, self.ended_at, error))
    }

    fn run(&self, counts: bool) -> Run {
        let Ready { id, route, delivery, message, .. } = &*self.job.ready;
        let end = match &self.decision {
            _ if !counts => RunEnd::Lost,
            Decision::Succeeded { .. } => RunEnd::Succeeded,
            Decision::Retry { .. } => RunEnd::Retried,
            Decision::Failed { .. } => RunEnd::Failed,
            Decision::Continued { .. } => RunEnd::Continued,
            Decision::Released { .. } => RunEnd::Released,
        };
        let is_first = self.job.token.attempt == 1 && delivery.receive_count <= 1 && message.after.is_empty();
        let due_at = message.due_at.or(message.enqueued_at).filter(|_| is_first && message.batch.is_none());
        // A clock that is behind the producer's makes it nothing.
        let since = |from: Timestamp, to: Timestamp| Duration::try_from(to.duration_since(from)).unwrap_or_default();
        Run {
            id: Some(id.clone()),
            job: route.job,
            queue: delivery.queue.clone(),
            end,
            dead_lettered: matches!(self.action, MessageAction::DeadLetter(_)),
            attempt: if self.started_at.is_some() { self.job.token.attempt } else { 0 },
            took: self.took,
            waited: self.started_at.zip(due_at).map(|(began, due_at)| since(due_at, began)),
        }
    }

    fn report(self) -> Report {
        let token = self.job.tracked.then_some(self.job.token);
        let Delivery { message_id, receipt, .. } = self.job.ready.delivery;
        let settlement = Disposition { message_id, receipt, action: self.action, token, done: false };
        Report { settlement, decision: Some(self.decision), run: None }
    }
}
