//! A job to be enqueued, with its options.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{Client, Origin, Sending};
use crate::{
    after::After,
    batch::Membership,
    declared::Limits,
    env::Env,
    id::{InvalidJobId, JobId},
    job::Job,
    limit::Limit,
    message::{MAX_HOPS, MAX_MESSAGE_BYTES, Message, Tags, Trace, empty_object},
    options::Tracking,
    ports::{EnqueueError, EnqueueRequest},
    schedule::is_schedule_name,
    unique::{Unique, UniqueConflict},
};

/// A job to be enqueued by [`Client::enqueue_all`]: its arguments, and the options of a single [`Client::enqueue`]. A
/// job converts into one implicitly, so `From` is needed only to set options.
///
/// ```
/// # use lamplighter::{Client, Job, NewJob, Queue, days};
/// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # struct Greet { name: String }
/// # impl Job for Greet {
/// #     const NAME: &'static str = "greeting.say";
/// #     const QUEUE: Queue = Queue::standard("greetings");
/// # }
/// # async fn all(client: Client) -> Result<(), lamplighter::EnqueueError> {
/// let names = ["Ada", "Grace"];
/// let jobs = names.map(|name| NewJob::from(Greet { name: name.into() }).id(format!("greet-{name}")).delay(days(3)));
/// for answer in client.enqueue_all(jobs).await {
///     answer?;
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a job is enqueued only when it is passed to a client"]
#[derive(Clone)]
pub struct NewJob {
    job: Cow<'static, str>,
    queue: Cow<'static, str>,
    tracking: Tracking,
    args: Result<Box<RawValue>, EnqueueError>,
    id: Option<Result<JobId, InvalidJobId>>,
    due: Option<Moment>,
    expires: Option<Moment>,
    group: Option<Arc<str>>,
    trace: Option<Trace>,
    schedule: Option<String>,
    tags: Vec<String>,
    after: Vec<After>,
    unique: Option<Unique>,
    batch: Option<Membership>,
    limits: Vec<Limit>,
}

/// A moment, or a time after enqueueing.
#[derive(Debug, Clone, Copy)]
enum Moment {
    At(Timestamp),
    In(Duration),
}

impl Moment {
    fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::In(time) => now.saturating_add(time).unwrap_or(Timestamp::MAX),
        }
    }
}

impl<J: Job> From<J> for NewJob {
    fn from(job: J) -> Self {
        let args = serde_json::value::to_raw_value(&job)
            .map_err(|error| EnqueueError::Arguments { job: J::NAME.into(), reason: error.to_string() });
        let options = J::options();
        Self::of(J::NAME.into(), J::QUEUE.name().into(), options.tracking, args).limits(options.limits)
    }
}

/// Returns the size of a message in bytes; if it is certainly within `limit`, that of its arguments alone, since only those
/// can be large.
pub(super) fn bytes_up_to(limit: usize, message: &Message) -> usize {
    /// The rest of a message stays below this.
    const ENVELOPE: usize = 8192;
    match message.args.get().len() {
        small if small <= limit - ENVELOPE => small,
        _ => message.to_json().len(),
    }
}

impl NewJob {
    /// A job by name, with arguments as the text of a JSON object: for senders that do not have its type. The arguments
    /// are not checked.
    pub fn raw(
        job: impl Into<Cow<'static, str>>,
        queue: impl Into<Cow<'static, str>>,
        tracking: Tracking,
        args: Box<RawValue>,
    ) -> Self {
        Self::of(job.into(), queue.into(), tracking, Ok(args))
    }

    fn of(
        job: Cow<'static, str>,
        queue: Cow<'static, str>,
        tracking: Tracking,
        args: Result<Box<RawValue>, EnqueueError>,
    ) -> Self {
        let (id, due, expires, group, trace, schedule, after, unique, batch) = Default::default();
        let (tags, limits) = Default::default();
        Self {
            job,
            queue,
            tracking,
            args,
            id,
            due,
            expires,
            group,
            trace,
            schedule,
            tags,
            after,
            unique,
            batch,
            limits,
        }
    }

    /// Sets the limits of the job's type, where that is known by name only: the arguments that they need are in the message
    /// even if the others are too large for it.
    pub fn limits(mut self, limits: Vec<Limit>) -> Self {
        self.limits = limits;
        self
    }

