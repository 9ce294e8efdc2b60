//! The records of an SQS event, each read by itself: nothing in one of them makes the others unreadable.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess},
};
use serde_json::{Value, value::RawValue};

use super::lenient::{Lenient, read};
use crate::sqs::Attribute;

/// The records of an event.
#[derive(Debug, Default)]
pub struct Records(pub(super) Vec<Record>);

/// One record. Whatever is missing, empty, or of another type than SQS sends, is `None`.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) message_id: Option<String>,
    pub(super) receipt_handle: Option<String>,
    pub(super) body: Option<String>,
    pub(super) event_source: Option<String>,
    pub(super) queue_arn: Option<String>,
    pub(super) system: SystemAttributes,
    /// As they came: only a message that is buried has them looked at.
    attributes: Option<Box<RawValue>>,
}

/// What SQS knows about a message.
#[derive(Debug, Default)]
pub(super) struct SystemAttributes {
    /// `ApproximateReceiveCount`.
    pub(super) receives: Option<u32>,
    /// `MessageGroupId`.
    pub(super) group: Option<String>,
}

impl Records {
    pub(super) fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }
}

impl Record {
    /// Whether there is no trace of a message in it: not an id, a body, or a receipt.
    pub(super) fn is_empty(&self) -> bool {
        self.message_id.is_none() && self.body.is_none() && self.receipt_handle.is_none()
    }

    /// The attributes that the sender gave the message.
    pub(super) fn message_attributes(&self) -> Vec<(String, Attribute)> {
        let Some(json) = &self.attributes else { return Vec::new() };
        let Ok(Value::Object(all)) = serde_json::from_str(json.get()) else { return Vec::new() };
        all.into_iter().filter_map(|(name, value)| Some((name, attribute(&value)?))).collect()
    }
}

fn attribute(value: &Value) -> Option<Attribute> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let data_type = text("dataType")?.to_owned();
    match text("stringValue") {
        Some(value) => Some(Attribute::Text { data_type, value: value.to_owned() }),
        None => {
            let value = aws_smithy_types::base64::decode(text("binaryValue")?).ok()?;
            Some(Attribute::Binary { data_type, value })
        }
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> Deserialize<'de> for SystemAttributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl Lenient for Records {
    fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut records = Vec::new();
        while let Some(record) = seq.next_element()? {
            records.push(record);
        }
        Ok(Self(records))
    }

    /// An object is no list of records, but it may hold one that must not be lost.
    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Ok(Self(vec![Record::from_map(map)?]))
    }
}

impl Lenient for Record {
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut record = Self::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "messageId" => record.message_id = text(map.next_value()?).filter(|id| !id.is_empty()),
                "receiptHandle" => {
                    record.receipt_handle = text(map.next_value()?).filter(|receipt| !receipt.is_empty());
                }
                "body" => record.body = body(map.next_value()?),
                // SNS capitalises its own.
                "eventSource" | "EventSource" => record.event_source = text(map.next_value()?),
                "eventSourceARN" => record.queue_arn = text(map.next_value()?),
                "attributes" => record.system = map.next_value()?,
                "messageAttributes" => record.attributes = map.next_value::<Option<_>>()?,
                _ => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        Ok(record)
    }
}

impl Lenient for SystemAttributes {
    fn from_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut system = Self::default();
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                // A text in SQS's events, a number in those that people write by hand.
                "ApproximateReceiveCount" => {
                    system.receives = match map.next_value()? {
                        Value::String(text) => text.parse().ok(),
                        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
                        _ => None,
                    };
                }
                "MessageGroupId" => system.group = text(map.next_value()?).filter(|group| !group.is_empty()),
                _ => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        Ok(system)
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A body is a text. Events that people write by hand have the message itself there, and mean it.
fn body(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null => None,
        value => Some(value.to_string()),
    }
}
