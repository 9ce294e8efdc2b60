//! The permissions in the template.

use std::collections::BTreeMap;

use crate::support::{
    SendMail, clerk, derive, handle, job, keeper, kinds, mail, minutely, orders, properties, schedules, template,
};
use lamplighter::{Function, Limit, Options, Overlap, Queue};
use lamplighter_infra::Template;
use serde_json::{Value, json};

/// A role's permissions: action → resources.
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

/// The objects below a path of a bucket, which the stack creates or a parameter names.
fn below(id: &str, path: &str) -> Value {
    let bucket = json!({ "Fn::If": [format!("Makes{id}Bucket"), { "Ref": id }, { "Ref": format!("{id}Bucket") }] });
    json!({ "Fn::Sub": [format!("arn:${{AWS::Partition}}:s3:::${{Bucket}}{path}"), { "Bucket": bucket }] })
}

/// The queues that a function may send to, besides its dead-letter queues.
fn sends(template: &Template, role: &str) -> Vec<Value> {
    let mut all = rights(template, role).remove("sqs:SendMessage").unwrap_or_default();
    all.retain(|resource| !resource["Fn::GetAtt"][0].as_str().is_some_and(|id| id.ends_with("DeadLetters")));
    all
}

/// The ARN of schedules in the stack's group whose names match.
fn schedules_named(pattern: &str) -> Value {
    sub(&format!(
        "arn:${{AWS::Partition}}:scheduler:${{AWS::Region}}:${{AWS::AccountId}}:schedule/${{ScheduleGroup}}/{pattern}"
    ))
}

#[test]
fn functions_receive_from_their_queues_and_send_dead_letters() {
    let mail = rights(&template(), "MailRole");
    for action in ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"] {
        assert_eq!(mail[action], [arn("MailsQueue")], "{action}");
    }
    assert_eq!(mail["sqs:SendMessage"][0], arn("MailsDeadLetters"));
    assert_eq!(mail["logs:PutLogEvents"], [arn("MailLogs")]);
    assert!(!mail.contains_key("s3:ListBucket"));
}

#[test]
fn functions_send_to_their_own_and_declared_queues() {
    job!(Ring, "bell.ring", Queue::standard("bells"), Options::new());
    let teller = |function: Function| {
        let function = function.enqueues::<SendMail>().job(handle::<Ring>).with_state(());
        sends(&Template::new(&derive(&[function, mail()], &[]).unwrap()), "TellerRole")
    };
    assert_eq!(teller(Function::new("teller")), ["BellsQueue", "MailsQueue"].map(arn));
    assert_eq!(teller(Function::new("teller").stateless()), [arn("MailsQueue")]);
    let template = kinds();
    assert_eq!(sends(&template, "OrdersRole"), [arn("OrdersQueue")]);
    // Events call it, and those it fails on are kept.
    assert_eq!(sends(&template, "MailRole"), ["MailsQueue", "EventsNotDelivered"].map(arn));
    // It keeps no records, so it sends no settlements to its queue, and its handlers enqueue nothing.
    assert_eq!(sends(&template, "ClerkRole"), [Value::Null; 0]);
    let all = ["CallsQueue", "ExpiryQueue", "LettersQueue", "MailsQueue", "OrdersQueue", "PlansQueue"].map(arn);
    for starts_any_job in ["PlannerRole", "DeskRole", "KeeperRole"] {
        let sends = sends(&template, starts_any_job);
        assert!(all.iter().all(|queue| sends.contains(queue)), "{starts_any_job}: {sends:?}");
    }
}

#[test]
fn functions_with_records_have_exactly_these_rights() {
    let table = ["GetItem", "PutItem", "UpdateItem", "BatchGetItem"];
    let mut wanted: Rights = table.map(|verb| (format!("dynamodb:{verb}"), vec![arn("Jobs")])).into();
    wanted.insert("dynamodb:Query".into(), vec![arn("Jobs"), sub("${Jobs.Arn}/index/listing")]);
    wanted.insert("events:PutEvents".into(), vec![arn("Bus")]);
    wanted.insert("s3:GetObject".into(), vec![below("Payloads", "/args/*")]);
    wanted.insert("sqs:SendMessage".into(), vec![arn("OneDeadLetters"), arn("OneQueue")]);
    job!(Only, "one.job", Queue::standard("one"), Options::new());
    let one = |function: Function| {
        let function = function.job(handle::<Only>).with_state(());
        rights(&Template::new(&derive(&[function, keeper()], &[minutely()]).unwrap()), "OneRole")
    };
    let without = one(Function::new("one").stateless());
    let more = |function: Function| -> Rights {
        let old = |action: &String| action != "sqs:SendMessage" && without.contains_key(action);
        one(function).into_iter().filter(|(action, _)| !old(action)).collect()
    };
    assert_eq!(more(Function::new("one")), wanted);

    // Its declarations add the rest.
    let enqueues = more(Function::new("one").enqueues::<Only>());
    wanted.insert("dynamodb:DeleteItem".into(), vec![arn("Jobs")]);
    wanted.insert("s3:PutObject".into(), vec![below("Payloads", "/args/*")]);
    assert_eq!(enqueues, wanted);
}

