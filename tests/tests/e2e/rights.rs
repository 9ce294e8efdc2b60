//! What the deployed roles must not be able to do. The other tests show what they can do, since policies are enforced.

use aws_sdk_sqs::config::Credentials;
use hyper::{Method, Request, Response};
use lamplighter_tests::ministack::Stack;
use serde_json::{Value, json};

use crate::{cloud::Cloud, deployed::stack};

/// A call: service, target or path, body.
enum Call {
    /// In a protocol with the action in a header.
    Json(&'static str, &'static str, Value),
    /// In a protocol with the action in method and path.
    Rest(&'static str, Method, String, Value),
    /// In IAM's protocol.
    Form(&'static str, String),
}

impl Call {
    fn request(&self) -> (&'static str, Request<Vec<u8>>) {
        let (service, request, body) = match self {
            Self::Json(service, target, body) => {
                let request = Request::post("/").header("content-type", "application/x-amz-json-1.0");
                (*service, request.header("x-amz-target", *target), body.to_string())
            }
            Self::Rest(service, method, path, body) => {
                let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
                (*service, request, body.to_string())
            }
            Self::Form(service, body) => {
                let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
                (*service, request, body.clone())
            }
        };
        (service, request.body(body.into_bytes()).unwrap())
    }

    fn name(&self) -> String {
        match self {
            Self::Json(_, target, body) => format!("{target} {body}"),
            Self::Rest(service, method, path, _) => format!("{service}: {method} {path}"),
            Self::Form(service, body) => format!("{service}: {body}"),
        }
    }
}

fn sqs(action: &'static str, body: Value) -> Call {
    Call::Json("sqs", action, body)
}

fn dynamodb(action: &'static str, body: Value) -> Call {
    Call::Json("dynamodb", action, body)
}

fn events(action: &'static str, body: Value) -> Call {
    Call::Json("events", action, body)
}

async fn answer(cloud: &Cloud, role: &Credentials, call: &Call) -> Response<Vec<u8>> {
    let (service, request) = call.request();
    cloud.aws.request_as(role, service, request).await.unwrap()
}

async fn is_denied(cloud: &Cloud, role: &Credentials, call: &Call) {
    let answer = answer(cloud, role, call).await;
    let text = String::from_utf8_lossy(answer.body());
    let denied = ["AccessDenied", "AuthorizationError", "not authorized"].iter().any(|word| text.contains(word));
    assert!(denied && answer.status().is_client_error(), "{}: {} {text}", call.name(), answer.status());
}

/// Asserts that the credentials are valid: otherwise the denials would prove nothing.
async fn is_allowed(cloud: &Cloud, role: &Credentials, call: &Call) {
    let answer = answer(cloud, role, call).await;
    let text = String::from_utf8_lossy(answer.body());
    assert!(answer.status().is_success(), "{}: {} {text}", call.name(), answer.status());
}

fn key(id: &str) -> Value {
    json!({ "pk": { "S": format!("JOB#{id}") }, "sk": { "S": "#" } })
}

/// Returns the request for a schedule of the stack's group that sends to a queue of the stack.
fn schedule_that_sends(stack: &Stack) -> Value {
    let account = "arn:aws:iam::000000000000:role";
    json!({
        "GroupName": id(stack, "ScheduleGroup"),
        "ScheduleExpression": "at(2999-01-01T00:00:00)",
        "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": {
            "Arn": "arn:aws:sqs:us-east-1:000000000000:lamplighter-images",
            "RoleArn": format!("{account}/{}", id(stack, "ScheduleGroupAccess")),
            "Input": "{}",
        },
    })
}

/// Returns the physical id of a resource of the stack.
fn id<'a>(stack: &'a Stack, logical_id: &str) -> &'a str {
    stack.physical_id(logical_id).unwrap()
}

