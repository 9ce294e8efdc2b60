//! The derivation of the template's numbers.

use crate::support::{BookOrder, SendDigest, derive, handle, job, mail, orders, properties, schedules, template};
use lamplighter::{
    Function, Options, Overlap, Queue, Retry, ScheduledJob, hours, meter::Instrument, mins, schedule::Schedule, secs,
};
use lamplighter_infra::Template;
use serde_json::json;

#[test]
fn queue_numbers_follow_its_slowest_and_longest_retrying_job() {
    let queue = properties(&template(), "MailsQueue");
    // The slowest job takes 180 s, the function 5 s more; ten seconds of window.
    assert_eq!(queue["VisibilityTimeout"], 6 * 185 + 10);
    // Every attempt is counted in a record, so receives need no limit.
    assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 1000);
    assert_eq!(queue["RedrivePolicy"]["deadLetterTargetArn"], json!({ "Fn::GetAtt": ["MailsDeadLetters", "Arn"] }));
    assert_eq!(queue["MessageRetentionPeriod"], 4 * 86_400);
    assert_eq!(queue.get("FifoQueue"), None);
    let dead = properties(&template(), "MailsDeadLetters");
    assert_eq!(dead["MessageRetentionPeriod"], 14 * 86_400);
    assert_eq!(dead["QueueName"], json!({ "Fn::Sub": "${AWS::StackName}-mails-dlq" }));
}

#[test]
fn without_records_receives_are_limited_with_slack() {
    job!(Ring, "bell.ring", Queue::standard("bells"), Options::new().retry(Retry::fixed(secs(1)).attempts(12)));
    let stateless = Function::new("bells").job(handle::<Ring>).with_state(()).stateless();
    let queue = properties(&Template::new(&derive(&[stateless], &[]).unwrap()), "BellsQueue");
    assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 17);
    job!(
        Toll,
        "bell.toll",
        Queue::standard("tolls"),
        Options::new().untracked().retry(Retry::fixed(secs(1)).attempts(12))
    );
    let untracked = Function::new("tolls").job(handle::<Toll>).with_state(());
    let queue = properties(&Template::new(&derive(&[untracked], &[]).unwrap()), "TollsQueue");
    assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 17);
}

#[test]
fn overlap_policy_sets_the_highest_max_receive_count() {
    job!(Sync, "stock.sync", Queue::standard("stock"), Options::new().overlap(Overlap::Queue));
    let function = Function::new("stock").job(handle::<Sync>).with_state(());
    let queue = properties(&Template::new(&derive(&[function], &[]).unwrap()), "StockQueue");
    assert_eq!(queue["RedrivePolicy"]["maxReceiveCount"], 1000);
}

#[test]
fn mappings_report_item_failures() {
    let mapping = properties(&template(), "MailsMapping");
    assert_eq!(mapping["BatchSize"], 100);
    assert_eq!(mapping["MaximumBatchingWindowInSeconds"], 10);
    assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]));
    assert_eq!(mapping["ScalingConfig"], json!({ "MaximumConcurrency": 50 }));
    let mapping = properties(&template(), "OrdersMapping");
    assert_eq!((mapping.get("ScalingConfig"), mapping.get("MaximumBatchingWindowInSeconds")), (None, None));
}

#[test]
fn fifo_queues_deduplicate_by_content_for_eventbridge() {
    let scheduled = template();
    let queue = properties(&scheduled, "OrdersQueue");
    assert_eq!(queue["QueueName"], json!({ "Fn::Sub": "${AWS::StackName}-orders.fifo" }));
    assert_eq!((&queue["FifoQueue"], &queue["ContentBasedDeduplication"]), (&json!(true), &json!(true)));
    let dead = properties(&scheduled, "OrdersDeadLetters");
    assert_eq!(dead["QueueName"], json!({ "Fn::Sub": "${AWS::StackName}-orders-dlq.fifo" }));
    assert_eq!(dead["FifoQueue"], true);
    let target = &properties(&scheduled, "BookOftenRule")["Targets"][0];
    assert_eq!(target["SqsParameters"], json!({ "MessageGroupId": "book-often" }));

    // Schedules may be created at run time.
    let alone = Template::new(&derive(&[orders()], &[]).unwrap());
    assert_eq!(properties(&alone, "OrdersQueue")["ContentBasedDeduplication"], true);
}

