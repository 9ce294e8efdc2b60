//! The records of an SQS event, each read by itself: nothing in one of them makes the others unreadable. What lies in a
//! record is JSON of any depth, and texts with half a surrogate pair: `serde_json` reads over both, and refuses them only
//! where they become a value. So a record is taken as it came, and each of its fields too.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess},
};
use serde_json::value::RawValue;

use super::lenient::{Lenient, Members, Text, read};
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
        let all = self.attributes.as_deref().map(Members::of).unwrap_or_default();
        all.0.into_iter().filter_map(|(name, value)| Some((name, attribute(&value)?))).collect()
    }
}

fn attribute(value: &RawValue) -> Option<Attribute> {
    let members = Members::of(value);
    let member = |wanted: &str| members.0.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| text(value));
    let data_type = member("dataType")?;
    match member("stringValue") {
        Some(value) => Some(Attribute::Text { data_type, value }),
        None => {
            let value = aws_smithy_types::base64::decode(member("binaryValue")?).ok()?;
            Some(Attribute::Binary { data_type, value })
        }
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl Lenient for Records {
    fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
        let mut records = Vec::new();
        while let Some(record) = seq.next_element::<Box<RawValue>>()? {
            records.push(Record::of(Members::of(&record)));
        }
        Ok(Self(records))
    }

    /// An object is no list of records, but it may hold one that must not be lost.
    fn from_map<'de, A: MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        Ok(Self(vec![Record::of(Members::from_map(map)?)]))
    }
}

impl Record {
    fn of(members: Members) -> Self {
        let mut record = Self::default();
        for (name, value) in members.0 {
            match name.as_str() {
                "messageId" => record.message_id = text(&value).filter(|id| !id.is_empty()),
                "receiptHandle" => record.receipt_handle = text(&value).filter(|receipt| !receipt.is_empty()),
                "body" => record.body = body(&value),
                // SNS capitalises its own.
                "eventSource" | "EventSource" => record.event_source = text(&value),
                "eventSourceARN" => record.queue_arn = text(&value),
                "attributes" => record.system = SystemAttributes::of(Members::of(&value)),
                "messageAttributes" => record.attributes = Some(value),
                _ => {}
            }
        }
        record
    }
}

impl SystemAttributes {
    fn of(members: Members) -> Self {
        let mut system = Self::default();
        for (name, value) in members.0 {
            match name.as_str() {
                "ApproximateReceiveCount" => system.receives = count(&value),
                "MessageGroupId" => system.group = text(&value).filter(|group| !group.is_empty()),
                _ => {}
            }
        }
        system
    }
}

/// A count: a text in SQS's events, a number in those that people write by hand. One that is too large is the largest.
fn count(value: &RawValue) -> Option<u32> {
    let text = text(value).unwrap_or_else(|| value.get().to_owned());
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// A text, with a replacement character for each half of a surrogate pair.
fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok().map(|Text(text)| text)
}

/// A body is a text. Events that people write by hand have the message itself there, and mean it.
fn body(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => None,
        json => Some(text(value).unwrap_or_else(|| json.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(json: &str) -> Vec<Record> {
        serde_json::from_str::<Records>(json).unwrap().0
    }

    #[test]
    fn a_record_with_a_field_of_any_depth_or_half_a_character_keeps_what_can_be_read() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        for odd in [deep.as_str(), r#""\ud800""#, "1e999", r#"{"\udfff":"\ud800"}"#] {
            for field in ["x", "attributes", "messageAttributes", "eventSourceARN", r"\ud800", "receiptHandle"] {
                let json = format!(r#"[{{"messageId":"a"}},{{"{field}":{odd},"messageId":"b","body":"{{}}"}}]"#);
                let all = records(&json);
                assert_eq!(all.len(), 2);
                assert_eq!(all[0].message_id.as_deref(), Some("a"));
                assert_eq!((all[1].message_id.as_deref(), all[1].body.as_deref()), (Some("b"), Some("{}")), "{field}");
            }
            let all = records(&format!(r#"[{odd},{{"messageId":"b","body":{odd}}}]"#));
            assert_eq!((all.len(), all[1].message_id.as_deref()), (2, Some("b")), "{odd:.40}");
            assert!(all[1].body.is_some());
        }
    }

    #[test]
    fn half_a_character_is_replaced_and_a_body_that_is_no_text_stays_as_it_was_written() {
        let body = |json: &str| records(&format!(r#"[{{"body":{json}}}]"#)).remove(0).body;
        assert_eq!(body(r#""a\ud800b""#).as_deref(), Some("a\u{fffd}b"));
        assert_eq!(body(r#""\ud83d\ude00\n""#).as_deref(), Some("\u{1f600}\n"));
        let json = r#"{"job": "a", "args": {"n": 19.90, "m": 123456789012345678901, "b": 1, "a": 1}}"#;
        assert_eq!(body(json).as_deref(), Some(json));
        assert_eq!(body("null"), None);
    }

    #[test]
    fn a_receive_count_above_the_largest_is_the_largest() {
        let receives = |json: &str| {
            records(&format!(r#"[{{"attributes":{{"ApproximateReceiveCount":{json}}}}}]"#)).remove(0).system.receives
        };
        for (json, count) in [
            ("\"3\"", Some(3)),
            ("3", Some(3)),
            ("\"4294967295\"", Some(u32::MAX)),
            ("\"4294967296\"", Some(u32::MAX)),
            ("99999999999999999999999999", Some(u32::MAX)),
            ("\"\"", None),
            ("\"-1\"", None),
            ("-1", None),
            ("1.5", None),
            ("\"many\"", None),
            ("null", None),
        ] {
            assert_eq!(receives(json), count, "{json}");
        }
    }

    #[test]
    fn an_attribute_that_cannot_be_read_does_not_take_the_others_along() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let json = format!(
            r#"[{{"messageAttributes":{{"a":{deep},"b":{{"dataType":"String","stringValue":"x","y":{deep}}}}}}}]"#
        );
        let all = records(&json).remove(0).message_attributes();
        assert!(matches!(&all[..], [(name, Attribute::Text { value, .. })] if name == "b" && value == "x"), "{all:?}");
    }
}
