//! Renewing the leases of running jobs, in one call for all of a batch.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Inner, budget::callee_deadline};
use crate::ports::{LeaseStatus, RenewRequest};

/// Leases are renewed at this part of their length, so that two renewals in a row may fail.
const PART: u32 = 3;

/// What a renewal has found: the slots of the attempts that have lost their lease.
pub(super) type Lost = Vec<usize>;

impl Inner {
    /// How long after the last renewal the next one comes; `None` where leases are not renewed.
    pub(super) fn renews_every(&self) -> Option<Duration> {
        self.backend.store.as_ref().and(self.lease).map(|lease| lease / PART)
    }

    /// Renews leases. One that cannot be renewed now, since the store is silent, is still held until its end.
    pub(super) async fn renew(&self, (slots, requests): (Vec<usize>, Vec<RenewRequest>)) -> Lost {
        let (Some(store), Some(every)) = (&self.backend.store, self.renews_every()) else { return Lost::new() };
        let by = Instant::now() + every;
        let jobs = requests.len();
        let Ok(answers) = timeout_at(by, store.renew(requests, callee_deadline(by))).await else {
            tracing::warn!(jobs, "leases could not be renewed in time; trying again");
            return Lost::new();
        };
        let lost = slots.into_iter().zip(answers).filter_map(|(slot, answer)| match answer {
            Ok(LeaseStatus::Held) => None,
            Ok(LeaseStatus::Lost) => Some(slot),
            Err(error) => {
                tracing::warn!(%error, "a lease could not be renewed; trying again");
                None
            }
        });
        lost.collect()
    }
}
