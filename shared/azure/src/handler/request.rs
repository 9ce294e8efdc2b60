//! The requests of the Functions host: `{"Data":{binding:value},"Metadata":{name:value}}`.
//!
//! A value that is not an object arrives as JSON text inside of a string: the text `hello` as `"\"hello\""`, the number
//! 1 as `"1"`. This module accepts values that are wrapped up to twice, and numbers as strings or not
//! (Azure/azure-functions-host, `ScriptInvocationContextExtensions.GetHttpScriptInvocationContextValue`).

use std::{borrow::Cow, collections::HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

/// The maximum number of times that a value may be wrapped as text.
const WRAPPED: usize = 2;

/// An invocation.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Request {
    #[serde(rename = "Data", default)]
    data: HashMap<String, Box<RawValue>>,
    #[serde(rename = "Metadata", default)]
    metadata: HashMap<String, Box<RawValue>>,
}

impl Request {
    pub(super) fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(body)
    }

    /// Returns the text of a binding; if there is only one, its name does not matter.
    pub(super) fn text(&self, binding: &str) -> Option<String> {
        let only = || self.data.values().next().filter(|_| self.data.len() == 1);
        let value = self.data.get(binding).or_else(only)?;
        Some(unwrapped(value).into_owned())
    }

    /// Returns a text of the metadata.
    pub(super) fn metadata(&self, name: &str) -> Option<String> {
        self.metadata.get(name).map(|value| unwrapped(value).into_owned())
    }

    /// Returns a number of the metadata.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.metadata.get(name).and_then(|value| unwrapped(value).trim().parse().ok())
    }
}

fn unwrapped(value: &RawValue) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(value.get());
    for _ in 0..WRAPPED {
        match serde_json::from_str::<String>(&text) {
            Ok(inner) => text = inner.into(),
            Err(_) => break,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(json: &str) -> Request {
        Request::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_recorded_queue_message_is_parsed() {
        // As Azure/azure-functions-host writes it: a string is serialised, and the result is a string of the request.
        let recorded = r#"{"Data":{"job":"\"{\\\"job\\\":\\\"mail.send\\\"}\""},"Metadata":{"DequeueCount":"1",
            "ExpirationTime":"9999-12-31T23:59:59.9999999+00:00","Id":"\"0d6a1d9c\"","InsertionTime":"2026-11-26T12:00:00+00:00",
            "NextVisibleTime":"2026-11-26T12:10:00+00:00","PopReceipt":"\"AgAAAAMAAAA=\"",
            "sys":{"MethodName":"queue-mails","UtcNow":"2026-11-26T12:00:01Z","RandGuid":"3f"}}}"#;
        let request = request(recorded);
        assert_eq!(request.text("job").as_deref(), Some(r#"{"job":"mail.send"}"#));
        assert_eq!((request.number("DequeueCount"), request.metadata("Id").as_deref()), (Some(1), Some("0d6a1d9c")));
        assert_eq!((request.number("Missing"), request.metadata("Missing")), (None, None));
    }

    #[test]
    fn wrapped_values_are_parsed() {
        for (value, text) in [
            (r#"{"job":"a"}"#, r#"{"job":"a"}"#),
            (r#""{\"job\":\"a\"}""#, r#"{"job":"a"}"#),
            (r#""plain""#, "plain"),
            (r#""\"hello!!\"""#, "hello!!"),
            // A message that is itself a JSON string stays one.
            (r#""\"\\\"quoted\\\"\"""#, r#""quoted""#),
            ("7", "7"),
        ] {
            let body = format!(r#"{{"Data":{{"job":{value}}},"Metadata":{{"DequeueCount":2}}}}"#);
            let request = request(&body);
            assert_eq!(request.text("job").as_deref(), Some(text));
            assert_eq!(request.text("another name").as_deref(), Some(text), "the only binding");
            assert_eq!(request.number("DequeueCount"), Some(2));
        }
    }

    #[test]
    fn missing_values_are_none_and_other_json_is_an_error() {
        assert_eq!(request("{}").text("job"), None);
        assert_eq!(request(r#"{"Data":{"a":1,"b":2}}"#).text("job"), None, "which of the two?");
        for body in ["", "null", "{", r#"{"Data":7}"#] {
            assert!(Request::parse(body.as_bytes()).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn every_text_is_preserved(text in ".*") {
            let wrapped = serde_json::to_string(&serde_json::to_string(&text).unwrap()).unwrap();
            let body = format!(r#"{{"Data":{{"job":{wrapped}}}}}"#);
            prop_assert_eq!(request(&body).text("job"), Some(text));
        }
    }
}
