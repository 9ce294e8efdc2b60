//! How fast messages come in and jobs end.

use std::collections::BTreeMap;

use lamplighter::{
    Batch,
    backend::{Accuracy, QueueFlow},
};
use rusqlite::{Connection, params};

use super::rollups::minute;

/// The newest rows that are looked at.
const MOST: i64 = 5000;
const NANOS: i64 = 60_000_000_000;

const NAMES: &str = "SELECT id, name FROM queues ORDER BY name";
/// A row is never newer than one after it.
const CAME: &str = "SELECT queue, created_at FROM jobs ORDER BY seq DESC LIMIT ?1";
const ENDED: &str = "SELECT queue, sum(succeeded + failed) FROM rollups WHERE minutes = 1 AND start >= ?1 AND start <= ?2 \
    GROUP BY queue";

/// What came into each queue and what ended, over the current minute and the four before it. Of more than [`MOST`]
/// messages, what came in is reckoned from the newest ones. A message without a record is gone, and not counted, once its job
/// has ended.
pub(crate) fn flow(connection: &Connection, now: i64) -> rusqlite::Result<Vec<QueueFlow>> {
    let this = minute(now);
    let first = this - i64::from(QueueFlow::MINUTES) + 1;
    let since = first.saturating_mul(NANOS);
    let (mut came, mut looked_at, mut back_to): (BTreeMap<i64, u64>, i64, i64) = (BTreeMap::new(), 0, since);
    let mut statement = connection.prepare_cached(CAME)?;
    let mut rows = statement.query([MOST])?;
    while let Some(row) = rows.next()? {
        let (queue, created_at): (i64, i64) = (row.get(0)?, row.get(1)?);
        if created_at < since {
            break;
        }
        looked_at += 1;
        if looked_at == MOST {
            back_to = created_at;
        }
        *came.entry(queue).or_default() += 1;
    }
    let mut ended = BTreeMap::new();
    let mut statement = connection.prepare_cached(ENDED)?;
    let mut rows = statement.query([first, this])?;
    while let Some(row) = rows.next()? {
        ended.insert(row.get::<_, i64>(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0));
    }
    let mut all = Vec::new();
    let mut statement = connection.prepare_cached(NAMES)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        let (id, name): (i64, String) = (row.get(0)?, row.get(1)?);
        // Batches have records, and no queue.
        if name == Batch::QUEUE {
            continue;
        }
        let of = |counts: &BTreeMap<i64, u64>| counts.get(&id).copied().unwrap_or(0);
        let accuracy = if looked_at < MOST { Accuracy::Exact } else { Accuracy::Approximate };
        let mut flow = QueueFlow::new(name, accuracy);
        flow.in_per_minute = Some(a_minute(of(&came), now.saturating_sub(back_to)));
        flow.out_per_minute = Some(a_minute(of(&ended), now.saturating_sub(since)));
        all.push(flow);
    }
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "for people, and far below 2^52")]
fn a_minute(total: u64, nanos: i64) -> f64 {
    total as f64 * NANOS as f64 / nanos.max(1) as f64
}

#[cfg(test)]
mod tests {
    use lamplighter::{RawValue, Timestamp, Tracking, env::Env, message::Message, secs};

    use super::*;
    use crate::{backend::SqliteBackend, time};

    async fn enqueue(embedded: &SqliteBackend, jobs: usize) {
        let message = || Message::new("act", RawValue::from_string("{}".into()).unwrap()).unwrap();
        let request = |_| {
            let id = lamplighter::JobId::generate(embedded.env());
            let mut request = lamplighter::backend::EnqueueRequest::new(id, "work", message().into());
            request.tracking = Tracking::Full;
            request
        };
        let answers = embedded.backend().queues.send((0..jobs).map(request).collect()).await;
        assert!(answers.iter().all(Result::is_ok));
    }

    async fn of_work(embedded: &SqliteBackend) -> QueueFlow {
        let now = time::nearest(embedded.env().now());
        let all = embedded.0.readers.read(move |connection| flow(connection, now)).await.unwrap();
        all.into_iter().find(|flow| flow.queue == "work").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_in_lately_is_counted_by_queue() {
        // The beginning of a minute.
        let embedded = SqliteBackend::memory(Env::driven(Timestamp::from_second(1_800_000_000).unwrap(), 1)).unwrap();
        enqueue(&embedded, 7).await;
        tokio::time::advance(secs(600)).await;
        enqueue(&embedded, 30).await;
        tokio::time::advance(secs(60)).await;
        let flow = of_work(&embedded).await;
        // Four whole minutes, and none of the fifth.
        assert_eq!((flow.in_per_minute, flow.out_per_minute), (Some(7.5), Some(0.0)));
        assert_eq!(flow.accuracy, Accuracy::Exact);
        tokio::time::advance(secs(600)).await;
        assert_eq!(of_work(&embedded).await.in_per_minute, Some(0.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_reckoned_from_its_newest_part() {
        let embedded = SqliteBackend::memory(Env::driven(Timestamp::from_second(1_800_000_000).unwrap(), 1)).unwrap();
        for _ in 0..6 {
            tokio::time::advance(secs(10)).await;
            enqueue(&embedded, 1000).await;
        }
        tokio::time::advance(secs(10)).await;
        let flow = of_work(&embedded).await;
        // 5,000 in the last 50 seconds.
        assert_eq!((flow.in_per_minute, flow.accuracy), (Some(6000.0), Accuracy::Approximate));
    }
}
