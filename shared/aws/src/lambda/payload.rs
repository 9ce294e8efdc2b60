//! The kind of an invocation's payload, detected in one pass.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    about::ABOUT,
    lenient::Text,
    record::{Records, strict},
};

/// An invocation's payload. Reading one never fails on JSON: other payloads are [`Payload::Unknown`], since serde's own
/// errors would show the payload in the log.
#[derive(Debug)]
#[non_exhaustive]
pub enum Payload {
    /// Records, in the format of SQS and some other services.
    #[non_exhaustive]
    Records {
        /// The records; entries that are not objects count too.
        records: Records,
    },
    /// An EventBridge event.
    #[non_exhaustive]
    Event {
        /// The event's fields.
        event: Fields,
    },
    /// A job's message.
    #[non_exhaustive]
    Message {
        /// The message's fields.
        message: Fields,
    },
    /// The request for a description of the code: `{"lamplighter":"about"}`.
    About,
    /// Any other payload, described.
    Unknown(String),
}

/// The fields of a JSON object, in their order.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    pub(super) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    /// The field's value, if it is a string.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).and_then(|value| serde_json::from_str(value.get()).ok())
    }

    /// The object as JSON text. Duplicate fields stay, so that the parser may refuse them.
    pub(super) fn to_json(&self) -> String {
        let mut json = String::from("{");
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            json.push_str(&serde_json::Value::from(name.as_str()).to_string());
            json.push(':');
            json.push_str(value.get());
        }
        json.push('}');
        json
    }

    fn describe(&self) -> String {
        const SHOWN: usize = 8;
        let names: Vec<_> =
            self.0.iter().take(SHOWN).map(|(name, _)| name.chars().take(40).collect::<String>()).collect();
        let more = if self.0.len() > SHOWN { ", …" } else { "" };
        format!("an object with the fields [{}{more}]", names.join(", "))
    }
}

impl Payload {
    /// Reads an invocation's payload. One that is not JSON, which Lambda lets nobody send, is [`Payload::Unknown`].
    #[must_use]
    pub fn read(json: &[u8]) -> Self {
        if let Some(records) = str::from_utf8(json).ok().and_then(strict::event) {
            return Self::Records { records };
        }
        // Errors of syntax do not quote the text, and there are no others.
        serde_json::from_slice(json).unwrap_or_else(|error| Self::Unknown(format!("a text that is not JSON ({error})")))
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Detect)
    }
}

struct Detect;

fn unknown(what: &str) -> Payload {
    Payload::Unknown(what.into())
}

impl<'de> Visitor<'de> for Detect {
    type Value = Payload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Payload, E> {
        Ok(unknown("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Payload, E> {
        Ok(unknown("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Payload, E> {
        Ok(unknown("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Payload, E> {
        Ok(unknown("a number"))
    }

    fn visit_unit<E>(self) -> Result<Payload, E> {
        Ok(unknown("null"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Payload, E> {
        Ok(unknown("a string"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Payload, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(unknown("an array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
        let mut records: Option<Records> = None;
        let mut fields = Fields::default();
        while let Some(Text(name)) = map.next_key()? {
            if name == "Records" {
                // SQS does not send the field twice; all of its records are read.
                let more: Records = map.next_value()?;
                records.get_or_insert_default().append(more);
            } else {
                fields.0.push((name.into_owned(), map.next_value()?));
            }
        }
        Ok(match records {
            // A payload with a job is a message rather than an empty batch.
            Some(records) if !records.0.is_empty() || fields.get("job").is_none() => Payload::Records { records },
            _ if fields.get("job").is_some() => Payload::Message { message: fields },
            _ if fields.get("detail-type").is_some() && fields.get("source").is_some() => {
                Payload::Event { event: fields }
            }
            _ if fields.text(ABOUT.0).is_some_and(|what| what == ABOUT.1) => Payload::About,
            _ => Payload::Unknown(fields.describe()),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn detect(json: &str) -> String {
        match serde_json::from_str::<Payload>(json).unwrap() {
            Payload::Records { records } => format!("{} records", records.0.len()),
            Payload::Event { .. } => "event".into(),
            Payload::Message { message } => message.to_json(),
            Payload::About => "about".into(),
            Payload::Unknown(what) => what,
        }
    }

    #[test]
    fn payload_kinds_are_detected() {
        for (json, what) in [
            (r#"{"Records":[]}"#, "0 records"),
            (r#"{"Records":null}"#, "0 records"),
            (r#"{"Records":[null,7,{"messageId":"a"}],"job":"x"}"#, "3 records"),
            (r#"{"job":"x","Records":null}"#, r#"{"job":"x"}"#),
            (r#"{"Records":[],"job":"x"}"#, r#"{"job":"x"}"#),
            (r#"{"Records":7,"job":"x"}"#, r#"{"job":"x"}"#),
            (r#"{"Records":[],"source":"a","detail-type":"b"}"#, "0 records"),
            (r#"{"job":"x","\ud800":"\udfff"}"#, "{\"job\":\"x\",\"\u{fffd}\":\"\\udfff\"}"),
            (r#"{"source":"a","detail-type":"b","detail":{}}"#, "event"),
            (r#" {"job":"a.b","args":{"n": 1.0}} "#, r#"{"job":"a.b","args":{"n": 1.0}}"#),
            (r#"{"job":"a","job":"b"}"#, r#"{"job":"a","job":"b"}"#),
            (r#"{"lamplighter":"about"}"#, "about"),
            (r#"{"lamplighter":"about","job":"a"}"#, r#"{"lamplighter":"about","job":"a"}"#),
            (r#"{"lamplighter":"secret"}"#, "an object with the fields [lamplighter]"),
            (r#"{"hello":"secret"}"#, "an object with the fields [hello]"),
            ("{}", "an object with the fields []"),
            ("[]", "an array"),
            ("null", "null"),
            ("\"secret\"", "a string"),
            ("1e3", "a number"),
            ("-1", "a number"),
            ("true", "a boolean"),
        ] {
            assert_eq!(detect(json), what, "{json}");
        }
    }

    proptest! {
        #[test]
        fn every_json_payload_is_accepted(value in json()) {
            let value = serde_json::from_str::<serde_json::Value>(&value).unwrap();
            prop_assert!(serde_json::from_str::<Payload>(&value.to_string()).is_ok());
            let records = serde_json::json!({"Records": [value], "x": 1});
            prop_assert!(serde_json::from_str::<Payload>(&records.to_string()).is_ok());
            let records = serde_json::json!({"Records": [value]}).to_string();
            let read = Payload::read(records.as_bytes());
            prop_assert!(matches!(&read, Payload::Records { records } if records.0.len() == 1), "{:?}", read);
        }
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<i64>().prop_map(|n| n.to_string()),
            "\"[a-z]{0,5}\"",
            Just("0.5".into())
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            let name = prop_oneof![
                "[a-z]{1,3}",
                Just("messageId".into()),
                Just("body".into()),
                Just("attributes".into()),
                Just("messageAttributes".into()),
                Just("Records".into()),
                Just("eventSource".into()),
            ];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(|list| format!("[{}]", list.join(","))),
                proptest::collection::btree_map(name, inner, 0..5).prop_map(|map| {
                    let fields: Vec<_> = map.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }
}