    /// The arguments that its limits need.
    pub(super) fn limited_by(&self) -> Vec<Cow<'static, str>> {
        self.limits.iter().flat_map(|limit| limit.by.iter().cloned()).collect()
    }

    /// Runs the job no earlier than this time after it is enqueued.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.due = Some(Moment::In(delay));
        self
    }

    /// Runs the job no earlier than this moment; a moment in the past means now.
    pub fn at(mut self, moment: Timestamp) -> Self {
        self.due = Some(Moment::At(moment));
        self
    }

    /// Sets the job's id, its idempotency key: when a job with that id exists already, nothing is enqueued, and the
    /// result says so.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Some(JobId::new(id));
        self
    }

    /// Sets an expiry, counted from when the job is enqueued: a job that has not begun by then is cancelled.
    pub fn expires_in(mut self, time: Duration) -> Self {
        self.expires = Some(Moment::In(time));
        self
    }

    /// Sets the message group. On a FIFO queue the jobs of a group run one after the other; jobs without a group form
    /// one group. On a standard queue a group is a tenant: one tenant's backlog does not keep the others' jobs waiting. On SQS
    /// that is the work of fair queues (Amazon SQS Developer Guide, "Amazon SQS fair queues"); the embedded engine gives the
    /// next place to the tenant with the fewest running jobs, and reads ahead of all of them in turn.
    pub fn group(mut self, group: impl AsRef<str>) -> Self {
        self.group = Some(group.as_ref().into());
        self
    }

    /// Sets the trace context of the job's message, instead of that of what enqueues it. An invalid one is left out.
    pub fn trace(mut self, trace: Trace) -> Self {
        self.trace = Some(trace);
        self
    }

    /// Sets the name of the schedule that caused the job: 1–64 letters, digits and `_.-`.
    pub fn schedule(mut self, name: impl Into<String>) -> Self {
        self.schedule = Some(name.into());
        self
    }

    /// Adds a tag, by which people [find](crate::query) the job: 1–64 characters of `[A-Za-z0-9._:@-]`. A job has at most
    /// [`Tags::MAX`], and they are shown to everybody who sees its record.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Lets the job wait until another one has ended: [successfully](After::success), unless said otherwise. A job may wait for
    /// up to [`After::MAX`] others, and runs when all of them have ended as they must; when one ends otherwise, it is
    /// cancelled, and its record names that job. A job that has ended already counts as well.
    ///
    /// Both need records: without a store, and for untracked jobs, this is refused, and so is a job that waits for one
    /// without a record.
    ///
    /// ```
    /// # use lamplighter::{After, Client, Job, Queue};
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # struct Step { number: u32 }
    /// # impl Job for Step {
    /// #     const NAME: &'static str = "step";
    /// #     const QUEUE: Queue = Queue::standard("steps");
    /// # }
    /// # async fn chain(client: Client) -> Result<(), lamplighter::EnqueueError> {
    /// let first = client.enqueue(Step { number: 1 }).await?;
    /// let second = client.enqueue(Step { number: 2 }).after(&first).await?;
    /// client.enqueue(Step { number: 3 }).after(After::failure(second.id().clone())).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn after(mut self, other: impl Into<After>) -> Self {
        self.after.push(other.into());
        self
    }

    /// Gives the job a key that only one job of its type on its queue has at a time: until that one has ended, unless
    /// [said otherwise](Unique). When another job has it, nothing is enqueued, and the answer is
    /// [`Enqueued::Existing`](crate::Enqueued::Existing) with that job's id; or that job [is changed](Unique::or_replace).
    ///
    /// An [id](Self::id) names one job for as long as its record is kept; a key is free again as soon as its job has ended.
    /// Keys need records: without a store, and for untracked jobs, this is refused.
    pub fn unique(mut self, unique: impl Into<Unique>) -> Self {
        self.unique = Some(unique.into());
        self
    }

    /// As a job of that batch, which has nothing that could keep it from being enqueued with the others.
    pub(super) fn of_batch(mut self, batch: &JobId) -> Result<Self, EnqueueError> {
        let reason = match () {
            () if self.id.is_some() => "a job of a batch has no id of its own: the batch has one",
            () if !self.after.is_empty() => "a job of a batch waits for no other: let it wait in front of the batch",
            () if self.unique.is_some() => "a job of a batch has no unique key: give the batch an id",
            () if !self.tracking.is_tracked() => "it is untracked, and a batch counts the records of its jobs",
            () => {
                self.batch = Some(Membership::of(batch.clone()));
                return Ok(self);
            }
        };
        Err(EnqueueError::Refused { job: self.job.into_owned(), reason: reason.into() })
    }

    /// As a job that waits for a batch, and is enqueued with it.
    pub(super) fn callback_of(mut self, after: After) -> Result<Self, EnqueueError> {
        let reason = match () {
            () if !self.after.is_empty() => "it waits for its batch, and can wait for nothing else",
            () if self.unique.is_some() => "a job that is enqueued with a batch has no unique key",
            () if self.id.is_some() => "a job that is enqueued with a batch has no id of its own",
            () => {
                self.after.push(after);
                return Ok(self);
            }
        };
        Err(EnqueueError::Refused { job: self.job.into_owned(), reason: reason.into() })
    }

    /// The job's name.
    #[must_use]
    pub fn job_name(&self) -> &str {
        &self.job
    }

    /// Whether it has a trace context of its own.
    pub(super) const fn has_trace(&self) -> bool {
        self.trace.is_some()
    }

    /// The queue's name.
    pub(super) fn queue_name(&self) -> &str {
        &self.queue
    }

    /// The queue's name, shared with the job before: consecutive jobs mostly go to the same queue.
    pub(super) fn queue_after(&self, last: &mut Option<Arc<str>>) -> Arc<str> {
        let queue = last.take().filter(|queue| **queue == *self.queue).unwrap_or_else(|| (&*self.queue).into());
        *last = Some(queue.clone());
        queue
    }

    /// Why it cannot wait for other jobs, if it is to.
    fn cannot_wait(&self, records: bool) -> Option<String> {
        let count = self.after.len();
        let waits_for_itself = matches!(&self.id, Some(Ok(id)) if self.after.iter().any(|after| after.id == *id));
        let reason = match () {
            () if count == 0 => return None,
            () if !records => "it is to wait for other jobs, and no records are kept here".into(),
            () if !self.tracking.is_tracked() => {
                "it is to wait for other jobs, and an untracked job has no record".into()
            }
            () if count > After::MAX => format!("it is to wait for {count} jobs, and the limit is {}", After::MAX),
            () if waits_for_itself => "it is to wait for itself".into(),
            () => return None,
        };
        Some(reason)
    }

    /// Why it cannot have its unique key, if it is to.
    fn cannot_be_unique(&self, records: bool) -> Option<String> {
        let Unique { key, on_conflict, .. } = self.unique.as_ref()?;
        let reason = match () {
            () if !records => "it is to be unique, and no records are kept here".into(),
            () if !self.tracking.is_tracked() => "it is to be unique, and an untracked job has no record".into(),
            () if !(1..=Unique::MAX_LEN).contains(&key.len()) => {
                format!("its unique key has {} bytes, and must have 1 to {}", key.len(), Unique::MAX_LEN)
            }
            () if *on_conflict == UniqueConflict::Replace && !self.after.is_empty() => {
                "it may replace another job, and then cannot wait for others".into()
            }
            () => return None,
        };
        Some(reason)
    }

    /// Returns the request for the queue of this name, and whether it is too large for a message.
    pub(super) fn into_submission(
        self,
        client: &Client,
        queue: Arc<str>,
        sending: &Sending,
    ) -> Result<(EnqueueRequest, bool), EnqueueError> {
        self.into_request(&Circumstances::of(client).within(sending), queue)
    }

    /// As [`into_submission`](Self::into_submission), where there may be no client.
    pub(super) fn into_request(
        self,
        circumstances: &Circumstances<'_>,
        queue: Arc<str>,
    ) -> Result<(EnqueueRequest, bool), EnqueueError> {
        let Circumstances { origin, trace, env, limits, records, payloads } = *circumstances;
        let cannot = self.cannot_wait(records).or_else(|| self.cannot_be_unique(records));
        let job = self.job.into_owned();
        if let Some(reason) = cannot {
            return Err(EnqueueError::Refused { job, reason });
        }
        if let Some(limits) = limits {
            limits.check_enqueue(&job, &queue)?;
        }
        if origin.hops > MAX_HOPS {
            return Err(EnqueueError::TooManyHops { job, hops: origin.hops });
        }
        if self.schedule.as_deref().is_some_and(|name| !is_schedule_name(name)) {
            let reason = "the name of the schedule that causes it must be 1 to 64 letters, digits and _.-".into();
            return Err(EnqueueError::Refused { job, reason });
        }
        let Ok(tags) = Tags::new(self.tags) else {
            let reason = "of its tags there are at most 10, each 1 to 64 characters of A-Z a-z 0-9 . _ : @ -".into();
            return Err(EnqueueError::Refused { job, reason });
        };
        let now = env.now();
        let due_at = self.due.map(|moment| moment.from(now)).filter(|due| *due > now);
        let caller_supplied_id = self.id.is_some();
        let id = self.id.transpose()?.unwrap_or_else(|| JobId::generate(env));
        let mut message = Message::new(job, self.args?)
            .map_err(|error| EnqueueError::Arguments { job: "this job".into(), reason: error.to_string() })?;
        message.id = Some(id.clone());
        message.enqueued_at = Some(now);
        message.due_at = due_at;
        message.expires_at = self.expires.map(|moment| moment.from(now));
        message.schedule = self.schedule;
        message.trace = self.trace.and_then(Trace::checked).or_else(|| trace.cloned());
        message.hops = origin.hops;
        message.parent = origin.parent.clone();
        message.after = self.after;
        message.batch = self.batch;
        message.tags = tags;
        let bytes = bytes_up_to(MAX_MESSAGE_BYTES, &message);
        let large = bytes > MAX_MESSAGE_BYTES;
        if large && !payloads {
            return Err(EnqueueError::TooLarge { job: message.job, bytes, limit: MAX_MESSAGE_BYTES });
        }
        let submission = EnqueueRequest {
            id,
            queue,
            message: Arc::new(message),
            due_at,
            group: self.group,
            tracking: self.tracking,
            caller_supplied_id,
            unique: self.unique,
            nonce: None,
        };
        Ok((submission, large))
    }
}

