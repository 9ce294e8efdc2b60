//! Intake: parses deliveries, refuses those that cannot run, and claims the rest.

use std::{borrow::Cow, collections::HashSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::{
    Inner, Report,
    budget::{Budget, callee_deadline},
    carried::{self, Carried, SETTLE_JOB},
};
use crate::{
    delivery::{DeadLetterCause, DeadLetterReason, Delivery, MessageAction},
    error::ErrorText,
    function::Route,
    id::JobId,
    members::Members,
    message::{MAX_HOPS, Message, SharedMessage},
    misfit::Misfit,
    options::Overlap,
    ports::{Claim, ClaimRequest, Event, JobOwner, LimitRequest, OnFull, Store, StoreError, Token},
    record::JobState,
    schedule::is_schedule_name,
};

use serde_json::value::RawValue;

/// A delivery whose body is a job that this function performs.
pub(super) struct Ready {
    pub(super) delivery: Delivery,
    pub(super) id: JobId,
    pub(super) message: SharedMessage,
    pub(super) route: Arc<Route>,
    /// The message that this one replaces: it carries the settlement of an attempt that the other one started.
    pub(super) replaces: Option<String>,
}

impl Ready {
    /// The id by which the job's record knows the message.
    pub(super) fn message_id(&self) -> &str {
        self.replaces.as_deref().unwrap_or(&self.delivery.message_id)
    }

    /// The limits within which it runs: its job's, and that of its schedule by the overlap policy.
    fn limits(&self) -> Vec<LimitRequest> {
        let options = &self.route.options;
        if !options.may_wait() {
            return Vec::new();
        }
        let is_sensitive = |name: &str| self.route.is_sensitive(name);
        // Always in the same order: two jobs with the same limits do not take one each, and wait for the other.
        let mut limits: Vec<_> =
            options.limits.iter().map(|limit| limit.request(&self.message.args, is_sensitive)).collect();
        limits.extend(self.overlap());
        limits.sort_by(|a, b| a.key.cmp(&b.key));
        limits.dedup_by(|a, b| a.key == b.key);
        limits
    }

    /// The limit by its job's overlap policy, if a schedule has started it.
    fn overlap(&self) -> Option<LimitRequest> {
        let schedule = self.message.schedule.as_deref().filter(|name| is_schedule_name(name))?;
        let on_full = match self.route.options.overlap {
            Overlap::Allow => return None,
            Overlap::Queue => OnFull::Wait,
            Overlap::Skip => {
                OnFull::Cancel { reason: format!("skipped: an earlier job of schedule {schedule} was still running") }
            }
        };
        // With the job's name: any sender can name any schedule in a message.
        Some(LimitRequest::mutex(format!("schedule:{}:{schedule}", self.message.job)).on_full(on_full))
    }

    /// The event to publish about it.
    pub(super) fn event(&self, state: JobState, attempt: u32, at: Timestamp, error: Option<ErrorText>) -> Event {
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
    /// Boxed: it is large, and moved several times.
    pub(super) ready: Box<Ready>,
    pub(super) token: Token,
    pub(super) checkpoint: Option<Box<RawValue>>,
    pub(super) claim_hint: Option<Box<str>>,
    /// Whether the store has a lease for it, so that its end must be recorded.
    pub(super) tracked: bool,
    /// The keys of the limits in which it has a place.
    pub(super) limits: Vec<String>,
}

/// How often an unknown job is received before it is dead-lettered, and the delay in between, times the number of
/// receives. During a rolling deployment an old worker receives new jobs: the new worker is minutes away.
const UNKNOWN_JOB_RECEIVES: u32 = 5;
const UNKNOWN_JOB_DELAY: Duration = Duration::from_secs(30);

/// The prefix of EventBridge Scheduler's placeholders (Amazon EventBridge Scheduler User Guide, "Adding context
/// attributes in EventBridge Scheduler").
const PLACEHOLDER: &str = "<aws.scheduler.";

/// A batch's deliveries after parsing.
#[derive(Default)]
pub(super) struct Received {
    pub(super) ready: Vec<Ready>,
    pub(super) carried: Vec<Carried>,
    pub(super) reports: Vec<Report>,
    pub(super) held: HeldGroups,
}

/// A job's claim: who asks, and the store's answer, if it comes in time.
struct Asked {
    owner: u64,
    /// The limits within which the job runs.
    limits: Vec<LimitRequest>,
    answer: Option<Result<Claim, StoreError>>,
}

/// Jobs after their claims.
#[derive(Default)]
pub(super) struct Admitted {
    pub(super) jobs: Vec<Claimed>,
    /// Claimed, but not to be run now: they are behind another job of their FIFO group.
    pub(super) held_back: Vec<Claimed>,
    pub(super) reports: Vec<Report>,
    /// The events to publish.
    pub(super) events: Vec<Event>,
}

impl Admitted {
    pub(super) fn append(&mut self, mut other: Self) {
        self.jobs.append(&mut other.jobs);
        self.held_back.append(&mut other.held_back);
        self.reports.append(&mut other.reports);
        self.events.append(&mut other.events);
    }
}

/// FIFO groups whose first message stays on the queue, whatever the cause: the rest of such a group is handed back, or it
/// would overtake the first (AWS Lambda Developer Guide, "Implementing partial batch responses", on FIFO queues).
#[derive(Clone, Default)]
pub(super) struct HeldGroups(HashSet<(Arc<str>, Arc<str>)>);

impl HeldGroups {
    fn holds(&self, delivery: &Delivery) -> bool {
        match &delivery.group {
            Some(group) if !self.0.is_empty() => self.0.contains(&(delivery.queue.clone(), group.clone())),
            _ => false,
        }
    }

    /// Notes the action on a message. Only a deleted message lets its group continue: whether a dead letter reaches its
    /// queue is known later.
    fn add(&mut self, delivery: &Delivery, action: &MessageAction) {
        if let Some(group) = &delivery.group
            && *action != MessageAction::Ack
        {
            self.0.insert((delivery.queue.clone(), group.clone()));
        }
    }
}

/// The action on a delivery that did not run: it is redelivered immediately.
pub(super) const AT_ONCE: MessageAction = MessageAction::Release(Some(Duration::ZERO));

impl Inner {
    /// Parses each body separately, and answers immediately for those that cannot run.
    pub(super) fn receive(&self, deliveries: Vec<Delivery>, budget: Budget) -> Received {
        let mut received = Received { ready: Vec::with_capacity(deliveries.len()), ..Received::default() };
        for mut delivery in deliveries {
            let late = self.stop.is_draining() || Instant::now() >= budget.handlers_end;
            let action = if late || received.held.holds(&delivery) {
                AT_ONCE
            } else {
                match self.admit(&mut delivery) {
                    Ok(Admission::Job(id, mut message, route)) => {
                        let settlement = carried::take_off(&mut message);
                        let ready = Ready { delivery, id, message: Arc::new(message), route, replaces: None };
                        match settlement {
                            None => received.ready.push(ready),
                            Some(settlement) => match Carried::on_job(&settlement, Box::new(ready)) {
                                Ok(carried) => received.carried.push(carried),
                                Err(ready) => {
                                    tracing::warn!(id = %ready.id, "ignored a settlement that belongs to another job");
                                    received.ready.push(*ready);
                                }
                            },
                        }
                        continue;
                    }
                    Ok(Admission::Disposition(carried)) => {
                        received.carried.push(*carried);
                        continue;
                    }
                    Err(action) => action,
                }
            };
            received.held.add(&delivery, &action);
            let report = Report::of(&delivery, action);
            received.reports.push(if self.is_measured() { report.measured(&delivery.queue, None) } else { report });
        }
        received
    }

    fn admit(&self, delivery: &mut Delivery) -> Result<Admission, MessageAction> {
        let mut message: Message = match without_placeholders(&delivery.body).parse() {
            Ok(message) => message,
            Err(error) => return Err(dead_letter(delivery, DeadLetterReason::BadMessage, &error)),
        };
        if message.trace.is_none() {
            message.trace = delivery.trace.take();
        }
        if message.job == SETTLE_JOB {
            return match Carried::on_own_message(&message, delivery) {
                Ok(carried) => Ok(Admission::Disposition(Box::new(carried))),
                Err(error) => Err(dead_letter(delivery, DeadLetterReason::BadMessage, &Misfit::from(&error))),
            };
        }
        // The transport's id is used if the sender gave none: better than refusing a job that can run.
        let id = match &message.id {
            Some(id) => id.clone(),
            None => JobId::new(&delivery.message_id)
                .map_err(|error| dead_letter(delivery, DeadLetterReason::BadMessage, &error))?,
        };
        if message.hops > MAX_HOPS {
            let error = format!("{} jobs enqueued each other in a chain, and the limit is {MAX_HOPS}", message.hops);
            return Err(dead_letter(delivery, DeadLetterReason::TooManyHops, &error));
        }
        let Some(route) = self.function.shared_route(&message.job) else {
            return Err(self.unknown(delivery, &message.job));
        };
        if message.expires_at.is_some_and(|at| at <= self.env.now()) && !(route.options.is_tracked() && self.tracks()) {
            tracing::info!(job = message.job, %id, "expired before it began");
            return Err(MessageAction::Ack);
        }
        Ok(Admission::Job(id, message, route.clone()))
    }

    fn unknown(&self, delivery: &Delivery, job: &str) -> MessageAction {
        let function = self.function.name();
        if delivery.receive_count > UNKNOWN_JOB_RECEIVES {
            let error = format!("function {function} performs no job {job:?}");
            return dead_letter(delivery, DeadLetterReason::UnknownJob, &error);
        }
        tracing::warn!(job, function, receives = delivery.receive_count, "unknown job, released");
        MessageAction::Release(Some(UNKNOWN_JOB_DELAY * delivery.receive_count.max(1)))
    }

    /// Claims the right to run each job, in one call to the store; answers for those that may not run.
    pub(super) async fn claim(&self, ready: Vec<Ready>, mut held: HeldGroups, budget: Budget) -> Admitted {
        let mut admitted = Admitted { jobs: Vec::with_capacity(ready.len()), ..Admitted::default() };
        let Some(store) = &self.backend.store else {
            admitted.jobs.extend(ready.into_iter().map(|ready| self.unclaimed(ready)));
            return admitted;
        };
        let now = self.env.now();
        let lease = self.lease.unwrap_or_else(|| budget.lease_left());
        let lease_until = now.saturating_add(lease).unwrap_or(Timestamp::MAX);
        let ask_for = |ready: &Ready| Asked { owner: self.env.random.next_u64(), limits: ready.limits(), answer: None };
        let asked = ready.iter().map(|ready| ready.route.options.is_tracked().then(|| ask_for(ready)));
        let mut asked: Vec<_> = asked.collect();
        self.ask(&**store, &ready, &mut asked, lease_until, budget).await;
        for (ready, asked) in ready.into_iter().zip(asked) {
            let Some(Asked { owner, limits, answer }) = asked else {
                let claimed = self.unclaimed(ready);
                admitted.put(claimed, &held);
                continue;
            };
            let answer = answer.unwrap_or_else(|| Err(StoreError::unavailable("the store did not answer in time")));
            match answer {
                Ok(Claim::Run { attempt, checkpoint, claim_hint, message }) => {
                    let token = Token { attempt, owner };
                    let mut ready = Box::new(ready);
                    let mut is_other = false;
                    if let Some(message) = message {
                        ready.message = message;
                        is_other = !limits.is_empty() && ready.limits() != limits;
                    }
                    let limits = limits.into_iter().map(|limit| limit.key).collect();
                    let claimed = Claimed { ready, token, checkpoint, claim_hint, tracked: true, limits };
                    // It has got other arguments, by which it has other limits: the message with those is on its way.
                    match is_other {
                        true => admitted.held_back.push(claimed),
                        false => admitted.put(claimed, &held),
                    }
                }
                answer => {
                    let is_hidden = matches!(answer, Ok(Claim::Limited { is_hidden: true, .. }));
                    let action = self.refused(&ready, answer, now, &mut admitted.events);
                    held.add(&ready.delivery, &action);
                    let mut report = Report::of(&ready.delivery, action);
                    report.settlement.done = is_hidden;
                    if self.is_measured() {
                        report = report.measured(&ready.delivery.queue, Some((ready.route.job, &ready.id)));
                    }
                    admitted.reports.push(report);
                }
            }
        }
        admitted
    }

    /// Claims jobs. Requests without an answer after half of the time are sent again under the same owners: a lease that
    /// was granted without an answer would be an attempt that never ran.
    async fn ask(
        &self,
        store: &dyn Store,
        ready: &[Ready],
        asked: &mut [Option<Asked>],
        lease_until: Timestamp,
        budget: Budget,
    ) {
        let now = Instant::now();
        // At least half of a lease is left when it is granted.
        let last = self.lease.map_or_else(|| budget.claim_by(), |lease| budget.claim_by().min(now + lease / 2));
        let first = now + last.saturating_duration_since(now) / 2;
        for by in [first, last] {
            let open = ready.iter().zip(&mut *asked).filter_map(|(ready, asked)| Some((ready, asked.as_mut()?)));
            let open: Vec<_> = open.filter(|(_, asked)| !matches!(asked.answer, Some(Ok(_)))).collect();
            if open.is_empty() {
                return;
            }
            let requests = open.iter().map(|(ready, asked)| self.request(ready, asked, lease_until)).collect();
            let late = callee_deadline(by);
            let answers = timeout_at(by, store.claim(requests, late)).await.unwrap_or_default();
            for ((_, asked), answer) in open.into_iter().zip(answers) {
                asked.answer = Some(answer);
            }
            if Instant::now() < late {
                return;
            }
        }
    }

    fn request(&self, ready: &Ready, asked: &Asked, lease_until: Timestamp) -> ClaimRequest {
        ClaimRequest {
            id: ready.id.clone(),
            queue: ready.delivery.queue.clone(),
            message: ready.message.clone(),
            receipt: ready.delivery.receipt.clone(),
            message_id: ready.message_id().to_owned(),
            owner: asked.owner,
            host: self.host.clone(),
            lease_until,
            max_attempts: ready.route.options.retry.max_attempts(),
            retention: ready.route.options.retention,
            tracking: ready.route.options.tracking,
            limits: asked.limits.clone(),
            handle: ready.delivery.handle.clone(),
        }
    }

    /// The action on the message of a job that may not run now.
    fn refused(
        &self,
        ready: &Ready,
        answer: Result<Claim, StoreError>,
        now: Timestamp,
        events: &mut Vec<Event>,
    ) -> MessageAction {
        let (job, id) = (&*ready.message.job, &ready.id);
        match answer {
            Ok(Claim::Ended(state)) => {
                let message_id = &*ready.delivery.message_id;
                tracing::info!(job, %id, %state, message_id, "its job has ended already: the message is acknowledged, not run");
                MessageAction::Ack
            }
            Ok(Claim::Foreign(owner)) => {
                let error = foreign(ready, &owner);
                tracing::error!(job, %id, queue = &*ready.delivery.queue, error, "message dead-lettered");
                cause(DeadLetterReason::ForeignId, ErrorText::new(error))
            }
            Ok(Claim::DeadLetterPending { reason, error, attempts }) => {
                tracing::warn!(job, %id, "has failed and was not dead-lettered; dead-lettered now");
                // The failure may have been recorded without an event being published.
                events.push(ready.event(JobState::Failed, attempts, now, Some(error.clone())));
                cause(reason, error)
            }
            // A moment after the lease, or the next claim would come just too early.
            Ok(Claim::Busy(until)) => MessageAction::Release(Some(self.env.until(until) + Duration::from_secs(1))),
            Ok(Claim::Limited { until, .. }) => {
                tracing::debug!(job, %id, %until, "waits for a place in a limit");
                // By this host's clock, which may be ahead of the store's, the moment may be over.
                MessageAction::Release(Some(self.env.until(until).max(Duration::from_secs(1))))
            }
            Ok(Claim::Skipped) => {
                let schedule = ready.message.schedule.as_deref();
                tracing::info!(job, %id, schedule, "skipped: an earlier job still runs");
                MessageAction::Ack
            }
            Ok(Claim::Exhausted { attempts }) => {
                let error = format!("attempt {attempts} of {attempts} was lost: its host ended without a word");
                tracing::error!(job, %id, error, "job failed");
                let error = ErrorText::new(error);
                events.push(ready.event(JobState::Failed, attempts, now, Some(error.clone())));
                cause(DeadLetterReason::AttemptsExhausted, error)
            }
            Err(error) => {
                tracing::warn!(job, %id, %error, "could not be claimed, released");
                MessageAction::Release(Some(back_off(ready.delivery.receive_count)))
            }
            // Not refused: the caller runs it.
            Ok(Claim::Run { .. }) => AT_ONCE,
        }
    }

    fn unclaimed(&self, ready: Ready) -> Claimed {
        let attempt = ready.delivery.receive_count.max(1).saturating_add(ready.message.attempts);
        let token = Token { attempt, owner: 0 };
        Claimed {
            ready: Box::new(ready),
            token,
            checkpoint: None,
            claim_hint: None,
            tracked: false,
            limits: Vec::new(),
        }
    }

    fn tracks(&self) -> bool {
        self.backend.store.is_some()
    }
}

impl Admitted {
    /// Adds a job that may run, or holds it back behind another of its group.
    fn put(&mut self, claimed: Claimed, held: &HeldGroups) {
        let jobs = if held.holds(&claimed.ready.delivery) { &mut self.held_back } else { &mut self.jobs };
        jobs.push(claimed);
    }
}

/// The content of a body.
#[expect(clippy::large_enum_variant, reason = "a job is the usual case, and is moved once")]
enum Admission {
    Job(JobId, Message, Arc<Route>),
    /// A settlement that the store could not take earlier.
    Disposition(Box<Carried>),
}

fn foreign(ready: &Ready, owner: &JobOwner) -> String {
    format!(
        "job id {} belongs to {} on queue {}, and this message is of {} on queue {}: send it under an id of its own",
        ready.id, owner.job, owner.queue, ready.message.job, ready.delivery.queue
    )
}

fn dead_letter(delivery: &Delivery, reason: DeadLetterReason, error: &dyn std::fmt::Display) -> MessageAction {
    tracing::error!(
        queue = &*delivery.queue,
        message_id = delivery.message_id,
        reason = reason.as_str(),
        %error,
        "message dead-lettered"
    );
    cause(reason, ErrorText::new(error.to_string()))
}

pub(super) fn cause(reason: DeadLetterReason, error: ErrorText) -> MessageAction {
    MessageAction::DeadLetter(DeadLetterCause { reason, error })
}

/// A scheduler that does not fill in its placeholders sends them verbatim, here instead of a tick's time. All ticks
/// would then be one job: so the id is removed, and the transport's id is used.
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
        // Null instead of removal: a field that occurs twice still does, and is refused.
        *value = RawValue::NULL.to_owned();
        emptied += 1;
    }
    if emptied == 0 {
        return Cow::Borrowed(body);
    }
    tracing::warn!("a scheduler did not fill in the tick's time: the message's id becomes the job's id");
    serde_json::to_string(&Members(fields)).map_or(Cow::Borrowed(body), Cow::Owned)
}

/// The delay of a delivery that could not be claimed: the store may be unavailable for a moment, or for minutes.
pub(super) fn back_off(receive_count: u32) -> Duration {
    Duration::from_secs(1 << receive_count.clamp(1, 6))
}
