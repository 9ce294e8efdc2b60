//! Schedules in the file: which ticks are due, and up to which tick each schedule is settled.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use lamplighter::{
    EnqueueError, Enqueued, JobId, RawValue, ScheduledJob, Tracking,
    backend::{FoundSchedule, ScheduleOrigin, ScheduleStatus, SchedulingError},
    schedule::{Due, Schedule},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::enqueue::{self, Entry};
use crate::{db::transaction::Transaction, time};

/// A row of `schedules`.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    job: ScheduledJob,
    deployed: bool,
    last_tick: i64,
    paused: bool,
    last_run: Option<String>,
}

impl Stored {
    /// The schedule, disabled while it is paused.
    fn schedule(&self) -> Schedule {
        let enabled = self.job.schedule.enabled && !self.paused;
        self.job.schedule.clone().enabled(enabled)
    }

    /// Returns when it runs next.
    fn next(&self) -> Option<Timestamp> {
        let schedule = self.schedule();
        if !schedule.enabled {
            return None;
        }
        // The time zone was checked when the schedule was stored.
        schedule.next_after(time::moment(self.last_tick)).ok().flatten()
    }

    pub(crate) fn status(self, now: Timestamp) -> ScheduleStatus {
        let origin = if self.deployed { ScheduleOrigin::Deployed } else { ScheduleOrigin::RunTime };
        let last_run = self.last_run.and_then(|id| JobId::new(id).ok());
        ScheduleStatus::new(&self.job, origin, self.paused, now).last_run(last_run)
    }
}

const ALL: &str =
    "SELECT definition, job, queue, tracked, args, deployed, last_tick, paused, last_run FROM schedules ORDER BY name";
const ONE: &str = "SELECT definition, job, queue, tracked, args, deployed, last_tick, paused, last_run FROM schedules WHERE name = ?1";
const PUT: &str = "INSERT INTO schedules (name, definition, job, queue, tracked, args, deployed, last_tick, paused) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0) ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, \
    job = excluded.job, queue = excluded.queue, tracked = excluded.tracked, args = excluded.args, \
    deployed = excluded.deployed, last_tick = excluded.last_tick";

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let json = |column, error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error);
    let schedule = serde_json::from_str(&row.get::<_, String>(0)?).map_err(|error| json(0, Box::new(error)))?;
    let args = RawValue::from_string(row.get(4)?).map_err(|error| json(4, Box::new(error)))?;
    Ok(Stored {
        job: ScheduledJob {
            schedule,
            job: Arc::from(row.get::<_, String>(1)?),
            queue: Arc::from(row.get::<_, String>(2)?),
            // All records are listed here, so there is no other tracked mode.
            tracking: if row.get(3)? { Tracking::Full } else { Tracking::Untracked },
            args,
        },
        deployed: row.get(5)?,
        last_tick: row.get(6)?,
        paused: row.get(7)?,
        last_run: row.get(8)?,
    })
}

/// All schedules, by name.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Stored>> {
    connection.prepare_cached(ALL)?.query_map([], stored)?.collect()
}

/// One schedule, with the job that it starts.
pub(crate) fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<FoundSchedule>> {
    let found = connection.prepare_cached(ONE)?.query_row([name], stored).optional()?;
    Ok(found.map(|found| {
        let paused = found.paused || !found.job.schedule.enabled;
        FoundSchedule::new(found.job, paused)
    }))
}

fn one(tx: &Transaction<'_>, name: &str) -> rusqlite::Result<Option<Stored>> {
    tx.prepare(ONE)?.query_row([name], stored).optional()
}

fn write(tx: &Transaction<'_>, job: &ScheduledJob, deployed: bool, last_tick: i64) -> rusqlite::Result<()> {
    let definition = serde_json::to_string(&job.schedule)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let ScheduledJob { schedule, job, queue, tracking, args } = job;
    let tracked = tracking.is_tracked();
    tx.prepare(PUT)?.execute(params![
        schedule.name,
        definition,
        job,
        queue,
        tracked,
        args.get(),
        deployed,
        last_tick
    ])?;
    Ok(())
}

