//! From deliveries to jobs that may run: parsing, refusing, claiming.

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Inner, Report};
use crate::{
    delivery::{Action, Burial, BurialReason, Delivery},
    error::ErrorText,
    function::Route,
    id::JobId,
    members::Members,
    message::{MAX_HOPS, Message, SharedMessage},
    misfit::Misfit,
    options::Overlap,
    ports::{Claim, ClaimRequest, Event, Exclusive, OnBusy, SETTLE_JOB, Settle, Token},
    record::State,
    schedule::is_schedule_name,
};

use serde_json::value::RawValue;

/// A delivery whose body is a job that this function performs.
pub(super) struct Ready {
    pub(super) delivery: Delivery,
    pub(super) id: JobId,
    pub(super) message: SharedMessage,
    pub(super) route: Arc<Route>,
}

impl Ready {
    /// What it must hold alone to run, by its job's overlap policy.
    fn exclusive(&self) -> Option<Exclusive> {
        let schedule = self.message.schedule.as_deref().filter(|name| is_schedule_name(name))?;
        let on_busy = match self.route.options.overlap_policy() {
            Overlap::Allow => return None,
            Overlap::Queue => OnBusy::Wait,
            Overlap::Skip => {
                OnBusy::Cancel { reason: format!("skipped: an earlier job of schedule {schedule} was still running") }
            }
        };
        Some(Exclusive { key: format!("schedule:{schedule}"), on_busy })
    }

    /// What others may want to hear of it.
    pub(super) fn event(&self, state: State, attempt: u32, at: Timestamp, error: Option<ErrorText>) -> Event {
        Event {
            id: self.id.clone(),
            job: self.message.job.clone(),
            queue: self.delivery.queue.to_string(),
            state,
            attempt,
            at,
            schedule: self.message.schedule.clone(),
            error,
        }
    }
}

/// A job that may run now.
pub(super) struct Claimed {
    /// Boxed: it is handed on several times, and large.
    pub(super) ready: Box<Ready>,
    pub(super) token: Token,
    pub(super) checkpoint: Option<Box<RawValue>>,
    pub(super) memo: Option<Box<str>>,
    /// Whether the store has a lease for it, so that its end must be written down.
    pub(super) tracked: bool,
    /// The key of what it holds alone.
    pub(super) exclusive: Option<String>,
}

/// How often an unknown job is received before it is buried, and how long it rests in between, times the number of
/// receives. During a rolling deployment an old worker meets new jobs: the new one is minutes away.
const UNKNOWN_JOB_RECEIVES: u32 = 5;
const UNKNOWN_JOB_REST: Duration = Duration::from_secs(30);

/// What placeholders of EventBridge Scheduler begin with (Amazon EventBridge Scheduler User Guide, "Adding context
/// attributes in EventBridge Scheduler").
const PLACEHOLDER: &str = "<aws.scheduler.";

/// What a lease has beyond the deadline of its invocation: the host may still be settling when it comes.
const LEASE_GRACE: Duration = Duration::from_secs(5);

impl Inner {
    /// Parses each body by itself, and answers at once for those that cannot run.
    pub(super) async fn take_in(&self, deliveries: Vec<Delivery>, hard: Instant) -> (Vec<Ready>, Vec<Report>) {
        let (mut ready, mut answered) = (Vec::with_capacity(deliveries.len()), Vec::new());
        for delivery in deliveries {
            if self.stop.is_draining() || Instant::now() >= hard {
                answered.push(Report::of(&delivery, Action::Release(Some(Duration::ZERO))));
                continue;
            }
            match self.admit(&delivery) {
                Ok((id, message, route)) => ready.push(Ready { delivery, id, message, route }),
                Err(Refusal::Settlement(settle)) => {
                    let action = self.apply_carried(*settle, &delivery).await;
                    answered.push(Report::of(&delivery, action));
                }
                Err(Refusal::Action(action)) => answered.push(Report::of(&delivery, action)),
            }
        }
        (ready, answered)
    }

