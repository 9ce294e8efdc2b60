//! Roll-ups of what workers have measured: by minute, and by hour once they are [`BY_MINUTE`] old.

use std::{collections::BTreeMap, time::Duration};

use lamplighter::{
    Timestamp,
    meter::{Histogram, Percentiles, Rollup, RollupPoint, Run, RunEnd},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{db::transaction::Transaction, time};

/// How long roll-ups are kept by minute.
const BY_MINUTE: Duration = Duration::from_secs(48 * 3600);
/// How long they are kept.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// The minutes of an hour.
const HOUR: i64 = 60;
const NANOS: i64 = 60_000_000_000;

const ONE: &str = "SELECT succeeded, retried, failed, durations, waits FROM rollups \
    WHERE minutes = ?1 AND start = ?2 AND queue = ?3 AND job = ?4";
const PUT: &str = "INSERT OR REPLACE INTO rollups \
    (minutes, start, queue, job, succeeded, retried, failed, durations, waits) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const BETWEEN: &str = "SELECT succeeded, retried, failed, durations, waits, start, queues.name, job \
    FROM rollups CROSS JOIN queues ON queues.id = rollups.queue WHERE minutes = ?1 AND start >= ?2 AND start < ?3";
const OF_HOUR: &str = "SELECT succeeded, retried, failed, durations, waits, start, queue, job FROM rollups \
    WHERE minutes = ?1 AND start >= ?2 AND start < ?3";
const REMOVE: &str = "DELETE FROM rollups WHERE minutes = ?1 AND start >= ?2 AND start < ?3";
const OLDEST: &str = "SELECT start FROM rollups WHERE minutes = ?1 ORDER BY start LIMIT 1";

/// What was measured of a job in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    succeeded: u64,
    retried: u64,
    failed: u64,
    durations: Histogram,
    waits: Histogram,
}

impl Sums {
    /// Adds a run.
    pub(crate) fn add(&mut self, run: &Run) {
        match run.end {
            RunEnd::Succeeded => self.succeeded += 1,
            RunEnd::Retried => self.retried += 1,
            RunEnd::Failed => self.failed += 1,
            _ => {}
        }
        if let Some(took) = run.took {
            self.durations.record(took);
        }
        if let Some(waited) = run.waited {
            self.waits.record(waited);
        }
    }

    /// Adds those of the same job in another time.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.succeeded = self.succeeded.saturating_add(other.succeeded);
        self.retried = self.retried.saturating_add(other.retried);
        self.failed = self.failed.saturating_add(other.failed);
        self.durations.merge(&other.durations);
        self.waits.merge(&other.waits);
    }

    /// The first five columns of a row.
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let count = |column| row.get::<_, i64>(column).map(|count| u64::try_from(count).unwrap_or(0));
        Ok(Self {
            succeeded: count(0)?,
            retried: count(1)?,
            failed: count(2)?,
            durations: unpacked(row.get_ref(3)?.as_blob()?),
            waits: unpacked(row.get_ref(4)?.as_blob()?),
        })
    }

    fn point(self, start: Timestamp) -> RollupPoint {
        let mut point = RollupPoint::new(start);
        (point.succeeded, point.retried, point.failed) = (self.succeeded, self.retried, self.failed);
        point.duration = Percentiles::of(&self.durations);
        point.queue_latency = Percentiles::of(&self.waits);
        point
    }
}

/// The minute of a moment, counted from 1970.
pub(crate) const fn minute(nanos: i64) -> i64 {
    nanos.div_euclid(NANOS)
}

