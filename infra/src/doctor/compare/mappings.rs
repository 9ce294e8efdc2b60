//! Event source mappings, which feed functions from queues.

use serde_json::Value;

use super::{Compare, Difference, Kind, REVERT, Resource, Severity, Subject, property::Property};

const ROWS: &[Property] = &[
    Property::error(
        "/FunctionResponseTypes",
        "one failed job returns its whole batch to the queue: finished jobs run again",
    ),
    Property::error("/BatchSize", "batches do not match the function's timeout"),
    Property::warning("/MaximumBatchingWindowInSeconds", "jobs wait longer for their batch, or batches are smaller"),
    Property::error(
        "/ScalingConfig/MaximumConcurrency",
        "too many jobs run concurrently for the services they use, or too few run",
    ),
    Property::error("/EventSourceArn", "the function receives messages of another queue instead of this one"),
];

impl Compare<'_> {
    pub(super) fn mapping(&mut self, resource: &Resource, queue: &str, seen: &Value) {
        let stack = self.stack_name();
        let state = seen["State"].as_str().unwrap_or("Enabled");
        self.check(
            resource,
            (state != "Enabled").then(|| Difference {
                kind: Kind::MappingDisabled,
                severity: if state.starts_with("Disabl") { Severity::Error } else { Severity::Warning },
                found: format!("it is {state}"),
                expected: "Enabled".into(),
                breaks: format!(
                    "queue {queue} is paused: its jobs wait, and are lost when the queue's retention has passed"
                ),
                repair: match state.starts_with("Disabl") {
                    true => format!("`lamp resume {queue} --stack {stack}`, once the reason for the pause is gone"),
                    false => "Lambda is changing it: look again later".into(),
                },
            }),
        );
        let id = self.id(&resource.id);
        let by_hand = |property: &Property, expected: &Value| {
            let option = match (property.at, expected) {
                ("/FunctionResponseTypes", _) => "--function-response-types ReportBatchItemFailures".to_owned(),
                ("/BatchSize", _) => format!("--batch-size {expected}"),
                ("/ScalingConfig/MaximumConcurrency", Value::Null) => "--scaling-config '{}'".to_owned(),
                ("/ScalingConfig/MaximumConcurrency", _) => {
                    format!("--scaling-config MaximumConcurrency={expected}")
                }
                ("/MaximumBatchingWindowInSeconds", _) => format!("--maximum-batching-window-in-seconds {expected}"),
                _ => return REVERT.into(),
            };
            format!("`aws lambda update-event-source-mapping --uuid {id} {option}`")
        };
        // A window that the template does not set is zero.
        let mut resource = resource.clone();
        if resource.properties["MaximumBatchingWindowInSeconds"].is_null() {
            resource.properties["MaximumBatchingWindowInSeconds"] = 0.into();
        }
        self.properties(&resource, seen, Kind::MappingDrifted, ROWS, by_hand);
        let filters = seen["Filters"].as_u64().unwrap_or_default();
        self.check(
            &resource,
            (filters > 0).then(|| Difference {
                kind: Kind::MappingDrifted,
                severity: Severity::Error,
                found: format!("filters: {filters}"),
                expected: "none".into(),
                breaks: "Lambda deletes every message that matches no filter: these jobs are lost".into(),
                repair: format!("`aws lambda update-event-source-mapping --uuid {id} --filter-criteria '{{}}'`"),
            }),
        );
        self.mapped_function(&resource, seen);
    }

    /// Lambda returns the function's ARN; the template has its name.
    fn mapped_function(&mut self, resource: &Resource, seen: &Value) {
        let name = &resource.properties["FunctionName"];
        let of = |one: &&Resource| matches!(one.of, Subject::Function(_)) && one.properties["FunctionName"] == *name;
        let expected = self.resources.iter().find(of).and_then(|function| function.arn.clone());
        let (Some(expected), Some(found)) = (expected, seen["FunctionArn"].as_str()) else { return };
        self.check(
            resource,
            (found != expected).then(|| Difference {
                kind: Kind::MappingDrifted,
                severity: Severity::Error,
                found: format!("it feeds {found}"),
                expected: expected.clone(),
                breaks: "another function receives the queue's messages, and may not know its jobs".into(),
                repair: REVERT.into(),
            }),
        );
    }
}
