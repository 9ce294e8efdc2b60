//! A deployment as a SAM template.

mod alarms;
mod buckets;
mod dashboard;
mod encryption;
mod events;
mod functions;
pub(crate) mod names;
mod outputs;
mod parameters;
mod policy;
mod queues;
mod records;
mod roles;
mod scheduler;
mod secrets;
mod target;

use std::fmt;

use serde_json::Value;

use crate::{
    deployment::{Deployment, MAX_STACK_NAME},
    node::{Map, Node},
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
            .set("Parameters", parameters::parameters(deployment))
            .set("Conditions", parameters::conditions(deployment))
            .set("Globals", functions::globals(deployment))
            .set("Resources", resources(deployment))
            .set("Outputs", outputs::outputs(deployment));
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

fn resource(kind: &str, properties: Map) -> Map {
    Map::new().set("Type", kind).set("Properties", properties)
}

fn resource_if(condition: &str, kind: &str, properties: Map) -> Map {
    Map::new().set("Type", kind).set("Condition", condition).set("Properties", properties)
}

fn resources(deployment: &Deployment) -> Map {
    let mut resources = Map::new();
    for function in &deployment.functions {
        resources = resources.and(functions::resources(deployment, function));
        for queue in deployment.queues_of(&function.name) {
            resources = resources.and(queues::resources(deployment, queue));
        }
    }
    if deployment.keeps_records() {
        resources = resources.and(records::resources()).and(buckets::PAYLOADS.resources());
    }
    if deployment.has_objects() {
        resources = resources.and(buckets::OBJECTS.resources());
    }
    resources
        .and(events::resources(deployment))
        .and(scheduler::resources(deployment))
        .and(encryption::access(deployment))
        .and(secrets::access(deployment))
        .and(alarms::resources(deployment))
        .and(dashboard::resource(deployment))
}
