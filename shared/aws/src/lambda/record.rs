//! The records of an SQS event, each parsed separately: no content of one makes the others unreadable. A record may
//! contain JSON of any depth, and strings with lone surrogates: `serde_json` skips both, and refuses them only when
//! they are converted to values. So a record is kept as raw JSON, and each of its fields too.
//!
//! Records as SQS sends them are read by [`strict`] instead, at a fraction of the cost.

pub(super) mod strict;

use std::sync::Arc;

use lamplighter::{message::Trace, trace};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{
    lenient::{self, Lenient, Text},
    xray,
};
use crate::sqs::Attribute;

/// The records of an event.
#[derive(Debug, Default)]
pub struct Records(pub(super) Vec<Record>);

/// One record. A field is `None` if it is missing, empty, or of another type than in SQS's events.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) message_id: Option<String>,
    pub(crate) receipt_handle: Option<String>,
    pub(crate) body: Option<String>,
    /// Another source than SQS.
    pub(crate) foreign_source: Option<String>,
    pub(crate) queue_arn: Option<Arc<str>>,
    pub(crate) system: SystemAttributes,
    attributes: SenderAttributes,
}

/// The source of SQS's records.
const SQS: &str = "aws:sqs";

/// The system attributes of a message.
#[derive(Debug, Default)]
pub(crate) struct SystemAttributes {
    /// `ApproximateReceiveCount`.
    pub(crate) receives: Option<u32>,
    /// `MessageGroupId`.
    pub(crate) group: Option<String>,
    /// `AWSTraceHeader`, if anything is traced.
    pub(crate) trace: Option<Trace>,
}

/// The sender's attributes of a message.
#[derive(Debug, Default)]
enum SenderAttributes {
    #[default]
    None,
    /// As in an event: they are parsed only for a dead-lettered message.
    Raw(Box<RawValue>),
    #[cfg(feature = "poller")]
    Read(Vec<(String, Attribute)>),
}

impl Records {
    pub(super) fn append(&mut self, mut more: Self) {
        self.0.append(&mut more.0);
    }
}

impl Record {
    /// Returns whether it has no trace of a message: no id, body or receipt.
    pub(super) fn is_empty(&self) -> bool {
        self.message_id.is_none() && self.body.is_none() && self.receipt_handle.is_none()
    }

    /// Returns a message that was received from SQS directly: its id, receipt and body.
    #[cfg(feature = "poller")]
    pub(crate) fn received(
        (message_id, receipt_handle, body): (Option<String>, Option<String>, Option<String>),
        queue_arn: &Arc<str>,
        system: SystemAttributes,
        attributes: Vec<(String, Attribute)>,
    ) -> Self {
        let (foreign_source, queue_arn) = (None, Some(queue_arn.clone()));
        let attributes = SenderAttributes::Read(attributes);
        Self { message_id, receipt_handle, body, foreign_source, queue_arn, system, attributes }
    }

    /// Returns the sender's attributes of the message.
    pub(crate) fn message_attributes(&self) -> Vec<(String, Attribute)> {
        match &self.attributes {
            SenderAttributes::None => Vec::new(),
            SenderAttributes::Raw(raw) => lenient::of::<Attributes>(raw).0,
            #[cfg(feature = "poller")]
            SenderAttributes::Read(attributes) => attributes.clone(),
        }
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|json| lenient::of(&json))
    }
}

impl Lenient for Records {
    fn element(&mut self, value: &RawValue) {
        self.0.push(lenient::of(value));
    }

    /// An object is not a list of records, but may be a record that must not be lost.
    fn object() -> Self {
        Self(vec![Record::default()])
    }

    fn member(&mut self, name: &str, value: &RawValue) {
        self.0.iter_mut().for_each(|record| record.member(name, value));
    }
}

