//! The rules report a finished template that would lose jobs, or that AWS would refuse: each problem has its sentence.

use crate::support::kinds;
use lamplighter_infra::examine;
use serde_json::{Value, json};

/// The problems found in the template of every kind when `path`, below a resource's properties, is set to another value; a
/// `null` removes it. The path is a JSON pointer.
fn found(resource: &str, path: &str, value: Value) -> Vec<String> {
    found_in(|resources| {
        let path = path.rsplit_once('/').map(|(parent, name)| (format!("/{resource}/Properties{parent}"), name));
        let (parent, name) = path.unwrap();
        let place = resources.pointer_mut(&parent).unwrap_or_else(|| panic!("no {parent}"));
        match place {
            Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            Value::Object(fields) if value.is_null() => _ = fields.remove(name).unwrap(),
            fields => fields[name] = value,
        }
    })
}

fn found_in(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut template = kinds().to_json();
    change(&mut template["Resources"]);
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    examine(&template, now).map_or_else(|problems| problems.sentences().to_vec(), |()| Vec::new())
}

#[test]
fn derived_templates_follow_the_rules() {
    assert_eq!(found_in(|_| {}), Vec::<String>::new());
}

#[test]
fn numbers_that_lose_messages_are_found() {
    let breaks = [
        (
            ("MailsQueue", "/VisibilityTimeout", json!(184)),
            "MailsQueue hides a message for 184 s, and MailFunction may take 185 s: it would be delivered again while it \
             is processed; make it six times the timeout, 1110, plus the window",
        ),
        (
            ("MailsQueue", "/VisibilityTimeout", Value::Null),
            "MailsQueue hides a message for 30 s, and MailFunction may take 185 s: it would be delivered again while it is \
             processed; make it six times the timeout, 1110, plus the window",
        ),
        (
            ("MailsQueue", "/VisibilityTimeout", json!(43_201)),
            "MailsQueue: VisibilityTimeout is 0 to 43200 seconds, not 43201",
        ),
        (("MailsQueue", "/DelaySeconds", json!(901)), "MailsQueue: DelaySeconds is 0 to 900 seconds, not 901"),
        (
            ("MailsQueue", "/RedrivePolicy", Value::Null),
            "MailsQueue has no dead-letter queue: a failing message would be delivered until it expires; give the queue a \
             RedrivePolicy",
        ),
        (
            ("MailsQueue", "/RedrivePolicy/maxReceiveCount", json!(3)),
            "MailsQueue: a message is dead-lettered after 3 receives, and a throttled function uses up receives without \
             running; make maxReceiveCount at least 5",
        ),
        (
            ("MailsDeadLetters", "/MessageRetentionPeriod", json!(345_600)),
            "MailsDeadLetters keeps messages for 345600 s from when they were first sent, no longer than MailsQueue: late \
             dead letters would expire immediately; make it 1209600",
        ),
        (
            ("OrdersDeadLetters", "/FifoQueue", Value::Null),
            "OrdersQueue and its dead-letter queue OrdersDeadLetters must both be FIFO queues, or neither",
        ),
    ];
    for ((resource, path, value), sentence) in breaks {
        assert_eq!(found(resource, path, value), [sentence], "{resource}{path}");
    }
}

#[test]
fn mappings_that_redeliver_or_delete_too_much_are_found() {
    let breaks = [
        (
            ("MailsMapping", "/MaximumBatchingWindowInSeconds", Value::Null),
            "MailsMapping: a batch above 10 messages needs a window of at least a second",
        ),
        (
            ("OrdersMapping", "/BatchSize", json!(11)),
            "OrdersMapping: a batch of OrdersQueue has 1 to 10 messages, not 11",
        ),
        (
            ("OrdersMapping", "/MaximumBatchingWindowInSeconds", json!(1)),
            "OrdersMapping: OrdersQueue is a FIFO queue, which supports no window",
        ),
        (
            ("MailsMapping", "/ScalingConfig/MaximumConcurrency", json!(1)),
            "MailsMapping: MaximumConcurrency is 2 to 1000, not 1",
        ),
        (
            ("MailsMapping", "/FunctionResponseTypes", Value::Null),
            "MailsMapping: without ReportBatchItemFailures, one failed job returns the whole batch to the queue; add it to \
             FunctionResponseTypes",
        ),
        (
            ("MailsMapping", "/FilterCriteria", json!({ "Filters": [] })),
            "MailsMapping: a filter deletes each message that does not match; remove FilterCriteria, and use another queue \
             for other jobs",
        ),
    ];
    for ((resource, path, value), sentence) in breaks {
        assert_eq!(found(resource, path, value), [sentence], "{resource}{path}");
    }
}

