//! The dashboard's function: its URL, who may call it, and what it may do.

use lamplighter::{DashboardFunction, QueueHost};

use super::{
    names::{dead_letters_id, function_id, mapping_id, queue_id},
    policy, records, resource, resource_if,
};
use crate::{
    deployment::{DeployedFunction, DeployedSetting, Deployment, variables},
    node::{Map, Node, arn, attribute, call, either, reference, sub},
};

/// The parameter for who is asked who calls: AWS, or the function.
pub(crate) const AUTH_TYPE: &str = "DashboardAuthType";
/// The condition that anybody may call, and the function asks people to sign in.
const IS_PUBLIC: &str = "DashboardIsPublic";
/// The condition that browsers reach the dashboard under a URL of its own.
const HAS_PUBLIC_URL: &str = "HasDashboardPublicUrl";
/// The URL.
pub(crate) const URL: &str = "DashboardUrl";
const POLICY: &str = "DashboardPolicy";

fn parameter(setting: lamplighter::Setting) -> String {
    DeployedSetting::parameter_of(setting.variable)
}

/// Returns the function that is the dashboard, if there is one.
fn of(deployment: &Deployment) -> Option<&DeployedFunction> {
    deployment.functions.iter().find(|function| function.dashboard)
}

pub(super) fn parameters(deployment: &Deployment) -> Map {
    if of(deployment).is_none() {
        return Map::new();
    }
    let about = "Who may call the dashboard's URL: callers whom IAM allows to (AWS_IAM), or anybody (NONE), which is \
                 refused unless people sign in with the OpenID provider of DashboardIssuer";
    let auth = Map::new()
        .set("Type", "String")
        .set("Description", about)
        .set("Default", "AWS_IAM")
        .set("AllowedValues", ["AWS_IAM", "NONE"]);
    Map::new().set(AUTH_TYPE, auth)
}

/// `NONE` without an OpenID provider stays `AWS_IAM`: a dashboard that nobody guards is not deployed.
pub(super) fn conditions(deployment: &Deployment) -> Map {
    if of(deployment).is_none() {
        return Map::new();
    }
    let equals = |parameter: &str, value: &str| call("Equals", vec![reference(parameter), Node::from(value)]);
    let given = |setting| call("Not", vec![equals(&parameter(setting), "")]);
    Map::new()
        .set(
            IS_PUBLIC,
            call(
                "And",
                vec![
                    equals(AUTH_TYPE, "NONE"),
                    given(DashboardFunction::ISSUER),
                    given(DashboardFunction::CLIENT_ID),
                    given(DashboardFunction::SESSION_SECRET),
                ],
            ),
        )
        .set(HAS_PUBLIC_URL, given(DashboardFunction::PUBLIC_URL))
}

pub(super) fn resources(deployment: &Deployment) -> Map {
    let Some(function) = of(deployment) else { return Map::new() };
    let id = function_id(&function.name);
    let url = Map::new()
        .set("TargetFunctionArn", arn(&id))
        .set("AuthType", either(IS_PUBLIC, "NONE", "AWS_IAM"))
        .set("InvokeMode", "BUFFERED");
    let open = |action: &str| {
        Map::new().set("FunctionName", reference(&id)).set("Principal", "*").set("Action", action.to_owned())
    };
    // Both are needed since October 2025 (AWS Lambda Developer Guide, "Control access to Lambda function URLs").
    let open_url = open("lambda:InvokeFunctionUrl").set("FunctionUrlAuthType", "NONE");
    let open_function = open("lambda:InvokeFunction").set("InvokedViaFunctionUrl", true);
    let kind = "AWS::Lambda::Permission";
    Map::new()
        .set(URL, resource("AWS::Lambda::Url", url))
        .set("DashboardOpenUrl", resource_if(IS_PUBLIC, kind, open_url))
        .set("DashboardOpenFunction", resource_if(IS_PUBLIC, kind, open_function))
        .set(POLICY, resource("AWS::IAM::ManagedPolicy", callers(&id)))
}

