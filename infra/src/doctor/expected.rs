//! The expected stack: the template's resources, as the deployed stack should have them.

use std::collections::BTreeMap;

use lamplighter::Function;
use lamplighter_aws::{DeployedStack, lambda::About};
use serde_json::{Map, Value};

use super::resolve::Resolver;
use crate::{
    deployment::Deployment,
    sam::{Template, names},
};

/// The expected stack: a deployment, its template, and the code of its functions.
#[derive(Debug, Clone)]
pub struct Expected {
    pub(super) deployment: Deployment,
    pub(super) template: Value,
    pub(super) code: Vec<About>,
}

impl Expected {
    /// Returns the expected stack of a deployment of these functions.
    #[must_use]
    pub fn new(functions: &[Function], deployment: Deployment) -> Self {
        let template = Template::new(&deployment).to_json();
        Self { deployment, template, code: functions.iter().map(About::of).collect() }
    }

    /// Returns the template's resources, resolved for this stack.
    pub(super) fn resources(&self, stack: &DeployedStack) -> Vec<Resource> {
        let resolver = Resolver::new(&self.template, stack);
        let of = subjects(&self.deployment);
        let all = self.template["Resources"].as_object().into_iter().flatten();
        let all = all.filter(|(_, resource)| resolver.is_made(resource));
        all.map(|(id, resource)| {
            let kind = resource["Type"].as_str().unwrap_or_default();
            let is_function = kind == "AWS::Serverless::Function";
            let raw = match is_function {
                true => merged(&self.template["Globals"]["Function"], &resource["Properties"]),
                false => resource["Properties"].clone(),
            };
            let kind = if is_function { "AWS::Lambda::Function" } else { kind };
            Resource {
                id: id.clone(),
                kind: kind.into(),
                of: of.get(id).cloned().unwrap_or(Subject::Other),
                arn: resolver.arn(id),
                properties: resolver.value(&raw).unwrap_or_default(),
                raw,
            }
        })
        .collect()
    }
}

/// A resource that should exist.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    /// Its logical id.
    pub(super) id: String,
    /// Its type, as CloudFormation lists it.
    pub(super) kind: String,
    pub(super) of: Subject,
    pub(super) arn: Option<String>,
    /// Its properties as the stack should have them.
    pub(super) properties: Value,
    /// Its properties as the template has them.
    pub(super) raw: Value,
}

/// A resource's place in the definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Queue(String),
    DeadLetters(String),
    Undelivered,
    Function(String),
    Mapping(String),
    Role(String),
    SchedulerRole,
    /// A schedule, by its name in the definitions.
    Schedule(String),
    /// The rule for a function's events.
    Events(String),
    Table,
    Bus,
    Group,
    Other,
}

impl Resource {
    /// Returns its label, in terms of the definitions.
    pub(super) fn label(&self) -> String {
        match &self.of {
            Subject::Queue(name) => format!("queue {name}"),
            Subject::DeadLetters(queue) => format!("dead-letter queue of {queue}"),
            Subject::Undelivered => "queue for undelivered events".into(),
            Subject::Function(name) => format!("function {name}"),
            Subject::Mapping(queue) => format!("event source mapping of queue {queue}"),
            Subject::Role(function) => format!("role of function {function}"),
            Subject::SchedulerRole => "role of schedules".into(),
            Subject::Schedule(name) => format!("schedule {name}"),
            Subject::Events(function) => format!("rule for events of function {function}"),
            Subject::Table => "table of records".into(),
            Subject::Bus => "event bus".into(),
            Subject::Group => "group of schedules".into(),
            Subject::Other => label_of(&self.kind, &self.id),
        }
    }
}

/// Returns the label of a resource without a name in the definitions: `alarm ImagesAgeAlarm`.
pub(super) fn label_of(kind: &str, id: &str) -> String {
    let word = match kind.rsplit("::").next().unwrap_or_default() {
        "QueuePolicy" => "queue policy",
        "LogGroup" => "log group",
        "BucketPolicy" => "bucket policy",
        "EventInvokeConfig" => "failed calls",
        "Permission" => "permission to call",
        "Url" => "URL",
        other => return format!("{} {id}", other.to_lowercase()),
    };
    format!("{word} {id}")
}

fn subjects(deployment: &Deployment) -> BTreeMap<String, Subject> {
    let mut all = BTreeMap::new();
    for queue in &deployment.queues {
        all.insert(names::queue_id(&queue.name), Subject::Queue(queue.name.clone()));
        all.insert(names::dead_letters_id(&queue.name), Subject::DeadLetters(queue.name.clone()));
        all.insert(names::mapping_id(&queue.name), Subject::Mapping(queue.name.clone()));
    }
    for function in &deployment.functions {
        all.insert(names::function_id(&function.name), Subject::Function(function.name.clone()));
        all.insert(names::role_id(&function.name), Subject::Role(function.name.clone()));
        all.insert(names::events_rule_id(function), Subject::Events(function.name.clone()));
    }
    for schedule in &deployment.schedules {
        all.insert(names::schedule_id(schedule), Subject::Schedule(schedule.name.clone()));
    }
    all.insert(names::UNDELIVERED.into(), Subject::Undelivered);
    all.insert(names::TABLE.into(), Subject::Table);
    all.insert(names::BUS.into(), Subject::Bus);
    all.insert(names::SCHEDULE_GROUP.into(), Subject::Group);
    all.insert(names::SCHEDULER_ROLE.into(), Subject::SchedulerRole);
    all
}

/// Merges a function's properties with the global ones as SAM does (AWS SAM Developer Guide, "Globals section"): maps
/// are merged; otherwise the function's own value is used.
fn merged(all: &Value, own: &Value) -> Value {
    match (all, own) {
        (Value::Object(all), Value::Object(own)) if !is_call(all) && !is_call(own) => {
            let mut both = all.clone();
            for (name, value) in own {
                let value = both.get(name).map_or_else(|| value.clone(), |of_all| merged(of_all, value));
                both.insert(name.clone(), value);
            }
            Value::Object(both)
        }
        _ => own.clone(),
    }
}

fn is_call(fields: &Map<String, Value>) -> bool {
    fields.len() == 1 && fields.keys().all(|name| name == "Ref" || name.starts_with("Fn::"))
}