impl Transaction<'_> {
    /// Adds what was measured of a job on a queue in a minute.
    pub(crate) fn measured(&mut self, start: i64, queue: &str, job: &str, sums: &Sums) -> rusqlite::Result<()> {
        let queue = self.queue(queue)?.id;
        self.roll_up((1, start), queue, job, sums)
    }

    fn roll_up(&self, (minutes, start): (i64, i64), queue: i64, job: &str, sums: &Sums) -> rusqlite::Result<()> {
        let known = self.prepare(ONE)?.query_row(params![minutes, start, queue, job], Sums::of).optional()?;
        let mut all = known.unwrap_or_default();
        all.merge(sums);
        let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.prepare(PUT)?.execute(params![
            minutes,
            start,
            queue,
            job,
            count(all.succeeded),
            count(all.retried),
            count(all.failed),
            packed(&all.durations),
            packed(&all.waits)
        ])?;
        Ok(())
    }

    /// Puts together the minutes of the oldest hour, if it is old enough, and deletes one that is too old. Returns the
    /// number of roll-ups that are gone.
    pub(crate) fn fold_rollups(&self) -> rusqlite::Result<usize> {
        let mut gone = 0;
        let by_hour = minute(time::before(self.now, BY_MINUTE)).div_euclid(HOUR) * HOUR;
        if let Some(start) = self.oldest_rollup(1)?.filter(|start| *start < by_hour) {
            let hour = start.div_euclid(HOUR) * HOUR;
            let sums = self.take_rollups(1, (hour, hour + HOUR), |_| hour)?;
            gone += sums.len();
            for (key, sums) in sums {
                self.roll_up((HOUR, key.0), key.1, &key.2, &sums)?;
            }
        }
        let kept = minute(time::before(self.now, KEPT));
        if let Some(hour) = self.oldest_rollup(HOUR)?.filter(|start| start + HOUR <= kept) {
            gone += self.prepare(REMOVE)?.execute([HOUR, hour, hour + 1])?;
        }
        Ok(gone)
    }

    /// Moves what was measured under a clock that was ahead, by as much as it was.
    pub(crate) fn set_rollups_back(&self, ahead: i64) -> rusqlite::Result<()> {
        let (now, ahead) = (minute(self.now), ahead.div_euclid(NANOS));
        for minutes in [1, HOUR] {
            let back = |start: i64| now.min((start - ahead).div_euclid(minutes) * minutes);
            for (key, sums) in self.take_rollups(minutes, (now + 1, i64::MAX), back)? {
                self.roll_up((minutes, key.0), key.1, &key.2, &sums)?;
            }
        }
        Ok(())
    }

    fn oldest_rollup(&self, minutes: i64) -> rusqlite::Result<Option<i64>> {
        self.prepare(OLDEST)?.query_row([minutes], |row| row.get(0)).optional()
    }

    /// Removes roll-ups, and returns what they come to under other starts, by queue and job.
    fn take_rollups(
        &self,
        minutes: i64,
        (from, to): (i64, i64),
        at: impl Fn(i64) -> i64,
    ) -> rusqlite::Result<BTreeMap<(i64, i64, String), Sums>> {
        let mut all: BTreeMap<_, Sums> = BTreeMap::new();
        let mut statement = self.prepare(OF_HOUR)?;
        let mut rows = statement.query([minutes, from, to])?;
        while let Some(row) = rows.next()? {
            let key = (at(row.get(5)?), row.get(6)?, row.get(7)?);
            all.entry(key).or_default().merge(&Sums::of(row)?);
        }
        self.prepare(REMOVE)?.execute([minutes, from, to])?;
        Ok(all)
    }
}

/// Returns when roll-ups are next put together or deleted.
pub(crate) fn next(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let oldest = |minutes: i64| connection.prepare_cached(OLDEST)?.query_row([minutes], |row| row.get(0)).optional();
    let end = |start: i64| (start.div_euclid(HOUR) + 1).saturating_mul(HOUR * NANOS);
    let minute = oldest(1)?.map(|start| time::after(end(start), BY_MINUTE));
    let hour = oldest(HOUR)?.map(|start| time::after(end(start), KEPT));
    Ok(minute.into_iter().chain(hour).min())
}

