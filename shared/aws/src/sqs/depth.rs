//! How much lies in a queue.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use lamplighter::backend::StoreError;

use super::Sqs;
use crate::sdk::explain;

/// How much lies in a queue, about, and how long it hides what was received.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    pub(crate) visible: u64,
    pub(crate) in_flight: u64,
    pub(crate) delayed: u64,
    pub(crate) visibility: Duration,
}

impl Sqs {
    /// How much lies in the queue of that URL.
    pub(crate) async fn depth(&self, url: &str) -> Result<Depth, StoreError> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible,
            VisibilityTimeout,
        };
        let names = vec![
            ApproximateNumberOfMessages,
            ApproximateNumberOfMessagesNotVisible,
            ApproximateNumberOfMessagesDelayed,
            VisibilityTimeout,
        ];
        let asked = self.client().await?.get_queue_attributes().queue_url(url).set_attribute_names(Some(names));
        let answer = asked.send().await.map_err(|error| explain(&error, &format!("read the attributes of {url}")))?;
        let number = |name: QueueAttributeName| {
            answer.attributes.as_ref().and_then(|all| all.get(&name)).and_then(|value| value.parse().ok()).unwrap_or(0)
        };
        Ok(Depth {
            visible: number(ApproximateNumberOfMessages),
            in_flight: number(ApproximateNumberOfMessagesNotVisible),
            delayed: number(ApproximateNumberOfMessagesDelayed),
            visibility: Duration::from_secs(number(VisibilityTimeout)),
        })
    }
}
