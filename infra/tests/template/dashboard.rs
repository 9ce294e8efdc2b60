//! The dashboard's function in the template.

use lamplighter::{App, DashboardFunction};
use lamplighter_infra::{Template, deployment, template};
use serde_json::{Value, json};

use crate::support::{clerk, kinds, mail, properties};

fn with_dashboard() -> Template {
    template(&App::new("shop").function(mail).dashboard(DashboardFunction::new().memory_mb(1024))).unwrap()
}

fn conditions(template: &Template) -> Value {
    template.to_json()["Conditions"].clone()
}

#[test]
fn an_app_that_does_not_ask_for_it_has_none() {
    let template = template(&App::new("shop").function(mail)).unwrap().to_json();
    for part in ["Parameters", "Conditions", "Resources"] {
        let names: Vec<_> =
            template[part].as_object().unwrap().keys().filter(|name| name.contains("Dashboard")).collect();
        assert_eq!(names, if part == "Resources" { vec!["Dashboard"] } else { vec![] }, "CloudWatch's is there");
    }
    assert!(template["Outputs"]["DashboardUrl"].is_null());
}

#[test]
fn it_is_a_function_with_a_url() {
    let template = with_dashboard();
    let function = properties(&template, "DashboardFunction");
    assert_eq!((&function["MemorySize"], &function["Timeout"]), (&json!(1024), &json!(30)));
    assert_eq!(function["CodeUri"], "../target/lambda/dashboard/");
    let variables = &function["Environment"]["Variables"];
    assert_eq!(variables["LAMPLIGHTER_TABLE"], json!({ "Ref": "Jobs" }));
    assert_eq!(variables["LAMPLIGHTER_FUNCTIONS"], json!({ "Fn::Sub": "${MailFunction},${MaintenanceFunction}" }));
    assert_eq!(variables["LAMPLIGHTER_DASHBOARD_RIGHTS"], json!({ "Ref": "DashboardRights" }));
    assert_eq!(variables["LAMPLIGHTER_DASHBOARD_FORMS"], json!({ "Ref": "AWS::StackId" }));
    let url = properties(&template, "DashboardUrl");
    assert_eq!(url["TargetFunctionArn"], json!({ "Fn::GetAtt": ["DashboardFunction", "Arn"] }));
    assert_eq!((&url["InvokeMode"], &url["Cors"]), (&json!("BUFFERED"), &Value::Null));
    let outputs = &template.to_json()["Outputs"];
    let own = json!({ "Fn::GetAtt": ["DashboardUrl", "FunctionUrl"] });
    let value = json!({ "Fn::If": ["HasDashboardPublicUrl", { "Ref": "DashboardPublicUrl" }, own] });
    assert_eq!(outputs["DashboardUrl"]["Value"], value);
}

/// Nobody has rights by default, and IAM asks who calls.
#[test]
fn by_default_nobody_gets_in() {
    let template = with_dashboard().to_json();
    let parameter = |name: &str| template["Parameters"][name]["Default"].clone();
    assert_eq!((parameter("DashboardRights"), parameter("DashboardAuthType")), (json!(""), json!("AWS_IAM")));
}

#[test]
fn it_is_open_to_strangers_only_where_people_sign_in() {
    let template = with_dashboard();
    let url = properties(&template, "DashboardUrl");
    assert_eq!(url["AuthType"], json!({ "Fn::If": ["DashboardIsPublic", "NONE", "AWS_IAM"] }));
    let all = &conditions(&template)["DashboardIsPublic"]["Fn::And"];
    let given = |parameter: &str| json!({ "Fn::Not": [{ "Fn::Equals": [{ "Ref": parameter }, ""] }] });
    assert_eq!(
        *all,
        json!([
            { "Fn::Equals": [{ "Ref": "DashboardAuthType" }, "NONE"] },
            given("DashboardIssuer"),
            given("DashboardClientId"),
            given("DashboardSessionSecret"),
        ])
    );
    let resources = &template.to_json()["Resources"];
    for (id, action, limit) in [
        ("DashboardOpenUrl", "lambda:InvokeFunctionUrl", ("FunctionUrlAuthType", json!("NONE"))),
        ("DashboardOpenFunction", "lambda:InvokeFunction", ("InvokedViaFunctionUrl", json!(true))),
    ] {
        let resource = &resources[id];
        assert_eq!(resource["Condition"], "DashboardIsPublic", "{id}");
        assert_eq!((&resource["Properties"]["Action"], &resource["Properties"][limit.0]), (&json!(action), &limit.1));
    }
}

