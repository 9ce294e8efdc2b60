//! A deployment as a SAM template.

mod events;
mod functions;
mod policy;
mod queues;

use std::fmt;

use serde_json::Value;

use crate::{
    deployment::{DeployedSetting, Deployment, MAX_STACK_NAME, logical_name},
    node::{Map, Node, attribute, reference, sub},
    yaml,
};

/// A SAM template.
///
/// Written by `Display` and [`to_yaml`](Self::to_yaml) for people and CloudFormation, by [`to_json`](Self::to_json)
/// for programs.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Map);

/// Who made the file, and what to do in place of editing it.
const HEADER: &str = "\
# Made by `cargo lamp infra` from the functions and the job definitions. Do not edit: change a definition, run the
# command again, and commit both. `cargo lamp infra --check` tells whether this file is up to date.
";

impl Template {
    /// The template of a deployment.
    #[must_use]
    pub fn new(deployment: &Deployment) -> Self {
        let root = Map::new()
            .set("AWSTemplateFormatVersion", "2010-09-09")
            .set("Transform", "AWS::Serverless-2016-10-31")
            .set("Description", format!("Lamplighter. A stack's name has at most {MAX_STACK_NAME} characters."))
            .set("Parameters", parameters(deployment))
            .and(conditions(deployment))
            .set("Globals", functions::globals(deployment))
            .set("Resources", resources(deployment))
            .set("Outputs", outputs(deployment));
        Self(root)
    }

    /// The template as YAML, with short forms, and notes for people.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        format!("{HEADER}\n{}", yaml::document(&self.0))
    }

    /// The template as JSON, with CloudFormation's functions in their long form.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Node::Map(self.0.clone()).to_json()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_yaml())
    }
}

/// A name in the template that begins with the stack's.
fn named(name: &str, suffix: &str) -> Node {
    sub(format!("${{AWS::StackName}}-{name}{suffix}"))
}

fn resource(kind: &str, properties: Map) -> Map {
    Map::new().set("Type", kind).set("Properties", properties)
}

fn parameters(deployment: &Deployment) -> Map {
    let text =
        |about: &str, default: &str| Map::new().set("Type", "String").set("Description", about).set("Default", default);
    let mut parameters = Map::new()
        .set(
            "Architecture",
            text("The processors that the bootstraps were built for", "arm64")
                .set("AllowedValues", ["arm64", "x86_64"]),
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
                .set("Description", "How long logs are kept; one of the numbers that CloudWatch Logs knows")
                .set("Default", 30u16)
                .set("AllowedValues", [1u16, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731]),
        );
    if has_objects(deployment) {
        let about = "The bucket that jobs read and write objects in; empty to have one made";
        parameters = parameters.set("ObjectsBucket", text(about, ""));
    }
    for setting in settings(deployment) {
        let parameter = text(&setting.about, &setting.default).set_some("NoEcho", setting.secret.then_some(true));
        parameters = parameters.set(setting.parameter(), parameter);
    }
    parameters
}

fn conditions(deployment: &Deployment) -> Map {
    if !has_objects(deployment) {
        return Map::new();
    }
    let empty = crate::node::call("Equals", [reference("ObjectsBucket"), Node::from("")]);
    Map::new().set("Conditions", Map::new().set("MakesBucket", empty))
}

fn resources(deployment: &Deployment) -> Map {
    let mut resources = Map::new();
    for function in &deployment.functions {
        resources = resources.and(functions::resources(deployment, function));
        for queue in deployment.queues_of(&function.name) {
            resources = resources.and(queues::resources(deployment, queue));
        }
    }
    if has_objects(deployment) {
        resources = resources.and(functions::bucket());
    }
    resources.and(events::resources(deployment))
}

fn outputs(deployment: &Deployment) -> Map {
    let mut outputs = Map::new();
    for queue in &deployment.queues {
        let id = logical_name(&queue.name);
        let output = |about: String, value| Map::new().set("Description", about).set("Value", value);
        outputs = outputs
            .set(
                format!("{id}QueueUrl"),
                output(format!("Takes {}", queue.jobs.join(", ")), reference(queue_id(&queue.name))),
            )
            .set(
                format!("{id}DeadLettersUrl"),
                output(
                    format!("Messages of queue {} that were given up", queue.name),
                    reference(dead_letters_id(&queue.name)),
                ),
            );
    }
    if has_objects(deployment) {
        let about = "The bucket that jobs read and write objects in";
        outputs =
            outputs.set("ObjectsBucket", Map::new().set("Description", about).set("Value", functions::bucket_name()));
    }
    outputs
}

fn has_objects(deployment: &Deployment) -> bool {
    deployment.functions.iter().any(|function| function.objects)
}

/// All settings, each once.
fn settings(deployment: &Deployment) -> Vec<&DeployedSetting> {
    let mut all: Vec<_> = deployment.functions.iter().flat_map(|function| &function.settings).collect();
    all.sort_by(|a, b| a.variable.cmp(&b.variable));
    all.dedup_by(|a, b| a.variable == b.variable);
    all
}

fn function_id(name: &str) -> String {
    format!("{}Function", logical_name(name))
}

fn role_id(name: &str) -> String {
    format!("{}Role", logical_name(name))
}

fn logs_id(name: &str) -> String {
    format!("{}Logs", logical_name(name))
}

fn queue_id(name: &str) -> String {
    format!("{}Queue", logical_name(name))
}

fn dead_letters_id(name: &str) -> String {
    format!("{}DeadLetters", logical_name(name))
}

fn logs_arn(function: &str) -> Node {
    attribute(&logs_id(function), "Arn")
}
