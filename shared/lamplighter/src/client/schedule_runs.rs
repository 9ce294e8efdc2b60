//! What became of a schedule's past ticks, and running those of a time again.

use std::{collections::VecDeque, iter::repeat};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Client;
use crate::{
    id::JobId,
    message::InvalidMessage,
    options::{Retention, Tracking},
    ports::{EnqueueRequest, Enqueued, SchedulingError, StoreError, StoreErrorKind},
    record::{JobState, Record},
    schedule::Schedule,
    scheduled::ScheduledJob,
};

/// Records that are looked up in one call.
const AT_ONCE: usize = 100;

/// A past tick of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ScheduleRun {
    /// The tick.
    pub tick: Timestamp,
    /// The id of the job that it starts.
    pub id: JobId,
    /// What is known of it.
    pub kind: ScheduleRunKind,
    /// The state of its job, if that has a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// When the first known attempt began, if one has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the job ended, if it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// What is known of a past tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScheduleRunKind {
    /// It has started its job, whose record says the rest.
    Ran,
    /// It has no job, although an earlier one has, and records are kept for longer by default: nothing ran at that time, the
    /// schedule was paused, or the job's record was deleted or is kept for a shorter time.
    Missed,
    /// The schedule is paused, and may have been at that time.
    Paused,
    /// It has no job any more: records of successes are not kept for so long by default.
    Expired,
    /// Nothing is known: no earlier tick has a job, so the schedule may not have existed.
    Unknown,
}

/// The longest time that is searched for past ticks: of a yearly schedule, the last five.
const LOOKED_BACK: i64 = 5 * 366 * 86_400;
/// The ticks that are computed at most, to find the latest ones.
const MOST_COMPUTED: usize = 100_000;

impl Client {
    /// The largest number of runs that are looked up at once.
    pub const MAX_SCHEDULE_RUNS: usize = 50;
    /// The largest number of ticks that are run again at once.
    pub const MAX_BACKFILL: usize = 1000;

    /// What became of a schedule's latest ticks, newest first: at most `limit`, and at most
    /// [`MAX_SCHEDULE_RUNS`](Self::MAX_SCHEDULE_RUNS).
    ///
    /// The ticks are those of the schedule's times as they are now. Jobs that were [triggered](Self::trigger_schedule)
    /// between ticks are not among them, nor are those of times that it had earlier.
    ///
    /// # Errors
    /// When there is no such schedule, or when it or the records cannot be read.
    pub async fn schedule_runs(&self, name: &str, limit: usize) -> Result<Vec<ScheduleRun>, SchedulingError> {
        let found = self.schedule_port()?.find(name).await?;
        let now = self.env().now();
        let ticks = latest_ticks(&found.scheduled.schedule, now, limit.min(Self::MAX_SCHEDULE_RUNS))?;
        let mut runs = Vec::with_capacity(ticks.len());
        for tick in ticks {
            let id = JobId::new(found.scheduled.schedule.tick_id(tick))
                .map_err(|error| SchedulingError::job(&found.scheduled, &InvalidMessage::new(&error)))?;
            let (kind, state) = (ScheduleRunKind::Unknown, None);
            runs.push(ScheduleRun { tick, id, kind, state, started_at: None, finished_at: None });
        }
        let ids: Vec<_> = runs.iter().map(|run| run.id.clone()).collect();
        let records = match ids.is_empty() {
            true => Vec::new(),
            false => self.store()?.get_each(&ids).await?,
        };
        for (run, record) in runs.iter_mut().zip(&records) {
            if let Some(record) = record {
                run.fill(record);
            }
        }
        explain(&mut runs, found.paused, now);
        Ok(runs)
    }