/// Roll-ups from one minute to before another, in points of `step` minutes. What is kept by hour, and has begun before them,
/// is in the first point.
pub(crate) fn read(
    connection: &Connection,
    (job, queue): (Option<&str>, Option<&str>),
    (first, to): (i64, i64),
    step: i64,
) -> rusqlite::Result<Vec<Rollup>> {
    let mut all: BTreeMap<(String, String), BTreeMap<i64, Sums>> = BTreeMap::new();
    let mut statement = connection.prepare_cached(BETWEEN)?;
    for (minutes, from) in [(HOUR, first.div_euclid(HOUR) * HOUR), (1, first)] {
        let mut rows = statement.query([minutes, from, to])?;
        while let Some(row) = rows.next()? {
            let key: (String, String) = (row.get(7)?, row.get(6)?);
            if job.is_some_and(|job| job != key.0) || queue.is_some_and(|queue| queue != key.1) {
                continue;
            }
            let point = (row.get::<_, i64>(5)? - first).max(0) / step;
            all.entry(key).or_default().entry(point).or_default().merge(&Sums::of(row)?);
        }
    }
    let moment = |point: i64| time::moment(first.saturating_add(point.saturating_mul(step)).saturating_mul(NANOS));
    let points = |points: BTreeMap<i64, Sums>| points.into_iter().map(|(point, sums)| sums.point(moment(point)));
    Ok(all.into_iter().map(|((job, queue), sums)| Rollup::new(job, queue, points(sums).collect())).collect())
}