    fn admit(&self, delivery: &Delivery) -> Result<(JobId, SharedMessage, Arc<Route>), Refusal> {
        let message: Message = match without_placeholders(&delivery.body).parse() {
            Ok(message) => message,
            Err(error) => return Err(bury(delivery, BurialReason::BadMessage, &error)),
        };
        if message.job == SETTLE_JOB {
            return Err(match serde_json::from_str::<Settle>(message.args.get()) {
                Ok(settle) => Refusal::Settlement(Box::new(settle)),
                Err(error) => bury(delivery, BurialReason::BadMessage, &Misfit::from(&error)),
            });
        }
        // The transport's id serves where the sender gave none: better than refusing what one can run.
        let id = match &message.id {
            Some(id) => id.clone(),
            None => {
                JobId::new(&delivery.message_id).map_err(|error| bury(delivery, BurialReason::BadMessage, &error))?
            }
        };
        if message.hops > MAX_HOPS {
            let error = format!("{} jobs have begotten each other in a row, and {MAX_HOPS} is the limit", message.hops);
            return Err(bury(delivery, BurialReason::TooManyHops, &error));
        }
        let Some(route) = self.function.shared_route(&message.job) else {
            return Err(self.unknown(delivery, &message.job));
        };
        if message.expires_at.is_some_and(|at| at <= self.env.now()) && !(route.options.is_tracked() && self.tracks()) {
            tracing::info!(job = message.job, %id, "expired before it began");
            return Err(Refusal::Action(Action::Ack));
        }
        Ok((id, Arc::new(message), route.clone()))
    }

    fn unknown(&self, delivery: &Delivery, job: &str) -> Refusal {
        let function = self.function.name();
        if delivery.receive_count > UNKNOWN_JOB_RECEIVES {
            let error = format!("function {function} performs no job {job:?}");
            return bury(delivery, BurialReason::UnknownJob, &error);
        }
        tracing::warn!(job, function, receives = delivery.receive_count, "unknown job, released");
        Refusal::Action(Action::Release(Some(UNKNOWN_JOB_REST * delivery.receive_count.max(1))))
    }

    /// Asks the store, in one call, for the right to run each job; answers for those that may not.
    pub(super) async fn claim(&self, ready: Vec<Ready>, deadline: Instant) -> (Vec<Claimed>, Vec<Report>) {
        let (mut claimed, mut answered) = (Vec::with_capacity(ready.len()), Vec::new());
        let Some(store) = &self.backend.store else {
            claimed.extend(ready.into_iter().map(|ready| self.unclaimed(ready)));
            return (claimed, answered);
        };
        let now = self.env.now();
        let left = deadline.saturating_duration_since(Instant::now()) + LEASE_GRACE;
        let lease_until = now.saturating_add(left).unwrap_or(Timestamp::MAX);
        let requests: Vec<_> = ready
            .iter()
            .filter(|ready| ready.route.options.is_tracked())
            .map(|ready| ClaimRequest {
                id: ready.id.clone(),
                queue: ready.delivery.queue.clone(),
                message: ready.message.clone(),
                receipt: ready.delivery.receipt.clone(),
                message_id: ready.delivery.message_id.clone(),
                owner: self.env.random.next_u64(),
                host: self.host.clone(),
                lease_until,
                max_attempts: ready.route.options.retry_policy().max_attempts(),
                retention: ready.route.options.retention_policy(),
                tracking: ready.route.options.tracking(),
                exclusive: ready.exclusive(),
            })
            .collect();
        let owners: Vec<_> = requests
            .iter()
            .map(|request| (request.owner, request.exclusive.as_ref().map(|exclusive| exclusive.key.clone())))
            .collect();
        let answers = if requests.is_empty() { Vec::new() } else { store.claim(requests).await };
        let mut answers = owners.into_iter().zip(answers);
        let mut events = Vec::new();
        for ready in ready {
            if !ready.route.options.is_tracked() {
                claimed.push(self.unclaimed(ready));
                continue;
            }
            let action = match answers.next() {
                Some(((owner, exclusive), Ok(Claim::Run { attempt, checkpoint, memo }))) => {
                    claimed.push(Claimed {
                        ready: Box::new(ready),
                        token: Token { attempt, owner },
                        checkpoint,
                        memo,
                        tracked: true,
                        exclusive,
                    });
                    continue;
                }
                Some((_, Ok(Claim::Ended(state)))) => {
                    if state != State::Succeeded {
                        tracing::info!(job = ready.message.job, id = %ready.id, %state, "has ended, not run");
                    }
                    Action::Ack
                }
                Some((_, Ok(Claim::Unburied { reason, error }))) => {
                    tracing::warn!(job = ready.message.job, id = %ready.id, "has failed and was not buried; buried now");
                    burial(reason, error)
                }
                Some((_, Ok(Claim::Busy(until)))) => {
                    // A moment after the lease, or the next claim would come just too early.
                    Action::Release(Some(self.env.until(until) + Duration::from_secs(1)))
                }
                Some((_, Ok(Claim::Waits(until)))) => {
                    tracing::debug!(job = ready.message.job, id = %ready.id, %until, "waits for another job to end");
                    Action::Release(Some(self.env.until(until)))
                }
                Some((_, Ok(Claim::Skipped))) => {
                    let (id, schedule) = (&ready.id, ready.message.schedule.as_deref());
                    tracing::info!(job = ready.message.job, %id, schedule, "skipped: an earlier job still runs");
                    Action::Ack
                }
                Some((_, Ok(Claim::Exhausted { attempts }))) => {
                    let error = format!("attempt {attempts} of {attempts} was lost: its host ended without a word");
                    tracing::error!(job = ready.message.job, id = %ready.id, error, "job failed");
                    let error = ErrorText::new(error);
                    events.push(ready.event(State::Failed, attempts, now, Some(error.clone())));
                    burial(BurialReason::AttemptsExhausted, error)
                }
                Some((_, Err(error))) => {
                    tracing::warn!(job = ready.message.job, id = %ready.id, %error, "could not be claimed, released");
                    Action::Release(Some(back_off(ready.delivery.receive_count)))
                }
                None => Action::Release(Some(back_off(ready.delivery.receive_count))),
            };
            answered.push(Report::of(&ready.delivery, action));
        }
        self.publish(events, deadline).await;
        (claimed, answered)
    }

