//! Writing down how attempts ended. Bookkeeping never decides a job's fate: when the store cannot take a settlement, it
//! travels as a message and is applied later, and the handler is not run again for it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::{
    Inner, Report,
    intake::{Claimed, back_off},
};
use crate::{
    delivery::{Action, Delivery, Settlement},
    id::JobId,
    options::Tracking,
    ports::{Enqueued, Event, Settle, Settled, Store, StoreError, StoreErrorKind, Submission, Verdict},
    record::Progress,
};

/// A job whose attempt has ended, or that is handed back without one.
pub(super) struct Ended {
    pub(super) job: Claimed,
    /// When its handler began, if it did.
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Timestamp,
    pub(super) verdict: Verdict,
    pub(super) action: Action,
    pub(super) progress: Option<Progress>,
}

/// What is known after a call to the store.
struct Written {
    reports: Vec<Report>,
    /// What others may want to hear.
    events: Vec<Event>,
}

impl Written {
    /// The outcome counts. Gives its report.
    fn stands(&mut self, ended: Ended) -> &mut Report {
        self.events.extend(ended.event());
        let place = self.reports.len();
        self.reports.push(ended.report());
        &mut self.reports[place]
    }
}

/// Pauses between tries to reach a store that is away. After the last, the settlement is sent as a message.
const STORE_RETRIES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];

impl Inner {
    /// Writes down what has ended, in one call, and gives the answers for the host.
    pub(super) async fn settle(&self, ended: Vec<Ended>, deadline: Instant) -> Vec<Report> {
        let mut written = Written { reports: Vec::with_capacity(ended.len()), events: Vec::new() };
        let mut tracked = Vec::with_capacity(ended.len());
        for ended in ended {
            self.log(&ended);
            if ended.job.tracked {
                tracked.push(ended);
            } else {
                written.stands(ended);
            }
        }
        if let Some(store) = self.backend.store.as_ref().filter(|_| !tracked.is_empty()) {
            self.write(&**store, tracked, deadline, &mut written).await;
        }
        self.publish(written.events, deadline).await;
        written.reports
    }

    /// Tells others what has ended. Nobody's fate depends on it: what cannot be told now is only logged.
    pub(super) async fn publish(&self, events: Vec<Event>, deadline: Instant) {
        let Some(port) = self.backend.events.as_ref().filter(|_| !events.is_empty()) else { return };
        let ids = events.iter().map(|event| event.id.to_string()).collect::<Vec<_>>().join(", ");
        match timeout_at(deadline, port.publish(events)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(ids, %error, "events not published"),
            Err(_) => tracing::warn!(ids, "events not published before the deadline"),
        }
    }

    async fn write(&self, store: &dyn Store, ended: Vec<Ended>, deadline: Instant, written: &mut Written) {
        let mut open = ended;
        for pause in STORE_RETRIES.into_iter().map(Some).chain([None]) {
            let answers = store.settle(open.iter().map(|ended| ended.settle(&self.host)).collect()).await;
            let mut answers = answers.into_iter();
            let mut failed = Vec::new();
            for mut ended in open {
                match answers.next() {
                    Some(Ok(Settled::Applied { message_done })) => {
                        written.stands(ended).settlement.done = message_done;
                    }
                    Some(Ok(Settled::Fenced(state))) => {
                        let (id, attempt) = (&ended.job.ready.id, ended.job.token.attempt);
                        tracing::warn!(%id, attempt, ?state, "lost its lease before it ended; its outcome is dropped");
                        // Ended by someone else: the message has done its work. Otherwise it belongs to the new owner.
                        let over = state.is_some_and(|state| state.is_final());
                        ended.action = if over { Action::Ack } else { Action::Release(None) };
                        written.reports.push(ended.report());
                    }
                    Some(Err(error)) => failed.push((ended, error)),
                    None => failed.push((ended, StoreError::unavailable("the store gave no answer"))),
                }
            }
            if failed.is_empty() {
                return;
            }
            let in_time = |pause: &Duration| Instant::now() + *pause < deadline;
            let worth_it = failed.iter().any(|(_, error)| error.kind() == StoreErrorKind::Unavailable);
            match pause.filter(in_time).filter(|_| worth_it) {
                Some(pause) => {
                    tokio::time::sleep(pause).await;
                    open = failed.into_iter().map(|(ended, _)| ended).collect();
                }
                None => return self.carry(failed, written).await,
            }
        }
    }