impl Client {
    /// Checks a job as enqueueing it does, before anything is sent: its names, and its size.
    pub(crate) fn check(&self, job: NewJob) -> Result<(), EnqueueError> {
        let queue = job.queue_name().into();
        job.into_request(&Circumstances::of(self), queue).map(drop)
    }
}

/// What enqueueing a job depends on.
#[derive(Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) env: &'a Env,
    pub(super) origin: &'a Origin,
    /// The trace context for messages that have none.
    pub(super) trace: Option<&'a Trace>,
    /// What a handler may enqueue.
    pub(super) limits: Option<&'a Limits>,
    /// Whether records are kept.
    pub(super) records: bool,
    /// Whether arguments may be larger than a message.
    pub(super) payloads: bool,
}

impl<'a> Circumstances<'a> {
    pub(super) fn of(client: &'a Client) -> Self {
        let (env, backend) = (&client.shared.env, &client.shared.backend);
        let (records, payloads) = (backend.store.is_some(), backend.payloads.is_some());
        let (origin, limits) = (&client.origin, client.limits.as_deref());
        Self { env, origin, trace: origin.trace.as_ref(), limits, records, payloads }
    }

    /// Within a span.
    pub(super) fn within(self, sending: &'a Sending) -> Self {
        Self { trace: sending.trace(self.origin), ..self }
    }

