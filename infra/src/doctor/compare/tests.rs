//! A stack that is as it should be, and each way in which it may not be.

mod stage;

use Severity::{Error, Warning};
use lamplighter::backend::{StoreError, StoreErrorKind};
use lamplighter_aws::{Code, Observed, RunTimeSchedule, StackResource, Unreadable, lambda::About};
use serde_json::{Value, json};

use self::stage::{Stage, function, made};
use super::{Kind as K, *};

#[test]
fn a_stack_as_it_should_be_is_well() {
    let stage = Stage::well();
    let examination = stage.examination();
    assert_eq!(examination.findings, []);
    assert!(examination.is_well() && examination.checks > 150, "{}", examination.checks);
    assert_eq!(examination.resources, stage.deployed.stack.resources.len());
}

/// Kind, severity, what it is about, what is found, what repairs it.
type Told = (Kind, Severity, &'static str, &'static str, &'static str);

/// Breaks a stack, and expects these findings and no other.
fn finds(breaks: impl Fn(&mut Stage), told: &[Told]) {
    let mut stage = Stage::well();
    breaks(&mut stage);
    let findings = stage.examination().findings;
    let kinds: Vec<_> = findings.iter().map(|one| (one.kind, one.severity, &*one.resource)).collect();
    let expected: Vec<_> = told.iter().map(|one| (one.0, one.1, one.2)).collect();
    assert_eq!(kinds, expected, "{findings:#?}");
    for (finding, (.., found, repair)) in findings.iter().zip(told) {
        assert!(finding.found.contains(found) && finding.repair.contains(repair), "{finding:#?}");
        let texts = [&finding.found, &finding.expected, &finding.breaks, &finding.repair];
        assert!(
            texts.iter().all(|text| !text.is_empty() && !text.contains('\n') && !text.contains('\0')),
            "{finding:#?}"
        );
        assert!(!texts.iter().any(|text| text.contains("geheim")), "{finding:#?}");
    }
}

#[test]
fn the_stack_itself() {
    let failed = |stage: &mut Stage| {
        stage.deployed.stack.status = "UPDATE_ROLLBACK_COMPLETE".into();
        stage.deployed.stack.reason = Some("no room".into());
    };
    finds(
        failed,
        &[(K::StackFailed, Error, "stack shop", "UPDATE_ROLLBACK_COMPLETE: no room", "describe-stack-events")],
    );
    let changing = |stage: &mut Stage| stage.deployed.stack.status = "UPDATE_IN_PROGRESS".into();
    finds(changing, &[(K::StackChanging, Warning, "stack shop", "UPDATE_IN_PROGRESS", "look again")]);
    let left_over = |stage: &mut Stage| {
        let old =
            StackResource { kind: "AWS::SQS::Queue".into(), physical_id: "u".into(), status: "CREATE_COMPLETE".into() };
        stage.deployed.stack.resources.insert("OldQueue".into(), old);
    };
    finds(left_over, &[(K::ResourceLeftOver, Warning, "queue OldQueue", "AWS::SQS::Queue in the stack", "sam deploy")]);
}

#[test]
fn what_is_missing() {
    let never = |stage: &mut Stage| {
        stage.deployed.stack.resources.remove("WorkMapping");
        stage.deployed.looks.remove("WorkMapping");
    };
    let (mapping, deleted) = ("event source mapping of queue work", "somebody has deleted it");
    finds(never, &[(K::ResourceMissing, Error, mapping, "the stack has none", "sam deploy")]);
    finds(|stage| stage.is_gone("WorkMapping"), &[(K::ResourceMissing, Error, mapping, deleted, "reverts drift")]);
    finds(|stage| stage.is_gone("Jobs"), &[(K::ResourceMissing, Error, "table of records", deleted, "reverts drift")]);
    // What starts jobs on it starts nothing any more.
    let nowhere = |resource| (K::ScheduleNowhere, Error, resource, "shop-work", "");
    finds(
        |stage| stage.is_gone("WorkQueue"),
        &[
            (K::ResourceMissing, Error, "queue work", deleted, "reverts drift"),
            nowhere("schedule hourly"),
            nowhere("schedule pulse"),
        ],
    );
    let alarm = |stage: &mut Stage| _ = stage.deployed.stack.resources.remove("WorkAgeAlarm");
    finds(alarm, &[(K::ResourceMissing, Warning, "alarm WorkAgeAlarm", "the stack has none", "sam deploy")]);
}

#[test]
fn queues() {
    let drift = |stage: &mut Stage| stage.seen("WorkQueue")["VisibilityTimeout"] = 30.into();
    let by_hand = "--attributes VisibilityTimeout=390`";
    finds(drift, &[(K::QueueDrifted, Error, "queue work", "VisibilityTimeout 30", by_hand)]);
    let old_template = |stage: &mut Stage| {
        stage.seen("WorkQueue")["VisibilityTimeout"] = 30.into();
        stage.deployed.template.as_mut().unwrap()["Resources"]["WorkQueue"]["Properties"]["VisibilityTimeout"] =
            30.into();
    };
    let deployed = "the stack was deployed from other definitions";
    finds(old_template, &[(K::QueueDrifted, Error, "queue work", "VisibilityTimeout 30", deployed)]);
    let unlimited = |stage: &mut Stage| stage.seen("StepsQueue")["RedrivePolicy"] = Value::Null;
    finds(unlimited, &[(K::QueueDrifted, Error, "queue steps", "no RedrivePolicy", "maxReceiveCount")]);
    let short = |stage: &mut Stage| stage.seen("WorkDeadLetters")["MessageRetentionPeriod"] = 60.into();
    let dead = "dead-letter queue of work";
    finds(short, &[(K::QueueDrifted, Error, dead, "MessageRetentionPeriod 60", "MessageRetentionPeriod=1209600")]);
    let open = |stage: &mut Stage| stage.seen("WorkQueue")["Policy"] = Value::Null;
    finds(
        open,
        &[
            (
                K::QueuePolicy,
                Error,
                "queue work",
                "does not let in arn:aws:events:eu-west-1:123456789012:rule/shop-hourly",
                "drift",
            ),
            (K::QueuePolicy, Warning, "queue work", "does not refuse requests without TLS", "drift"),
        ],
    );
    let letters = |stage: &mut Stage| stage.seen("WorkDeadLetters")["Waiting"] = 3.into();
    finds(letters, &[(K::DeadLetters, Error, dead, "3 dead letters", "`lamp redrive work --dry-run --stack shop`")]);
    let undelivered = |stage: &mut Stage| stage.seen("EventsNotDelivered")["InFlight"] = 1.into();
    let queue = "queue for undelivered events";
    finds(undelivered, &[(K::UndeliveredEvents, Error, queue, "one event", "receive-message")]);
}

#[test]
fn mappings() {
    let mapping = "event source mapping of queue work";
    let paused = |stage: &mut Stage| stage.seen("WorkMapping")["State"] = "Disabled".into();
    finds(paused, &[(K::MappingDisabled, Error, mapping, "Disabled", "`lamp resume work --stack shop`")]);
    let switched = |stage: &mut Stage| stage.seen("WorkMapping")["State"] = "Enabling".into();
    finds(switched, &[(K::MappingDisabled, Warning, mapping, "Enabling", "look again")]);
    let all_or_none = |stage: &mut Stage| stage.seen("WorkMapping")["FunctionResponseTypes"] = json!([]);
    let found = "FunctionResponseTypes []";
    finds(all_or_none, &[(K::MappingDrifted, Error, mapping, found, "ReportBatchItemFailures")]);
    let unlimited = |stage: &mut Stage| stage.seen("WorkMapping")["ScalingConfig"] = Value::Null;
    let found = "no ScalingConfig.MaximumConcurrency";
    finds(unlimited, &[(K::MappingDrifted, Error, mapping, found, "MaximumConcurrency=20")]);
    let filter = |stage: &mut Stage| stage.seen("WorkMapping")["Filters"] = 1.into();
    finds(filter, &[(K::MappingDrifted, Error, mapping, "filters: 1", "--filter-criteria")]);
    let elsewhere = |stage: &mut Stage| stage.seen("WorkMapping")["FunctionArn"] = "arn:other".into();
    finds(elsewhere, &[(K::MappingDrifted, Error, mapping, "it feeds arn:other", "drift")]);
}

#[test]
fn functions() {
    let shop = "function shop";
    let short = |stage: &mut Stage| stage.seen("ShopFunction")["Timeout"] = 3.into();
    finds(short, &[(K::FunctionDrifted, Error, shop, "Timeout 3", "--timeout")]);
    let other = |stage: &mut Stage| {
        let variables = &mut stage.seen("ShopFunction")["Environment"]["Variables"];
        variables["LAMPLIGHTER_TABLE"] = "other".into();
        variables.as_object_mut().unwrap().remove("SHOP_TOKEN");
    };
    finds(
        other,
        &[
            (K::FunctionDrifted, Error, shop, "LAMPLIGHTER_TABLE other", "drift"),
            (K::FunctionDrifted, Error, shop, "no variable SHOP_TOKEN", "drift"),
        ],
    );
    let failed = |stage: &mut Stage| {
        stage.seen("ShopFunction")["LastUpdateStatus"] = "Failed".into();
        stage.seen("ShopFunction")["LastUpdateStatusReason"] = "no image".into();
    };
    finds(failed, &[(K::FunctionNotReady, Error, shop, "LastUpdateStatus Failed: no image", "sam deploy")]);
    let pending = |stage: &mut Stage| stage.seen("ShopFunction")["State"] = "Pending".into();
    finds(pending, &[(K::FunctionNotReady, Warning, shop, "State Pending", "look again")]);
    let stopped = |stage: &mut Stage| stage.seen("ShopFunction")["ReservedConcurrency"] = 0.into();
    finds(stopped, &[(K::FunctionThrottled, Error, shop, "0 invocations", "delete-function-concurrency")]);
    let scarce = |stage: &mut Stage| stage.seen("ShopFunction")["ReservedConcurrency"] = 5.into();
    finds(scarce, &[(K::FunctionThrottled, Error, shop, "5 invocations", "delete-function-concurrency")]);
    let guarded = |stage: &mut Stage| stage.seen("ShopFunction")["RecursiveLoop"] = "Terminate".into();
    finds(guarded, &[(K::RecursionGuard, Error, shop, "RecursiveLoop Terminate", "--recursive-loop Allow")]);
    let locked = |stage: &mut Stage| stage.seen("ShopFunction")["Policy"] = Value::Null;
    finds(locked, &[(K::InvokePermission, Error, shop, "rule/shop-shop-events", "add-permission")]);
    let forgotten = |stage: &mut Stage| stage.seen("ShopCalls")["DestinationConfig"] = Value::Null;
    finds(
        forgotten,
        &[(K::FailedCalls, Error, shop, "no DestinationConfig.OnFailure.Destination", "OnFailure={Destination=")],
    );
}

#[test]
fn code() {
    let shop = "function shop";
    let strange =
        |stage: &mut Stage| _ = stage.deployed.code.insert("ShopFunction".into(), Code::Strange("what?".into()));
    finds(
        strange,
        &[(
            K::OldCode,
            Error,
            shop,
            "asked what code it is, it says: what?",
            "cargo lambda deploy --binary-name shop shop-shop",
        )],
    );
    let old = |stage: &mut Stage| {
        let mut about = About::of(&function());
        about.jobs.retain(|job| job.job != "step.take");
        about.jobs[0].timeout_ms = 1;
        about.jobs[0].schema["properties"] = json!({"number": {"type": "integer"}});
        let mut gone = about.jobs[0].clone();
        gone.job = "work.undo".into();
        about.jobs.push(gone);
        stage.deployed.code.insert("ShopFunction".into(), Code::About(about));
    };
    let finding = |found| (K::OldCode, Error, shop, found, "sam deploy");
    finds(
        old,
        &[
            finding("its code does not know job step.take"),
            finding("its code performs job work.undo"),
            finding("job work.do: its fields are number"),
            finding("job work.do: timeout in ms 1"),
        ],
    );
    let types = |stage: &mut Stage| {
        let mut about = About::of(&function());
        about.jobs.iter_mut().find(|job| job.job == "work.do").unwrap().schema["properties"]["order"] =
            json!({"type": "integer"});
        stage.deployed.code.insert("ShopFunction".into(), Code::About(about));
    };
    finds(types, &[finding("job work.do: its fields (order) are of other types")]);
    let foreign = |stage: &mut Stage| {
        let about = About { function: "else".into(), ..About::of(&function()) };
        stage.deployed.code.insert("ShopFunction".into(), Code::About(about));
    };
    finds(foreign, &[finding("it runs the code of function else")]);
}

#[test]
fn schedules() {
    let hourly = "schedule hourly";
    let off = |stage: &mut Stage| stage.seen("HourlyRule")["State"] = "DISABLED".into();
    finds(off, &[(K::ScheduleDisabled, Error, hourly, "DISABLED", "`lamp schedule resume hourly --stack shop`")]);
    let paused = |stage: &mut Stage| stage.seen("BerlinSchedule")["State"] = "DISABLED".into();
    finds(paused, &[(K::ScheduleDisabled, Error, "schedule berlin", "DISABLED", "lamp schedule resume berlin")]);
    let events = |stage: &mut Stage| stage.seen("ShopEvents")["State"] = "DISABLED".into();
    finds(events, &[(K::ScheduleDisabled, Error, "rule for events of function shop", "DISABLED", "enable-rule")]);
    let later = |stage: &mut Stage| stage.seen("BerlinSchedule")["ScheduleExpressionTimezone"] = "UTC".into();
    finds(later, &[(K::ScheduleDrifted, Error, "schedule berlin", "ScheduleExpressionTimezone UTC", "drift")]);
    let pattern = |stage: &mut Stage| stage.seen("ShopEvents")["EventPattern"] = json!({"source": ["else"]});
    finds(pattern, &[(K::ScheduleDrifted, Error, "rule for events of function shop", "else", "drift")]);
    let idle = |stage: &mut Stage| stage.seen("HourlyRule")["Targets"] = json!([]);
    finds(idle, &[(K::ScheduleNowhere, Error, hourly, "it has no target", "drift")]);
    let astray = |stage: &mut Stage| stage.seen("HourlyRule")["Targets"][0]["Arn"] = "arn:gone".into();
    finds(astray, &[(K::ScheduleNowhere, Error, hourly, "it points at arn:gone", "drift")]);
    let silent = |stage: &mut Stage| stage.seen("HourlyRule")["Targets"][0]["DeadLetterConfig"] = Value::Null;
    finds(silent, &[(K::ScheduleDrifted, Error, hourly, "no DeadLetterConfig", "drift")]);
    let other = |stage: &mut Stage| {
        stage.seen("HourlyRule")["Targets"][0]["Arn"] = "arn:aws:sqs:eu-west-1:123456789012:shop-steps.fifo".into();
    };
    finds(other, &[(K::ScheduleDrifted, Error, hourly, "shop-steps.fifo", "drift")]);
}

#[test]
fn schedules_made_at_run_time() {
    let remove = "`lamp schedule remove pulse --stack shop`";
    let gone =
        |stage: &mut Stage| stage.deployed.made = vec![made("arn:gone", r#"{"job":"work.do","schedule":"pulse"}"#)];
    finds(gone, &[(K::ScheduleNowhere, Error, "schedule pulse", "it sends to arn:gone", remove)]);
    let target = "arn:aws:sqs:eu-west-1:123456789012:shop-work";
    let strange = |stage: &mut Stage| stage.deployed.made = vec![made(target, r#"{"job":"work.undo"}"#)];
    finds(strange, &[(K::ScheduleNowhere, Error, "schedule pulse", "it starts job \"work.undo\"", remove)]);
    let asleep = |stage: &mut Stage| {
        stage.deployed.made = vec![RunTimeSchedule { enabled: false, ..made("arn:gone", "no JSON") }];
    };
    finds(asleep, &[(K::ScheduleNowhere, Warning, "schedule pulse", "it sends to arn:gone", remove)]);
}

#[test]
fn roles() {
    let poorer = |stage: &mut Stage| {
        let policy = &mut stage.seen("ShopRole")["Policies"][0];
        policy["Statement"]
            .as_array_mut()
            .unwrap()
            .retain(|statement| statement["Sid"] != "TakeMessages" && statement["Sid"] != "Trace");
    };
    finds(
        poorer,
        &[
            (
                K::RolePermission,
                Error,
                "role of function shop",
                "sqs:ReceiveMessage on arn:aws:sqs:eu-west-1:123456789012:shop-steps.fifo and",
                "drift",
            ),
            (K::RolePermission, Warning, "role of function shop", "xray:PutTraceSegments on *", "drift"),
        ],
    );
    let refused = |stage: &mut Stage| {
        let deny = json!({"Statement": {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}});
        stage.seen("ShopRole")["Policies"].as_array_mut().unwrap().push(deny);
    };
    finds(refused, &[(K::RolePermission, Error, "role of function shop", "dynamodb:PutItem on", "drift")]);
    let nobody = |stage: &mut Stage| stage.seen("ScheduleGroupAccess")["AssumeRolePolicyDocument"] = Value::Null;
    finds(nobody, &[(K::RolePermission, Error, "role of schedules", "trust policy", "drift")]);
}

#[test]
fn the_table() {
    let table = "table of records";
    let for_ever = |stage: &mut Stage| stage.seen("Jobs")["TimeToLiveSpecification"] = json!({"Enabled": false});
    finds(for_ever, &[(K::TableDrifted, Warning, table, "\"Enabled\":false", "update-time-to-live")]);
    let no_backup = |stage: &mut Stage| stage.seen("Jobs")["PointInTimeRecoverySpecification"] = Value::Null;
    finds(no_backup, &[(K::TableDrifted, Warning, table, "no PointInTimeRecovery", "update-continuous-backups")]);
    let no_index = |stage: &mut Stage| stage.seen("Jobs")["GlobalSecondaryIndexes"].as_array_mut().unwrap().truncate(1);
    finds(no_index, &[(K::TableDrifted, Error, table, "GlobalSecondaryIndexes", "drift")]);
    let going = |stage: &mut Stage| stage.seen("Jobs")["TableStatus"] = "DELETING".into();
    finds(going, &[(K::TableDrifted, Error, table, "DELETING", "describe-table")]);
}

#[test]
fn quotas() {
    let rules = |stage: &mut Stage| stage.deployed.account.rules = Some(240);
    finds(rules, &[(K::Quota, Warning, "default event bus", "240 rules", "Service Quotas")]);
    let concurrency = |stage: &mut Stage| stage.deployed.account.concurrency = Some(10);
    finds(concurrency, &[(K::Quota, Error, "account", "20 invocations at once", "Service Quotas")]);
    let code = |stage: &mut Stage| stage.deployed.account.code = Some((80, 100));
    finds(code, &[(K::Quota, Warning, "account", "80 bytes of code", "Service Quotas")]);
    let full = |stage: &mut Stage| stage.seen("WorkQueue")["InFlight"] = 100_000.into();
    finds(full, &[(K::Quota, Warning, "queue work", "100000 messages in flight", "max_concurrency")]);
    let wordy = |stage: &mut Stage| {
        stage.seen("ShopFunction")["Environment"]["Variables"]["SHOP_TOKEN"] = "geheim".repeat(600).into();
    };
    finds(wordy, &[(K::Quota, Error, "function shop", "bytes of environment variables", "a stack of their own")]);
}

#[test]
fn what_could_not_be_looked_at_is_told_once_an_action() {
    let denied = |stage: &mut Stage| {
        let why = || StoreError::new(StoreErrorKind::Denied, "cannot read the role: not allowed");
        for role in ["ShopRole", "ScheduleGroupAccess"] {
            let unreadable = vec![Unreadable { action: "iam:GetRole", why: why() }];
            stage.deployed.looks.insert(role.into(), Observed { seen: Some(json!({})), unreadable });
        }
        let away = StoreError::unavailable("cannot count the rules");
        stage.deployed.unreadable.push(("quotas".into(), Unreadable { action: "events:ListRules", why: away }));
    };
    finds(
        denied,
        &[
            (K::NotExamined, Warning, "quotas", "cannot count the rules", "try again"),
            (
                K::NotExamined,
                Warning,
                "role of schedules (and one more)",
                "not allowed",
                "let whoever runs this do iam:GetRole",
            ),
        ],
    );
}

/// Every kind has a test above.
#[test]
fn every_kind_is_found() {
    let own = include_str!("tests.rs");
    for kind in Kind::ALL {
        assert!(own.contains(&format!("K::{kind:?}, ")), "no test finds {kind}");
    }
}