    /// The ticks of a schedule after `from`, up to and including `to`, oldest first: what a
    /// [`backfill`](Self::backfill) would enqueue.
    ///
    /// # Errors
    /// When there is no such schedule, when it cannot be read, or when there are more than
    /// [`MAX_BACKFILL`](Self::MAX_BACKFILL).
    pub async fn backfill_ticks(
        &self,
        name: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Timestamp>, SchedulingError> {
        let found = self.schedule_port()?.find(name).await?;
        ticks_of(&found.scheduled, from, to)
    }

    /// Starts a schedule's job for each of its ticks after `from`, up to and including `to`, under the ids of these ticks:
    /// a tick that has a job already gets no other. The answers are in the order of the ticks. A paused schedule can be
    /// backfilled too.
    ///
    /// # Errors
    /// As [`backfill_ticks`](Self::backfill_ticks), and when the jobs could not be enqueued; those before are, and a second
    /// call goes on.
    pub async fn backfill(&self, name: &str, from: Timestamp, to: Timestamp) -> Result<Vec<Enqueued>, SchedulingError> {
        let scheduled = self.schedule_port()?.find(name).await?.scheduled;
        let mut requests = Vec::new();
        for tick in ticks_of(&scheduled, from, to)? {
            let request = scheduled.submission(tick);
            let mut request = request.map_err(|error| SchedulingError::job(&scheduled, &error))?;
            // On a FIFO queue, the ticks of one schedule keep their order.
            request.group = Some(name.into());
            requests.push(request);
        }
        // A backend that does not know which records the job keeps creates none before the job runs: what is there already has
        // to be looked up.
        let known = match scheduled.tracking {
            Tracking::Full => Vec::new(),
            Tracking::Lean | Tracking::Untracked => self.states(&requests).await?,
        };
        let mut known = known.into_iter().chain(repeat(None));
        let mut portions = self.portions();
        for request in requests {
            match known.next().flatten() {
                Some(state) => portions.answer(Ok(Enqueued::Duplicate(request.id, state))),
                None => portions.add(request).await,
            }
        }
        let answers = portions.end().await;
        answers.into_iter().map(|answer| answer.map_err(SchedulingError::from)).collect()
    }

    /// The states of the jobs that have a record.
    async fn states(&self, requests: &[EnqueueRequest]) -> Result<Vec<Option<JobState>>, SchedulingError> {
        let Some(store) = &self.shared.backend.store else { return Ok(Vec::new()) };
        let mut states = Vec::with_capacity(requests.len());
        for some in requests.chunks(AT_ONCE) {
            let ids: Vec<_> = some.iter().map(|request| request.id.clone()).collect();
            states.extend(store.get_each(&ids).await?.into_iter().map(|record| record.map(|record| record.state)));
        }
        Ok(states)
    }
}

impl ScheduleRun {
    fn fill(&mut self, record: &Record) {
        self.kind = ScheduleRunKind::Ran;
        self.state = Some(record.state);
        self.started_at = record.attempts.first().map(|attempt| attempt.started_at).or(record.started_at);
        self.finished_at = record.finished_at;
    }
}

/// Says of ticks without a job, newest first, what that means.
fn explain(runs: &mut [ScheduleRun], paused: bool, now: Timestamp) {
    let Some(first) = runs.iter().rposition(|run| run.kind == ScheduleRunKind::Ran) else { return };
    let latest = runs.iter().position(|run| run.kind == ScheduleRunKind::Ran).unwrap_or(first);
    let kept = now.saturating_sub(Retention::default().succeeded).unwrap_or(Timestamp::MIN);
    for (index, run) in runs.iter_mut().enumerate().take(first) {
        run.kind = match run.kind {
            ScheduleRunKind::Ran => ScheduleRunKind::Ran,
            _ if paused && index < latest => ScheduleRunKind::Paused,
            _ if run.tick <= kept => ScheduleRunKind::Expired,
            _ => ScheduleRunKind::Missed,
        };
    }
}

/// The latest ticks up to now, newest first. The time that is searched doubles until there are enough.
fn latest_ticks(schedule: &Schedule, now: Timestamp, limit: usize) -> Result<Vec<Timestamp>, SchedulingError> {
    let mut seconds = 3600;
    loop {
        let from = Timestamp::from_second(now.as_second().saturating_sub(seconds)).unwrap_or(Timestamp::MIN);
        let mut latest = VecDeque::with_capacity(limit);
        for tick in schedule.ticks_between(from, now)?.take(MOST_COMPUTED) {
            if latest.len() == limit {
                latest.pop_back();
            }
            if limit > 0 {
                latest.push_front(tick);
            }
        }
        if latest.len() == limit || seconds >= LOOKED_BACK {
            return Ok(latest.into());
        }
        seconds = seconds.saturating_mul(2).min(LOOKED_BACK);
    }
}

fn ticks_of(scheduled: &ScheduledJob, from: Timestamp, to: Timestamp) -> Result<Vec<Timestamp>, SchedulingError> {
    let most = Client::MAX_BACKFILL;
    let ticks: Vec<_> = scheduled.schedule.ticks_between(from, to)?.take(most + 1).collect();
    if ticks.len() > most {
        let name = &scheduled.schedule.name;
        let text = format_args!(
            "schedule {name} has more than {most} ticks between {from} and {to}, and no more are run at once; take a \
             shorter time"
        );
        return Err(StoreError::new(StoreErrorKind::Invalid, text).into());
    }
    Ok(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_latest_ticks_are_found_however_rare_they_are() {
        let now = at("2026-11-28T12:30:00Z");
        let of = |expression: &str, limit| {
            let schedule = Schedule::cron("s", expression).unwrap();
            latest_ticks(&schedule, now, limit).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(of("*/10 * * * *", 2), ["2026-11-28T12:30:00Z", "2026-11-28T12:20:00Z"]);
        assert_eq!(of("0 6 * * *", 2), ["2026-11-28T06:00:00Z", "2026-11-27T06:00:00Z"]);
        assert_eq!(of("0 0 1 1 *", 50).len(), 5, "of a yearly one, those of five years");
        assert_eq!(of("* * * * *", 50).len(), 50);
        assert!(of("* * * * *", 0).is_empty());
    }

    #[test]
    fn a_backfill_is_bounded() {
        let schedule = Schedule::cron("s", "* * * * *").unwrap();
        let args = serde_json::value::RawValue::from_string("{}".into()).unwrap();
        let tracking = crate::options::Tracking::Full;
        let scheduled = ScheduledJob { schedule, job: "a".into(), queue: "q".into(), tracking, args };
        let from = at("2026-11-28T00:00:00Z");
        let ticks = |minutes: i64| {
            let to = Timestamp::from_second(from.as_second() + minutes * 60).unwrap();
            ticks_of(&scheduled, from, to)
        };
        assert_eq!(ticks(1000).unwrap().len(), Client::MAX_BACKFILL);
        let error = ticks(1001).unwrap_err().to_string();
        assert!(error.contains("more than 1000 ticks"), "{error}");
    }

    #[test]
    fn ticks_without_a_job_are_explained_by_those_around_them() {
        use ScheduleRunKind::{Expired, Missed, Paused, Ran, Unknown};
        let now = at("2026-11-28T12:00:00Z");
        let kinds = |paused: bool, of: &[(i64, bool)]| {
            let run = |(hours, ran): &(i64, bool)| ScheduleRun {
                tick: Timestamp::from_second(now.as_second() - hours * 3600).unwrap(),
                id: JobId::new("s@1").unwrap(),
                kind: if *ran { Ran } else { Unknown },
                state: None,
                started_at: None,
                finished_at: None,
            };
            let mut runs: Vec<_> = of.iter().map(run).collect();
            explain(&mut runs, paused, now);
            runs.iter().map(|run| run.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds(false, &[(1, false), (2, true), (30, false)]), [Missed, Ran, Unknown]);
        assert_eq!(kinds(true, &[(1, false), (2, true), (3, false), (4, true)]), [Paused, Ran, Missed, Ran]);
        assert_eq!(kinds(false, &[(1, true), (30, false), (60, true)]), [Ran, Expired, Ran]);
        assert_eq!(kinds(true, &[(1, false), (2, false)]), [Unknown, Unknown]);
    }
}
