//! What was measured.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use lamplighter::meter::{Rollup, RollupPoint, RollupQuery};

use super::{Desk, in_time};
use crate::{
    problem::Problem,
    view::{Activity, ActivityPoint, Coverage, List, PointView, StatsView},
};

pub(super) const DAY: Duration = Duration::from_secs(86_400);

impl Desk {
    /// What was measured by job and queue.
    ///
    /// # Errors
    /// When the query makes no sense, or it cannot be read.
    pub async fn stats(&self, query: &RollupQuery) -> Result<List<StatsView>, Problem> {
        let rollups = in_time("the store of measurements", self.client().rollups(query)).await?;
        let seen = rollups.iter().filter(|rollup| self.sees(&rollup.queue));
        let items = seen.flat_map(|rollup| rollup.points.iter().map(|point| StatsView::of(rollup, point)));
        Ok(List { items: items.collect(), coverage: Coverage::Exact, as_of: self.now() })
    }

    /// The last sixty minutes of all queues that the viewer sees, or of one.
    pub(super) async fn activity_in_hour(&self, queue: Option<&str>) -> Result<Activity, Problem> {
        let hour = self.shared.hour().await?;
        let (query, rollups) = &*hour;
        let seen =
            rollups.iter().filter(|rollup| self.sees(&rollup.queue) && queue.is_none_or(|one| one == rollup.queue));
        Ok(activity(query, seen, None))
    }

    /// The last day of a job, or of a queue, with percentiles.
    pub(super) async fn activity_of(&self, job: Option<&str>, queue: Option<&str>) -> Result<Activity, Problem> {
        let now = self.now();
        let since = now.saturating_sub(DAY).unwrap_or(now);
        let mut query = RollupQuery::in_points(since, now, 49);
        (query.job, query.queue) = (job.map(str::to_owned), queue.map(str::to_owned));
        let whole = RollupQuery { step: query.length(), ..query.clone() };
        let (points, total) = tokio::join!(
            in_time("the store of measurements", self.client().rollups(&query)),
            in_time("the store of measurements", self.client().rollups(&whole)),
        );
        let (points, total) = (points?, total?);
        let seen = |rollup: &&Rollup| self.sees(&rollup.queue);
        let total: Vec<_> = total.iter().filter(seen).collect();
        // Percentiles of several jobs, or queues, cannot be made from those of each.
        let one = match total[..] {
            [only] => only.points.first(),
            _ => None,
        };
        Ok(activity(&query, points.iter().filter(seen), one))
    }
}

/// Adds up roll-ups, one point for each step. `whole` has the percentiles of all.
pub(super) fn activity<'r>(
    query: &RollupQuery,
    rollups: impl Iterator<Item = &'r Rollup>,
    whole: Option<&RollupPoint>,
) -> Activity {
    let step = query.step.as_secs().max(60);
    let mut sums: BTreeMap<i64, ActivityPoint> = BTreeMap::new();
    let second = |moment: Timestamp| moment.as_second();
    let first = second(query.since).div_euclid(60) * 60;
    let stride = i64::try_from(step).unwrap_or(i64::MAX);
    let mut at = first;
    while at < second(query.until) || at == first {
        let start = Timestamp::from_second(at).unwrap_or(query.since);
        sums.insert(at, ActivityPoint { start, succeeded: 0, retried: 0, failed: 0 });
        at = at.saturating_add(stride);
    }
    let mut total = RollupPoint::new(query.since);
    for point in rollups.flat_map(|rollup| &rollup.points) {
        total.succeeded += point.succeeded;
        total.retried += point.retried;
        total.failed += point.failed;
        if let Some((_, sum)) = sums.range_mut(..=second(point.start)).next_back() {
            sum.succeeded += point.succeeded;
            sum.retried += point.retried;
            sum.failed += point.failed;
        }
    }
    if let Some(whole) = whole {
        (total.duration, total.queue_latency) = (whole.duration, whole.queue_latency);
    }
    Activity {
        since: query.since,
        until: query.until,
        step_secs: step,
        points: sums.into_values().collect(),
        total: PointView::from(&total),
        marks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_in_which_nothing_ended_are_points_too() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let query = RollupQuery::new(at(600), at(899), Duration::from_secs(60));
        let mut point = RollupPoint::new(at(720));
        (point.succeeded, point.retried, point.failed) = (3, 2, 1);
        let rollups = [
            Rollup::new("a".into(), "q".into(), vec![point.clone()]),
            Rollup::new("b".into(), "q".into(), vec![point]),
        ];
        let activity = activity(&query, rollups.iter(), None);
        let counted: Vec<_> = activity.points.iter().map(|point| (point.start.as_second(), point.succeeded)).collect();
        assert_eq!(counted, [(600, 0), (660, 0), (720, 6), (780, 0), (840, 0)]);
        assert_eq!((activity.total.succeeded, activity.total.retried, activity.total.failed), (6, 4, 2));
    }
}