#[test]
fn retention_covers_long_retries() {
    job!(Patient, "patient", Queue::standard("patient"), Options::new().retry(Retry::fixed(hours(10)).attempts(9)));
    let function = Function::new("patient").job(handle::<Patient>).with_state(());
    let template = Template::new(&derive(&[function], &[]).unwrap());
    // 80 hours between the first attempt and the last, twice that, in whole days.
    assert_eq!(properties(&template, "PatientQueue")["MessageRetentionPeriod"], 7 * 86_400);
}

#[test]
fn functions_get_their_settings_and_all_queue_urls() {
    let template = template();
    let function = properties(&template, "MailFunction");
    assert_eq!((&function["Timeout"], &function["MemorySize"]), (&json!(185), &json!(256)));
    assert_eq!(function["RecursiveLoop"], "Allow");
    assert_eq!(
        function["Environment"]["Variables"],
        json!({
            "LAMPLIGHTER_TABLE": { "Ref": "Jobs" },
            "LAMPLIGHTER_EVENT_BUS": { "Ref": "Bus" },
            "LAMPLIGHTER_SCHEDULE_GROUP": { "Ref": "ScheduleGroup" },
            "LAMPLIGHTER_SCHEDULER_ROLE": { "Fn::GetAtt": ["ScheduleGroupAccess", "Arn"] },
            "LAMPLIGHTER_UNDELIVERED": { "Fn::GetAtt": ["EventsNotDelivered", "Arn"] },
            "LAMPLIGHTER_PAYLOADS":
                { "Fn::If": ["MakesPayloadsBucket", { "Ref": "Payloads" }, { "Ref": "PayloadsBucket" }] },
            "LAMPLIGHTER_WARM_UP": "1",
            "LAMPLIGHTER_MAIL_HOST": "mail.example.com",
            "LAMPLIGHTER_MAIL_TOKEN": { "Ref": "MailToken" },
        })
    );
    let json = template.to_json();
    assert_eq!(json["Parameters"]["MailToken"]["NoEcho"], true);
    let queues = &json["Globals"]["Function"]["Environment"]["Variables"]["LAMPLIGHTER_QUEUES"]["Fn::Sub"];
    assert_eq!(json["Outputs"]["Queues"]["Value"]["Fn::Sub"], *queues, "producers read the same");
    let queues: serde_json::Value = serde_json::from_str(queues.as_str().unwrap()).unwrap();
    assert_eq!(
        queues,
        json!({
            "mails": { "url": "${MailsQueue}", "dlq": "${MailsDeadLetters}" },
            "orders": { "url": "${OrdersQueue}", "dlq": "${OrdersDeadLetters}" },
        })
    );
}

#[test]
fn only_functions_with_objects_add_a_bucket() {
    let with = template().to_json();
    for kept in ["Objects", "Payloads", "Jobs"] {
        let kept = &with["Resources"][kept];
        assert_eq!(kept["DeletionPolicy"], "RetainExceptOnCreate", "{kept}");
        assert_eq!(kept["UpdateReplacePolicy"], "Retain", "{kept}");
    }
    assert!(with["Parameters"]["ObjectsBucket"].is_object());
    let without = Template::new(&derive(&[mail()], &[]).unwrap()).to_json();
    assert!(without["Resources"].get("Objects").is_none());
    assert!(without["Conditions"].get("MakesObjectsBucket").is_none());
    assert!(without["Parameters"].get("ObjectsBucket").is_none());
}

/// The text in the template is the message that the schedule sends on other backends.
#[test]
fn ticks_send_the_same_message_on_every_backend() {
    let tick = "2026-11-24T06:00:00Z";
    let deployment = derive(&[mail(), orders()], &schedules()).unwrap();
    for scheduled in schedules() {
        let name = &scheduled.schedule.name;
        let deployed = deployment.schedules.iter().find(|deployed| deployed.name == *name).unwrap();
        for placeholder in ["<time>", "<aws.scheduler.scheduled-time>"] {
            let template = deployed.message(placeholder);
            let others = template.replace(placeholder, "");
            assert!(!others.contains(['<', '>']), "{others} holds text that EventBridge would read as a placeholder");
            let sent: lamplighter::message::Message = template.replace(placeholder, tick).parse().unwrap();
            let args = |message: &lamplighter::message::Message| -> serde_json::Value {
                serde_json::from_str(message.args.get()).unwrap()
            };
            let wanted = scheduled.message(tick.parse().unwrap()).unwrap();
            assert_eq!((sent.job.as_str(), &sent.id), (wanted.job.as_str(), &wanted.id));
            assert_eq!((sent.enqueued_at, &sent.schedule), (wanted.enqueued_at, &wanted.schedule));
            assert_eq!(args(&sent), args(&wanted));
            // Unfilled, it is refused: not one job for all ticks.
            assert!(template.parse::<lamplighter::message::Message>().is_err());
        }
    }
}

