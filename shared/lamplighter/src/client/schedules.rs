//! Schedules that are created, paused and triggered at run time. A handler's client refuses all of this unless its
//! function [declares it](crate::Function::schedules).

use jiff::Timestamp;

use super::Client;
use crate::{
    id::JobId,
    job::Job,
    ports::{ScheduleStatus, Schedules, SchedulingError, StoreError, StoreErrorKind},
    schedule::Schedule,
    scheduled::ScheduledJob,
};

impl Client {
    /// Starts `job` at each of the schedule's times, from now on. A schedule of that name that was created at run time
    /// is replaced, and stays paused if it was, so a program may call this at every start. The schedule outlives the
    /// program and later deployments, until it is [removed](Self::unschedule) or over.
    ///
    /// # Errors
    /// When the schedule or the job's arguments are invalid, when all of its times have passed, when a deployed
    /// schedule has that name, or when the backend cannot keep it.
    pub async fn schedule<J: Job>(&self, schedule: Schedule, job: &J) -> Result<(), SchedulingError> {
        self.schedule_raw(schedule.starts(job)?).await
    }

    /// [`schedule`](Self::schedule) for a job that is known by name only. The arguments are not checked here.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    pub async fn schedule_raw(&self, scheduled: ScheduledJob) -> Result<(), SchedulingError> {
        let port = self.schedule_port()?;
        scheduled.schedule.check_form()?;
        let now = self.shared.env.now();
        scheduled.message(now).map_err(|error| SchedulingError::job(&scheduled, &error))?;
        // A zone that is unknown here is left for the backend to check.
        if let Ok(None) = scheduled.schedule.next_after(now) {
            return Err(SchedulingError::Over(scheduled.schedule.name));
        }
        port.put(scheduled).await
    }

    /// Removes a schedule that was created at run time. Jobs that it has started remain.
    ///
    /// # Errors
    /// When there is no such schedule, when it is deployed with the code, or when the backend cannot be reached.
    pub async fn unschedule(&self, name: &str) -> Result<(), SchedulingError> {
        self.schedule_port()?.remove(name).await
    }

    /// Pauses a schedule, deployed or not. Ticks during the pause are not made up for.
    ///
    /// # Errors
    /// When there is no such schedule, or when the backend cannot be reached.
    pub async fn pause_schedule(&self, name: &str) -> Result<(), SchedulingError> {
        self.schedule_port()?.pause(name, true).await
    }

    /// Resumes a paused schedule.
    ///
    /// # Errors
    /// When there is no such schedule, or when the backend cannot be reached.
    pub async fn resume_schedule(&self, name: &str) -> Result<(), SchedulingError> {
        self.schedule_port()?.pause(name, false).await
    }

    /// Starts a schedule's job now, in addition to its own times, and returns its id: `<schedule>@<now, in seconds>`.
    /// Two calls within a second start one job.
    ///
    /// # Errors
    /// When there is no such schedule, or when the backend cannot be reached.
    pub async fn trigger_schedule(&self, name: &str) -> Result<JobId, SchedulingError> {
        self.trigger_schedule_at(name, self.shared.env.now()).await
    }

    /// [`trigger_schedule`](Self::trigger_schedule) as of a moment: done twice, it is one job.
    pub(crate) async fn trigger_schedule_at(&self, name: &str, at: Timestamp) -> Result<JobId, SchedulingError> {
        self.schedule_port()?.trigger(name, at).await
    }

    /// All schedules, by name: those deployed with the code and those created at run time, each with its next runs.
    ///
    /// # Errors
    /// When the backend cannot be reached.
    pub async fn schedules(&self) -> Result<Vec<ScheduleStatus>, SchedulingError> {
        self.schedule_port()?.list().await
    }

    pub(super) fn schedule_port(&self) -> Result<&dyn Schedules, SchedulingError> {
        if let Some(limits) = &self.limits {
            limits.check_schedules()?;
        }
        self.shared.backend.schedules.as_deref().ok_or_else(|| {
            let text = "this backend keeps no schedules: no schedule group is configured";
            StoreError::new(StoreErrorKind::Invalid, text).into()
        })
    }
}