#[tokio::test]
async fn a_function_has_access_to_its_own_resources_only() {
    let (cloud, stack) = stack().await;
    let role = cloud.aws.assume(id(stack, "WebhooksRole")).await.unwrap();
    let (own, others) = (id(stack, "WebhooksQueue"), id(stack, "ImagesQueue"));
    let (table, foreign_table) = (id(stack, "Jobs"), cloud.id("Jobs"));
    let (foreign, payloads) = (cloud.id("ActsQueue"), id(stack, "Payloads"));
    is_allowed(cloud, &role, &sqs("AmazonSQS.GetQueueAttributes", json!({ "QueueUrl": own }))).await;
    is_allowed(cloud, &role, &dynamodb("DynamoDB_20120810.GetItem", json!({ "TableName": table, "Key": key("none") })))
        .await;

    let item = json!({ "TableName": foreign_table, "Key": key("none") });
    let denied = [
        // Another function's messages, another stack's queues, and the queues themselves.
        sqs("AmazonSQS.ReceiveMessage", json!({ "QueueUrl": others })),
        sqs("AmazonSQS.ReceiveMessage", json!({ "QueueUrl": id(stack, "WebhooksDeadLetters") })),
        sqs("AmazonSQS.SendMessage", json!({ "QueueUrl": foreign, "MessageBody": "{}" })),
        sqs("AmazonSQS.SendMessage", json!({ "QueueUrl": id(stack, "ImagesDeadLetters"), "MessageBody": "{}" })),
        sqs("AmazonSQS.PurgeQueue", json!({ "QueueUrl": own })),
        sqs("AmazonSQS.DeleteQueue", json!({ "QueueUrl": own })),
        sqs("AmazonSQS.SetQueueAttributes", json!({ "QueueUrl": own, "Attributes": { "VisibilityTimeout": "1" } })),
        // Other functions' queues: its handlers enqueue nothing.
        sqs("AmazonSQS.SendMessage", json!({ "QueueUrl": others, "MessageBody": "{}" })),
        sqs("AmazonSQS.SendMessage", json!({ "QueueUrl": id(stack, "ReportsQueue"), "MessageBody": "{}" })),
        sqs(
            "AmazonSQS.SendMessageBatch",
            json!({ "QueueUrl": others, "Entries": [{ "Id": "0", "MessageBody": "{}" }] }),
        ),
        // Records are written and never deleted, and large arguments read and never written: it enqueues nothing.
        dynamodb("DynamoDB_20120810.DeleteItem", json!({ "TableName": table, "Key": key("none") })),
        Call::Rest("s3", Method::PUT, format!("/{payloads}/args/none/0.json"), json!({})),
        Call::Rest("s3", Method::PUT, format!("/{payloads}/output/none.json"), json!({})),
        Call::Rest("s3", Method::GET, format!("/{payloads}/output/none.json"), json!({})),
        Call::Rest("s3", Method::DELETE, format!("/{payloads}/args/none/0.json"), json!({})),
        // Another stack's records, all records at once, and the table itself.
        dynamodb("DynamoDB_20120810.GetItem", item),
        dynamodb("DynamoDB_20120810.Scan", json!({ "TableName": table })),
        dynamodb("DynamoDB_20120810.DeleteTable", json!({ "TableName": table })),
        dynamodb("DynamoDB_20120810.UpdateTable", json!({ "TableName": table, "BillingMode": "PROVISIONED" })),
        dynamodb("DynamoDB_20120810.ListTables", json!({})),
        // The due index, which the maintenance function reads.
        dynamodb(
            "DynamoDB_20120810.Query",
            json!({
                "TableName": table, "IndexName": "due", "KeyConditionExpression": "dpk = :p",
                "ExpressionAttributeValues": { ":p": { "S": "due#0" } },
            }),
        ),
        // Buses and rules outside of the stack, and creating or deleting any.
        events(
            "AWSEvents.PutEvents",
            json!({ "Entries": [{ "Source": "a", "DetailType": "b", "Detail": "{}", "EventBusName": "default" }] }),
        ),
        events(
            "AWSEvents.PutRule",
            json!({ "Name": id(stack, "ReportDailyRule"), "ScheduleExpression": "rate(1 minute)" }),
        ),
        events("AWSEvents.DeleteRule", json!({ "Name": id(stack, "ReportDailyRule") })),
        events("AWSEvents.DisableRule", json!({ "Name": cloud.id("E2eTickRule") })),
        // Even those of its own stack, since its handlers add no schedules.
        events("AWSEvents.DisableRule", json!({ "Name": id(stack, "ReportDailyRule") })),
        events("AWSEvents.ListTargetsByRule", json!({ "Rule": id(stack, "ReportDailyRule") })),
        Call::Rest("scheduler", Method::POST, "/schedules/runtime-sweep".into(), schedule_that_sends(stack)),
        Call::Rest("scheduler", Method::POST, "/schedules/d-order-42".into(), schedule_that_sends(stack)),
        // Schedules outside the stack's group, and the group.
        Call::Rest("scheduler", Method::DELETE, "/schedules/any?groupName=default".into(), json!({})),
        Call::Rest("scheduler", Method::DELETE, format!("/schedule-groups/{}", id(stack, "ScheduleGroup")), json!({})),
        // Functions, its own among them.
        Call::Rest(
            "lambda",
            Method::POST,
            format!("/2015-03-31/functions/{}/invocations", id(stack, "ImagesFunction")),
            json!({}),
        ),
        Call::Rest(
            "lambda",
            Method::PUT,
            format!("/2015-03-31/functions/{}/configuration", id(stack, "WebhooksFunction")),
            json!({ "Timeout": 900 }),
        ),
        // IAM itself.
        Call::Form("iam", format!("Action=GetRole&Version=2010-05-08&RoleName={}", id(stack, "WebhooksRole"))),
        Call::Form("iam", "Action=CreateUser&Version=2010-05-08&UserName=mallory".into()),
    ];
    for call in &denied {
        is_denied(cloud, &role, call).await;
    }
}

