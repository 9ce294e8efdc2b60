//! Functions and their logs.

use super::{
    buckets::{OBJECTS, PAYLOADS},
    dashboard_function, encryption,
    names::{
        BUS, SCHEDULE_GROUP, SCHEDULER_ROLE, TABLE, UNDELIVERED, dead_letters_id, function_id, logs_id, named,
        queue_id, role_id,
    },
    parameters, resource, roles,
};
use crate::{
    deployment::{DeployedFunction, Deployment, logical_name, variables},
    node::{Map, Node, arn, reference, sub},
};

/// Returns the properties shared by all functions.
pub(super) fn globals(deployment: &Deployment) -> Map {
    let variables = Map::new()
        .set(variables::QUEUES, queue_map(deployment))
        .set(variables::METRICS, reference(parameters::METRICS));
    let function = Map::new()
        .set("Runtime", "provided.al2023")
        .set("Handler", "bootstrap")
        .set("Architectures", [reference("Architecture")])
        .set("Environment", Map::new().set("Variables", variables))
        .set("KmsKeyArn", encryption::key())
        .set("Tracing", reference("Tracing"));
    Map::new().set("Function", function)
}

/// Returns the URLs of all queues, so that a job can enqueue on any of them.
pub(super) fn queue_map(deployment: &Deployment) -> Node {
    let last = deployment.queues.len().saturating_sub(1);
    let lines = deployment.queues.iter().enumerate().map(|(index, queue)| {
        let open = if index == 0 { "{" } else { "" };
        let close = if index == last { "}" } else { "," };
        let (url, dead) = (queue_id(&queue.name), dead_letters_id(&queue.name));
        format!(r#"{open}"{}":{{"url":"${{{url}}}","dlq":"${{{dead}}}"}}{close}"#, queue.name)
    });
    match deployment.queues.is_empty() {
        true => "{}".into(),
        false => sub(Node::Folded(lines.collect())),
    }
}

pub(super) fn resources(deployment: &Deployment, function: &DeployedFunction) -> Map {
    let name = &function.name;
    let logging = Map::new()
        .set("LogFormat", "JSON")
        .set("ApplicationLogLevel", reference("LogLevel"))
        .set("LogGroup", reference(logs_id(name)));
    let properties = Map::new()
        .set("FunctionName", named(name, ""))
        .set_some("Description", (!function.description.is_empty()).then_some(function.description.as_str()))
        .set("CodeUri", format!("../target/lambda/{name}/"))
        .set("MemorySize", function.memory_mb)
        .set("Timeout", function.timeout_secs)
        .set("Role", arn(&role_id(name)))
        .and(environment(deployment, function))
        .set("LoggingConfig", logging)
        // Jobs may enqueue jobs; the message's count of hops ends endless chains.
        .set("RecursiveLoop", "Allow");
    let code = Map::new()
        .set("Type", "AWS::Serverless::Function")
        // `cargo lambda build` builds it.
        .set("Metadata", Map::new().set("SkipBuild", true))
        .set("Properties", properties);
    let logs = Map::new()
        .set("LogGroupName", sub(format!("/aws/lambda/${{AWS::StackName}}-{name}")))
        .set("RetentionInDays", reference("LogRetentionDays"))
        .set("KmsKeyId", encryption::key());
    Map::new()
        .set(function_id(name), code)
        .set(role_id(name), roles::of(deployment, function))
        .set(logs_id(name), resource("AWS::Logs::LogGroup", logs))
        .and(asynchronous_calls(deployment, function))
}

fn environment(deployment: &Deployment, function: &DeployedFunction) -> Map {
    let variables = variables(deployment, function);
    match variables.is_empty() {
        true => Map::new(),
        false => Map::new().set("Environment", Map::new().set("Variables", variables)),
    }
}

/// Returns the variables that are not shared by all.
pub(super) fn variables(deployment: &Deployment, function: &DeployedFunction) -> Map {
    let mut variables = Map::new();
    if function.objects {
        variables = variables.set(variables::OBJECTS, OBJECTS.sub("s3://${Bucket}"));
    }
    if function.tracked {
        variables = variables
            .set(variables::TABLE, reference(TABLE))
            .set(variables::EVENT_BUS, reference(BUS))
            .set(variables::PAYLOADS, PAYLOADS.name())
            .set(variables::WARM_UP, "1");
    }
    if deployment.delays_by_schedules(function) {
        variables = variables
            .set(variables::SCHEDULE_GROUP, reference(SCHEDULE_GROUP))
            .set(variables::SCHEDULER_ROLE, arn(SCHEDULER_ROLE))
            .set(variables::UNDELIVERED, arn(UNDELIVERED));
    }
    variables = variables.and(dashboard_function::variables(deployment, function));
    for (variable, value) in &function.variables {
        variables = variables.set(variable, value.as_str());
    }
    for setting in &function.settings {
        variables = variables.set(&setting.variable, reference(setting.parameter()));
    }
    variables
}

/// Returns the destination of events that the function fails on: EventBridge calls it asynchronously, and Lambda would
/// drop an event after two retries.
fn asynchronous_calls(deployment: &Deployment, function: &DeployedFunction) -> Map {
    if !deployment.is_called_by_events(function) {
        return Map::new();
    }
    let failure = Map::new().set("OnFailure", Map::new().set("Destination", arn(UNDELIVERED)));
    let properties = Map::new()
        .set("FunctionName", reference(function_id(&function.name)))
        .set("Qualifier", "$LATEST")
        .set("MaximumRetryAttempts", 2u16)
        .set("MaximumEventAgeInSeconds", 21_600u16)
        .set("DestinationConfig", failure);
    let id = format!("{}Calls", logical_name(&function.name));
    Map::new().set(id, resource("AWS::Lambda::EventInvokeConfig", properties))
}
