//! Deletes messages in batches, across receives.

use std::time::Duration;

use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use futures_util::{FutureExt, StreamExt, stream};
use lamplighter::backend::StoreError;
use tokio::sync::{mpsc, oneshot};

use crate::{
    sdk::explain,
    sqs::{CALLS_AT_ONCE, Called, MAX_ENTRIES, Rejection, Sqs, incomplete, until_answered},
};

/// How long a message waits for others.
const LINGER: Duration = Duration::from_millis(20);

/// A message to delete, and the channel to its waiting caller.
type Request = (String, oneshot::Sender<()>);

/// Deletes messages of one queue. Clones share the batches.
#[derive(Clone)]
pub(super) struct Deleter(mpsc::UnboundedSender<Request>);

impl Deleter {
    /// Creates a deleter, which runs in a task of its own until all clones are dropped.
    pub(super) fn new(sqs: Sqs, url: &str) -> Self {
        let (requests, mut incoming) = mpsc::unbounded_channel::<Request>();
        let url = url.to_owned();
        tokio::spawn(async move {
            let mut lot = Vec::new();
            while incoming.recv_many(&mut lot, MAX_ENTRIES * CALLS_AT_ONCE).await > 0 {
                if lot.len() < MAX_ENTRIES {
                    tokio::time::sleep(LINGER).await;
                    while lot.len() < MAX_ENTRIES * CALLS_AT_ONCE
                        && let Ok(request) = incoming.try_recv()
                    {
                        lot.push(request);
                    }
                }
                let lot = std::mem::take(&mut lot);
                let (receipts, waiting): (Vec<_>, Vec<_>) = lot.into_iter().unzip();
                // Boxed: rustc cannot prove that a future over a borrowed chunk may move between threads.
                let calls: Vec<_> =
                    receipts.chunks(MAX_ENTRIES).map(|chunk| sqs.delete_batch(&url, chunk).boxed()).collect();
                stream::iter(calls).buffer_unordered(CALLS_AT_ONCE).collect::<Vec<()>>().await;
                for waiting in waiting {
                    // The caller may no longer be waiting.
                    let _ = waiting.send(());
                }
            }
        });
        Self(requests)
    }

    /// Deletes messages. One that cannot be deleted is delivered again, and acknowledged then: its job has ended. A job
    /// without a record runs again.
    pub(super) async fn delete(&self, receipts: Vec<String>) {
        let waiting = receipts.into_iter().filter_map(|receipt| {
            let (done, deleted) = oneshot::channel();
            self.0.send((receipt, done)).ok().map(|()| deleted)
        });
        let waiting: Vec<_> = waiting.collect();
        for deleted in waiting {
            // The task ends after its senders.
            let _ = deleted.await;
        }
    }
}

impl Sqs {
    async fn delete_batch(&self, url: &str, receipts: &[String]) {
        let answers = until_answered(receipts.len(), async |open: Vec<usize>| {
            let client = self.client().await?;
            let entries = open.iter().map(|&index| {
                DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(&receipts[index]).build()
            });
            let entries = entries.collect::<Result<_, _>>().map_err(incomplete)?;
            let deleted = client.delete_message_batch().queue_url(url).set_entries(Some(entries)).send().await;
            let deleted = deleted.map_err(|error| explain(&error, &format!("delete messages of {url}")))?;
            let done = deleted.successful.iter().filter_map(|entry| entry.id.parse().ok()).collect();
            Ok(Called { done, failed: deleted.failed })
        })
        .await;
        for rejection in answers.into_iter().filter_map(Result::err) {
            let error: StoreError = Rejection::into_error(rejection);
            tracing::warn!(queue = url, %error, "a message could not be deleted; it comes again, and its job has ended");
        }
    }
}
