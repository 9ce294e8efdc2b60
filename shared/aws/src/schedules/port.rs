//! The core's port of schedules, implemented on EventBridge and EventBridge Scheduler.

use std::fmt;

use async_trait::async_trait;
use futures_util::future::{try_join, try_join3};
use jiff::Timestamp;
use lamplighter::{
    EnqueueError, JobId, ScheduledJob,
    backend::{FoundSchedule, Queues, ScheduleOrigin, ScheduleStatus, Schedules, SchedulingError, StoreError},
    env::Env,
};

use super::{
    entry::{Entry, Kind},
    rules::{Rule, Rules},
    scheduler::Scheduler,
    settings::ScheduleSettings,
};
use crate::{sdk::AwsClients, sqs::Sqs};

/// Schedules on AWS. Those made at run time are schedules of EventBridge Scheduler, in the group that the settings
/// name. Deployed schedules are rules named `<group>-<schedule>`, or schedules of that group.
///
/// A [misfire policy](lamplighter::schedule::Misfire) has no effect here: the services are always up for their own
/// schedules, and retry a message that a queue refuses for a day.
pub struct AwsSchedules {
    scheduler: Scheduler,
    rules: Rules,
    sqs: Sqs,
    env: Env,
}

/// A schedule, by the service that stores it.
enum Found {
    Rule(Rule),
    Deployed(Entry),
    RunTime(Entry),
}

impl AwsSchedules {
    /// Schedules of this group, through this SDK, for the queues that `sqs` knows.
    #[must_use]
    pub fn new(sdk: AwsClients, settings: ScheduleSettings, sqs: Sqs, env: Env) -> Self {
        let rules = Rules::new(sdk.clone(), settings.group());
        Self { scheduler: Scheduler::new(sdk, settings), rules, sqs, env }
    }

    async fn find_deployed(&self, name: &str) -> Result<Option<Found>, StoreError> {
        let (rule, entry) = try_join(self.rules.find(name), self.scheduler.find(Kind::Deployed, name)).await?;
        Ok(rule.map(Found::Rule).or(entry.map(Found::Deployed)))
    }

    async fn find(&self, name: &str) -> Result<Found, SchedulingError> {
        if !lamplighter::schedule::is_schedule_name(name) {
            return Err(SchedulingError::Unknown(name.into()));
        }
        let made = self.scheduler.find(Kind::RunTime, name);
        let (deployed, made) = try_join(self.find_deployed(name), made).await?;
        deployed.or(made.map(Found::RunTime)).ok_or_else(|| SchedulingError::Unknown(name.into()))
    }

    fn status(&self, scheduled: Option<ScheduledJob>, origin: ScheduleOrigin, paused: bool) -> Option<ScheduleStatus> {
        Some(ScheduleStatus::new(&scheduled?, origin, paused, self.env.now()))
    }
}

fn sends_nothing(name: &str) -> SchedulingError {
    let reason = "it calls a function directly and sends no message; invoke the function, or enqueue its job";
    let (schedule, job) = (name.into(), "its job".into());
    SchedulingError::Job { schedule, job, reason: reason.into() }
}

#[async_trait]
impl Schedules for AwsSchedules {
    async fn put(&self, scheduled: ScheduledJob) -> Result<(), SchedulingError> {
        scheduled.schedule.check_form()?;
        let name = &scheduled.schedule.name;
        let queue = self.sqs.queues().get(&scheduled.queue);
        let queue = queue.ok_or_else(|| EnqueueError::UnknownQueue(scheduled.queue.to_string()))?;
        if self.find_deployed(name).await?.is_some() {
            return Err(SchedulingError::Deployed(name.clone()));
        }
        self.scheduler.write(&scheduled, &queue.url, self.env.now()).await
    }

    async fn remove(&self, name: &str) -> Result<(), SchedulingError> {
        let unknown = || SchedulingError::Unknown(name.into());
        if !lamplighter::schedule::is_schedule_name(name) {
            return Err(unknown());
        }
        if self.scheduler.remove(name).await? {
            return Ok(());
        }
        match self.find_deployed(name).await? {
            Some(_) => Err(SchedulingError::Deployed(name.into())),
            None => Err(unknown()),
        }
    }

    async fn pause(&self, name: &str, paused: bool) -> Result<(), SchedulingError> {
        match self.find(name).await? {
            Found::Rule(rule) => self.rules.pause(&rule, paused).await?,
            Found::Deployed(entry) | Found::RunTime(entry) => {
                self.scheduler.pause(entry, paused, self.env.now()).await?;
            }
        }
        Ok(())
    }

    async fn trigger(&self, name: &str, at: Timestamp) -> Result<JobId, SchedulingError> {
        let queues = self.sqs.queues();
        let scheduled = match self.find(name).await? {
            Found::Rule(rule) => rule.scheduled(queues),
            Found::Deployed(entry) | Found::RunTime(entry) => entry.scheduled(queues),
        };
        let scheduled = scheduled.ok_or_else(|| sends_nothing(name))?;
        let submission = scheduled.submission(at);
        let mut submission = submission.map_err(|error| SchedulingError::job(&scheduled, &error))?;
        if queues.get(&scheduled.queue).is_some_and(crate::QueueUrls::is_fifo) {
            submission.group = Some(name.into());
        }
        let sent = self.sqs.send(vec![submission]).await.pop();
        let sent = sent.ok_or_else(|| StoreError::unavailable("SQS did not report whether the job was enqueued"))??;
        Ok(sent.id().clone())
    }

    async fn find(&self, name: &str) -> Result<FoundSchedule, SchedulingError> {
        let queues = self.sqs.queues();
        let (scheduled, paused) = match Self::find(self, name).await? {
            Found::Rule(rule) => (rule.scheduled(queues), rule.paused),
            Found::Deployed(entry) | Found::RunTime(entry) => (entry.scheduled(queues), entry.is_paused()),
        };
        scheduled.map(|scheduled| FoundSchedule::new(scheduled, paused)).ok_or_else(|| sends_nothing(name))
    }

    async fn list(&self) -> Result<Vec<ScheduleStatus>, SchedulingError> {
        let (rules, deployed, made) =
            try_join3(self.rules.list(), self.scheduler.list(Kind::Deployed), self.scheduler.list(Kind::RunTime))
                .await?;
        let queues = self.sqs.queues();
        let entries = |entries: Vec<Entry>, origin| {
            let status = move |entry: Entry| self.status(entry.scheduled(queues), origin, entry.is_paused());
            entries.into_iter().filter_map(status)
        };
        let rules = rules.into_iter();
        let rules = rules.filter_map(|rule| self.status(rule.scheduled(queues), ScheduleOrigin::Deployed, rule.paused));
        let mut all: Vec<_> = rules
            .chain(entries(deployed, ScheduleOrigin::Deployed))
            .chain(entries(made, ScheduleOrigin::RunTime))
            .collect();
        all.sort_by(|a, b| a.schedule.name.cmp(&b.schedule.name));
        Ok(all)
    }
}

impl fmt::Debug for AwsSchedules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsSchedules").field("settings", self.scheduler.settings()).finish_non_exhaustive()
    }
}
