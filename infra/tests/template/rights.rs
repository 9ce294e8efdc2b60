//! Who may do what.

use std::collections::BTreeMap;

use crate::support::{properties, template};
use serde_json::{Value, json};

/// What a role may do: action → the resources.
fn rights(role: &str) -> BTreeMap<String, Vec<Value>> {
    let mut rights: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for policy in properties(&template(), role)["Policies"].as_array().unwrap() {
        for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
            assert_eq!(statement["Effect"], "Allow");
            for action in statement["Action"].as_array().unwrap() {
                let resources = statement["Resource"].as_array().unwrap().iter().cloned();
                rights.entry(action.as_str().unwrap().into()).or_default().extend(resources);
            }
        }
    }
    rights
}

fn arn(id: &str) -> Value {
    json!({ "Fn::GetAtt": [id, "Arn"] })
}

#[test]
fn a_function_takes_from_its_own_queues_and_sends_to_all() {
    let mail = rights("MailRole");
    for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"] {
        assert_eq!(mail[action], [arn("MailsQueue")], "{action}");
    }
    let sends = ["MailsDeadLetters", "MailsQueue", "OrdersQueue", "EventsNotDelivered"].map(arn);
    assert_eq!(mail["sqs:SendMessage"], sends);
    assert_eq!(mail["logs:PutLogEvents"], [arn("MailLogs")]);
    assert!(!mail.keys().any(|action| action.starts_with("s3:")));
}

#[test]
fn only_who_uses_objects_may_reach_them() {
    let orders = rights("OrdersRole");
    let bucket = json!({ "Fn::If": ["MakesBucket", { "Ref": "Objects" }, { "Ref": "ObjectsBucket" }] });
    let below = |path: &str| json!({ "Fn::Sub": [format!("arn:${{AWS::Partition}}:s3:::${{Bucket}}{path}"), { "Bucket": bucket }] });
    assert_eq!(orders["s3:PutObject"], [below("/*")]);
    assert_eq!(orders["s3:ListBucket"], [below("")]);
    assert!(!orders["sqs:SendMessage"].contains(&arn("EventsNotDelivered")), "no event calls it");
}

#[test]
fn nothing_is_allowed_everywhere() {
    let template = template().to_json();
    let text = template["Resources"].to_string();
    assert!(!text.contains("\"*\"") && !text.contains(":*\""), "{text}");
}

#[test]
fn only_the_stacks_own_rules_may_send_to_its_queues() {
    let policy = |id: &str| properties(&template(), id)["PolicyDocument"]["Statement"].clone();
    let statement = |queue: &str, rules: &[&str]| {
        json!([{
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": arn(queue),
            "Condition": { "ArnEquals": { "aws:SourceArn": rules.iter().map(|rule| arn(rule)).collect::<Vec<_>>() } },
        }])
    };
    assert_eq!(policy("MailsQueuePolicy"), statement("MailsQueue", &["DigestRule"]));
    assert_eq!(policy("OrdersQueuePolicy"), statement("OrdersQueue", &["BookOftenRule"]));
    let all = ["BookOftenRule", "DigestRule", "MailEvents"];
    assert_eq!(policy("EventsNotDeliveredPolicy"), statement("EventsNotDelivered", &all));
}

#[test]
fn scheduler_may_start_jobs_for_this_stacks_group_alone() {
    let role = properties(&template(), "ScheduleGroupAccess");
    let trust = &role["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trust["Principal"], json!({ "Service": "scheduler.amazonaws.com" }));
    let conditions = &trust["Condition"]["StringEquals"];
    assert_eq!(conditions["aws:SourceAccount"], json!({ "Ref": "AWS::AccountId" }));
    let group = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/${AWS::StackName}";
    assert_eq!(conditions["aws:SourceArn"], json!({ "Fn::Sub": group }));
    assert_eq!(
        rights("ScheduleGroupAccess"),
        [("sqs:SendMessage".into(), vec![arn("OrdersQueue"), arn("EventsNotDelivered")])].into()
    );
}
