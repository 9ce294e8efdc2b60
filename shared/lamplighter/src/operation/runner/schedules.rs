//! Running ticks of a schedule again.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep_until;

use super::{Runner, held::Held, pace, within};
use crate::operation::{Operation, OperationError, OperationProgress};

impl Runner {
    /// Starts the next jobs of a backfill, and returns whether they were the last ones.
    pub(super) async fn backfill(
        &self,
        held: &mut Held,
        schedule: &str,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<bool, OperationError> {
        let after = held.operation.cursor.as_deref().and_then(|cursor| cursor.parse().ok());
        let after = after.unwrap_or_else(|| before(from));
        let ticks = within(self.client().backfill_ticks(schedule, after, to)).await?;
        let most = pace::page(held.operation.per_second);
        let Some(last) = ticks.iter().take(most).next_back().copied() else { return Ok(true) };
        let turns = pace::turns(held.operation.per_second, &mut held.next, ticks.len().min(most));
        if let Some(turn) = turns.into_iter().next().flatten() {
            sleep_until(turn).await;
        }
        let started = within(self.client().backfill(schedule, after, last)).await?;
        for answer in started {
            let is_new = !answer.is_duplicate();
            held.operation.progress.add(match is_new {
                true => OperationProgress::CHANGED,
                false => OperationProgress::UNCHANGED,
            });
            if is_new && held.operation.results.len() < Operation::MOST_RESULTS {
                held.operation.results.push(answer.id().clone());
            }
        }
        held.operation.cursor = Some(last.to_string());
        Ok(ticks.len() <= most)
    }
}

/// Ticks are asked for after a moment, and the first one is meant too.
pub(super) fn before(moment: Timestamp) -> Timestamp {
    moment.saturating_sub(Duration::from_nanos(1)).unwrap_or(moment)
}