/// A function with `.schedules()` pauses rules of its own stack, and none of a stack whose name has the same prefix.
#[tokio::test]
async fn a_function_with_schedules_has_no_access_to_a_stack_of_similar_name() {
    let (cloud, stack) = stack().await;
    let role = cloud.aws.assume(cloud.id("E2eRole")).await.unwrap();
    let own = cloud.id("E2eTickRule");
    let neighbour = format!("{}-prod-report", cloud.id("ScheduleGroup"));
    let rule = json!({ "Name": neighbour, "ScheduleExpression": "rate(1 day)", "State": "ENABLED" });
    let (service, request) = events("AWSEvents.PutRule", rule).request();
    let made = cloud.aws.request_as_root(service, request).await.unwrap();
    assert!(made.status().is_success(), "{:?}", String::from_utf8_lossy(made.body()));

    is_allowed(cloud, &role, &events("AWSEvents.ListRules", json!({}))).await;
    is_allowed(cloud, &role, &events("AWSEvents.ListTargetsByRule", json!({ "Rule": own }))).await;
    is_allowed(cloud, &role, &events("AWSEvents.EnableRule", json!({ "Name": own }))).await;
    for call in [
        events("AWSEvents.DisableRule", json!({ "Name": neighbour })),
        events("AWSEvents.EnableRule", json!({ "Name": neighbour })),
        events("AWSEvents.ListTargetsByRule", json!({ "Rule": neighbour })),
        events("AWSEvents.DisableRule", json!({ "Name": id(stack, "ReportDailyRule") })),
        events("AWSEvents.DeleteRule", json!({ "Name": own })),
        events("AWSEvents.PutRule", json!({ "Name": own, "ScheduleExpression": "rate(1 minute)" })),
        Call::Rest("scheduler", Method::DELETE, "/schedules/any?groupName=default".into(), json!({})),
        Call::Rest("scheduler", Method::POST, "/schedules/runtime-sweep".into(), schedule_that_sends(stack)),
    ] {
        is_denied(cloud, &role, &call).await;
    }
}

