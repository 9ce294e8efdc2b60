//! Who may do what.

use std::collections::BTreeMap;

use crate::support::{clerk, derive, kinds, mail, orders, properties, schedules, template};
use lamplighter_infra::Template;
use serde_json::{Value, json};

/// What a role may do: action → the resources.
type Rights = BTreeMap<String, Vec<Value>>;

fn rights(template: &Template, role: &str) -> Rights {
    let mut rights = Rights::new();
    for policy in properties(template, role)["Policies"].as_array().unwrap() {
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

fn sub(text: &str) -> Value {
    json!({ "Fn::Sub": text })
}

/// What is below a path of a bucket that is made here or given.
fn below(id: &str, path: &str) -> Value {
    let bucket = json!({ "Fn::If": [format!("Makes{id}Bucket"), { "Ref": id }, { "Ref": format!("{id}Bucket") }] });
    json!({ "Fn::Sub": [format!("arn:${{AWS::Partition}}:s3:::${{Bucket}}{path}"), { "Bucket": bucket }] })
}

#[test]
fn a_function_takes_from_its_own_queues_and_sends_to_all() {
    let mail = rights(&template(), "MailRole");
    for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"] {
        assert_eq!(mail[action], [arn("MailsQueue")], "{action}");
    }
    let sends = ["MailsDeadLetters", "MailsQueue", "OrdersQueue", "EventsNotDelivered"].map(arn);
    assert_eq!(mail["sqs:SendMessage"], sends);
    assert_eq!(mail["logs:PutLogEvents"], [arn("MailLogs")]);
    assert!(!mail.contains_key("s3:ListBucket"));
}

#[test]
fn a_function_with_records_has_these_rights_and_no_others() {
    let table = ["Get", "Put", "Update", "Delete"].map(|verb| format!("dynamodb:{verb}Item"));
    let table = table.into_iter().chain(["dynamodb:BatchGetItem".into(), "dynamodb:ConditionCheckItem".into()]);
    let mut wanted: Rights = table.map(|action| (action, vec![arn("Jobs")])).collect();
    wanted.insert("dynamodb:Query".into(), vec![arn("Jobs"), sub("${Jobs.Arn}/index/listing")]);
    wanted.insert("events:PutEvents".into(), vec![arn("Bus")]);
    let group = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${ScheduleGroup}/*";
    for verb in ["Create", "Get", "Update", "Delete"] {
        wanted.insert(format!("scheduler:{verb}Schedule"), vec![sub(group)]);
    }
    let rules = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/${AWS::StackName}-*";
    for verb in ["DescribeRule", "ListTargetsByRule", "EnableRule", "DisableRule"] {
        wanted.insert(format!("events:{verb}"), vec![sub(rules)]);
    }
    for list in ["scheduler:ListSchedules", "events:ListRules"] {
        wanted.insert(list.into(), vec![json!("*")]);
    }
    wanted.insert("iam:PassRole".into(), vec![arn("ScheduleGroupAccess")]);
    let payloads = ["/args/*", "/output/*"].map(|path| below("Payloads", path));
    wanted.insert("s3:GetObject".into(), payloads.to_vec());
    wanted.insert("s3:PutObject".into(), payloads.to_vec());

    let template = kinds();
    let (with, without) = (rights(&template, "MailRole"), rights(&template, "ClerkRole"));
    let more: Rights = with.into_iter().filter(|(action, _)| !without.contains_key(action)).collect();
    assert_eq!(more, wanted);
}

#[test]
fn the_role_that_a_function_passes_on_goes_to_scheduler_alone() {
    let role = properties(&template(), "MailRole");
    let statements = role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    let pass = statements.iter().find(|statement| statement["Action"] == json!(["iam:PassRole"])).unwrap();
    assert_eq!(pass["Condition"], json!({ "StringEquals": { "iam:PassedToService": "scheduler.amazonaws.com" } }));
}

#[test]
fn a_stateless_function_knows_no_table_and_may_reach_none() {
    let template = kinds();
    let of_others = ["dynamodb:", "events:", "scheduler:", "iam:", "s3:"];
    let may = rights(&template, "ClerkRole");
    assert!(!may.keys().any(|action| of_others.iter().any(|service| action.starts_with(service))), "{may:#?}");
    let variables = |function: &str| properties(&template, function)["Environment"]["Variables"].clone();
    assert_eq!(variables("ClerkFunction"), Value::Null);
    assert_eq!(variables("KeeperFunction")["LAMPLIGHTER_TABLE"], json!({ "Ref": "Jobs" }));

    let alone = Template::new(&derive(&[clerk()], &[]).unwrap()).to_json();
    for id in ["Jobs", "Bus", "Payloads"] {
        assert!(alone["Resources"].get(id).is_none(), "{id}");
    }
    assert!(alone["Resources"]["ScheduleGroup"].is_object(), "whoever puts a job off needs it");
}

#[test]
fn who_keeps_house_sees_all_queues_and_what_is_due() {
    let template = kinds();
    let keeper = rights(&template, "KeeperRole");
    let ids = ["Housekeeping", "Letters", "Mails", "Orders"];
    let all = ids.iter().flat_map(|id| [arn(&format!("{id}Queue")), arn(&format!("{id}DeadLetters"))]);
    let watched = [arn("HousekeepingQueue")].into_iter().chain(all).collect::<Vec<_>>();
    assert_eq!(keeper["sqs:GetQueueAttributes"], watched);
    assert!(keeper["dynamodb:Query"].contains(&sub("${Jobs.Arn}/index/due")));
    for role in ["MailRole", "OrdersRole"] {
        assert!(!rights(&template, role)["dynamodb:Query"].contains(&sub("${Jobs.Arn}/index/due")), "{role}");
    }
    // Its rule calls it, and no message starts it.
    let target = &properties(&template, "HousekeepingRule")["Targets"][0];
    assert_eq!(target["Arn"], arn("KeeperFunction"));
    assert_eq!(properties(&template, "HousekeepingRule")["ScheduleExpression"], "rate(1 minute)");
}

#[test]
fn only_who_uses_objects_may_reach_them() {
    let orders = rights(&template(), "OrdersRole");
    let payloads = ["/args/*", "/output/*"].map(|path| below("Payloads", path));
    assert_eq!(orders["s3:PutObject"], [payloads.as_slice(), &[below("Objects", "/*")]].concat());
    assert_eq!(orders["s3:ListBucket"], [below("Objects", "")]);
    assert!(!orders["sqs:SendMessage"].contains(&arn("EventsNotDelivered")), "no event calls it");
}

/// What AWS can limit to no resource, by the Service Authorization Reference.
#[test]
fn nothing_else_is_allowed_everywhere() {
    let unlimited =
        ["events:ListRules", "scheduler:ListSchedules", "xray:PutTelemetryRecords", "xray:PutTraceSegments"];
    let template = kinds();
    for role in ["ClerkRole", "KeeperRole", "MailRole", "OrdersRole", "ScheduleGroupAccess"] {
        for (action, resources) in rights(&template, role) {
            assert!(!action.contains('*'), "{role}: {action}");
            if !unlimited.contains(&&*action) {
                assert!(!resources.contains(&json!("*")), "{role}: {action}");
            }
        }
    }
}

/// The one statement of a kind in a resource's policy.
fn statement(template: &Template, policy: &str, effect: &str) -> Option<Value> {
    let statements = properties(template, policy)["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    let mut fitting = statements.into_iter().filter(|statement| statement["Effect"] == effect);
    let one = fitting.next();
    assert_eq!(fitting.next(), None, "{policy}");
    one
}

#[test]
fn only_the_stacks_own_rules_may_send_to_its_queues() {
    let template = template();
    let wanted = |queue: &str, sources: &[&str]| {
        json!({
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": arn(queue),
            "Condition": { "ArnEquals": { "aws:SourceArn": sources.iter().map(|source| arn(source)).collect::<Vec<_>>() } },
        })
    };
    let allowed = |policy| statement(&template, policy, "Allow");
    assert_eq!(allowed("MailsQueuePolicy"), Some(wanted("MailsQueue", &["DigestRule"])));
    assert_eq!(allowed("OrdersQueuePolicy"), Some(wanted("OrdersQueue", &["BookOftenRule"])));
    assert_eq!(allowed("OrdersDeadLettersPolicy"), None);
    let all = ["BookOftenRule", "DigestRule", "MailEvents", "Bus"];
    assert_eq!(allowed("EventsNotDeliveredPolicy"), Some(wanted("EventsNotDelivered", &all)));
}

#[test]
fn nobody_comes_without_tls() {
    let template = template();
    let all = template.to_json();
    let resources = all["Resources"].as_object().unwrap();
    for (kind, action) in [("AWS::SQS::Queue", "sqs:*"), ("AWS::S3::Bucket", "s3:*")] {
        let of_kind: Vec<_> = resources.keys().filter(|id| resources[*id]["Type"] == kind).collect();
        assert!(of_kind.len() > 1, "{kind}");
        for id in of_kind {
            let denied = statement(&template, &format!("{id}Policy"), "Deny").unwrap();
            assert_eq!((&denied["Principal"], &denied["Action"]), (&json!("*"), &json!(action)), "{id}");
            assert_eq!(denied["Condition"], json!({ "Bool": { "aws:SecureTransport": "false" } }), "{id}");
            assert!(denied["Resource"].to_string().contains(&arn(id).to_string()), "{id}");
        }
    }
}

#[test]
fn scheduler_may_start_jobs_for_this_stacks_group_alone() {
    let template = template();
    let role = properties(&template, "ScheduleGroupAccess");
    let trust = &role["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trust["Principal"], json!({ "Service": "scheduler.amazonaws.com" }));
    let conditions = &trust["Condition"]["StringEquals"];
    assert_eq!(conditions["aws:SourceAccount"], json!({ "Ref": "AWS::AccountId" }));
    let group = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/${AWS::StackName}";
    assert_eq!(conditions["aws:SourceArn"], sub(group));
    let queues = ["MailsQueue", "OrdersQueue", "EventsNotDelivered"].map(arn).to_vec();
    assert_eq!(rights(&template, "ScheduleGroupAccess"), [("sqs:SendMessage".into(), queues)].into());
}

/// A key that was given encrypts all that is kept, and every role of the stack may use it.
#[test]
fn one_key_is_used_for_all_that_is_kept() {
    let template = Template::new(&derive(&[mail(), orders()], &schedules()).unwrap());
    let key = json!({ "Fn::If": ["HasKey", { "Ref": "KmsKeyArn" }, { "Ref": "AWS::NoValue" }] });
    for (id, property) in [
        ("MailsQueue", "KmsMasterKeyId"),
        ("MailsDeadLetters", "KmsMasterKeyId"),
        ("EventsNotDelivered", "KmsMasterKeyId"),
        ("Bus", "KmsKeyIdentifier"),
        ("MailLogs", "KmsKeyId"),
    ] {
        assert_eq!(properties(&template, id)[property], key, "{id}");
    }
    assert_eq!(
        properties(&template, "MailsQueue")["SqsManagedSseEnabled"],
        json!({ "Fn::If": ["HasKey", false, true] })
    );
    let json = template.to_json();
    assert_eq!(json["Globals"]["Function"]["KmsKeyArn"], key);
    assert_eq!(json["Resources"]["KeyAccess"]["Condition"], "HasKey");
    let access = properties(&template, "KeyAccess");
    assert_eq!(
        access["Roles"],
        json!([{ "Ref": "MailRole" }, { "Ref": "OrdersRole" }, { "Ref": "ScheduleGroupAccess" }])
    );
    assert_eq!(access["PolicyDocument"]["Statement"][0]["Resource"], json!([{ "Ref": "KmsKeyArn" }]));
}
