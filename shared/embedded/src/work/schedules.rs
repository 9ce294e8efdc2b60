//! Schedules in the file: what is due, and up to where each is settled.

use std::sync::Arc;

use jiff::Timestamp;
use lamplighter::{
    Enqueued, JobId, RawValue, ScheduledJob, StoreError, StoreErrorKind, Tracking,
    schedule::{Due, Schedule},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::enqueue::{self, Entry};
use crate::{file::unit::Unit, time};

/// A schedule as the file knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ScheduleStatus {
    /// When, and what happens to missed runs.
    pub schedule: Schedule,
    /// The job that it starts.
    pub job: String,
    /// The queue that carries it.
    pub queue: String,
    /// Whether it was paused by hand.
    pub paused: bool,
    /// Its next run; none when it is paused, disabled or over.
    pub next: Option<Timestamp>,
    /// The job that it started last.
    pub last_run: Option<JobId>,
}

/// A row of `schedules`.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) job: ScheduledJob,
    pub(crate) last_tick: i64,
    pub(crate) paused: bool,
    pub(crate) last_run: Option<String>,
}

impl Stored {
    /// The schedule as it counts now.
    fn schedule(&self) -> Schedule {
        let enabled = self.job.schedule.enabled && !self.paused;
        self.job.schedule.clone().enabled(enabled)
    }

    /// When it runs next.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        let schedule = self.schedule();
        if !schedule.enabled {
            return None;
        }
        // Its zone was looked up when it was written down.
        schedule.next_after(time::moment(self.last_tick)).ok().flatten()
    }

    pub(crate) fn status(self, now: Timestamp) -> ScheduleStatus {
        let next = self
            .next()
            .map(|next| if next < now { self.schedule().next_after(now).ok().flatten() } else { Some(next) });
        ScheduleStatus {
            next: next.flatten(),
            job: self.job.job.to_string(),
            queue: self.job.queue.to_string(),
            paused: self.paused,
            last_run: self.last_run.and_then(|id| JobId::new(id).ok()),
            schedule: self.job.schedule,
        }
    }
}

const ALL: &str =
    "SELECT definition, job, queue, tracked, args, last_tick, paused, last_run FROM schedules ORDER BY name";
const ONE: &str =
    "SELECT definition, job, queue, tracked, args, last_tick, paused, last_run FROM schedules WHERE name = ?1";

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let json = |column, error| rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error);
    let schedule = serde_json::from_str(&row.get::<_, String>(0)?).map_err(|error| json(0, Box::new(error)))?;
    let args = RawValue::from_string(row.get(4)?).map_err(|error| json(4, Box::new(error)))?;
    Ok(Stored {
        job: ScheduledJob {
            schedule,
            job: Arc::from(row.get::<_, String>(1)?),
            queue: Arc::from(row.get::<_, String>(2)?),
            // Here every record is listed, so there is no leaner way.
            tracking: if row.get(3)? { Tracking::Full } else { Tracking::Untracked },
            args,
        },
        last_tick: row.get(5)?,
        paused: row.get(6)?,
        last_run: row.get(7)?,
    })
}

/// All schedules, by name.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Stored>> {
    connection.prepare_cached(ALL)?.query_map([], stored)?.collect()
}

/// Writes down the schedules of a deployment. A new one counts from now on, one that has changed goes on from where it
/// was, and one that is not among them any more goes.
pub(crate) fn replace(unit: &mut Unit<'_>, jobs: &[ScheduledJob]) -> rusqlite::Result<()> {
    let mut put = unit.prepare(
        "INSERT INTO schedules (name, definition, job, queue, tracked, args, last_tick, paused)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0) ON CONFLICT (name) DO UPDATE SET definition = excluded.definition,
         job = excluded.job, queue = excluded.queue, tracked = excluded.tracked, args = excluded.args",
    )?;
    for job in jobs {
        let definition = serde_json::to_string(&job.schedule)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let ScheduledJob { schedule, job, queue, tracking, args } = job;
        let tracked = tracking.is_tracked();
        put.execute(params![schedule.name, definition, job, queue, tracked, args.get(), unit.now])?;
    }
    for old in all(unit.connection)? {
        if !jobs.iter().any(|job| job.schedule.name == old.job.schedule.name) {
            unit.prepare("DELETE FROM schedules WHERE name = ?1")?.execute([&old.job.schedule.name])?;
        }
    }
    unit.effects.schedules();
    Ok(())
}