#[test]
fn a_job_with_an_overlap_policy_may_leave_its_line() {
    job!(Locked, "locked.job", Queue::standard("locked"), Options::new().overlap(Overlap::Queue));
    let function = Function::new("locked").job(handle::<Locked>).with_state(());
    let template = Template::new(&derive(&[function], &[]).unwrap());
    assert_eq!(rights(&template, "LockedRole")["dynamodb:DeleteItem"], [arn("Jobs")]);
}

#[test]
fn functions_wake_jobs_of_others_with_which_they_share_a_limit() {
    fn limit() -> Options {
        Options::new().limit(Limit::mutex("account").by("id"))
    }
    job!(Debit, "account.debit", Queue::standard("debits"), limit());
    job!(Credit, "account.credit", Queue::standard("credits"), limit());
    job!(Other, "other.job", Queue::standard("others"), Options::new().limit(Limit::mutex("else")));
    let function = |name: &'static str| Function::new(name);
    let functions = [
        function("debits").job(handle::<Debit>).with_state(()),
        function("credits").job(handle::<Credit>).with_state(()),
        function("others").job(handle::<Other>).with_state(()),
    ];
    let template = Template::new(&derive(&functions, &[]).unwrap());
    let seen = |role| rights(&template, role)["sqs:ChangeMessageVisibility"].clone();
    assert_eq!(seen("DebitsRole"), [arn("DebitsQueue"), arn("CreditsQueue")]);
    assert_eq!(seen("OthersRole"), [arn("OthersQueue")]);
}

#[test]
fn limits_of_one_name_must_be_the_same() {
    job!(Debit, "account.debit", Queue::standard("debits"), Options::new().limit(Limit::mutex("account")));
    job!(Credit, "account.credit", Queue::standard("credits"), Options::new().limit(Limit::new("account").at_once(2)));
    let functions = [
        Function::new("debits").job(handle::<Debit>).with_state(()),
        Function::new("credits").job(handle::<Credit>).with_state(()),
    ];
    let problems = derive(&functions, &[]).unwrap_err().to_string();
    assert!(problems.contains("account.debit") && problems.contains("account.credit"), "{problems}");
}

#[test]
fn only_functions_with_schedules_may_change_this_stacks_schedules() {
    let template = kinds();
    let planner = rights(&template, "PlannerRole");
    for verb in ["Create", "Get", "Update", "Delete"] {
        assert_eq!(planner[&format!("scheduler:{verb}Schedule")], [schedules_named("*")], "{verb}");
    }
    // By name: a rule of stack `shop-prod` matches every pattern that those of stack `shop` match.
    let rules = ["book-often", "digest", "expiry"].map(|name| {
        sub(&format!(
            "arn:${{AWS::Partition}}:events:${{AWS::Region}}:${{AWS::AccountId}}:rule/${{AWS::StackName}}-{name}"
        ))
    });
    for verb in ["ListTargetsByRule", "EnableRule", "DisableRule"] {
        assert_eq!(planner[&format!("events:{verb}")], rules, "{verb}");
    }
    for list in ["scheduler:ListSchedules", "events:ListRules"] {
        assert_eq!(planner[list], [json!("*")]);
    }
    for role in ["ClerkRole", "KeeperRole", "MailRole", "OrdersRole"] {
        let may = rights(&template, role);
        let schedules = |action: &String| action.starts_with("scheduler:") || action.ends_with("Rule");
        assert!(!may.keys().any(schedules) && !may.contains_key("iam:PassRole"), "{role}: {may:#?}");
    }
}

/// Without the function that sends due jobs, delayed jobs would stay in the table forever.
#[test]
fn functions_that_delay_by_schedules_may_create_no_others() {
    let delays = [schedules_named("d-*"), schedules_named("r-*")];
    let alone = rights(&template(), "MailRole");
    let desk = rights(&kinds(), "DeskRole");
    for may in [&alone, &desk] {
        assert_eq!(may["scheduler:CreateSchedule"], delays);
        assert_eq!(may["iam:PassRole"], [arn("ScheduleGroupAccess")]);
        assert!(!may.contains_key("scheduler:UpdateSchedule") && !may.contains_key("events:DisableRule"));
    }
    assert!(!alone.contains_key("scheduler:DeleteSchedule"));
    assert_eq!(desk["scheduler:DeleteSchedule"], [schedules_named("d-*")]);
    let group = |template: &Template, function: &str| {
        properties(template, function)["Environment"]["Variables"]["LAMPLIGHTER_SCHEDULE_GROUP"].is_object()
    };
    assert!(group(&template(), "MailFunction") && group(&kinds(), "DeskFunction"));
    assert!(!group(&kinds(), "MailFunction"), "it delays jobs by the table");
}