    /// Sends settlements that the store could not take as messages on their jobs' queues.
    async fn carry(&self, failed: Vec<(Ended, StoreError)>, written: &mut Written) {
        let mut submissions = Vec::with_capacity(failed.len());
        for (ended, error) in &failed {
            tracing::error!(id = %ended.job.ready.id, %error, "settlement not written; it is sent as a message");
            submissions.extend(self.carrier(ended));
        }
        let mut sent = self.backend.queues.send(submissions).await.into_iter();
        for (mut ended, _) in failed {
            let id = &ended.job.ready.id;
            match sent.next() {
                Some(Ok(Enqueued::New(_) | Enqueued::Duplicate(..))) => {
                    written.stands(ended);
                }
                answer => {
                    // Neither store nor queue: nothing is left but to let the job come again when its lease has ended.
                    let error = answer.and_then(Result::err).map(|error| error.to_string()).unwrap_or_default();
                    tracing::error!(%id, error, "settlement neither written nor sent; the job will run again");
                    ended.action = Action::Release(None);
                    written.reports.push(ended.report());
                }
            }
        }
    }

    fn carrier(&self, ended: &Ended) -> Option<Submission> {
        let mut message = ended.settle(&self.host).to_message()?;
        let id = JobId::generate(&self.env);
        message.id = Some(id.clone());
        message.enqueued_at = Some(self.env.now());
        Some(Submission {
            id,
            queue: ended.job.ready.delivery.queue.clone(),
            message: Arc::new(message),
            due_at: None,
            // Beside the groups of the queue: it must not wait for the job that it settles.
            group: ended.job.ready.delivery.group.as_ref().map(|_| Arc::from("lamplighter.settle")),
            tracking: Tracking::Untracked,
            own_id: false,
        })
    }

    /// Applies a settlement that came as a message.
    pub(super) async fn apply_carried(&self, settle: Settle, delivery: &Delivery) -> Action {
        let id = settle.id.clone();
        let Some(store) = &self.backend.store else {
            tracing::error!(%id, "a settlement came as a message, but no table is configured here");
            return Action::Release(Some(back_off(delivery.receive_count)));
        };
        match store.settle(vec![settle]).await.pop() {
            Some(Ok(answer)) => {
                tracing::info!(%id, ?answer, "settlement from a message");
                Action::Ack
            }
            Some(Err(error)) => {
                tracing::warn!(%id, %error, "settlement from a message not written yet");
                Action::Release(Some(back_off(delivery.receive_count)))
            }
            None => Action::Release(Some(back_off(delivery.receive_count))),
        }
    }

    fn log(&self, ended: &Ended) {
        let Ended { job, started_at, ended_at, verdict, .. } = ended;
        let (name, id, attempt) = (&job.ready.message.job, &job.ready.id, job.token.attempt);
        // As a number: JSON logs show wider integers as text.
        let ms = started_at.map_or(0, |at| i64::try_from(ended_at.duration_since(at).as_millis()).unwrap_or(i64::MAX));
        match verdict {
            Verdict::Succeeded { .. } => tracing::info!(job = name, %id, attempt, ms, "job succeeded"),
            Verdict::Retry { outcome, error, delay } => {
                let (outcome, delay_s) = (outcome.as_str(), delay.as_secs_f64());
                tracing::warn!(job = name, %id, attempt, ms, outcome, %error, delay_s, "attempt failed, job is retried");
            }
            Verdict::Failed { outcome, error, .. } => {
                tracing::error!(job = name, %id, attempt, ms, outcome = outcome.as_str(), %error, "job failed");
            }
            Verdict::PutBack { delay } => {
                tracing::info!(job = name, %id, attempt, ms, delay_s = delay.as_secs_f64(), "job put back");
            }
        }
    }
}

impl Ended {
    fn settle(&self, host: &Arc<str>) -> Settle {
        Settle {
            id: self.job.ready.id.clone(),
            queue: self.job.ready.delivery.queue.clone(),
            receipt: self.job.ready.delivery.receipt.clone(),
            message_id: self.job.ready.delivery.message_id.clone(),
            token: self.job.token,
            host: host.clone(),
            started_at: self.started_at.unwrap_or(self.ended_at),
            ended_at: self.ended_at,
            verdict: self.verdict.clone(),
            progress: self.progress,
            tracking: self.job.ready.route.options.tracking(),
            memo: self.job.memo.clone(),
            exclusive: self.job.exclusive.clone(),
        }
    }

    fn event(&self) -> Option<Event> {
        let ready = &self.job.ready;
        let error = match &self.verdict {
            Verdict::Failed { error, .. } => Some(error.clone()),
            Verdict::Succeeded { .. } if ready.route.options.announces_success() => None,
            _ => return None,
        };
        Some(ready.event(self.verdict.state(), self.job.token.attempt, self.ended_at, error))
    }

    fn report(self) -> Report {
        let delivery = self.job.ready.delivery;
        let settlement =
            Settlement { message_id: delivery.message_id, receipt: delivery.receipt, action: self.action, done: false };
        Report { settlement, verdict: Some(self.verdict) }
    }
}