/// Enqueues what is due, each tick under an id of its own, and writes down up to where each schedule is settled. Gives
/// the moment at which there is something to do again.
pub(crate) fn tick(unit: &mut Unit<'_>) -> rusqlite::Result<Option<Timestamp>> {
    let mut wake: Option<Timestamp> = None;
    let now = time::moment(unit.now);
    for stored in all(unit.connection)? {
        let name = stored.job.schedule.name.clone();
        let due = match stored.schedule().due(time::moment(stored.last_tick), now) {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "a schedule cannot be kept");
                continue;
            }
        };
        let Due { ticks, last_tick, passed_over } = due;
        if passed_over {
            tracing::warn!(schedule = name, at = %now, "some runs were missed and are passed over");
        }
        let mut last_run = stored.last_run.clone();
        for tick in ticks {
            last_run = Some(start(unit, &stored.job, tick)?.to_string());
        }
        let last_tick = time::nearest(last_tick);
        if last_tick != stored.last_tick {
            unit.prepare("UPDATE schedules SET last_tick = ?2, last_run = ?3 WHERE name = ?1")?
                .execute(params![name, last_tick, last_run])?;
        }
        let next = Stored { last_tick, ..stored }.next();
        wake = wake.into_iter().chain(next).min();
    }
    Ok(wake)
}

fn start(unit: &mut Unit<'_>, job: &ScheduledJob, tick: Timestamp) -> rusqlite::Result<JobId> {
    let refused = |error: Box<dyn std::error::Error + Send + Sync>| rusqlite::Error::ToSqlConversionFailure(error);
    let submission = job.submission(tick).map_err(|error| refused(Box::new(error)))?;
    let entry = Entry::of(submission).map_err(|error| refused(Box::new(error)))?;
    let name = &job.schedule.name;
    let answer = enqueue::enqueue(unit, std::slice::from_ref(&entry))?.pop();
    match answer {
        Some(Ok(Enqueued::New(id))) => tracing::info!(schedule = name, job = &*job.job, %id, "schedule started a job"),
        Some(Ok(Enqueued::Duplicate(id, state))) => {
            tracing::debug!(schedule = name, %id, %state, "the job of this tick is there already");
        }
        Some(Err(error)) => tracing::error!(schedule = name, %error, "schedule could not start its job"),
        None => {}
    }
    Ok(entry.id().clone())
}

/// Pauses a schedule or lets it go on. What falls into a pause is not made up for.
pub(crate) fn pause(unit: &mut Unit<'_>, name: &str, paused: bool) -> rusqlite::Result<bool> {
    let Some(stored) = unit.prepare(ONE)?.query_row([name], stored).optional()? else { return Ok(false) };
    // From a pause on it counts anew.
    let last_tick = if stored.paused && !paused { stored.last_tick.max(unit.now) } else { stored.last_tick };
    unit.prepare("UPDATE schedules SET paused = ?2, last_tick = ?3 WHERE name = ?1")?
        .execute(params![name, paused, last_tick])?;
    unit.effects.schedules();
    Ok(true)
}

/// Starts a schedule's job now, beside its own times.
pub(crate) fn trigger(unit: &mut Unit<'_>, name: &str) -> rusqlite::Result<Option<JobId>> {
    let Some(stored) = unit.prepare(ONE)?.query_row([name], stored).optional()? else { return Ok(None) };
    let id = start(unit, &stored.job, time::moment(unit.now))?;
    unit.prepare("UPDATE schedules SET last_run = ?2 WHERE name = ?1")?.execute(params![name, id.as_str()])?;
    Ok(Some(id))
}

/// There is no such schedule.
pub(crate) fn unknown(name: &str) -> StoreError {
    StoreError::new(
        StoreErrorKind::Invalid,
        format_args!("there is no schedule {name:?} here; schedules are known from the first start of an engine on"),
    )
}