/// A pattern with a stack's name may match another stack: `shop-*` is also `shop-prod-…`.
#[test]
fn no_pattern_matches_another_stack() {
    let json = kinds().to_json();
    let mut patterns = Vec::new();
    for (id, resource) in json["Resources"].as_object().unwrap() {
        for policy in resource["Properties"]["Policies"].as_array().into_iter().flatten() {
            for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
                for limited in statement["Resource"].as_array().unwrap().iter().filter(|one| *one != "*") {
                    let text = limited["Fn::Sub"].as_str().or(limited["Fn::Sub"][0].as_str()).unwrap_or_default();
                    if text.contains('*') {
                        patterns.push((id.clone(), text.to_owned()));
                    }
                }
            }
        }
    }
    assert!(!patterns.is_empty());
    for (id, pattern) in patterns {
        let closed = ["schedule/${ScheduleGroup}/", "s3:::${Bucket}/"].iter().any(|inside| pattern.contains(inside));
        assert!(closed, "{id}: {pattern}");
    }
}

#[test]
fn roles_may_be_passed_only_to_scheduler() {
    let role = properties(&kinds(), "PlannerRole");
    let statements = role["Policies"][0]["PolicyDocument"]["Statement"].as_array().unwrap().clone();
    let pass = statements.iter().find(|statement| statement["Action"] == json!(["iam:PassRole"])).unwrap();
    assert_eq!(pass["Condition"], json!({ "StringEquals": { "iam:PassedToService": "scheduler.amazonaws.com" } }));
}

#[test]
fn stateless_functions_have_no_table_access() {
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
    assert!(alone["Resources"]["ScheduleGroup"].is_object(), "delays need it");
}

#[test]
fn the_maintenance_function_sees_all_queues_and_due_jobs() {
    let template = kinds();
    let keeper = rights(&template, "KeeperRole");
    let ids = ["Calls", "Expiry", "Imports", "Letters", "Mails", "Orders", "Plans"];
    let all = ids.iter().flat_map(|id| [arn(&format!("{id}Queue")), arn(&format!("{id}DeadLetters"))]);
    let watched = [arn("ExpiryQueue")].into_iter().chain(all).collect::<Vec<_>>();
    assert_eq!(keeper["sqs:GetQueueAttributes"], watched);
    assert!(keeper["dynamodb:Query"].contains(&sub("${Jobs.Arn}/index/due")));
    assert_eq!(keeper["dynamodb:DeleteItem"], [arn("Jobs")]);
    for role in ["MailRole", "OrdersRole", "DeskRole"] {
        assert!(!rights(&template, role)["dynamodb:Query"].contains(&sub("${Jobs.Arn}/index/due")), "{role}");
    }
    // Its rule calls it, and no message starts it.
    let target = &properties(&template, "ExpiryRule")["Targets"][0];
    assert_eq!(target["Arn"], arn("KeeperFunction"));
    assert_eq!(properties(&template, "ExpiryRule")["ScheduleExpression"], "rate(1 minute)");
}

#[test]
fn only_functions_with_objects_may_access_them() {
    let orders = rights(&template(), "OrdersRole");
    assert_eq!(orders["s3:PutObject"], [below("Objects", "/*")]);
    assert_eq!(orders["s3:GetObject"], [below("Payloads", "/args/*"), below("Objects", "/*")]);
    assert_eq!(orders["s3:ListBucket"], [below("Objects", "")]);
    assert!(!orders["sqs:SendMessage"].contains(&arn("EventsNotDelivered")), "no event calls it");
}

/// The exceptions are actions that AWS cannot limit to a resource, by the Service Authorization Reference.
#[test]
fn other_actions_are_limited_to_resources() {
    let unlimited =
        ["events:ListRules", "scheduler:ListSchedules", "xray:PutTelemetryRecords", "xray:PutTraceSegments"];
    let template = kinds();
    for role in ["ClerkRole", "DeskRole", "KeeperRole", "MailRole", "OrdersRole", "PlannerRole", "ScheduleGroupAccess"]
    {
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
fn requests_without_tls_are_refused() {
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
fn scheduler_may_start_jobs_only_for_this_stacks_group() {
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

/// A given key encrypts all stored data, and every role of the stack may use it.
#[test]
fn one_key_encrypts_all_stored_data() {
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
    let statement = &access["PolicyDocument"]["Statement"][0];
    assert_eq!(statement["Resource"], json!([{ "Ref": "KmsKeyArn" }]));
    let through = ["lambda", "sqs", "dynamodb", "s3"];
    let through = through.map(|service| sub(&format!("{service}.${{AWS::Region}}.${{AWS::URLSuffix}}")));
    assert_eq!(statement["Condition"], json!({ "StringEquals": { "kms:ViaService": through } }));
}
