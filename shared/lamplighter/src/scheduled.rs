//! A schedule together with the job that it starts.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::{
    id::JobId,
    job::Job,
    message::{InvalidMessage, Message},
    misfit::Misfit,
    options::Tracking,
    ports::EnqueueRequest,
    schedule::{Schedule, ScheduleError, ScheduleProblem},
};

/// A schedule together with the job that it starts.
///
/// ```
/// # use lamplighter::{Job, Queue, ScheduledJob, schedule::Schedule};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct DailyReport {}
/// # impl Job for DailyReport { const NAME: &'static str = "digest.daily"; const QUEUE: Queue = Queue::standard("reports"); }
/// let nightly = Schedule::cron("report-daily", "0 6 * * *")?.starts(&DailyReport {})?;
/// let tick = nightly.schedule.next_after("2026-11-23T12:00:00Z".parse()?)?.unwrap();
/// assert_eq!(nightly.message(tick)?.id.unwrap().as_str(), "report-daily@2026-11-24T06:00:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ScheduledJob {
    /// The schedule.
    pub schedule: Schedule,
    /// The job's name.
    pub job: Arc<str>,
    /// The queue that carries it.
    pub queue: Arc<str>,
    /// Which records are kept.
    pub tracking: Tracking,
    /// The job's arguments: the text of a JSON object.
    pub args: Box<RawValue>,
}

impl Schedule {
    /// The schedule, starting `job` at each of its times.
    ///
    /// # Errors
    /// When the job's arguments cannot be written as JSON.
    pub fn starts<J: Job>(self, job: &J) -> Result<ScheduledJob, ScheduleError> {
        match serde_json::value::to_raw_value(job) {
            Ok(args) => Ok(ScheduledJob {
                schedule: self,
                job: J::NAME.into(),
                queue: J::QUEUE.name().into(),
                tracking: J::options().tracking,
                args,
            }),
            Err(error) => Err(ScheduleError {
                schedule: self.name,
                problems: vec![ScheduleProblem::Arguments { job: J::NAME.into(), reason: error.to_string() }],
            }),
        }
    }

    /// The schedule, starting the job `J` at each of its times, with arguments as a JSON object. Arguments that have
    /// defaults may be left out.
    ///
    /// ```
    /// # use lamplighter::{Job, Queue, ScheduledJob, schedule::Schedule};
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # pub struct Greet { pub name: String }
    /// # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
    /// let morning = Schedule::cron("morning", "0 6 * * *")?.starts_with::<Greet>(r#"{"name":"Ada"}"#)?;
    /// assert_eq!(morning.args.get(), r#"{"name":"Ada"}"#);
    /// let wrong = Schedule::cron("morning", "0 6 * * *")?.starts_with::<Greet>(r#"{"nam":"Ada"}"#);
    /// assert!(wrong.unwrap_err().to_string().contains("missing field `name`"));
    /// # Ok::<(), lamplighter::schedule::ScheduleError>(())
    /// ```
    ///
    /// # Errors
    /// When the arguments do not fit the job.
    pub fn starts_with<J: Job>(self, args: &str) -> Result<ScheduledJob, ScheduleError> {
        match Misfit::read::<J>(args) {
            Ok(job) => self.starts(&job),
            Err(error) => Err(ScheduleError {
                schedule: self.name,
                problems: vec![ScheduleProblem::Misfit { job: J::NAME.into(), reason: error.to_string() }],
            }),
        }
    }
}

/// The message body of a schedule's ticks, for a service that replaces `time` with the tick's time. The time is part of
/// the job's id, so that a tick that is delivered twice is one job. `args` is the text of a JSON object.
///
/// ```
/// let body = lamplighter::backend::tick_template("report-daily", "digest.daily", "{}", "<time>");
/// assert!(body.contains(r#""id":"report-daily@<time>""#));
/// ```
#[must_use]
pub fn tick_template(schedule: &str, job: &str, args: &str, time: &str) -> String {
    // EventBridge and its Scheduler treat `<…>` as a placeholder, so both characters are escaped as JSON allows. Names
    // of jobs and schedules contain nothing that JSON would have to escape.
    let args = args.replace('<', "\\u003c").replace('>', "\\u003e");
    format!(
        r#"{{"job":"{job}","args":{args},"id":"{schedule}@{time}","enqueued_at":"{time}","schedule":"{schedule}"}}"#
    )
}

impl ScheduledJob {
    /// The message of one tick. Its id is made from the schedule's name and the tick's time, so that a tick that is
    /// delivered twice is one job.
    ///
    /// # Errors
    /// When the schedule's or the job's name does not fit an id or a message.
    pub fn message(&self, tick: Timestamp) -> Result<Message, InvalidMessage> {
        let mut message = Message::new(&*self.job, self.args.clone())?;
        let id = JobId::new(self.schedule.tick_id(tick)).map_err(|error| InvalidMessage::new(&error))?;
        message.id = Some(id);
        message.schedule = Some(self.schedule.name.clone());
        message.enqueued_at = Some(tick);
        Ok(message)
    }

    /// The submission of one tick.
    ///
    /// # Errors
    /// As [`message`](Self::message).
    pub fn submission(&self, tick: Timestamp) -> Result<EnqueueRequest, InvalidMessage> {
        let message = self.message(tick)?;
        let id = message.id.clone().ok_or_else(|| InvalidMessage::new(&"a tick without an id"))?;
        Ok(EnqueueRequest {
            unique: None,
            nonce: None,
            id,
            queue: self.queue.clone(),
            message: Arc::new(message),
            due_at: None,
            group: None,
            tracking: self.tracking,
            caller_supplied_id: true,
        })
    }
}
