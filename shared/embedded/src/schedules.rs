//! The core's port of schedules over the file. An engine fires them.

use async_trait::async_trait;
use lamplighter::{JobId, ScheduleStatus, ScheduledJob, Schedules, SchedulingError};

use crate::{store::EmbeddedStore, work::schedules};

#[async_trait]
impl Schedules for EmbeddedStore {
    async fn put(&self, scheduled: ScheduledJob) -> Result<(), SchedulingError> {
        scheduled.schedule.check()?;
        self.writer.run(1, move |unit| schedules::put(unit, &scheduled)).await?
    }

    async fn remove(&self, name: &str) -> Result<(), SchedulingError> {
        let name = name.to_owned();
        self.writer.run(1, move |unit| schedules::remove(unit, &name)).await?
    }

    async fn pause(&self, name: &str, paused: bool) -> Result<(), SchedulingError> {
        let name = name.to_owned();
        self.writer.run(1, move |unit| schedules::pause(unit, &name, paused)).await?
    }

    async fn trigger(&self, name: &str) -> Result<JobId, SchedulingError> {
        let name = name.to_owned();
        self.writer.run(1, move |unit| schedules::trigger(unit, &name)).await?
    }

    async fn list(&self) -> Result<Vec<ScheduleStatus>, SchedulingError> {
        let stored = self.readers.read(schedules::all).await?;
        let now = self.env.now();
        Ok(stored.into_iter().map(|stored| stored.status(now)).collect())
    }
}