/// The maintenance function reads all queues' depths and the due index, and receives no messages of other functions.
#[tokio::test]
async fn the_maintenance_function_receives_no_messages_of_others() {
    let (cloud, stack) = stack().await;
    let role = cloud.aws.assume(id(stack, "MaintenanceRole")).await.unwrap();
    for queue in ["WebhooksQueue", "ImagesQueue", "WebhooksDeadLetters"] {
        let url = id(stack, queue);
        is_allowed(cloud, &role, &sqs("AmazonSQS.GetQueueAttributes", json!({ "QueueUrl": url }))).await;
        is_denied(cloud, &role, &sqs("AmazonSQS.ReceiveMessage", json!({ "QueueUrl": url }))).await;
        is_denied(cloud, &role, &sqs("AmazonSQS.PurgeQueue", json!({ "QueueUrl": url }))).await;
    }
    let scan = dynamodb("DynamoDB_20120810.Scan", json!({ "TableName": id(stack, "Jobs") }));
    is_denied(cloud, &role, &scan).await;
}

/// The dashboard operates the queues of its stack. It receives no job's message, reads no secret that it is not given, and
/// cannot change what was deployed, itself included.
#[tokio::test]
async fn the_dashboard_operates_and_changes_no_resource() {
    let (cloud, stack) = stack().await;
    let role = cloud.aws.assume(id(stack, "DashboardRole")).await.unwrap();
    let table = id(stack, "Jobs");
    for queue in ["WebhooksQueue", "WebhooksDeadLetters"] {
        let url = id(stack, queue);
        is_allowed(cloud, &role, &sqs("AmazonSQS.GetQueueAttributes", json!({ "QueueUrl": url }))).await;
        is_denied(cloud, &role, &sqs("AmazonSQS.PurgeQueue", json!({ "QueueUrl": url }))).await;
    }
    let mapping = format!("/2015-03-31/event-source-mappings/{}", id(stack, "WebhooksMapping"));
    is_allowed(cloud, &role, &Call::Rest("lambda", Method::GET, mapping, json!({}))).await;
    let function = |name: &str| format!("/2015-03-31/functions/{}", id(stack, name));
    let visible = json!({ "QueueUrl": id(stack, "WebhooksQueue"), "Attributes": { "VisibilityTimeout": "1" } });
    for call in [
        sqs("AmazonSQS.ReceiveMessage", json!({ "QueueUrl": id(stack, "WebhooksQueue") })),
        sqs("AmazonSQS.SetQueueAttributes", visible),
        sqs("AmazonSQS.SendMessage", json!({ "QueueUrl": cloud.id("ActsQueue"), "MessageBody": "{}" })),
        dynamodb("DynamoDB_20120810.Scan", json!({ "TableName": table })),
        dynamodb("DynamoDB_20120810.DeleteTable", json!({ "TableName": table })),
        dynamodb("DynamoDB_20120810.GetItem", json!({ "TableName": cloud.id("Jobs"), "Key": key("none") })),
        // Switching a foreign mapping is missing here: the emulator lets anyone update one. The template's tests read the role.
        Call::Rest("lambda", Method::PUT, function("DashboardFunction") + "/configuration", json!({ "Timeout": 900 })),
        Call::Rest("lambda", Method::POST, function("WebhooksFunction") + "/invocations", json!({})),
        events("AWSEvents.DeleteRule", json!({ "Name": id(stack, "ReportDailyRule") })),
        Call::Form("iam", format!("Action=GetRole&Version=2010-05-08&RoleName={}", id(stack, "DashboardRole"))),
    ] {
        is_denied(cloud, &role, &call).await;
    }
}

/// The role of EventBridge Scheduler can only send to the stack's queues.
#[tokio::test]
async fn the_role_of_schedules_can_only_send() {
    let (cloud, stack) = stack().await;
    let role = cloud.aws.assume(id(stack, "ScheduleGroupAccess")).await.unwrap();
    let denied = [
        sqs("AmazonSQS.SendMessage", json!({ "QueueUrl": cloud.id("ActsQueue"), "MessageBody": "{}" })),
        sqs("AmazonSQS.ReceiveMessage", json!({ "QueueUrl": id(stack, "WebhooksQueue") })),
        dynamodb("DynamoDB_20120810.GetItem", json!({ "TableName": id(stack, "Jobs"), "Key": key("none") })),
    ];
    for call in &denied {
        is_denied(cloud, &role, call).await;
    }
}
