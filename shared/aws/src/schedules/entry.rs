//! Reading, writing and changing schedules of EventBridge Scheduler.

use aws_sdk_scheduler::{
    operation::get_schedule::GetScheduleOutput,
    types::{ActionAfterCompletion, ScheduleState},
};
use aws_smithy_types::DateTime;
use futures_util::{StreamExt, TryStreamExt, stream};
use lamplighter::{
    ScheduledJob, Timestamp,
    backend::{SchedulingError, StoreError, tick_template},
    schedule::{EventBridge, When},
};

use super::{
    CALLS_AT_ONCE,
    scheduler::Scheduler,
    target::{self, MAX_INPUT, digest, is_name},
    template::{Kept, Template, about},
};
use crate::{queues::QueueMap, sdk::explain};

/// The prefix of the names of schedules made at run time.
pub(crate) const RUN_TIME: &str = "runtime-";

/// The placeholder that Scheduler replaces with a tick's time (Amazon EventBridge Scheduler User Guide, "Adding context
/// attributes in EventBridge Scheduler").
const TIME: &str = "<aws.scheduler.scheduled-time>";

/// Tries at a write that finds the schedule changed since it was read.
const TRIES: usize = 3;

/// The two kinds of schedules in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Deployed,
    RunTime,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Deployed => EventBridge::DEPLOYED,
            Self::RunTime => RUN_TIME,
        }
    }

    /// The schedule's name in Scheduler. The message that it sends has the full name.
    fn name(self, schedule: &str) -> String {
        let name = format!("{}{schedule}", self.prefix());
        if is_name(&name) { name } else { format!("{}{}", self.prefix(), digest(&[schedule])) }
    }
}

/// A schedule as stored by Scheduler.
pub(super) struct Entry(GetScheduleOutput);

impl Entry {
    pub(super) fn is_paused(&self) -> bool {
        self.0.state == Some(ScheduleState::Disabled)
    }

    /// The job that it starts; `None` if it does not send a message to a queue.
    pub(super) fn scheduled(&self, queues: &QueueMap) -> Option<ScheduledJob> {
        let target = self.0.target()?;
        let kept = Kept {
            expression: self.0.schedule_expression(),
            timezone: self.0.schedule_expression_timezone(),
            description: self.0.description(),
            arn: target.arn(),
        };
        Template::of(target.input())?.scheduled(&kept, queues)
    }
}

impl Scheduler {
    /// The schedule with that name and kind.
    pub(super) async fn find(&self, kind: Kind, schedule: &str) -> Result<Option<Entry>, StoreError> {
        self.read(&kind.name(schedule)).await
    }

