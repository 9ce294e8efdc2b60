//! Records as SQS sends them, in one pass. Where there is anything else, there is no answer.

use std::sync::Arc;

use lamplighter::trace;
use serde_json::value::RawValue;

use super::{Record, Records, SQS, SenderAttributes, SystemAttributes, count_of};
use crate::lambda::{cursor::Cursor, xray};

/// Reads the records of an event that has nothing else.
pub(in crate::lambda) fn event(json: &str) -> Option<Records> {
    let mut records: Option<Records> = None;
    let mut json = Cursor::new(json);
    json.members(|json, name| {
        let Records(records) = records.get_or_insert_default();
        (name == "Records").then_some(())?;
        json.elements(|json| {
            let record = record(json, records.last())?;
            records.push(record);
            Some(())
        })
    })?;
    records.filter(|_| json.is_at_end())
}

/// Reads a record. Mostly, it is of the queue of the one before it.
fn record(json: &mut Cursor<'_>, before: Option<&Record>) -> Option<Record> {
    let mut record = Record::default();
    json.members(|json, name| {
        match name {
            "messageId" => record.message_id = filled(json)?,
            "receiptHandle" => record.receipt_handle = filled(json)?,
            "body" => record.body = Some(json.text()?.into_owned()),
            "eventSource" | "EventSource" => {
                record.foreign_source = Some(json.text()?).filter(|source| source != SQS).map(|text| text.into_owned());
            }
            "eventSourceARN" => {
                let arn = json.text()?;
                let known = before.and_then(|record| record.queue_arn.as_ref()).filter(|known| ***known == *arn);
                record.queue_arn = Some(known.map_or_else(|| Arc::from(&*arn), Arc::clone));
            }
            "attributes" => record.system = system_attributes(json)?,
            "messageAttributes" => {
                record.attributes = match json.value()? {
                    "{}" => SenderAttributes::None,
                    json => SenderAttributes::Raw(RawValue::from_string(json.to_owned()).ok()?),
                };
            }
            _ => {
                json.value()?;
            }
        }
        Some(())
    })?;
    Some(record)
}

fn system_attributes(json: &mut Cursor<'_>) -> Option<SystemAttributes> {
    let mut read = SystemAttributes::default();
    json.members(|json, name| {
        match name {
            "ApproximateReceiveCount" => read.receives = count_of(&json.text()?),
            "MessageGroupId" => read.group = filled(json)?,
            "AWSTraceHeader" if trace::is_installed() => read.trace = xray::trace(&json.text()?),
            _ => {
                json.value()?;
            }
        }
        Some(())
    })?;
    Some(read)
}

/// A text; an empty one counts as missing.
fn filled(json: &mut Cursor<'_>) -> Option<Option<String>> {
    json.text().map(|text| Some(text.into_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::lambda::Payload;

    fn shown(records: &Records) -> String {
        format!("{records:?}").replace("attributes: Raw(RawValue({}))", "attributes: None")
    }

    fn leniently(event: &str) -> Records {
        match serde_json::from_str(event).unwrap() {
            Payload::Records { records } => records,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn other_events_are_left_to_the_lenient_way() {
        for event in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"Records":null}"#,
            r#"{"Records":[],"job":"x"}"#,
            r#"{"Records":[null]}"#,
            r#"{"Records":[{"messageId":7}]}"#,
            r#"{"Records":[]"#,
            r#"{"Records":[]}}"#,
            r#"{"Records":[{}"#,
        ] {
            assert!(super::event(event).is_none(), "{event}");
        }
        assert!(
            super::event(r#" {"Records": [{"messageId": "a"}], "Records":[{}]} "#).is_some_and(|all| all.0.len() == 2)
        );
    }

    #[test]
    fn events_of_sqs_are_read_in_one_pass() {
        let event = include_str!("../../../tests/fixtures/example-sqs-event.json");
        let records = super::event(event).unwrap();
        assert_eq!(shown(&records), shown(&leniently(event)));
        assert!(records.0[0].message_id.is_some() && records.0[0].body.is_some());
    }

    #[test]
    fn records_of_one_queue_share_its_arn() {
        let one = r#"{"eventSourceARN":"arn:aws:sqs:r:1:a"}"#;
        let json = format!(r#"{{"Records":[{one},{one},{{"eventSourceARN":"b"}}]}}"#);
        let arns: Vec<_> = event(&json).unwrap().0.into_iter().filter_map(|record| record.queue_arn).collect();
        assert!(Arc::ptr_eq(&arns[0], &arns[1]));
        assert_eq!(&*arns[2], "b");
    }

    fn value() -> impl Strategy<Value = String> {
        prop::sample::select(
            &[
                "null",
                "7",
                "\"\"",
                "\"a\"",
                r#""\ud800""#,
                r#""\u00e9\"""#,
                "1e999",
                "[]",
                "{}",
                r#"[{"a":[1]}]"#,
                "true",
                r#""aws:sqs""#,
                r#"{"ApproximateReceiveCount":"3","MessageGroupId":"g","x":[1]}"#,
                r#"{"ApproximateReceiveCount":3}"#,
                r#"{"a":{"dataType":"String","stringValue":"x"}}"#,
            ][..],
        )
        .prop_map(ToOwned::to_owned)
    }

    proptest! {
        #[test]
        fn both_ways_read_the_same(records in prop::collection::vec(
            prop::collection::vec((prop::sample::select(&[
                "messageId", "receiptHandle", "body", "eventSource", "EventSource", "eventSourceARN", "attributes",
                "messageAttributes", "md5OfBody", r"\ud800",
            ][..]), value()), 0..6),
            0..4,
        )) {
            let record = |members: Vec<(&str, String)>| {
                let members: Vec<_> = members.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
                format!("{{{}}}", members.join(","))
            };
            let records = records.into_iter().map(record).collect::<Vec<_>>().join(",");
            let json = format!(r#"{{"Records":[{records}]}}"#);
            if let Some(records) = event(&json) {
                prop_assert_eq!(shown(&records), shown(&leniently(&json)));
            }
        }
    }
}
