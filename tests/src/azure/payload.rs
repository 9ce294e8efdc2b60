//! The requests of the Functions host, as recorded (Azure/azure-functions-host, `ScriptInvocationContextExtensions`): a
//! value that is not an object is serialised, and the result is a string of the request.

use serde_json::{Value, json};

use super::queue::Message;

/// Returns the request for a message.
pub(super) fn queue(function: &str, binding: &str, message: &Message, body: &str) -> Value {
    json!({
        "Data": {binding: text(body)},
        "Metadata": {
            "DequeueCount": message.receives.to_string(),
            "ExpirationTime": "9999-12-31T23:59:59.9999999+00:00",
            "Id": text(&message.id),
            "InsertionTime": "2026-11-26T12:00:00+00:00",
            "NextVisibleTime": "2026-11-26T12:10:00+00:00",
            "PopReceipt": text(&message.receipt),
            "sys": {"MethodName": function, "UtcNow": "2026-11-26T12:00:01.1234567Z", "RandGuid": "3f0c1d"},
        },
    })
}

/// Returns the request of a timer.
pub(super) fn timer(function: &str, binding: &str, past_due: bool) -> Value {
    json!({
        "Data": {binding: {"Schedule": {"AdjustForDST": true}, "ScheduleStatus": null, "IsPastDue": past_due}},
        "Metadata": {"sys": {"MethodName": function, "UtcNow": "2026-11-26T12:00:01.1234567Z", "RandGuid": "3f0c1d"}},
    })
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}
