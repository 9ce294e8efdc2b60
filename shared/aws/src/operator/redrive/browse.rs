//! Reads dead letters without moving them: they are received, and made visible again.

use std::collections::HashMap;

use lamplighter::{backend::StoreError, host::Stop};

use super::{DeadLetterQueue, Received, transport::Answer};
use crate::sqs::MAX_ENTRIES;

/// The number of consecutive receives without a new dead letter after which the queue counts as read.
pub(super) const NOTHING_NEW: u32 = 2;

impl DeadLetterQueue<'_> {
    /// Passes each dead letter to `see` once, until it has accepted `limit` of them; `all` means that it accepts each,
    /// so that no more need be received. Then makes all of them visible again.
    pub(super) async fn browse(
        &self,
        limit: u64,
        all: bool,
        stop: &Stop,
        mut see: impl FnMut(&Received) -> bool,
    ) -> Result<(), StoreError> {
        let mut held: HashMap<String, String> = HashMap::new();
        let (mut taken, mut nothing_new) = (0, 0);
        let outcome = loop {
            let left = limit.saturating_sub(taken);
            if left == 0 || nothing_new >= NOTHING_NEW || stop.is_draining() {
                break Ok(());
            }
            let most = if all { usize::try_from(left).unwrap_or(usize::MAX).min(MAX_ENTRIES) } else { MAX_ENTRIES };
            let received = match self.receive(most).await {
                Ok(Answer::Received(received)) => received,
                Ok(Answer::TooManyInFlight) => break Ok(()),
                Err(error) => break Err(error),
            };
            nothing_new += 1;
            for one in received {
                if held.insert(one.message_id.clone(), one.receipt.clone()).is_none() {
                    nothing_new = 0;
                    if taken < limit && see(&one) {
                        taken += 1;
                    }
                }
            }
        };
        let receipts: Vec<_> = held.into_values().collect();
        self.put_back(&receipts).await;
        outcome
    }
}