    /// Of a job that somebody else enqueues later: what they have is not known here.
    pub(super) const fn unknown(env: &'a Env, origin: &'a Origin) -> Self {
        Self { env, origin, trace: None, limits: None, records: true, payloads: true }
    }

    /// Checks what was made elsewhere.
    pub(super) fn check(&self, request: &EnqueueRequest) -> Result<(), EnqueueError> {
        let EnqueueRequest { id, queue, message, unique, tracking, group, .. } = request;
        let job = NewJob {
            id: Some(Ok(id.clone())),
            after: message.after.clone(),
            unique: unique.clone(),
            group: group.clone(),
            ..NewJob::raw(message.job.clone(), queue.to_string(), *tracking, empty_object())
        };
        let cannot = job.cannot_wait(self.records).or_else(|| job.cannot_be_unique(self.records));
        if let Some(reason) = cannot {
            return Err(EnqueueError::Refused { job: message.job.clone(), reason });
        }
        if message.hops > MAX_HOPS {
            return Err(EnqueueError::TooManyHops { job: message.job.clone(), hops: message.hops });
        }
        self.limits.map_or(Ok(()), |limits| limits.check_enqueue(&message.job, queue))
    }
}

impl fmt::Debug for NewJob {
    /// Omits the arguments, which may hold secrets that must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewJob")
            .field("job", &self.job)
            .field("queue", &self.queue)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