/// What a person or program needs to call the URL. Calls that do not come through it are not allowed: their payload could
/// say that anybody calls.
fn callers(function: &str) -> Map {
    let condition = |operator: &str, key: &str, value: &str| {
        Map::new().set("Condition", Map::new().set(operator, Map::new().set(key, value)))
    };
    let url = policy::allow("OpenDashboard", ["lambda:InvokeFunctionUrl"], vec![arn(function)]).and(condition(
        "StringEquals",
        "lambda:FunctionUrlAuthType",
        "AWS_IAM",
    ));
    let invoke = policy::allow("ThroughItsUrl", ["lambda:InvokeFunction"], vec![arn(function)]).and(condition(
        "Bool",
        "lambda:InvokedViaFunctionUrl",
        "true",
    ));
    Map::new()
        .set("Description", "Calling the dashboard; what a caller may do there is said by its rights")
        .set("PolicyDocument", policy::document(vec![url, invoke]))
}

pub(super) fn outputs(deployment: &Deployment) -> Map {
    if of(deployment).is_none() {
        return Map::new();
    }
    let output = |about: &str, value: Node| Map::new().set("Description", about).set("Value", value);
    let own = attribute(URL, "FunctionUrl");
    let url = either(HAS_PUBLIC_URL, reference(parameter(DashboardFunction::PUBLIC_URL)), own);
    Map::new()
        .set("DashboardUrl", output("The dashboard", url))
        .set("DashboardPolicyArn", output("The policy for those who may call the dashboard", reference(POLICY)))
}

/// Returns the variables for the functions whose metrics the dashboard reads, and for its forms: other sites cannot guess the
/// stack's id.
pub(super) fn variables(deployment: &Deployment, function: &DeployedFunction) -> Map {
    if !function.dashboard {
        return Map::new();
    }
    let others = deployment.functions.iter().filter(|other| !other.dashboard);
    let names: Vec<_> = others.map(|other| format!("${{{}}}", function_id(&other.name))).collect();
    let forms = Map::new().set(DashboardFunction::FORMS, reference("AWS::StackId"));
    match names.is_empty() {
        true => forms,
        false => Map::new().set(variables::FUNCTIONS, sub(names.join(","))).and(forms),
    }
}

/// Returns the permissions to operate all queues, besides those for records, schedules and sending.
pub(super) fn rights(deployment: &Deployment) -> Vec<Map> {
    let queues = || deployment.queues.iter().map(|queue| arn(&queue_id(&queue.name)));
    let dead_letters = || deployment.queues.iter().map(|queue| arn(&dead_letters_id(&queue.name)));
    let of_host =
        |worker: bool| deployment.queues.iter().filter(move |queue| (queue.host == QueueHost::Worker) == worker);
    let mut statements = Vec::new();
    if !deployment.queues.is_empty() {
        statements.push(policy::allow(
            "WatchQueues",
            ["sqs:GetQueueAttributes", "sqs:ListQueueTags"],
            queues().chain(dead_letters()).collect(),
        ));
        let actions = [
            "sqs:ReceiveMessage",
            "sqs:DeleteMessage",
            "sqs:ChangeMessageVisibility",
            "sqs:StartMessageMoveTask",
            "sqs:ListMessageMoveTasks",
            "sqs:CancelMessageMoveTask",
        ];
        statements.push(policy::allow("SettleDeadLetters", actions, dead_letters().collect()));
    }
    let polled: Vec<Node> = of_host(true).map(|queue| arn(&queue_id(&queue.name))).collect();
    if !polled.is_empty() {
        statements.push(policy::allow("PauseWorkers", ["sqs:TagQueue", "sqs:UntagQueue"], polled));
    }
    let mappings: Vec<Node> = of_host(false).map(|queue| mapping_arn(&queue.name)).collect();
    if !mappings.is_empty() {
        let actions = ["lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"];
        statements.push(policy::allow("PauseQueues", actions, mappings));
    }
    // AWS cannot limit these to a resource (Service Authorization Reference, "AWS Lambda" and "Amazon CloudWatch").
    let reads = ["cloudwatch:GetMetricData", "cloudwatch:ListMetrics", "lambda:ListEventSourceMappings"];
    statements.push(policy::allow("ReadMetrics", reads, vec!["*".into()]));
    // Operations that have not ended are found there.
    statements.push(policy::allow("FindWhatIsDue", ["dynamodb:Query"], vec![records::due_arn()]));
    statements
}

fn mapping_arn(queue: &str) -> Node {
    sub(format!(
        "arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:event-source-mapping:${{{}}}",
        mapping_id(queue)
    ))
}
