//! Messages that are sent once, later than SQS can delay them.

use std::fmt;

use aws_sdk_scheduler::types::ActionAfterCompletion;
use lamplighter::{
    JobId, Timestamp,
    backend::{EnqueueRequest, StoreError, StoreErrorKind},
    schedule::Schedule,
};

use super::{
    scheduler::Scheduler,
    settings::ScheduleSettings,
    target::{self, MAX_INPUT, digest, is_name, literal},
};
use crate::sdk::{AwsClients, explain};

/// Sends messages once, at any future moment: by schedules of EventBridge Scheduler that are deleted after they have
/// run. Cloning is cheap, and clones share one client, which is created at first use.
///
/// ```no_run
/// # use lamplighter::{JobId, Timestamp};
/// # use lamplighter_aws::{OneTime, ScheduleSettings, AwsClients, Sending};
/// # async fn example(id: &JobId, at: Timestamp) -> Result<(), Box<dyn std::error::Error>> {
/// let Some(settings) = ScheduleSettings::from_env()? else { return Err("no schedules here".into()) };
/// let delayed_sender = OneTime::new(AwsClients::environment(), settings);
/// let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-webhooks";
/// let name = OneTime::name(OneTime::DELAY, id);
/// delayed_sender.create(&name, at, Sending { queue_url: url, body: r#"{"job":"a"}"#, group: None }).await?;
/// delayed_sender.delete(&name).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OneTime(Scheduler);

/// A message and its queue.
#[derive(Debug, Clone, Copy)]
pub struct Sending<'a> {
    /// The queue's URL.
    pub queue_url: &'a str,
    /// The message's body: JSON, of at most [`OneTime::MAX_BODY`] bytes.
    pub body: &'a str,
    /// The message group, for FIFO queues only; such a queue must use content-based deduplication.
    pub group: Option<&'a str>,
}

/// Why a message was not scheduled.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OneTimeError {
    /// The message is too large for a schedule.
    #[error(
        "the message has {bytes} bytes, and EventBridge Scheduler carries {limit}; put the \
         data elsewhere and pass a reference",
        limit = OneTime::MAX_BODY
    )]
    TooLarge {
        /// The body's size.
        bytes: usize,
    },
    /// The moment cannot be expressed in Scheduler.
    #[error("{0} is not a moment for EventBridge Scheduler: the year must be between 1970 and 9999")]
    Moment(Timestamp),
    /// Scheduler refused it.
    #[error(transparent)]
    Backend(#[from] StoreError),
}

impl OneTime {
    /// The largest body, in bytes.
    pub const MAX_BODY: usize = MAX_INPUT;
    /// The kind of schedule that delays a job's start.
    pub const DELAY: &'static str = crate::backend::DELAY;
    /// The kinds of schedules that send a job's next attempt: this, a `-` and when it is due, in seconds since 1970.
    pub const RETRY: &'static str = crate::backend::RETRY;

    /// Uses schedules of this group, through this SDK.
    #[must_use]
    pub fn new(sdk: AwsClients, settings: ScheduleSettings) -> Self {
        Self(Scheduler::new(sdk, settings))
    }

    /// The name of the schedule that delays a job: `<kind>-<id>`, or `<kind>-` and a hash if the id does not fit a
    /// schedule's name. `kind` separates schedules of one job for different reasons: a schedule that has run may exist
    /// for a while, and [`create`](Self::create) would keep it instead of the new one. So a delay has one kind, and
    /// each further attempt has its own.
    #[must_use]
    pub fn name(kind: &str, id: &JobId) -> String {
        let plain = format!("{kind}-{id}");
        if is_name(&plain) { plain } else { format!("{kind}-{}", digest(&[id.as_str()])) }
    }

    /// Like [`name`](Self::name), for a job without a record: its id is unique only with its name and queue.
    pub(crate) fn name_without_record(kind: &str, submission: &EnqueueRequest) -> String {
        let EnqueueRequest { id, queue, message, .. } = submission;
        format!("{kind}-{}", digest(&[id.as_str(), &message.job, queue]))
    }

    /// Sends a message at `at`, or up to a minute later; a fraction of a second is rounded up. An existing schedule
    /// with that name stays unchanged, so a caller that does not know whether an earlier call succeeded may call again.
    ///
    /// # Errors
    /// When the body is too large, or when Scheduler refuses it.
    pub async fn create(&self, name: &str, at: Timestamp, sending: Sending<'_>) -> Result<(), OneTimeError> {
        let input = literal(sending.body);
        if input.len() > Self::MAX_BODY {
            return Err(OneTimeError::TooLarge { bytes: input.len() });
        }
        let moment = Schedule::at(name, at).eventbridge().map_err(|_| OneTimeError::Moment(at))?;
        let settings = self.0.settings();
        let target = target::queue(settings, sending.queue_url, &self.0.region().await?, sending.group, input)?;
        let request = self
            .0
            .client()
            .await?
            .create_schedule()
            .name(name)
            .group_name(settings.group())
            .client_token(digest(&[name, moment.expression(), sending.queue_url, sending.body]))
            .schedule_expression(moment.expression())
            .schedule_expression_timezone("UTC")
            .flexible_time_window(target::punctual()?)
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(target);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_conflict_exception()) => Ok(()),
            Err(error) => Err(explain(&error, &format!("schedule {name} in group {}", settings.group())).into()),
        }
    }

    /// Deletes a schedule that has not run yet. Succeeds if it does not exist.
    ///
    /// # Errors
    /// When Scheduler cannot be reached, or refuses.
    pub async fn delete(&self, name: &str) -> Result<(), StoreError> {
        if !is_name(name) {
            return Err(StoreError::new(StoreErrorKind::Invalid, format_args!("{name:?} is not a schedule's name")));
        }
        let group = self.0.settings().group();
        let request = self.0.client().await?.delete_schedule().name(name).group_name(group);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                Ok(())
            }
            Err(error) => Err(explain(&error, &format!("delete schedule {name} in group {group}"))),
        }
    }
}

impl fmt::Debug for OneTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneTime").field("settings", self.0.settings()).finish_non_exhaustive()
    }
}
