//! Sends jobs whose wait for others is over.

use lamplighter::backend::{EnqueueRequest, StoreError};

use super::delayed_sender::DelayedSender;
use crate::dynamo::{Dynamo, Following};

impl DelayedSender {
    /// Starts the jobs that have waited for others, and returns their number.
    pub(crate) async fn follow(&self, dynamo: &Dynamo, mut following: Following) -> Result<u64, StoreError> {
        let mut started = 0;
        while let Some(ready) = dynamo.next_ready(&mut following).await? {
            started += ready.len() as u64;
            self.send_ready(ready).await;
        }
        Ok(started)
    }

    /// Sends jobs whose records are queued or scheduled already. Where that fails, the record remains without a message:
    /// maintenance sends it.
    pub(crate) async fn send_ready(&self, ready: Vec<EnqueueRequest>) {
        let ids: Vec<_> = ready.iter().map(|request| request.message.id.clone()).collect();
        for (id, answer) in ids.into_iter().zip(self.dispatch(ready).await) {
            let id = id.map(|id| id.to_string()).unwrap_or_default();
            match answer {
                Ok(_) => tracing::debug!(id, "the jobs that it waited for have ended: sent"),
                Err(error) => {
                    tracing::warn!(
                        id, %error,
                        "the jobs that it waited for have ended, and it could not be sent; maintenance sends it"
                    );
                }
            }
        }
    }
}