    async fn read(&self, name: &str) -> Result<Option<Entry>, StoreError> {
        let group = self.settings().group();
        match self.client().await?.get_schedule().name(name).group_name(group).send().await {
            Ok(found) => Ok(Some(Entry(found))),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                Ok(None)
            }
            Err(error) => Err(explain(&error, &format!("read schedule {name} in group {group}"))),
        }
    }

    /// All schedules of a kind.
    pub(super) async fn list(&self, kind: Kind) -> Result<Vec<Entry>, StoreError> {
        let group = self.settings().group();
        let request = self.client().await?.list_schedules().group_name(group).name_prefix(kind.prefix());
        let mut pages = request.into_paginator().send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| explain(&error, &format!("list the schedules of group {group}")))?;
            names.extend(page.schedules.into_iter().filter_map(|one| one.name));
        }
        let reads = names.into_iter().map(|name| async move { self.read(&name).await });
        let entries: Vec<_> = stream::iter(reads).buffered(CALLS_AT_ONCE).try_collect().await?;
        // Schedules that were removed meanwhile are left out.
        Ok(entries.into_iter().flatten().collect())
    }

    /// Stores a schedule made at run time. A paused one stays paused.
    pub(super) async fn write(
        &self,
        scheduled: &ScheduledJob,
        queue_url: &str,
        now: Timestamp,
    ) -> Result<(), SchedulingError> {
        let schedule = &scheduled.schedule;
        let name = Kind::RunTime.name(&schedule.name);
        let settings = self.settings();
        let input = tick_template(&schedule.name, &scheduled.job, scheduled.args.get(), TIME);
        if input.len() > MAX_INPUT {
            let reason = format!(
                "its message has {} bytes, and EventBridge Scheduler sends {MAX_INPUT} at most; put the data elsewhere and \
                 pass a reference",
                input.len()
            );
            let (schedule, job) = (schedule.name.clone(), scheduled.job.to_string());
            return Err(SchedulingError::Job { schedule, job, reason });
        }
        let (expression, timezone) = match schedule.eventbridge()? {
            EventBridge::Rule { expression } => (expression, "UTC".to_owned()),
            EventBridge::Scheduler { expression, timezone } => (expression, timezone),
        };
        let description = match &*schedule.description {
            "" => about(&scheduled.job),
            text => text.to_owned(),
        };
        // On a FIFO queue, the ticks of one schedule keep their order.
        let target = target::queue(settings, queue_url, &self.region().await?, Some(&schedule.name), input)?;
        let state = |enabled| if enabled { ScheduleState::Enabled } else { ScheduleState::Disabled };
        for _ in 0..TRIES {
            let create = self
                .client()
                .await?
                .create_schedule()
                .name(&name)
                .group_name(settings.group())
                .description(&description)
                .schedule_expression(&expression)
                .schedule_expression_timezone(&timezone)
                .set_start_date(start_date(&expression, None, now))
                .flexible_time_window(target::punctual()?)
                .action_after_completion(ActionAfterCompletion::Delete)
                .state(state(schedule.enabled))
                .target(target.clone());
            match create.send().await {
                Ok(_) => return Ok(()),
                Err(error) if error.as_service_error().is_some_and(|error| error.is_conflict_exception()) => {}
                Err(error) => return Err(explain(&error, &self.doing("make", &name)).into()),
            }
            let Some(old) = self.read(&name).await? else { continue };
            let update = self
                .client()
                .await?
                .update_schedule()
                .name(&name)
                .group_name(settings.group())
                .description(&description)
                .schedule_expression(&expression)
                .schedule_expression_timezone(&timezone)
                .set_start_date(start_date(&expression, None, now))
                .flexible_time_window(target::punctual()?)
                .action_after_completion(ActionAfterCompletion::Delete)
                .state(state(schedule.enabled && !old.is_paused()))
                .target(target.clone());
            match update.send().await {
                Ok(_) => return Ok(()),
                Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                }
                Err(error) => return Err(explain(&error, &self.doing("replace", &name)).into()),
            }
        }
        Err(StoreError::unavailable(format_args!("schedule {name} keeps changing; try again")).into())
    }

    /// Enables or disables a schedule. An update replaces the whole schedule (Amazon EventBridge Scheduler API
    /// Reference, UpdateSchedule), so all of it is written back.
    pub(super) async fn pause(&self, entry: Entry, paused: bool, now: Timestamp) -> Result<(), StoreError> {
        let Entry(old) = entry;
        let name = old.name.unwrap_or_default();
        let start = start_date(old.schedule_expression.as_deref().unwrap_or_default(), old.start_date, now);
        let update = self
            .client()
            .await?
            .update_schedule()
            .name(&name)
            .group_name(self.settings().group())
            .set_description(old.description)
            .set_schedule_expression(old.schedule_expression)
            .set_schedule_expression_timezone(old.schedule_expression_timezone)
            .set_start_date(start)
            .set_end_date(old.end_date)
            .set_flexible_time_window(old.flexible_time_window)
            .set_action_after_completion(old.action_after_completion)
            .set_kms_key_arn(old.kms_key_arn)
            .set_target(old.target)
            .state(if paused { ScheduleState::Disabled } else { ScheduleState::Enabled });
        let verb = if paused { "pause" } else { "resume" };
        update.send().await.map(|_| ()).map_err(|error| explain(&error, &self.doing(verb, &name)))
    }

    /// Removes a schedule made at run time. Returns whether it existed.
    pub(super) async fn remove(&self, schedule: &str) -> Result<bool, StoreError> {
        let name = Kind::RunTime.name(schedule);
        match self.client().await?.delete_schedule().name(&name).group_name(self.settings().group()).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()) => {
                Ok(false)
            }
            Err(error) => Err(explain(&error, &self.doing("remove", &name))),
        }
    }

    fn doing(&self, verb: &str, name: &str) -> String {
        format!("{verb} schedule {name} in group {}", self.settings().group())
    }
}

/// A schedule's start. A rate counts from its start (Amazon EventBridge Scheduler User Guide, "Schedule types"): it
/// starts at its next tick, so that its ticks are the same everywhere. A start in the past is left out, since Scheduler
/// refuses it.
fn start_date(expression: &str, old: Option<DateTime>, now: Timestamp) -> Option<DateTime> {
    if let Ok(When::Rate(rate)) = When::parse(expression) {
        return rate.next_after(now).map(|tick| DateTime::from_secs(tick.as_second()));
    }
    old.filter(|start| start.secs() > now.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_start_at_their_next_tick() {
        let now: Timestamp = "2026-11-01T12:01:30Z".parse().unwrap();
        let at = |text: &str| DateTime::from_secs(text.parse::<Timestamp>().unwrap().as_second());
        assert_eq!(start_date("rate(5 minutes)", None, now), Some(at("2026-11-01T12:05:00Z")));
        assert_eq!(
            start_date("rate(5 minutes)", Some(at("2020-01-01T00:00:00Z")), now),
            Some(at("2026-11-01T12:05:00Z"))
        );
        assert_eq!(start_date("cron(0 6 * * ? *)", Some(at("2020-01-01T00:00:00Z")), now), None);
        let delayed_sender = Some(at("2027-01-01T00:00:00Z"));
        assert_eq!(start_date("cron(0 6 * * ? *)", delayed_sender, now), delayed_sender);
    }

    #[test]
    fn names_differ_by_kind_and_fit() {
        assert_eq!(Kind::RunTime.name("sweep"), "runtime-sweep");
        assert_eq!(Kind::Deployed.name("sweep"), "deployed-sweep");
        let long = Kind::RunTime.name(&"x".repeat(64));
        assert!(is_name(&long) && long.starts_with(RUN_TIME) && long != Kind::RunTime.name(&"y".repeat(64)));
    }
}
