//! The core's port of schedules, implemented on the file. An engine fires them.

use async_trait::async_trait;
use jiff::Timestamp;
use lamplighter::{
    JobId, ScheduledJob,
    backend::{FoundSchedule, ScheduleStatus, Schedules, SchedulingError},
};

use crate::{operations::schedules, store::SqliteStore};

#[async_trait]
impl Schedules for SqliteStore {
    async fn put(&self, scheduled: ScheduledJob) -> Result<(), SchedulingError> {
        scheduled.schedule.check()?;
        self.writer.run(1, move |tx| schedules::put(tx, &scheduled)).await?
    }

    async fn remove(&self, name: &str) -> Result<(), SchedulingError> {
        let name = name.to_owned();
        self.writer.run(1, move |tx| schedules::remove(tx, &name)).await?
    }

    async fn pause(&self, name: &str, paused: bool) -> Result<(), SchedulingError> {
        let name = name.to_owned();
        self.writer.run(1, move |tx| schedules::pause(tx, &name, paused)).await?
    }

    async fn trigger(&self, name: &str, at: Timestamp) -> Result<JobId, SchedulingError> {
        let name = name.to_owned();
        self.writer.run(1, move |tx| schedules::trigger(tx, &name, at)).await?
    }

    async fn find(&self, name: &str) -> Result<FoundSchedule, SchedulingError> {
        let sought = name.to_owned();
        let found = self.readers.read(move |connection| schedules::find(connection, &sought)).await?;
        found.ok_or_else(|| SchedulingError::Unknown(name.into()))
    }

    async fn list(&self) -> Result<Vec<ScheduleStatus>, SchedulingError> {
        let stored = self.readers.read(schedules::all).await?;
        let now = self.env.now();
        Ok(stored.into_iter().map(|stored| stored.status(now)).collect())
    }
}