#[test]
fn zoned_schedules_use_scheduler_and_others_rules() {
    let template = template();
    let rule = properties(&template, "DigestRule");
    assert_eq!(rule["ScheduleExpression"], "cron(0 6 * * ? *)");
    let target = &rule["Targets"][0];
    assert_eq!(target["Arn"], json!({ "Fn::GetAtt": ["MailsQueue", "Arn"] }));
    assert_eq!(target["InputTransformer"]["InputPathsMap"], json!({ "time": "$.time" }));
    assert_eq!(target["DeadLetterConfig"]["Arn"], json!({ "Fn::GetAtt": ["EventsNotDelivered", "Arn"] }));
    assert_eq!(properties(&template, "BookOftenRule")["State"], "DISABLED");

    let schedule = properties(&template, "BookBerlinSchedule");
    // Distinguished from schedules created at run time in the same group.
    assert_eq!(schedule["Name"], "deployed-book.berlin");
    assert_eq!(schedule["ScheduleExpression"], "cron(30 8 ? * MON-FRI *)");
    assert_eq!(schedule["ScheduleExpressionTimezone"], "Europe/Berlin");
    assert_eq!(schedule["Target"]["RoleArn"], json!({ "Fn::GetAtt": ["ScheduleGroupAccess", "Arn"] }));
}

#[test]
fn schedules_with_a_trigger_call_the_function() {
    use lamplighter::EventTrigger;
    let function = || Function::new("orders").job(handle::<BookOrder>);
    let sweep: Vec<ScheduledJob> =
        vec![Schedule::rate("sweep", mins(1)).unwrap().starts(&BookOrder::default()).unwrap()];
    let trigger = EventTrigger::new::<BookOrder>().rule("sweep");
    let template = Template::new(&derive(&[function().on_event(trigger).with_state(())], &sweep).unwrap());
    let target = &properties(&template, "SweepRule")["Targets"][0];
    assert_eq!(target["Arn"], json!({ "Fn::GetAtt": ["OrdersFunction", "Arn"] }));
    let permission = properties(&template, "SweepRulePermission");
    assert_eq!(permission["SourceArn"], json!({ "Fn::GetAtt": ["SweepRule", "Arn"] }));
    assert!(properties(&template, "OrdersCalls")["DestinationConfig"]["OnFailure"].is_object());
}

#[test]
fn several_triggers_share_one_rule() {
    use lamplighter::EventTrigger;
    let shop = EventTrigger::new::<BookOrder>().source("shop");
    let paid = EventTrigger::new::<BookOrder>().source("shop").detail_type("Paid");
    let function =
        Function::new("orders").job(handle::<BookOrder>).on_event(paid).on_event(shop.clone()).on_event(shop);
    let template = Template::new(&derive(&[function.with_state(())], &[]).unwrap());
    let rule = properties(&template, "OrdersEvents");
    assert_eq!(
        rule["EventPattern"],
        json!({ "$or": [{ "source": ["shop"] }, { "source": ["shop"], "detail-type": ["Paid"] }] })
    );
}

#[test]
fn a_changed_timeout_changes_only_derived_lines() {
    job!(Digest, "mail.digest", crate::support::MAILS, SendDigest::options().timeout(mins(4)));
    let function = |slower: bool| {
        let function = Function::new("mail").job(handle::<crate::support::SendMail>);
        let function = if slower { function.job(handle::<Digest>) } else { function.job(handle::<SendDigest>) };
        Template::new(&derive(&[function.with_state(())], &[]).unwrap()).to_yaml()
    };
    let (before, after) = (function(false), function(true));
    assert_eq!(before.lines().count(), after.lines().count());
    let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(a, b)| a != b).collect();
    assert_eq!(
        changed.into_iter().map(|(a, b)| (a.trim(), b.trim())).collect::<Vec<_>>(),
        [
            ("Timeout: 185", "Timeout: 245"),
            ("VisibilityTimeout: 1120", "VisibilityTimeout: 1480"),
            // The alarms for a message's age and for an invocation's duration.
            ("Threshold: 3480", "Threshold: 4200"),
            ("Threshold: 183000", "Threshold: 243000"),
        ]
    );
}

