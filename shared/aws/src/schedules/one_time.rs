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

/// Sends messages once, at a moment of any distance: by schedules of EventBridge Scheduler that are deleted after they
/// have run. Cloning is cheap, and clones share one client, which is made at first use.
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
    /// The message group. It matters to FIFO queues only; the queue must then tell duplicates by their content.
    pub group: Option<&'a str>,
}

/// Why a message was not put off.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OneTimeError {
    /// A schedule cannot carry so much.
    #[error(
        "the message has {bytes} bytes, and EventBridge Scheduler carries {limit}; put the \
         data elsewhere and pass a reference",
        limit = OneTime::MAX_BODY
    )]
    TooLarge {
        /// The body's size.
        bytes: usize,
    },
    /// A moment that Scheduler cannot express.
    #[error("{0} is not a moment that EventBridge Scheduler knows: they lie between the years 1970 and 9999")]
    Moment(Timestamp),
    /// Scheduler did not take it.
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

    /// Schedules of this group, through this SDK.
    #[must_use]
    pub fn new(sdk: AwsClients, settings: ScheduleSettings) -> Self {
        Self(Scheduler::new(sdk, settings))
    }

    /// The name of the schedule that puts off a job: `<kind>-<id>`, or `<kind>-` and a hash where an id does not fit a
    /// schedule's name. `kind` tells the reasons apart for which one job may be put off, which must not be taken for
    /// each other: a schedule that has run may be there for a while, and then [`create`](Self::create) would leave it
    /// at that. So a delay has one kind, and each attempt to come has its own.
    #[must_use]
    pub fn name(kind: &str, id: &JobId) -> String {
        let plain = format!("{kind}-{id}");
        if is_name(&plain) { plain } else { format!("{kind}-{}", digest(&[id.as_str()])) }
    }

    /// As [`name`](Self::name), for a job without a record: its id is its own only beside its name and its queue.
    pub(crate) fn name_without_record(kind: &str, submission: &EnqueueRequest) -> String {
        let EnqueueRequest { id, queue, message, .. } = submission;
        format!("{kind}-{}", digest(&[id.as_str(), &message.job, queue]))
    }

    /// Sends a message at `at`, or up to a minute later; a fraction of a second is rounded up. A schedule of that name
    /// that is there already stays as it is, so that one who is not sure whether an earlier call went through may call
    /// again.
    ///
    /// # Errors
    /// When the body is too large, or when Scheduler does not take it.
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

    /// Deletes a schedule that has not run yet. One that is not there needs nothing.
    ///
    /// # Errors
    /// When Scheduler cannot be reached, or refuses.
    pub async fn delete(&self, name: &str) -> Result<(), StoreError> {
        if !is_name(name) {
            return Err(StoreError::new(StoreErrorKind::Invalid, format_args!("{name:?} is no name of a schedule")));
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