#[test]
fn expressions_that_aws_refuses_are_found() {
    let breaks = [
        ("DigestRule", "rate(1 minutes)", "rate(1 minute)"),
        ("DigestRule", "rate(5 minute)", "rate(5 minutes)"),
        ("DigestRule", "rate(0 minutes)", "rate of 0 minutes"),
        ("DigestRule", "cron(0 6 * * *)", "AWS needs six: cron(0 6 * * ? *)"),
        ("DigestRule", "cron(0 6 1 * MON *)", "`?`"),
        ("DigestRule", "cron(61 6 * * ? *)", "minutes"),
        ("DigestRule", "at(2027-01-01T00:00:00)", "neither cron(…) nor rate(…)"),
        ("BookBerlinSchedule", "at(2026-05-31T23:59:59)", "has passed, and would never fire"),
        // A local time in Berlin is two hours earlier than the same time in UTC.
        ("BookBerlinSchedule", "at(2026-06-01T02:00:00)", "has passed, and would never fire"),
        ("BookBerlinSchedule", "at(2026-06-01T02:00:01)", ""),
        ("BookBerlinSchedule", "at(2027-01-01 00:00)", ""),
        ("BookBerlinSchedule", "at(tomorrow)", "is not a moment; write at(yyyy-mm-ddThh:mm:ss)"),
        ("BookBerlinSchedule", "rate(1 hours)", "rate(1 hour)"),
    ];
    for (resource, expression, says) in breaks {
        match found(resource, "/ScheduleExpression", json!(expression)).as_slice() {
            [] => assert_eq!(says, "", "{expression}"),
            [one] => {
                assert!(one.starts_with(&format!("{resource}: ")) && one.contains(says) && !says.is_empty(), "{one}");
            }
            more => panic!("{more:#?}"),
        }
    }
    let mars = found_in(|resources| {
        let properties = &mut resources["BookBerlinSchedule"]["Properties"];
        properties["ScheduleExpression"] = json!("at(2027-01-01T00:00:00)");
        properties["ScheduleExpressionTimezone"] = json!("Mars/Olympus");
    });
    assert_eq!(mars, ["BookBerlinSchedule: there is no time zone \"Mars/Olympus\""]);
}

#[test]
fn patterns_that_match_nothing_are_found() {
    let all = "the operators are anything-but, cidr, equals-ignore-case, exists, numeric, prefix, suffix, wildcard";
    let breaks = [
        (json!({ "source": [{ "prefixx": "shop" }] }), format!("\"source\" uses the operator \"prefixx\"; {all}")),
        (
            json!({ "$or": [{ "detail": { "total": [{ "number": [">", 5] }] } }] }),
            format!("\"total\" uses the operator \"number\"; {all}"),
        ),
        (json!({ "source": "shop" }), "\"source\" must be a list of values: [\"shop\"]".into()),
        (json!({ "source": [] }), "\"source\" lists nothing, so nothing matches".into()),
        (json!({ "Source": ["shop"] }), "no event has a field \"Source\"".into()),
        (json!({ "detail": { "total": [{ "numeric": [">", 5] }] }, "source": [{ "prefix": "s" }] }), String::new()),
    ];
    for (pattern, says) in breaks {
        let wanted: Vec<_> = [says].into_iter().filter(|says| !says.is_empty()).collect();
        let wanted: Vec<_> = wanted.iter().map(|says| format!("MailEvents: the event pattern: {says}")).collect();
        assert_eq!(found("MailEvents", "/EventPattern", pattern), wanted);
    }
}

#[test]
fn events_that_eventbridge_would_drop_are_found() {
    let dropped = |rule: &str, target: &str, lacks: &str| {
        format!(
            "{rule} may not send to {target}: its events would be silently dropped; add an {lacks} that allows \
             events.amazonaws.com with the rule's ARN"
        )
    };
    let remove = |id: &str| {
        let id = id.to_owned();
        found_in(move |resources| _ = resources.as_object_mut().unwrap().remove(&id).unwrap())
    };
    let queue = "AWS::SQS::QueuePolicy";
    assert_eq!(remove("MailsQueuePolicy"), [dropped("DigestRule", "MailsQueue", queue)]);
    let undelivered = ["BookOftenRule", "DigestRule", "ExpiryRule", "MailEvents"];
    assert_eq!(remove("EventsNotDeliveredPolicy"), undelivered.map(|rule| dropped(rule, "EventsNotDelivered", queue)));
    let permission = "AWS::Lambda::Permission";
    assert_eq!(remove("MailEventsPermission"), [dropped("MailEvents", "MailFunction", permission)]);
    let other = json!([{ "Fn::GetAtt": ["BookOftenRule", "Arn"] }]);
    assert_eq!(
        found("MailsQueuePolicy", "/PolicyDocument/Statement/0/Condition/ArnEquals/aws:SourceArn", other),
        [dropped("DigestRule", "MailsQueue", queue)]
    );
    assert_eq!(
        found("DigestRule", "/Targets/0/DeadLetterConfig", Value::Null),
        ["DigestRule: undelivered events would be lost; give the target a DeadLetterConfig"]
    );
}
