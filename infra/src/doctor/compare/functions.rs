//! Functions: configuration, environment, and permissions to call them.

use lamplighter::DashboardFunction;
use serde_json::{Value, json};

use super::{Compare, DEPLOY, Difference, Kind, REVERT, Resource, Severity, Subject, property::Property};
use crate::{
    deployment::variables,
    doctor::{
        policy::{missing, statements},
        resolve::is_known,
    },
    sam::names::function_id,
};

const ROWS: &[Property] = &[
    Property::error("/Timeout", "Lambda stops the function while jobs run, and their whole batch is delivered again"),
    Property::error("/MemorySize", "jobs run out of memory, are slower, or cost more"),
    Property::error("/Runtime", "the bootstrap may not start"),
    Property::error("/Handler", "the bootstrap may not start"),
    Property::error("/Architectures", "the bootstrap does not start on another processor"),
    Property::error("/Role", "the function lacks the permissions of its own role"),
    Property::error("/KmsKeyArn", "its settings are encrypted with the wrong key"),
    Property::warning("/Tracing", "traces of its invocations are missing, or cost more"),
    Property::warning("/LoggingConfig/LogFormat", "its logs cannot be searched as JSON"),
    Property::warning("/LoggingConfig/LogGroup", "its logs are in another log group"),
];

const CALLS: &[Property] = &[
    Property::error("/DestinationConfig/OnFailure/Destination", "events that the function fails on are lost"),
    Property::warning("/MaximumRetryAttempts", "events that it fails on are retried too often or too rarely"),
    Property::warning("/MaximumEventAgeInSeconds", "retries of events end too early or too late"),
];

/// A URL that is open to anybody is an error: the function then only has the name that a session cookie says.
const URL: &[Property] = &[
    Property::error("/AuthType", "strangers reach the dashboard, or those who may use it do not"),
    Property::warning("/InvokeMode", "answers are sent piece by piece, and billed until the last one"),
    Property::error("/Cors/AllowOrigins", "pages of other sites may read what the dashboard shows"),
];