fn delete(tx: &Transaction<'_>, name: &str) -> rusqlite::Result<()> {
    tx.prepare("DELETE FROM schedules WHERE name = ?1")?.execute([name])?;
    Ok(())
}

/// Stores the schedules of a deployment. A new schedule counts from now, a changed one continues from its last tick,
/// and one of an earlier deployment that no longer exists is deleted. Schedules added at run time stay, unless the
/// deployment has one with the same name.
/// one with the same name.
pub(crate) fn replace(tx: &mut Transaction<'_>, jobs: &[ScheduledJob]) -> rusqlite::Result<()> {
    let mut known: HashMap<String, Stored> =
        all(tx.connection)?.into_iter().map(|stored| (stored.job.schedule.name.clone(), stored)).collect();
    for job in jobs {
        let name = &job.schedule.name;
        let old = known.remove(name);
        if old.as_ref().is_some_and(|old| !old.deployed) {
            tracing::warn!(schedule = name, "the deployed schedule replaces the one of the same name made at run time");
        }
        write(tx, job, true, old.map_or(tx.now, |old| old.last_tick))?;
    }
    for (name, _) in known.into_iter().filter(|(_, old)| old.deployed) {
        delete(tx, &name)?;
    }
    tx.effects.schedules();
    Ok(())
}

/// Stores a schedule added at run time. It counts from now; one whose times are unchanged continues from its last tick.
pub(crate) fn put(tx: &mut Transaction<'_>, job: &ScheduledJob) -> rusqlite::Result<Result<(), SchedulingError>> {
    let old = one(tx, &job.schedule.name)?;
    if old.as_ref().is_some_and(|old| old.deployed) {
        return Ok(Err(SchedulingError::Deployed(job.schedule.name.clone())));
    }
    let times = |schedule: &Schedule| (schedule.when.clone(), schedule.zone.clone());
    let same = old.filter(|old| times(&old.job.schedule) == times(&job.schedule));
    write(tx, job, false, same.map_or(tx.now, |old| old.last_tick))?;
    tx.effects.schedules();
    Ok(Ok(()))
}

/// Removes a schedule that was added at run time.
pub(crate) fn remove(tx: &mut Transaction<'_>, name: &str) -> rusqlite::Result<Result<(), SchedulingError>> {
    match one(tx, name)? {
        None => Ok(Err(SchedulingError::Unknown(name.into()))),
        Some(old) if old.deployed => Ok(Err(SchedulingError::Deployed(name.into()))),
        Some(_) => delete(tx, name).map(Ok),
    }
}

/// Enqueues the jobs of due ticks, each under its tick's id, and stores up to which tick each schedule is settled. A
/// schedule added at run time is deleted when it has no more ticks. Returns the moment of the next tick.
pub(crate) fn tick(tx: &mut Transaction<'_>) -> rusqlite::Result<Option<Timestamp>> {
    let mut wake: Option<Timestamp> = None;
    let now = time::moment(tx.now);
    for stored in all(tx.connection)? {
        let schedule = stored.schedule();
        let name = &schedule.name;
        let due = match schedule.due(time::moment(stored.last_tick), now) {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "a schedule is not valid and does not run");
                continue;
            }
        };
        let Due { ticks, last_tick, passed_over } = due;
        if passed_over {
            tracing::warn!(schedule = name, at = %now, "some runs were missed and are skipped");
        }
        let mut last_run = stored.last_run.clone();
        for tick in ticks {
            match start(tx, &stored.job, tick)? {
                Ok(started) => last_run = Some(started.id().to_string()),
                Err(error) => tracing::error!(schedule = name, %error, "a schedule could not start its job"),
            }
        }
        let last_tick = time::nearest(last_tick);
        let after = Stored { last_tick, ..stored };
        let next = after.next();
        if next.is_none() && schedule.enabled && !after.deployed {
            tracing::info!(schedule = name, "a schedule made at run time has no more ticks and is deleted");
            delete(tx, name)?;
        } else if last_tick != stored.last_tick {
            tx.prepare("UPDATE schedules SET last_tick = ?2, last_run = ?3 WHERE name = ?1")?
                .execute(params![name, last_tick, last_run])?;
        }
        wake = wake.into_iter().chain(next).min();
    }
    Ok(wake)
}