    fn unclaimed(&self, ready: Ready) -> Claimed {
        let attempt = ready.delivery.receive_count.max(1).saturating_add(ready.message.attempts);
        let token = Token { attempt, owner: 0 };
        Claimed { ready: Box::new(ready), token, checkpoint: None, memo: None, tracked: false, exclusive: None }
    }

    fn tracks(&self) -> bool {
        self.backend.store.is_some()
    }
}

/// Why a delivery does not become a job.
enum Refusal {
    Action(Action),
    /// It carries a settlement that the store could not take earlier.
    Settlement(Box<Settle>),
}

fn bury(delivery: &Delivery, reason: BurialReason, error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(
        queue = &*delivery.queue,
        message_id = delivery.message_id,
        reason = reason.as_str(),
        %error,
        "message buried"
    );
    Refusal::Action(burial(reason, ErrorText::new(error.to_string())))
}

pub(super) fn burial(reason: BurialReason, error: ErrorText) -> Action {
    Action::Bury(Burial { reason, error })
}

/// A scheduler that does not fill in its placeholders sends them as they are, here in place of a tick's time. Taken for
/// one, all ticks would be one job: so the id goes, and the transport's serves.
fn without_placeholders(body: &str) -> Cow<'_, str> {
    if !body.contains(PLACEHOLDER) {
        return Cow::Borrowed(body);
    }
    let Ok(Members(mut fields)) = serde_json::from_str::<Members>(body) else {
        return Cow::Borrowed(body);
    };
    let unfilled = |(name, value): &&mut (String, Box<RawValue>)| {
        ["id", "enqueued_at"].contains(&&**name) && value.get().contains(PLACEHOLDER)
    };
    let mut emptied = 0;
    for (_, value) in fields.iter_mut().filter(unfilled) {
        // Null and not left out: a field that stands there twice stays so, and is refused.
        *value = RawValue::NULL.to_owned();
        emptied += 1;
    }
    if emptied == 0 {
        return Cow::Borrowed(body);
    }
    tracing::warn!("a scheduler has not filled in the tick's time: its message's own id becomes the job's");
    serde_json::to_string(&Members(fields)).map_or(Cow::Borrowed(body), Cow::Owned)
}

/// How long a delivery rests that could not be claimed: the store is away for a moment, or for minutes.
pub(super) fn back_off(receive_count: u32) -> Duration {
    Duration::from_secs(1 << receive_count.clamp(1, 6))
}