/// A histogram's buckets, each as its distance from the one before and its count, in sevens of bits.
fn packed(histogram: &Histogram) -> Vec<u8> {
    let (mut bytes, mut last) = (Vec::new(), 0);
    for (bucket, count) in histogram.buckets() {
        for mut number in [u64::from(bucket - last), count] {
            while number >= 0x80 {
                bytes.push((number & 0x7f) as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
        }
        last = bucket;
    }
    bytes
}

/// What [`packed`] wrote. Of a text that is cut off, the beginning.
fn unpacked(bytes: &[u8]) -> Histogram {
    let mut bytes = bytes.iter();
    let mut number = || -> Option<u64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = *bytes.next()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    };
    let mut last = 0_u16;
    Histogram::from_buckets(std::iter::from_fn(|| {
        last = last.checked_add(u16::try_from(number()?).ok()?)?;
        Some((last, number()?))
    }))
}

#[cfg(test)]
mod tests {
    use lamplighter::{
        env::Env,
        meter::{RollupQuery, Run},
    };

    use super::*;
    use crate::{
        backend::SqliteBackend,
        operations::{clock, retention},
    };

    fn run(end: RunEnd, took: Duration) -> Run {
        let mut run = Run::new("act", "work", end);
        (run.attempt, run.took, run.waited) = (1, Some(took), Some(Duration::from_secs(3)));
        run
    }

    fn at(text: &str) -> i64 {
        time::nearest(text.parse().unwrap())
    }

    /// A file in memory with `number` runs of each of these minutes.
    async fn with_runs(minutes: impl IntoIterator<Item = i64>, number: u64) -> SqliteBackend {
        let embedded = SqliteBackend::memory(Env::seeded("2026-11-27T12:00:00Z".parse().unwrap(), 1)).unwrap();
        let minutes: Vec<_> = minutes.into_iter().collect();
        let put = move |tx: &mut Transaction<'_>| {
            for start in &minutes {
                let mut sums = Sums::default();
                for n in 0..number {
                    sums.add(&run(RunEnd::Succeeded, Duration::from_millis(n)));
                }
                tx.measured(*start, "work", "act", &sums)?;
            }
            Ok(())
        };
        embedded.0.writer.run(1, put).await.unwrap();
        embedded
    }

    async fn purge(embedded: &SqliteBackend, now: i64) -> usize {
        let purge = move |tx: &mut Transaction<'_>| {
            tx.now = now;
            retention::purge(tx, 500)
        };
        embedded.0.writer.run(1, purge).await.unwrap()
    }

    async fn rows(embedded: &SqliteBackend) -> Vec<(i64, i64)> {
        let rows = |connection: &Connection| {
            let sql = "SELECT minutes, start FROM rollups ORDER BY 1, 2";
            let mut statement = connection.prepare(sql)?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        embedded.0.readers.read(rows).await.unwrap()
    }

    #[test]
    fn histograms_are_unpacked_as_they_were() {
        let mut histogram = Histogram::default();
        assert_eq!(unpacked(&packed(&histogram)), histogram);
        for n in 0..300_u64 {
            histogram.record(Duration::from_micros(n * n * n));
        }
        let packed = packed(&histogram);
        assert_eq!(unpacked(&packed), histogram);
        for end in 0..packed.len() {
            assert!(unpacked(&packed[..end]).count() <= histogram.count());
        }
        unpacked(&[0xff; 40]);
        unpacked(&[0xff, 0xff, 0x7f, 1, 0xff, 0xff, 0x7f, 1]);
    }

    #[tokio::test]
    async fn old_minutes_become_hours_and_are_deleted_at_last() {
        let first = minute(at("2026-11-27T08:30:00Z"));
        let embedded = with_runs(first..first + 60, 5).await;
        let client = embedded.client();
        let read = async |minutes: u64| {
            let mut query = RollupQuery::new(
                "2026-11-27T08:00:00Z".parse().unwrap(),
                "2026-11-27T10:00:00Z".parse().unwrap(),
                Duration::from_secs(minutes * 60),
            );
            query.job = Some("act".into());
            client.rollups(&query).await.unwrap().remove(0).points
        };
        let hours = read(60).await;
        assert_eq!(hours.iter().map(|point| point.succeeded).collect::<Vec<_>>(), [150, 150]);
        assert_eq!(read(1).await.len(), 60);
        assert_eq!(purge(&embedded, at("2026-11-29T08:59:59Z")).await, 0, "not two days old yet");
        assert_eq!(purge(&embedded, at("2026-11-29T09:00:00Z")).await, 1);
        assert_eq!(purge(&embedded, at("2026-11-29T09:30:00Z")).await, 0);
        assert_eq!(rows(&embedded).await.len(), 31, "the second hour is not old enough");
        assert_eq!(read(60).await, hours, "as before");
        assert_eq!(purge(&embedded, at("2026-11-29T10:00:00Z")).await, 1);
        assert_eq!(rows(&embedded).await, [(60, first - 30), (60, first + 30)]);
        assert_eq!(read(60).await, hours);
        assert_eq!(purge(&embedded, at("2027-02-25T08:59:00Z")).await, 0);
        assert_eq!(purge(&embedded, at("2027-02-25T09:00:00Z")).await, 1);
        assert_eq!(purge(&embedded, at("2027-02-26T09:00:00Z")).await, 1);
        assert_eq!(rows(&embedded).await, []);
        let next = embedded.0.readers.read(super::next).await.unwrap();
        assert_eq!(next, None);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_right_moves_what_was_measured_ahead_of_it() {
        let now = minute(at("2026-11-27T12:00:00Z"));
        let year = 365 * 24 * 60;
        let embedded = with_runs([now - 1, now + year - 1, now + year], 2).await;
        let ahead = year * NANOS;
        let right = move |tx: &mut Transaction<'_>| clock::set_right(tx, tx.now + ahead);
        embedded.0.writer.run(1, right).await.unwrap();
        assert_eq!(rows(&embedded).await, [(1, now - 1), (1, now)]);
        let query = RollupQuery::new(
            "2026-11-27T11:00:00Z".parse().unwrap(),
            "2026-11-27T13:00:00Z".parse().unwrap(),
            Duration::from_secs(7200),
        );
        let all = embedded.client().rollups(&query).await.unwrap();
        assert_eq!(all[0].points.iter().map(|point| point.succeeded).sum::<u64>(), 6);
    }

    #[tokio::test]
    async fn a_query_that_is_not_valid_is_refused() {
        let embedded = with_runs([0], 1).await;
        let (since, until) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        let wrong = RollupQuery::new(since, until, Duration::from_secs(61));
        assert!(embedded.client().rollups(&wrong).await.is_err());
        assert!(embedded.client().rollups(&RollupQuery::in_points(Timestamp::MIN, until, 60)).await.is_ok());
    }
}