/// Adjusts schedules after the clock was set back: one that is settled up to a future moment continues from now. A tick
/// that has run does not run again: its job exists under the tick's id.
pub(crate) fn set_back(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    for stored in all(tx.connection)?.into_iter().filter(|stored| stored.last_tick > tx.now) {
        let name = &stored.job.schedule.name;
        let until = time::moment(stored.last_tick);
        tracing::warn!(schedule = name, %until, "a schedule was settled up to a future moment; it continues from now");
        tx.prepare("UPDATE schedules SET last_tick = ?2 WHERE name = ?1")?.execute(params![name, tx.now])?;
    }
    Ok(())
}

/// Enqueues the job of one tick. On a FIFO queue, the ticks of one schedule keep their order.
fn start(
    tx: &mut Transaction<'_>,
    job: &ScheduledJob,
    tick: Timestamp,
) -> rusqlite::Result<Result<Enqueued, EnqueueError>> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| rusqlite::Error::ToSqlConversionFailure(error);
    let name = &job.schedule.name;
    let mut submission = job.submission(tick).map_err(|error| refused(Box::new(error)))?;
    submission.group = Some(name.as_str().into());
    let entry = Entry::of(submission).map_err(|error| refused(Box::new(error)))?;
    let answer = enqueue::enqueue(tx, std::slice::from_ref(&entry))?.pop().map(|answer| entry.told(answer));
    match &answer {
        Some(Ok(Enqueued::New(id))) => {
            tracing::info!(schedule = name, job = &*job.job, %id, "a schedule started a job");
        }
        Some(Ok(Enqueued::Duplicate(id, state))) => {
            tracing::debug!(schedule = name, %id, %state, "the job of this tick exists already");
        }
        // A schedule's job has no unique key.
        Some(Ok(Enqueued::Existing(..) | Enqueued::Replaced(_)) | Err(_)) | None => {}
    }
    answer.ok_or(rusqlite::Error::QueryReturnedNoRows)
}

/// Pauses or resumes a schedule. Ticks during a pause are not made up for.
pub(crate) fn pause(
    tx: &mut Transaction<'_>,
    name: &str,
    paused: bool,
) -> rusqlite::Result<Result<(), SchedulingError>> {
    let Some(stored) = one(tx, name)? else { return Ok(Err(SchedulingError::Unknown(name.into()))) };
    // After a pause, it counts from now.
    let last_tick = if stored.paused && !paused { stored.last_tick.max(tx.now) } else { stored.last_tick };
    tx.prepare("UPDATE schedules SET paused = ?2, last_tick = ?3 WHERE name = ?1")?
        .execute(params![name, paused, last_tick])?;
    tx.effects.schedules();
    Ok(Ok(()))
}

/// Starts a schedule's job at a moment that is now, in addition to its own times.
pub(crate) fn trigger(
    tx: &mut Transaction<'_>,
    name: &str,
    at: Timestamp,
) -> rusqlite::Result<Result<JobId, SchedulingError>> {
    let Some(stored) = one(tx, name)? else { return Ok(Err(SchedulingError::Unknown(name.into()))) };
    let started = match start(tx, &stored.job, at)? {
        Ok(started) => started,
        Err(error) => return Ok(Err(error.into())),
    };
    // Asked for again, it is not the last run any more if another has begun since.
    if !started.is_duplicate() {
        tx.prepare("UPDATE schedules SET last_run = ?2 WHERE name = ?1")?
            .execute(params![name, started.id().as_str()])?;
    }
    Ok(Ok(started.id().clone()))
}
