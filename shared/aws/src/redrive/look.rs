//! Looking at dead letters without moving them: they are received, and put back.

use std::collections::HashMap;

use lamplighter::{backend::StoreError, host::Stop};

use super::{Letter, Place, transport::Received};
use crate::{operator::Operator, sqs::MAX_ENTRIES};

/// Receives in a row that bring nothing new, after which there is nothing.
pub(super) const NOTHING_NEW: u32 = 2;

impl Operator {
    /// Lets `see` see each letter once, up to `limit`. Then all of them can be received again.
    pub(super) async fn look_at(
        &self,
        place: &Place,
        limit: u64,
        stop: &Stop,
        mut see: impl FnMut(&Letter),
    ) -> Result<(), StoreError> {
        let mut held: HashMap<String, String> = HashMap::new();
        let mut nothing_new = 0;
        let outcome = loop {
            let left = limit.saturating_sub(held.len() as u64);
            if left == 0 || nothing_new >= NOTHING_NEW || stop.is_draining() {
                break Ok(());
            }
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(MAX_ENTRIES);
            let letters = match self.receive(&place.dead_url, most).await {
                Ok(Received::Letters(letters)) => letters,
                Ok(Received::TooManyInFlight) => break Ok(()),
                Err(error) => break Err(error),
            };
            nothing_new += 1;
            for letter in letters {
                let id = letter.letter.message_id.clone();
                if held.insert(id, letter.receipt.clone()).is_none() {
                    see(&letter);
                    nothing_new = 0;
                }
            }
        };
        let receipts: Vec<_> = held.into_values().collect();
        self.put_back(&place.dead_url, &receipts).await;
        outcome
    }
}