impl Compare<'_> {
    pub(super) fn url(&mut self, resource: &Resource, seen: &Value) {
        let function = self.id(&function_id(DashboardFunction::NAME));
        self.properties(resource, seen, Kind::UrlDrifted, URL, |property, expected| {
            let option = match property.at {
                "/AuthType" => "--auth-type",
                "/InvokeMode" => "--invoke-mode",
                _ => return REVERT.into(),
            };
            let expected = expected.as_str().unwrap_or_default();
            format!("`aws lambda update-function-url-config --function-name {function} {option} {expected}`")
        });
    }

    pub(super) fn function(&mut self, resource: &Resource, name: &str, seen: &Value) {
        let own = self.id(&resource.id);
        self.state_of(resource, seen);
        self.properties(resource, seen, Kind::FunctionDrifted, ROWS, |property, expected| {
            let option = match property.at {
                "/Timeout" => "--timeout",
                "/MemorySize" => "--memory-size",
                "/Role" => "--role",
                "/Handler" => "--handler",
                _ => return REVERT.into(),
            };
            let expected = expected.as_str().map_or_else(|| expected.to_string(), ToOwned::to_owned);
            format!("`aws lambda update-function-configuration --function-name {own} {option} {expected}`")
        });
        self.environment(resource, seen);
        self.recursion(resource, seen);
        self.concurrency(resource, name, seen);
        self.callers(resource, seen);
    }

    fn state_of(&mut self, resource: &Resource, seen: &Value) {
        for (state, reason, well) in [
            ("State", "StateReason", &["Active", "Inactive"][..]),
            ("LastUpdateStatus", "LastUpdateStatusReason", &["Successful"]),
        ] {
            let Some(found) = seen[state].as_str() else { continue };
            let why =
                seen[reason].as_str().filter(|why| !why.is_empty()).map_or_else(String::new, |why| format!(": {why}"));
            let changing = matches!(found, "Pending" | "InProgress");
            self.check(
                resource,
                (!well.contains(&found)).then(|| Difference {
                    kind: Kind::FunctionNotReady,
                    severity: if changing { Severity::Warning } else { Severity::Error },
                    found: format!("{state} {found}{why}"),
                    expected: well.first().copied().unwrap_or_default().into(),
                    breaks: "it does not run, or runs as it was before its last update".into(),
                    repair: match changing {
                        true => "Lambda is changing it: look again later".into(),
                        false => "fix the reason that Lambda shows, and `sam deploy`".into(),
                    },
                }),
            );
        }
    }

    /// Values set at deployment are never shown: they may be secret.
    fn environment(&mut self, resource: &Resource, seen: &Value) {
        let Some(found) = seen["Environment"]["Variables"].as_object() else { return };
        let expected = resource.properties["Environment"]["Variables"].as_object();
        for (variable, expected) in expected.into_iter().flatten() {
            let value = found.get(variable);
            // Lambda does not distinguish an empty variable from one that is not set.
            let same = !is_known(expected) || value.unwrap_or(&json!("")) == expected;
            let there = value.is_some() || (is_known(expected) && expected == "");
            let shown = |value: &Value| match variables::ALL.contains(&&**variable) {
                true => format!("{variable} {}", value.as_str().unwrap_or_default()),
                false => format!("{variable} has another value"),
            };
            self.check(
                resource,
                (!there || !same).then(|| Difference {
                    kind: Kind::FunctionDrifted,
                    severity: Severity::Error,
                    found: value.filter(|_| there).map_or_else(|| format!("no variable {variable}"), shown),
                    expected: match variables::ALL.contains(&&**variable) && is_known(expected) {
                        true => shown(expected),
                        false => format!("{variable} as the stack's parameters and definitions have it"),
                    },
                    breaks: "the function does not find a resource or setting, or uses a wrong one".into(),
                    repair: format!("{REVERT}; where the definitions have changed: {DEPLOY}"),
                }),
            );
        }
    }

    fn recursion(&mut self, resource: &Resource, seen: &Value) {
        let own = self.id(&resource.id);
        let (Some(found), Some(expected)) =
            (seen["RecursiveLoop"].as_str(), resource.properties["RecursiveLoop"].as_str())
        else {
            return;
        };
        self.check(
            resource,
            (found != expected).then(|| Difference {
                kind: Kind::RecursionGuard,
                severity: Severity::Error,
                found: format!("RecursiveLoop {found}"),
                expected: format!("RecursiveLoop {expected}"),
                breaks: "Lambda drops a job that ends a chain of about 16 jobs, each enqueued by the one before".into(),
                repair: format!(
                    "`aws lambda put-function-recursion-config --function-name {own} --recursive-loop {expected}`"
                ),
            }),
        );
    }

    fn concurrency(&mut self, resource: &Resource, name: &str, seen: &Value) {
        let Some(reserved) = seen.get("ReservedConcurrency") else { return };
        let own = self.id(&resource.id);
        let of_function =
            |queue: &&crate::DeployedQueue| queue.function == name && queue.host != lamplighter::QueueHost::Worker;
        let most = |queue: &crate::DeployedQueue| queue.max_concurrency.map(u64::from);
        let needed: u64 = self.expected.deployment.queues.iter().filter(of_function).filter_map(most).sum();
        let reserved = reserved.as_u64();
        let difference = reserved.filter(|reserved| *reserved == 0 || *reserved < needed).map(|reserved| Difference {
            kind: Kind::FunctionThrottled,
            severity: Severity::Error,
            found: format!("{reserved} concurrent invocations are reserved for it"),
            expected: match needed {
                0 => "none reserved".into(),
                _ => format!("none reserved, or the {needed} that its queues may use"),
            },
            breaks: match reserved {
                0 => "it never runs, and its jobs wait until they are lost".into(),
                _ => "messages are received and refused, and are dead-lettered without having run".into(),
            },
            repair: format!("`aws lambda delete-function-concurrency --function-name {own}`"),
        });
        self.check(resource, difference);
    }

    /// Checks the permissions of the rules that call it.
    fn callers(&mut self, resource: &Resource, seen: &Value) {
        let Some(found) = seen.get("Policy") else { return };
        let own = self.id(&resource.id);
        let of = |one: &&Resource| one.kind == "AWS::Lambda::Permission" && one.properties["FunctionName"] == own;
        for permission in self.resources.iter().filter(of) {
            let source = &permission.properties["SourceArn"];
            let expected = json!({
                "Effect": "Allow",
                "Principal": { "Service": permission.properties["Principal"] },
                "Action": permission.properties["Action"],
                "Resource": resource.arn,
                "Condition": { "ArnLike": { "AWS:SourceArn": source } },
            });
            let lost = !missing([&expected], statements(found)).is_empty();
            let source = source.as_str().unwrap_or_default();
            self.check(
                resource,
                lost.then(|| Difference {
                    kind: Kind::InvokePermission,
                    severity: Severity::Error,
                    found: format!("its policy does not let {source} call it"),
                    expected: "EventBridge may call it for that rule".into(),
                    breaks: "the rule starts nothing; its events go to the queue for undelivered events".into(),
                    repair: format!(
                        "`aws lambda add-permission --function-name {own} --statement-id {} --action \
                         lambda:InvokeFunction --principal events.amazonaws.com --source-arn {source}`",
                        permission.id
                    ),
                }),
            );
        }
    }

    pub(super) fn calls(&mut self, resource: &Resource, seen: &Value) {
        let function = resource.properties["FunctionName"].as_str().unwrap_or_default();
        let mut resource = resource.clone();
        let of = |one: &&Resource| one.properties["FunctionName"] == function && matches!(one.of, Subject::Function(_));
        if let Some(owner) = self.resources.iter().find(of) {
            resource.of = owner.of.clone();
        }
        self.properties(&resource, seen, Kind::FailedCalls, CALLS, |property, expected| {
            let expected = expected.as_str().map_or_else(|| expected.to_string(), ToOwned::to_owned);
            let option = match property.at {
                "/MaximumRetryAttempts" => format!("--maximum-retry-attempts {expected}"),
                "/MaximumEventAgeInSeconds" => format!("--maximum-event-age-in-seconds {expected}"),
                _ => format!("--destination-config OnFailure={{Destination={expected}}}"),
            };
            format!("`aws lambda update-function-event-invoke-config --function-name {function} {option}`")
        });
    }
}