impl Lenient for Record {
    fn member(&mut self, name: &str, value: &RawValue) {
        match name {
            "messageId" => self.message_id = text(value).filter(|id| !id.is_empty()),
            "receiptHandle" => self.receipt_handle = text(value).filter(|receipt| !receipt.is_empty()),
            "body" => self.body = body(value),
            // SNS capitalises its field names.
            "eventSource" | "EventSource" => self.foreign_source = text(value).filter(|source| source != SQS),
            "eventSourceARN" => self.queue_arn = text(value).map(Into::into),
            "attributes" => self.system = lenient::of(value),
            "messageAttributes" => self.attributes = SenderAttributes::Raw(value.to_owned()),
            _ => {}
        }
    }
}

impl Lenient for SystemAttributes {
    fn member(&mut self, name: &str, value: &RawValue) {
        match name {
            "ApproximateReceiveCount" => self.receives = count(value),
            "MessageGroupId" => self.group = text(value).filter(|group| !group.is_empty()),
            "AWSTraceHeader" if trace::is_installed() => self.trace = text(value).as_deref().and_then(xray::trace),
            _ => {}
        }
    }
}

/// The attributes that could be parsed.
#[derive(Default)]
struct Attributes(Vec<(String, Attribute)>);

impl Lenient for Attributes {
    fn member(&mut self, name: &str, value: &RawValue) {
        self.0.extend(lenient::of::<Parts>(value).attribute().map(|attribute| (name.to_owned(), attribute)));
    }
}

/// The fields of an attribute.
#[derive(Default)]
struct Parts {
    data_type: Option<String>,
    text: Option<String>,
    binary: Option<String>,
}

impl Lenient for Parts {
    fn member(&mut self, name: &str, value: &RawValue) {
        match name {
            "dataType" => self.data_type = text(value),
            "stringValue" => self.text = text(value),
            "binaryValue" => self.binary = text(value),
            _ => {}
        }
    }
}

impl Parts {
    fn attribute(self) -> Option<Attribute> {
        let data_type = self.data_type?;
        match self.text {
            Some(value) => Some(Attribute::Text { data_type, value }),
            None => {
                let value = aws_smithy_types::base64::decode(self.binary?).ok()?;
                Some(Attribute::Binary { data_type, value })
            }
        }
    }
}

/// Parses a count: a text in SQS's events, a number in those written by hand. One that is too large becomes the
/// largest.
fn count(value: &RawValue) -> Option<u32> {
    match text(value) {
        Some(text) => count_of(&text),
        None => count_of(value.get()),
    }
}

fn count_of(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// Parses a text, with a replacement character for each lone surrogate.
fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok().map(|Text(text)| text.into_owned())
}

/// Parses a body, which is a text. Events written by hand have the message itself as a JSON object.
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
    fn a_record_with_deep_json_or_a_lone_surrogate_keeps_its_other_fields() {
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
    fn a_lone_surrogate_is_replaced_and_a_body_of_json_is_kept() {
        let body = |json: &str| records(&format!(r#"[{{"body":{json}}}]"#)).remove(0).body;
        assert_eq!(body(r#""a\ud800b""#).as_deref(), Some("a\u{fffd}b"));
        assert_eq!(body(r#""\ud83d\ude00\n""#).as_deref(), Some("\u{1f600}\n"));
        let json = r#"{"job": "a", "args": {"n": 19.90, "m": 123456789012345678901, "b": 1, "a": 1}}"#;
        assert_eq!(body(json).as_deref(), Some(json));
        assert_eq!(body("null"), None);
    }

    #[test]
    fn a_receive_count_that_is_too_large_becomes_the_largest() {
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
    fn an_unreadable_attribute_does_not_affect_the_others() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let json = format!(
            r#"[{{"messageAttributes":{{"a":{deep},"b":{{"dataType":"String","stringValue":"x","y":{deep}}}}}}}]"#
        );
        let all = records(&json).remove(0).message_attributes();
        assert!(matches!(&all[..], [(name, Attribute::Text { value, .. })] if name == "b" && value == "x"), "{all:?}");
    }
}
