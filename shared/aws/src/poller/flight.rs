//! Messages in flight: their visibility timeout is extended until they are settled.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::RwLock, time::Instant};

use crate::sqs::{MAX_ENTRIES, MAX_VISIBILITY, Postponed, Sqs};

/// Messages are extended after this fraction of their visibility timeout, so that two consecutive extensions may fail.
const PART: u32 = 3;

/// The messages of one queue that are in flight.
pub(super) struct Flight {
    sqs: Sqs,
    url: String,
    lease: Duration,
    /// The time of each receive, by receipt.
    messages: Mutex<HashMap<String, Instant>>,
    /// Held by a call that extends: landing waits for it, or the call could hide the message again.
    extending: RwLock<()>,
}

impl Flight {
    pub(super) fn new(sqs: Sqs, url: &str, lease: Duration) -> Self {
        Self { sqs, url: url.to_owned(), lease, messages: Mutex::default(), extending: RwLock::new(()) }
    }

    /// Adds messages that have just been received.
    pub(super) fn begin(self: &Arc<Self>, receipts: impl Iterator<Item = String>) -> Flying {
        let now = Instant::now();
        let receipts: Vec<_> = receipts.collect();
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.extend(receipts.iter().map(|receipt| (receipt.clone(), now)));
        Flying { flight: self.clone(), receipts }
    }

    fn remove<'a>(&self, receipts: impl Iterator<Item = &'a str>) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        for receipt in receipts {
            messages.remove(receipt);
        }
    }

    /// Extends all messages in flight, until the future is dropped.
    pub(super) async fn extend(self: Arc<Self>) {
        let mut beats = tokio::time::interval(self.lease / PART);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        beats.tick().await;
        loop {
            beats.tick().await;
            self.extend_all().await;
        }
    }

    async fn extend_all(&self) {
        let all: Vec<_> = {
            let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
            messages.iter().map(|(receipt, received)| (receipt.clone(), *received)).collect()
        };
        for chunk in all.chunks(MAX_ENTRIES) {
            let _extending = self.extending.write().await;
            let now = Instant::now();
            let still =
                |receipt: &String| self.messages.lock().unwrap_or_else(PoisonError::into_inner).contains_key(receipt);
            let postponed = chunk.iter().filter(|(receipt, _)| still(receipt)).filter_map(|(receipt, received)| {
                // SQS counts twelve hours from the receive, regardless of extensions.
                let left = MAX_VISIBILITY.saturating_sub(now.saturating_duration_since(*received));
                let delay = self.lease.min(left.saturating_sub(Duration::from_secs(1)));
                (!delay.is_zero()).then(|| Postponed { receipt: receipt.clone(), delay })
            });
            let postponed: Vec<_> = postponed.collect();
            let answers = tokio::time::timeout(self.lease / PART, self.sqs.postpone(&self.url, &postponed)).await;
            match answers {
                Ok(answers) => {
                    for error in answers.into_iter().filter_map(Result::err) {
                        tracing::warn!(queue = self.url, %error, "a message could not be kept hidden; trying again");
                    }
                }
                Err(_) => tracing::warn!(queue = self.url, "SQS did not answer in time; messages may come again early"),
            }
        }
    }
}

/// The messages of one batch that are in flight. The remaining ones land when it is dropped.
pub(super) struct Flying {
    flight: Arc<Flight>,
    receipts: Vec<String>,
}

impl Flying {
    /// Ends the extension of these messages reliably: waits for a call in progress.
    pub(super) async fn land<'a>(&mut self, receipts: impl Iterator<Item = &'a str> + Send) {
        let receipts: Vec<_> = receipts.collect();
        if receipts.is_empty() {
            return;
        }
        let _extending = self.flight.extending.read().await;
        self.flight.remove(receipts.iter().copied());
        self.receipts.retain(|receipt| !receipts.contains(&receipt.as_str()));
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        self.flight.remove(self.receipts.iter().map(String::as_str));
    }
}
