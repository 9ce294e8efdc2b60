//! An expected stack without findings, and each kind of difference from it.

mod fixture;

use Severity::{Error, Warning};
use lamplighter::backend::{StoreError, StoreErrorKind};
use lamplighter_aws::{
    Code, Drift, DriftedProperty, Observed, RunTimeSchedule, StackResource, Unreadable, lambda::About,
};
use serde_json::{Value, json};

use self::fixture::{Fixture, function, made};
use super::{Kind as K, *};

#[test]
fn a_stack_as_expected_has_no_findings() {
    let fixture = Fixture::well();
    let examination = fixture.examination();
    assert_eq!(examination.findings, []);
    assert!(examination.is_well() && examination.checks > 150, "{}", examination.checks);
    assert_eq!(examination.resources, fixture.deployed.stack.resources.len());
}

/// Kind, severity, resource, part of what is found, part of the repair.
type Reported = (Kind, Severity, &'static str, &'static str, &'static str);

/// Breaks a stack, and asserts exactly these findings.
fn finds(breaks: impl Fn(&mut Fixture), reported: &[Reported]) {
    let mut fixture = Fixture::well();
    breaks(&mut fixture);
    let findings = fixture.examination().findings;
    let kinds: Vec<_> = findings.iter().map(|one| (one.kind, one.severity, &*one.resource)).collect();
    let expected: Vec<_> = reported.iter().map(|one| (one.0, one.1, one.2)).collect();
    assert_eq!(kinds, expected, "{findings:#?}");
    for (finding, (.., found, repair)) in findings.iter().zip(reported) {
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
    let failed = |fixture: &mut Fixture| {
        fixture.deployed.stack.status = "UPDATE_ROLLBACK_COMPLETE".into();
        fixture.deployed.stack.reason = Some("no room".into());
    };
    finds(
        failed,
        &[(K::StackFailed, Error, "stack shop", "UPDATE_ROLLBACK_COMPLETE: no room", "describe-stack-events")],
    );
    let changing = |fixture: &mut Fixture| fixture.deployed.stack.status = "UPDATE_IN_PROGRESS".into();
    finds(changing, &[(K::StackChanging, Warning, "stack shop", "UPDATE_IN_PROGRESS", "look again")]);
    let left_over = |fixture: &mut Fixture| {
        let old =
            StackResource { kind: "AWS::SQS::Queue".into(), physical_id: "u".into(), status: "CREATE_COMPLETE".into() };
        fixture.deployed.stack.resources.insert("OldQueue".into(), old);
    };
    finds(left_over, &[(K::ResourceLeftOver, Warning, "queue OldQueue", "AWS::SQS::Queue in the stack", "sam deploy")]);
}

#[test]
fn missing_resources() {
    let never = |fixture: &mut Fixture| {
        fixture.deployed.stack.resources.remove("WorkMapping");
        fixture.deployed.looks.remove("WorkMapping");
    };
    let (mapping, deleted) = ("event source mapping of queue work", "somebody has deleted it");
    finds(never, &[(K::ResourceMissing, Error, mapping, "the stack has none", "sam deploy")]);
    finds(|fixture| fixture.is_gone("WorkMapping"), &[(K::ResourceMissing, Error, mapping, deleted, "reverts drift")]);
    finds(
        |fixture| fixture.is_gone("Jobs"),
        &[(K::ResourceMissing, Error, "table of records", deleted, "reverts drift")],
    );
    // The schedules that start jobs on it no longer start anything.
    let nowhere = |resource| (K::ScheduleNowhere, Error, resource, "shop-work", "");
    finds(
        |fixture| fixture.is_gone("WorkQueue"),
        &[
            (K::ResourceMissing, Error, "queue work", deleted, "reverts drift"),
            nowhere("schedule hourly"),
            nowhere("schedule pulse"),
        ],
    );
    let alarm = |fixture: &mut Fixture| _ = fixture.deployed.stack.resources.remove("WorkAgeAlarm");
    finds(alarm, &[(K::ResourceMissing, Warning, "alarm WorkAgeAlarm", "the stack has none", "sam deploy")]);
}

#[test]
fn drift_that_cloudformation_reports() {
    let property = |at: &str, found: Value, deployed: Value| DriftedProperty { at: at.into(), found, deployed };
    let changed = |fixture: &mut Fixture| {
        let properties = vec![
            property("/RetentionInDays", json!(3), json!(30)),
            property("/KmsKeyId", Value::Null, json!("arn:aws:kms:eu-west-1:123456789012:key/k")),
        ];
        fixture.drifts("ShopLogs", Drift::Changed(properties));
    };
    let found = "RetentionInDays 3, no KmsKeyId";
    finds(changed, &[(K::ResourceDrifted, Warning, "log group ShopLogs", found, "reverts drift")]);
    let deleted = |fixture: &mut Fixture| fixture.drifts("WorkAgeAlarm", Drift::Deleted);
    let found = "somebody has deleted it";
    finds(deleted, &[(K::ResourceMissing, Warning, "alarm WorkAgeAlarm", found, "reverts drift")]);
    let unasked = |fixture: &mut Fixture| fixture.deployed.drifts = None;
    finds(unasked, &[]);
}

#[test]
fn queues() {
    let drift = |fixture: &mut Fixture| fixture.seen("WorkQueue")["VisibilityTimeout"] = 30.into();
    let by_hand = "--attributes VisibilityTimeout=390`";
    finds(drift, &[(K::QueueDrifted, Error, "queue work", "VisibilityTimeout 30", by_hand)]);
    let old_template = |fixture: &mut Fixture| {
        fixture.seen("WorkQueue")["VisibilityTimeout"] = 30.into();
        fixture.deployed.template.as_mut().unwrap()["Resources"]["WorkQueue"]["Properties"]["VisibilityTimeout"] =
            30.into();
    };
    let deployed = "the stack was deployed from other definitions";
    finds(old_template, &[(K::QueueDrifted, Error, "queue work", "VisibilityTimeout 30", deployed)]);
    let unlimited = |fixture: &mut Fixture| fixture.seen("StepsQueue")["RedrivePolicy"] = Value::Null;
    finds(unlimited, &[(K::QueueDrifted, Error, "queue steps", "no RedrivePolicy", "maxReceiveCount")]);
    let short = |fixture: &mut Fixture| fixture.seen("WorkDeadLetters")["MessageRetentionPeriod"] = 60.into();
    let dead = "dead-letter queue of work";
    finds(short, &[(K::QueueDrifted, Error, dead, "MessageRetentionPeriod 60", "MessageRetentionPeriod=1209600")]);
    let open = |fixture: &mut Fixture| fixture.seen("WorkQueue")["Policy"] = Value::Null;
    finds(
        open,
        &[
            (
                K::QueuePolicy,
                Error,
                "queue work",
                "does not allow arn:aws:events:eu-west-1:123456789012:rule/shop-hourly",
                "drift",
            ),
            (K::QueuePolicy, Warning, "queue work", "does not refuse requests without TLS", "drift"),
        ],
    );
    let letters = |fixture: &mut Fixture| fixture.seen("WorkDeadLetters")["Waiting"] = 3.into();
    finds(letters, &[(K::DeadLetters, Error, dead, "3 dead letters", "`lamp redrive work --dry-run --stack shop`")]);
    let undelivered = |fixture: &mut Fixture| fixture.seen("EventsNotDelivered")["InFlight"] = 1.into();
    let queue = "queue for undelivered events";
    finds(undelivered, &[(K::UndeliveredEvents, Error, queue, "one event", "receive-message")]);
}

#[test]
fn workers() {
    let seen = |polled: bool, paused: bool| {
        move |fixture: &mut Fixture| {
            fixture.seen("HaulQueue")["Workers"] = json!({ "Polled": polled, "Paused": paused });
        }
    };
    finds(seen(true, false), &[]);
    let hauls = "queue haul";
    finds(
        seen(false, false),
        &[(K::WorkerMissing, Error, hauls, "no worker has polled it", "`lamp work --stack shop`")],
    );
    finds(seen(true, true), &[(K::QueuePaused, Error, hauls, "it is paused", "`lamp resume haul --stack shop`")]);
    // A queue of functions has event source mappings, even with such tags.
    let others = |fixture: &mut Fixture| {
        fixture.seen("WorkQueue")["Workers"] = json!({ "Polled": false, "Paused": true });
    };
    finds(others, &[]);
}

#[test]
fn mappings() {
    let mapping = "event source mapping of queue work";
    let paused = |fixture: &mut Fixture| fixture.seen("WorkMapping")["State"] = "Disabled".into();
    finds(paused, &[(K::MappingDisabled, Error, mapping, "Disabled", "`lamp resume work --stack shop`")]);
    let switched = |fixture: &mut Fixture| fixture.seen("WorkMapping")["State"] = "Enabling".into();
    finds(switched, &[(K::MappingDisabled, Warning, mapping, "Enabling", "look again")]);
    let all_or_none = |fixture: &mut Fixture| fixture.seen("WorkMapping")["FunctionResponseTypes"] = json!([]);
    let found = "FunctionResponseTypes []";
    finds(all_or_none, &[(K::MappingDrifted, Error, mapping, found, "ReportBatchItemFailures")]);
    let unlimited = |fixture: &mut Fixture| fixture.seen("WorkMapping")["ScalingConfig"] = Value::Null;
    let found = "no ScalingConfig.MaximumConcurrency";
    finds(unlimited, &[(K::MappingDrifted, Error, mapping, found, "MaximumConcurrency=20")]);
    let filter = |fixture: &mut Fixture| fixture.seen("WorkMapping")["Filters"] = 1.into();
    finds(filter, &[(K::MappingDrifted, Error, mapping, "filters: 1", "--filter-criteria")]);
    let elsewhere = |fixture: &mut Fixture| fixture.seen("WorkMapping")["FunctionArn"] = "arn:other".into();
    finds(elsewhere, &[(K::MappingDrifted, Error, mapping, "it feeds arn:other", "drift")]);
}

#[test]
fn functions() {
    let shop = "function shop";
    let short = |fixture: &mut Fixture| fixture.seen("ShopFunction")["Timeout"] = 3.into();
    finds(short, &[(K::FunctionDrifted, Error, shop, "Timeout 3", "--timeout")]);
    let other = |fixture: &mut Fixture| {
        let variables = &mut fixture.seen("ShopFunction")["Environment"]["Variables"];
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
    let failed = |fixture: &mut Fixture| {
        fixture.seen("ShopFunction")["LastUpdateStatus"] = "Failed".into();
        fixture.seen("ShopFunction")["LastUpdateStatusReason"] = "no image".into();
    };
    finds(failed, &[(K::FunctionNotReady, Error, shop, "LastUpdateStatus Failed: no image", "sam deploy")]);
    let pending = |fixture: &mut Fixture| fixture.seen("ShopFunction")["State"] = "Pending".into();
    finds(pending, &[(K::FunctionNotReady, Warning, shop, "State Pending", "look again")]);
    let stopped = |fixture: &mut Fixture| fixture.seen("ShopFunction")["ReservedConcurrency"] = 0.into();
    finds(stopped, &[(K::FunctionThrottled, Error, shop, "0 concurrent invocations", "delete-function-concurrency")]);
    let scarce = |fixture: &mut Fixture| fixture.seen("ShopFunction")["ReservedConcurrency"] = 5.into();
    finds(scarce, &[(K::FunctionThrottled, Error, shop, "5 concurrent invocations", "delete-function-concurrency")]);
    let guarded = |fixture: &mut Fixture| fixture.seen("ShopFunction")["RecursiveLoop"] = "Terminate".into();
    finds(guarded, &[(K::RecursionGuard, Error, shop, "RecursiveLoop Terminate", "--recursive-loop Allow")]);
    let locked = |fixture: &mut Fixture| fixture.seen("ShopFunction")["Policy"] = Value::Null;
    finds(locked, &[(K::InvokePermission, Error, shop, "rule/shop-shop-events", "add-permission")]);
    let forgotten = |fixture: &mut Fixture| fixture.seen("ShopCalls")["DestinationConfig"] = Value::Null;
    finds(
        forgotten,
        &[(K::FailedCalls, Error, shop, "no DestinationConfig.OnFailure.Destination", "OnFailure={Destination=")],
    );
}

#[test]
fn code() {
    let shop = "function shop";
    let strange =
        |fixture: &mut Fixture| _ = fixture.deployed.code.insert("ShopFunction".into(), Code::Strange("what?".into()));
    finds(
        strange,
        &[(
            K::OldCode,
            Error,
            shop,
            "asked which code it runs, it says: what?",
            "cargo lambda deploy --binary-name shop shop-shop",
        )],
    );
    let old = |fixture: &mut Fixture| {
        let mut about = About::of(&function());
        about.jobs.retain(|job| job.job != "step.take");
        let work = about.jobs.iter_mut().find(|job| job.job == "work.do").unwrap();
        work.timeout_ms = 1;
        work.schema["properties"] = json!({"number": {"type": "integer"}});
        let mut gone = work.clone();
        gone.job = "work.undo".into();
        about.jobs.push(gone);
        fixture.deployed.code.insert("ShopFunction".into(), Code::About(about));
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
    let types = |fixture: &mut Fixture| {
        let mut about = About::of(&function());
        about.jobs.iter_mut().find(|job| job.job == "work.do").unwrap().schema["properties"]["order"] =
            json!({"type": "integer"});
        fixture.deployed.code.insert("ShopFunction".into(), Code::About(about));
    };
    finds(types, &[finding("job work.do: its fields (order) are of other types")]);
    let foreign = |fixture: &mut Fixture| {
        let about = About { function: "else".into(), ..About::of(&function()) };
        fixture.deployed.code.insert("ShopFunction".into(), Code::About(about));
    };
    finds(foreign, &[finding("it runs the code of function else")]);
}

#[test]
fn schedules() {
    let hourly = "schedule hourly";
    let off = |fixture: &mut Fixture| fixture.seen("HourlyRule")["State"] = "DISABLED".into();
    finds(off, &[(K::ScheduleDisabled, Error, hourly, "DISABLED", "`lamp schedule resume hourly --stack shop`")]);
    let paused = |fixture: &mut Fixture| fixture.seen("BerlinSchedule")["State"] = "DISABLED".into();
    finds(paused, &[(K::ScheduleDisabled, Error, "schedule berlin", "DISABLED", "lamp schedule resume berlin")]);
    let events = |fixture: &mut Fixture| fixture.seen("ShopEvents")["State"] = "DISABLED".into();
    finds(events, &[(K::ScheduleDisabled, Error, "rule for events of function shop", "DISABLED", "enable-rule")]);
    let later = |fixture: &mut Fixture| fixture.seen("BerlinSchedule")["ScheduleExpressionTimezone"] = "UTC".into();
    finds(later, &[(K::ScheduleDrifted, Error, "schedule berlin", "ScheduleExpressionTimezone UTC", "drift")]);
    let pattern = |fixture: &mut Fixture| fixture.seen("ShopEvents")["EventPattern"] = json!({"source": ["else"]});
    finds(pattern, &[(K::ScheduleDrifted, Error, "rule for events of function shop", "else", "drift")]);
    let idle = |fixture: &mut Fixture| fixture.seen("HourlyRule")["Targets"] = json!([]);
    finds(idle, &[(K::ScheduleNowhere, Error, hourly, "it has no target", "drift")]);
    let astray = |fixture: &mut Fixture| fixture.seen("HourlyRule")["Targets"][0]["Arn"] = "arn:gone".into();
    finds(astray, &[(K::ScheduleNowhere, Error, hourly, "it points at arn:gone", "drift")]);
    let silent = |fixture: &mut Fixture| fixture.seen("HourlyRule")["Targets"][0]["DeadLetterConfig"] = Value::Null;
    finds(silent, &[(K::ScheduleDrifted, Error, hourly, "no DeadLetterConfig", "drift")]);
    let other = |fixture: &mut Fixture| {
        fixture.seen("HourlyRule")["Targets"][0]["Arn"] = "arn:aws:sqs:eu-west-1:123456789012:shop-steps.fifo".into();
    };
    finds(other, &[(K::ScheduleDrifted, Error, hourly, "shop-steps.fifo", "drift")]);
}

#[test]
fn schedules_made_at_run_time() {
    let remove = "`lamp schedule remove pulse --stack shop`";
    let gone = |fixture: &mut Fixture| {
        fixture.deployed.made = vec![made("arn:gone", r#"{"job":"work.do","schedule":"pulse"}"#)];
    };
    finds(gone, &[(K::ScheduleNowhere, Error, "schedule pulse", "it sends to arn:gone", remove)]);
    let target = "arn:aws:sqs:eu-west-1:123456789012:shop-work";
    let strange = |fixture: &mut Fixture| fixture.deployed.made = vec![made(target, r#"{"job":"work.undo"}"#)];
    finds(strange, &[(K::ScheduleNowhere, Error, "schedule pulse", "it starts job \"work.undo\"", remove)]);
    let asleep = |fixture: &mut Fixture| {
        fixture.deployed.made = vec![RunTimeSchedule { enabled: false, ..made("arn:gone", "no JSON") }];
    };
    finds(asleep, &[(K::ScheduleNowhere, Warning, "schedule pulse", "it sends to arn:gone", remove)]);
}

#[test]
fn roles() {
    let poorer = |fixture: &mut Fixture| {
        let policy = &mut fixture.seen("ShopRole")["Policies"][0];
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
    let refused = |fixture: &mut Fixture| {
        let deny = json!({"Statement": {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}});
        fixture.seen("ShopRole")["Policies"].as_array_mut().unwrap().push(deny);
    };
    finds(refused, &[(K::RolePermission, Error, "role of function shop", "dynamodb:PutItem on", "drift")]);
    let nobody = |fixture: &mut Fixture| fixture.seen("ScheduleGroupAccess")["AssumeRolePolicyDocument"] = Value::Null;
    finds(nobody, &[(K::RolePermission, Error, "role of schedules", "trust policy", "drift")]);
}

#[test]
fn the_url_of_the_dashboard() {
    let url = "URL DashboardUrl";
    let open = |fixture: &mut Fixture| fixture.seen("DashboardUrl")["AuthType"] = "NONE".into();
    finds(open, &[(K::UrlDrifted, Error, url, "AuthType NONE", "--function-name shop-dashboard --auth-type AWS_IAM")]);
    let shared = |fixture: &mut Fixture| fixture.seen("DashboardUrl")["Cors"] = json!({"AllowOrigins": ["*"]});
    finds(shared, &[(K::UrlDrifted, Error, url, "Cors.AllowOrigins [\"*\"]", "drift")]);
    finds(|fixture| fixture.is_gone("DashboardUrl"), &[(K::ResourceMissing, Warning, url, "deleted it", "drift")]);
}

#[test]
fn the_table() {
    let table = "table of records";
    let for_ever = |fixture: &mut Fixture| fixture.seen("Jobs")["TimeToLiveSpecification"] = json!({"Enabled": false});
    finds(for_ever, &[(K::TableDrifted, Warning, table, "\"Enabled\":false", "update-time-to-live")]);
    let no_backup = |fixture: &mut Fixture| fixture.seen("Jobs")["PointInTimeRecoverySpecification"] = Value::Null;
    finds(no_backup, &[(K::TableDrifted, Warning, table, "no PointInTimeRecovery", "update-continuous-backups")]);
    let no_index =
        |fixture: &mut Fixture| fixture.seen("Jobs")["GlobalSecondaryIndexes"].as_array_mut().unwrap().truncate(1);
    finds(no_index, &[(K::TableDrifted, Error, table, "GlobalSecondaryIndexes", "drift")]);
    let going = |fixture: &mut Fixture| fixture.seen("Jobs")["TableStatus"] = "DELETING".into();
    finds(going, &[(K::TableDrifted, Error, table, "DELETING", "describe-table")]);
}

#[test]
fn quotas() {
    let rules = |fixture: &mut Fixture| fixture.deployed.account.rules = Some(240);
    finds(rules, &[(K::Quota, Warning, "default event bus", "240 rules", "Service Quotas")]);
    let concurrency = |fixture: &mut Fixture| fixture.deployed.account.concurrency = Some(10);
    finds(concurrency, &[(K::Quota, Error, "account", "20 concurrent invocations", "Service Quotas")]);
    let code = |fixture: &mut Fixture| fixture.deployed.account.code = Some((80, 100));
    finds(code, &[(K::Quota, Warning, "account", "80 bytes of code", "Service Quotas")]);
    let full = |fixture: &mut Fixture| fixture.seen("WorkQueue")["InFlight"] = 100_000.into();
    finds(full, &[(K::Quota, Warning, "queue work", "100000 messages in flight", "max_concurrency")]);
    let wordy = |fixture: &mut Fixture| {
        fixture.seen("ShopFunction")["Environment"]["Variables"]["SHOP_TOKEN"] = "geheim".repeat(600).into();
    };
    finds(wordy, &[(K::Quota, Error, "function shop", "bytes of environment variables", "a separate stack")]);
}

#[test]
fn unreadable_resources_are_reported_once_per_action() {
    let denied = |fixture: &mut Fixture| {
        let why = || StoreError::new(StoreErrorKind::Denied, "cannot read the role: not allowed");
        for role in ["ShopRole", "ScheduleGroupAccess"] {
            let unreadable = vec![Unreadable { action: "iam:GetRole", why: why() }];
            fixture.deployed.looks.insert(role.into(), Observed { seen: Some(json!({})), unreadable });
        }
        let away = StoreError::unavailable("cannot count the rules");
        fixture.deployed.unreadable.push(("quotas".into(), Unreadable { action: "events:ListRules", why: away }));
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
                "grant the caller iam:GetRole",
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