#[test]
fn the_order_of_definitions_does_not_matter() {
    let turned = derive(&[orders(), mail()], &schedules().into_iter().rev().collect::<Vec<_>>()).unwrap();
    assert_eq!(Template::new(&turned), template());
}

#[test]
fn queues_and_functions_have_alarms() {
    let deployment = derive(&[mail(), orders()], &schedules()).unwrap();
    let json = Template::new(&deployment).to_json();
    let resources = json["Resources"].as_object().unwrap();
    let alarms: Vec<_> = resources.iter().filter(|(_, one)| one["Type"] == "AWS::CloudWatch::Alarm").collect();
    let of_jobs = alarms.iter().filter(|(_, one)| one["Condition"] == "HasMetrics").count();
    assert_eq!((of_jobs, alarms.len() - of_jobs), (deployment.job_alarms(), deployment.alarms()));
    for (id, alarm) in alarms {
        let actions = json!({ "Fn::If": ["HasAlarmTopic", [{ "Ref": "AlarmTopicArn" }], { "Ref": "AWS::NoValue" }] });
        assert_eq!(alarm["Properties"]["AlarmActions"], actions, "{id}");
        assert_eq!(alarm["Properties"]["TreatMissingData"], "notBreaching", "{id}");
    }
    let above = |id: &str| resources[id]["Properties"]["Threshold"].clone();
    assert_eq!(above("MailsDeadLettersAlarm"), 0);
    // Twelve attempts of 185 s each and eleven waits of 30 s, and the longest delay that SQS knows.
    assert_eq!(above("MailsAgeAlarm"), 12 * 185 + 11 * 30 + 15 * 60 + 30);
    // Two seconds below the timeout, which the worker keeps for settling.
    assert_eq!(above("MailDurationAlarm"), 183_000);
}

/// An alarm of an expression may read ten metrics, and returns one series (Amazon CloudWatch API Reference, PutMetricAlarm).
#[test]
fn the_alarm_of_a_job_compares_what_its_function_writes() {
    let json = template().to_json();
    let alarm = &json["Resources"]["MailsMailSendRetriesAlarm"]["Properties"];
    let queries = alarm["Metrics"].as_array().unwrap();
    let ids: Vec<_> = queries.iter().map(|query| query["Id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["retried", "succeeded", "rate"]);
    for query in &queries[..2] {
        let metric = &query["MetricStat"]["Metric"];
        assert_eq!((&query["ReturnData"], &metric["Namespace"]), (&json!(false), &json!("Lamplighter")));
        let name = metric["MetricName"].as_str().unwrap();
        assert!(
            Instrument::ALL.iter().any(|instrument| instrument.cloudwatch == name && instrument.is_by_job),
            "{name}"
        );
        let dimensions: Vec<_> = metric["Dimensions"].as_array().unwrap().iter().map(|one| &one["Name"]).collect();
        assert_eq!(dimensions, ["Function", "Queue", "Job"], "as they are written");
        assert_eq!(metric["Dimensions"][2]["Value"], "mail.send");
    }
    assert!(queries[2].get("ReturnData").is_none_or(|is_returned| is_returned == true));
    assert_eq!(json["Conditions"]["HasMetrics"], json!({ "Fn::Equals": [{ "Ref": "Metrics" }, "cloudwatch"] }));
}

/// The dashboard is JSON in a text, with the ids of resources in it.
#[test]
fn the_dashboard_shows_existing_resources() {
    let json = template().to_json();
    let body = json["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let widgets = body["widgets"].as_array().unwrap();
    let mut places = std::collections::BTreeSet::new();
    for widget in widgets {
        assert!(places.insert((widget["y"].as_u64(), widget["x"].as_u64())), "two graphs in one place: {widget}");
        for metric in widget["properties"]["metrics"].as_array().unwrap() {
            // A metric of a resource, or a search for those that a function writes.
            let named = metric[3].as_str().or_else(|| metric[0]["expression"].as_str()).unwrap();
            let (_, id) = named.split_once("${").unwrap();
            let id = id.split(['.', '}']).next().unwrap();
            assert!(json["Resources"][id].is_object(), "{metric}");
        }
    }
    assert!(widgets.iter().any(|widget| widget["properties"]["metrics"].to_string().contains("${Jobs}")));
}
