//! Queues of SQS.

use aws_sdk_sqs::{Client, types::QueueAttributeName};
use lamplighter::{Timestamp, backend::StoreError};
use serde_json::{Value, json};

use super::{Looking, Observed, ask, parsed};
use crate::sqs::QueueTags;

pub(super) async fn queue(client: &Client, url: &str, now: Timestamp) -> Result<Observed, StoreError> {
    use QueueAttributeName as Name;
    let asked = client.get_queue_attributes().queue_url(url).attribute_names(Name::All).send();
    let answer = ask("sqs:GetQueueAttributes", &format!("read the attributes of {url}"), asked).await;
    let (mut looking, answer) = match Looking::begin(answer) {
        Ok(begun) => begun,
        Err(look) => return Ok(look),
    };
    let all = answer.attributes.unwrap_or_default();
    let text = |name: &Name| all.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let number = |name| text(&name).and_then(|text| text.parse::<u64>().ok()).map_or(Value::Null, Value::from);
    let flag = |name| text(&name).map_or(Value::Null, |text| (text == "true").into());
    let json = |name| text(&name).map_or(Value::Null, parsed);
    looking.set("VisibilityTimeout", number(Name::VisibilityTimeout));
    looking.set("MessageRetentionPeriod", number(Name::MessageRetentionPeriod));
    looking.set("FifoQueue", flag(Name::FifoQueue));
    looking.set("ContentBasedDeduplication", flag(Name::ContentBasedDeduplication));
    looking.set("SqsManagedSseEnabled", flag(Name::SqsManagedSseEnabled));
    looking.set("KmsMasterKeyId", text(&Name::KmsMasterKeyId));
    looking.set("RedrivePolicy", json(Name::RedrivePolicy));
    looking.set("Policy", json(Name::Policy));
    looking.set("Waiting", number(Name::ApproximateNumberOfMessages));
    looking.set("InFlight", number(Name::ApproximateNumberOfMessagesNotVisible));
    let asked = client.list_queue_tags().queue_url(url).send();
    let answer = ask("sqs:ListQueueTags", &format!("read the tags of {url}"), asked).await;
    looking.take("Workers", answer, |answer| {
        let tags = QueueTags::of(&answer.tags.unwrap_or_default());
        json!({ "Polled": tags.is_polled(now), "Paused": tags.is_paused })
    });
    Ok(looking.end())
}