/// Who may invoke the function directly could write into the payload that they are somebody else.
#[test]
fn callers_may_use_the_url_alone() {
    let policy = &properties(&with_dashboard(), "DashboardPolicy")["PolicyDocument"]["Statement"];
    let conditions: Vec<_> =
        policy.as_array().unwrap().iter().map(|one| (&one["Action"][0], &one["Condition"])).collect();
    assert_eq!(
        conditions,
        [
            (
                &json!("lambda:InvokeFunctionUrl"),
                &json!({ "StringEquals": { "lambda:FunctionUrlAuthType": "AWS_IAM" } })
            ),
            (&json!("lambda:InvokeFunction"), &json!({ "Bool": { "lambda:InvokedViaFunctionUrl": "true" } })),
        ]
    );
}

/// Everything that its role may do, besides writing logs and traces: nothing that could change a queue, a function or the table
/// itself, no other secret than the two that it is given, and no message of a queue but dead letters.
#[test]
fn its_role_has_what_it_needs_and_no_more() {
    let role = properties(&kinds(), "DashboardRole");
    let statements = role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap();
    let mut rights: Vec<_> = statements
        .iter()
        .flat_map(|one| {
            let everywhere = one["Resource"] == json!(["*"]);
            let actions = one["Action"].as_array().unwrap().iter();
            actions.map(move |action| format!("{}{}", action.as_str().unwrap(), if everywhere { " *" } else { "" }))
        })
        .collect();
    rights.sort();
    rights.dedup();
    assert_eq!(
        rights,
        [
            "cloudwatch:GetMetricData *",
            "cloudwatch:ListMetrics *",
            "dynamodb:BatchGetItem",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            "events:DisableRule",
            "events:EnableRule",
            "events:ListRules *",
            "events:ListTargetsByRule",
            "events:PutEvents",
            "iam:PassRole",
            "lambda:GetEventSourceMapping",
            "lambda:ListEventSourceMappings *",
            "lambda:UpdateEventSourceMapping",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "s3:GetObject",
            "s3:PutObject",
            "scheduler:CreateSchedule",
            "scheduler:DeleteSchedule",
            "scheduler:GetSchedule",
            "scheduler:ListSchedules *",
            "scheduler:UpdateSchedule",
            "sqs:CancelMessageMoveTask",
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "sqs:ListMessageMoveTasks",
            "sqs:ListQueueTags",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
            "sqs:StartMessageMoveTask",
            "sqs:TagQueue",
            "sqs:UntagQueue",
            "xray:PutTelemetryRecords *",
            "xray:PutTraceSegments *",
        ]
    );
    let received =
        statements.iter().filter(|one| one["Action"].as_array().unwrap().contains(&json!("sqs:ReceiveMessage")));
    for resource in received.flat_map(|one| one["Resource"].as_array().unwrap()) {
        let id = resource["Fn::GetAtt"][0].as_str().unwrap();
        assert!(id.ends_with("DeadLetters"), "{id}");
    }
    let readers = |parameter: &str| properties(&kinds(), &format!("{parameter}Access"))["Roles"].clone();
    assert_eq!(readers("DashboardSessionSecret"), json!([{ "Ref": "DashboardRole" }]));
    assert_eq!(readers("DashboardClientSecret"), json!([{ "Ref": "DashboardRole" }]));
}

/// It keeps operations in the table, so there is one even where no function keeps records.
#[test]
fn it_needs_the_table() {
    let deployment = deployment(&App::new("post").function(clerk).dashboard(DashboardFunction::new())).unwrap();
    assert!(deployment.keeps_records());
    let names: Vec<_> = deployment.functions.iter().map(|function| &*function.name).collect();
    assert_eq!(names, ["clerk", "dashboard", "maintenance"]);
}

#[test]
fn its_alarms_speak_of_requests() {
    let template = with_dashboard();
    for alarm in ["DashboardErrorsAlarm", "DashboardThrottlesAlarm", "DashboardDurationAlarm"] {
        let about = properties(&template, alarm)["AlarmDescription"].as_str().unwrap().to_owned();
        assert!(about.contains("dashboard") && !about.contains("batch"), "{alarm}: {about}");
    }
    assert_eq!(properties(&template, "DashboardDurationAlarm")["Threshold"], 28_000);
}
