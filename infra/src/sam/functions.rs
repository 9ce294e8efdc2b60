//! Functions with their roles and logs, and the bucket for objects.

use super::{
    dead_letters_id, events::UNDELIVERED, function_id, logs_arn, logs_id, named, policy, queue_id, resource, role_id,
};
use crate::{
    deployment::{DeployedFunction, Deployment, logical_name},
    node::{Map, Node, arn, call, reference, sub},
};

/// What all functions have in common.
pub(super) fn globals(deployment: &Deployment) -> Map {
    let variables = Map::new().set("LAMPLIGHTER_QUEUES", queue_map(deployment));
    let function = Map::new()
        .set("Runtime", "provided.al2023")
        .set("Handler", "bootstrap")
        .set("Architectures", [reference("Architecture")])
        .set("Environment", Map::new().set("Variables", variables));
    Map::new().set("Function", function)
}

/// Where the queues are, so that a job can enqueue others anywhere.
fn queue_map(deployment: &Deployment) -> Node {
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
        .and(environment(function))
        .set("LoggingConfig", logging)
        // Jobs may beget jobs; a message's own count of hops ends what goes round for ever.
        .set("RecursiveLoop", "Allow");
    let code = Map::new()
        .set("Type", "AWS::Serverless::Function")
        // `cargo lambda build` has built it.
        .set("Metadata", Map::new().set("SkipBuild", true))
        .set("Properties", properties);
    let logs = Map::new()
        .set("LogGroupName", sub(format!("/aws/lambda/${{AWS::StackName}}-{name}")))
        .set("RetentionInDays", reference("LogRetentionDays"));
    Map::new()
        .set(function_id(name), code)
        .set(role_id(name), role(deployment, function))
        .set(logs_id(name), resource("AWS::Logs::LogGroup", logs))
        .and(asynchronous_calls(deployment, function))
}

fn environment(function: &DeployedFunction) -> Map {
    let mut variables = Map::new();
    if function.objects {
        let bucket = Map::new().set("Bucket", bucket_name());
        variables = variables.set("LAMPLIGHTER_OBJECTS", sub(vec![Node::from("s3://${Bucket}"), bucket.into()]));
    }
    for (variable, value) in &function.variables {
        variables = variables.set(variable, value.as_str());
    }
    for setting in &function.settings {
        variables = variables.set(&setting.variable, reference(setting.parameter()));
    }
    match variables.is_empty() {
        true => Map::new(),
        false => Map::new().set("Environment", Map::new().set("Variables", variables)),
    }
}

/// A role that may do what the function does, and no more.
fn role(deployment: &Deployment, function: &DeployedFunction) -> Map {
    let own: Vec<_> = deployment.queues_of(&function.name).collect();
    let queues = own.iter().map(|queue| arn(&queue_id(&queue.name))).collect();
    let dead_letters = own.iter().map(|queue| arn(&dead_letters_id(&queue.name))).collect();
    let everywhere = deployment.queues.iter().map(|queue| arn(&queue_id(&queue.name))).collect();
    let mut statements = vec![
        policy::allow("WriteLogs", ["logs:CreateLogStream", "logs:PutLogEvents"], vec![logs_arn(&function.name)]),
        policy::allow(
            "TakeMessages",
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"],
            queues,
        ),
        policy::allow("BuryMessages", ["sqs:SendMessage"], dead_letters),
        policy::allow("EnqueueJobs", ["sqs:SendMessage"], everywhere),
    ];
    if deployment.is_called_by_events(function) {
        statements.push(policy::allow("KeepFailedEvents", ["sqs:SendMessage"], vec![arn(UNDELIVERED)]));
    }
    if function.objects {
        let bucket = |path: &str| {
            let text = format!("arn:${{AWS::Partition}}:s3:::${{Bucket}}{path}");
            sub(vec![Node::from(text), Map::new().set("Bucket", bucket_name()).into()])
        };
        statements.push(policy::allow("UseObjects", ["s3:GetObject", "s3:PutObject"], vec![bucket("/*")]));
        // Without it, an object that is not there looks like one that must not be read.
        statements.push(policy::allow("ListObjects", ["s3:ListBucket"], vec![bucket("")]));
    }
    let trust = policy::document(vec![policy::allow_service("lambda.amazonaws.com", "sts:AssumeRole")]);
    let properties =
        Map::new().set("AssumeRolePolicyDocument", trust).set("Policies", [policy::inline(&function.name, statements)]);
    resource("AWS::IAM::Role", properties)
}

/// Where an event goes that the function fails on: EventBridge hands it over and does not wait, Lambda tries it twice
/// more and would then forget it.
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

/// The bucket for objects: kept when the stack goes, like everything that cannot be made again.
pub(super) fn bucket() -> Map {
    let encryption = Map::new().set(
        "ServerSideEncryptionConfiguration",
        [Map::new().set("ServerSideEncryptionByDefault", Map::new().set("SSEAlgorithm", "AES256"))],
    );
    let private = ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
        .into_iter()
        .fold(Map::new(), |map, name| map.set(name, true));
    let bucket = Map::new()
        .set("Type", "AWS::S3::Bucket")
        .set("Condition", "MakesBucket")
        .set("DeletionPolicy", "Retain")
        .set("UpdateReplacePolicy", "Retain")
        .set(
            "Properties",
            Map::new().set("BucketEncryption", encryption).set("PublicAccessBlockConfiguration", private),
        );
    Map::new().set("Objects", bucket)
}

pub(super) fn bucket_name() -> Node {
    call("If", vec![Node::from("MakesBucket"), reference("Objects"), reference("ObjectsBucket")])
}
