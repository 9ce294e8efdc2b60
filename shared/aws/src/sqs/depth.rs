//! The depth of a queue.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use lamplighter::backend::StoreError;

use super::Sqs;
use crate::sdk::explain;

/// The approximate depth of a queue, and its visibility timeout.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    pub(crate) visible: u64,
    pub(crate) in_flight: u64,
    pub(crate) delayed: u64,
    pub(crate) visibility: Duration,
}

impl Sqs {
    /// The depth of the queue with that URL.
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
