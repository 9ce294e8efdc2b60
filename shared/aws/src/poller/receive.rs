//! Receives messages: ReceiveMessage, up to ten at a time.

use std::{sync::Arc, time::Duration};

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use lamplighter::{Queue, backend::StoreError, trace};
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::PollerSettings;
use crate::{
    lambda::{Host, Record, SystemAttributes, xray},
    sdk::explain,
    settlement::Item,
    sqs::{Attribute, Sqs},
};

/// Messages per call (Amazon SQS API Reference, ReceiveMessage).
pub(super) const MOST: usize = 10;
/// The time limit of a receive in addition to its wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// The attributes of a queue that a poller needs.
#[derive(Debug, Clone)]
pub(super) struct QueueFacts {
    pub(super) url: String,
    pub(super) arn: Arc<str>,
}

impl QueueFacts {
    pub(super) async fn ask(sqs: &Sqs, url: &str) -> Result<Self, StoreError> {
        let asked = sqs.client().await?.get_queue_attributes().queue_url(url);
        let asked = asked.attribute_names(QueueAttributeName::QueueArn).send().await;
        let answer = asked.map_err(|error| explain(&error, &format!("read the attributes of {url}")))?;
        let arn = answer.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
        let none = || StoreError::unavailable(format_args!("SQS did not tell the ARN of {url}"));
        Ok(Self { url: url.to_owned(), arn: arn.ok_or_else(none)?.into() })
    }
}

/// Receives from one queue.
pub(super) struct Receiver<'a> {
    pub(super) host: &'a Host,
    pub(super) queue: &'a Queue,
    pub(super) facts: &'a QueueFacts,
    pub(super) settings: &'a PollerSettings,
}

/// Messages, and the permits to run them.
type Received = Result<(Vec<Item>, OwnedSemaphorePermit), StoreError>;

impl Receiver<'_> {
    /// Makes one call, as a future of its own: it is awaited even while the poller drains. Unused permits are returned.
    pub(super) fn receive(
        &self,
        most: usize,
        wait: Duration,
        mut permits: OwnedSemaphorePermit,
    ) -> impl Future<Output = Received> + Send + 'static {
        let (sqs, url, arn) = (self.host.sqs().clone(), self.facts.url.clone(), self.facts.arn.clone());
        let name: Arc<str> = self.queue.name().into();
        let lease = self.settings.lease;
        async move {
            let seconds = |time: Duration| i32::try_from(time.as_secs()).unwrap_or(i32::MAX);
            let call = sqs.client().await?.receive_message().queue_url(&url);
            let call = call
                .max_number_of_messages(i32::try_from(most).unwrap_or(1))
                .wait_time_seconds(seconds(wait))
                .visibility_timeout(seconds(lease))
                .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
                .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
                .message_attribute_names("All");
            let call = match trace::is_installed() {
                true => call.message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader),
                false => call,
            };
            let late = || StoreError::unavailable(format_args!("{url} did not answer a receive in time"));
            let answer = tokio::time::timeout(wait + PATIENCE, call.send()).await.map_err(|_| late())?;
            let answer = answer.map_err(|error| explain(&error, &format!("receive from {url}")))?;
            let received = Instant::now();
            let messages = answer.messages.unwrap_or_default();
            let items = messages.into_iter().map(|message| Item {
                record: record(message, &arn),
                queue: name.clone(),
                received,
                decided: None,
            });
            let items: Vec<_> = items.collect();
            let unused = permits.num_permits().saturating_sub(items.len());
            drop(permits.split(unused));
            Ok((items, permits))
        }
    }
}

fn record(message: Message, arn: &Arc<str>) -> Record {
    let Message { message_id, receipt_handle, body, attributes, message_attributes, .. } = message;
    let mut system = attributes.unwrap_or_default();
    let attributes = message_attributes.unwrap_or_default().into_iter().filter_map(|(name, value)| {
        let data_type = value.data_type;
        let attribute = match (value.string_value, value.binary_value) {
            (Some(value), _) => Attribute::Text { data_type, value },
            (None, Some(value)) => Attribute::Binary { data_type, value: value.into_inner() },
            (None, None) => return None,
        };
        Some((name, attribute))
    });
    let system = SystemAttributes {
        receives: system
            .remove(&MessageSystemAttributeName::ApproximateReceiveCount)
            .and_then(|count| count.parse().ok()),
        group: system.remove(&MessageSystemAttributeName::MessageGroupId),
        // Only asked for if anything is traced.
        trace: system.remove(&MessageSystemAttributeName::AwsTraceHeader).as_deref().and_then(xray::trace),
    };
    Record::received((message_id, receipt_handle, body), arn, system, attributes.collect())
}
