//! Parameters and conditions.

use super::{
    alarms::{ALARM_TOPIC, HAS_ALARM_TOPIC},
    buckets::{OBJECTS, PAYLOADS},
    dashboard_function,
    encryption::{HAS_KEY, KEY},
    secrets, workers,
};
use crate::{
    deployment::{DeployedSetting, Deployment},
    node::{Map, Node, call, reference},
};

/// The retention periods of CloudWatch Logs in days (Amazon CloudWatch Logs API Reference, PutRetentionPolicy), up to
/// two years.
const LOG_DAYS: [u16; 15] = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731];

/// The parameter for [`variables::METRICS`](crate::deployment::variables::METRICS).
pub(super) const METRICS: &str = "Metrics";
/// The condition that functions write metrics.
pub(super) const HAS_METRICS: &str = "HasMetrics";

pub(super) fn parameters(deployment: &Deployment) -> Map {
    let mut parameters = Map::new()
        .set(
            ALARM_TOPIC,
            text("The ARN of the SNS topic that alarms are sent to; empty to send them nowhere", "")
                .set("AllowedPattern", "^(arn:[^:]+:sns:[^:]+:[0-9]+:.+)?$"),
        )
        .set(
            "Architecture",
            text("The processors that the bootstraps were built for", "arm64")
                .set("AllowedValues", ["arm64", "x86_64"]),
        )
        .set(
            KEY,
            text(
                "The ARN of the KMS key that queues, records, objects, events, logs and settings are encrypted with; \
                 empty to use the services' keys",
                "",
            )
            .set("AllowedPattern", "^(arn:[^:]+:kms:[^:]+:[0-9]+:key/.+)?$"),
        )
        .set(
            "LogLevel",
            text("The least severe log lines that are kept", "INFO")
                .set("AllowedValues", ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]),
        )
        .set(
            "LogRetentionDays",
            Map::new()
                .set("Type", "Number")
                .set("Description", "How many days logs are kept; one of the numbers that CloudWatch Logs accepts")
                .set("Default", 30u16)
                .set("AllowedValues", LOG_DAYS),
        )
        .set(
            METRICS,
            text(
                "What the summary of each invocation is for: a line of the log (log), metrics of CloudWatch too \
                 (cloudwatch), which are billed each month, or nothing (off)",
                "log",
            )
            .set("AllowedValues", ["log", "cloudwatch", "off"]),
        );
    if deployment.has_objects() {
        let about = "The bucket that jobs read and write objects in; empty to create one";
        parameters = parameters.set(OBJECTS.parameter, text(about, ""));
    }
    if deployment.keeps_records() {
        let about = "The bucket for arguments that are too large for a message; empty to create one";
        parameters = parameters.set(PAYLOADS.parameter, text(about, ""));
    }
    parameters = parameters.and(secrets::parameters(deployment)).set(
        "Tracing",
        text("Whether X-Ray traces a share of all invocations (Active), or only what the caller traces", "Active")
            .set("AllowedValues", ["Active", "PassThrough"]),
    );
    for setting in settings(deployment) {
        let parameter = text(&secrets::about(setting), &setting.default)
            .set_some("NoEcho", setting.secret.then_some(true))
            .and(secrets::parameter(setting));
        parameters = parameters.set(setting.parameter(), parameter);
    }
    parameters.and(dashboard_function::parameters(deployment)).and(workers::parameters(deployment))
}

fn text(about: &str, default: &str) -> Map {
    Map::new().set("Type", "String").set("Description", about).set("Default", default)
}

pub(super) fn conditions(deployment: &Deployment) -> Map {
    let empty = |parameter: &str| call("Equals", vec![reference(parameter), Node::from("")]);
    let given = |parameter: &str| call("Not", vec![empty(parameter)]);
    let mut conditions = Map::new().set(HAS_ALARM_TOPIC, given(ALARM_TOPIC)).set(HAS_KEY, given(KEY));
    let metrics = call("Equals", vec![reference(METRICS), Node::from("cloudwatch")]);
    conditions = conditions.set(HAS_METRICS, metrics);
    if deployment.has_objects() {
        conditions = conditions.set(OBJECTS.is_made, empty(OBJECTS.parameter));
    }
    if deployment.keeps_records() {
        conditions = conditions.set(PAYLOADS.is_made, empty(PAYLOADS.parameter));
    }
    conditions
        .and(secrets::conditions(deployment))
        .and(dashboard_function::conditions(deployment))
        .and(workers::conditions(deployment))
}

/// Returns all settings, without duplicates.
fn settings(deployment: &Deployment) -> Vec<&DeployedSetting> {
    let mut all: Vec<_> = deployment.consumers().flat_map(|function| &function.settings).collect();
    all.sort_by(|a, b| a.variable.cmp(&b.variable));
    all.dedup_by(|a, b| a.variable == b.variable);
    all
}
