//! Schedules on AWS, tested by the calls to EventBridge and its Scheduler.

use std::sync::Arc;

use lamplighter::{
    Client, EnqueueError, Job, Queue, Timestamp,
    backend::{Backend, ScheduleOrigin, ScheduleStatus, SchedulingError, StoreErrorKind, tick_template},
    env::Env,
    message::Message,
    mins,
    schedule::Schedule,
    secs,
};
use lamplighter_aws::{AwsSchedules, Sqs};
use lamplighter_fakes::{FakeSchedules, FakeSqs, Fault, queue_arn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Act, End, clients, schedule_settings};

/// A job on a FIFO queue.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Step {}

impl Job for Step {
    const NAME: &'static str = "step.take";
    const QUEUE: Queue = Queue::fifo("steps");
}

/// A job on a queue that is not in the map.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Lost {}

impl Job for Lost {
    const NAME: &'static str = "lost.be";
    const QUEUE: Queue = Queue::standard("nowhere");
}

const NOW: &str = "2026-11-01T12:01:30Z";
const TIME: &str = "<aws.scheduler.scheduled-time>";

struct Fixture {
    aws: FakeSchedules,
    sqs: FakeSqs,
    client: Client,
}

impl Fixture {
    async fn new() -> Self {
        let (aws, sqs) = (FakeSchedules::start().await.unwrap(), FakeSqs::start().await.unwrap());
        let map =
            json!({"work": {"url": sqs.queue_url("shop-work")}, "steps": {"url": sqs.queue_url("shop-steps.fifo")}});
        let env = Env::seeded(at(NOW), 7);
        let queues = Sqs::with_env(clients(&sqs), map.to_string().parse().unwrap(), env.clone());
        let schedules = AwsSchedules::new(clients(&aws), schedule_settings(), queues.clone(), env.clone());
        let backend = Backend::new(Arc::new(queues)).with_schedules(Arc::new(schedules));
        Self { aws, sqs, client: Client::new(backend, env) }
    }

    /// The messages sent to SQS.
    fn sent(&self) -> Vec<Value> {
        let calls = self.sqs.bodies("SendMessageBatch");
        calls.iter().flat_map(|call| call["Entries"].as_array().unwrap().clone()).collect()
    }

    fn deploy(&self) {
        let transformer =
            json!({ "InputPathsMap": {"time": "$.time"}, "InputTemplate": tick("nightly", "act.out", "<time>") });
        let target = json!({ "Id": "queue", "Arn": queue_arn("shop-work"), "InputTransformer": transformer });
        let rule = json!({ "ScheduleExpression": "cron(0 6 * * ? *)", "State": "ENABLED", "Description": "Nightly" });
        self.aws.deploy_rule("shop-nightly", rule.clone(), target);
        // A rule of another stack, whose name begins with this one's.
        let other = json!({ "InputTemplate": tick("nightly", "act.out", "<time>") });
        let target = json!({ "Id": "queue", "Arn": queue_arn("shop-eu-work"), "InputTransformer": other });
        self.aws.deploy_rule("shop-eu-nightly", rule.clone(), target);
        // Rules that start no job: one that calls a function, one of events.
        let target = json!({ "Id": "function", "Arn": "arn:aws:lambda:us-east-1:123456789012:function:shop-sweep" });
        self.aws.deploy_rule("shop-sweep", rule, target.clone());
        self.aws.deploy_rule("shop-orders-events", json!({ "EventPattern": "{}", "State": "ENABLED" }), target);
        self.aws.deploy_schedule(
            "deployed-berlin",
            json!({
                "Name": "deployed-berlin",
                "GroupName": "shop",
                "ScheduleExpression": "cron(30 2 ? * MON-FRI *)",
                "ScheduleExpressionTimezone": "Europe/Berlin",
                "Description": "Starts step.take",
                "State": "ENABLED",
                "FlexibleTimeWindow": { "Mode": "OFF" },
                "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/1",
                "Target": {
                    "Arn": queue_arn("shop-steps.fifo"),
                    "RoleArn": FakeSchedules::ROLE,
                    "Input": tick("berlin", "step.take", TIME),
                    "SqsParameters": { "MessageGroupId": "berlin" },
                },
            }),
        );
    }
}

fn tick(schedule: &str, job: &str, time: &str) -> String {
    tick_template(schedule, job, "{}", time)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn act(note: &str) -> Act {
    Act { end: End::Succeed, note: note.into() }
}

fn hourly(name: &str) -> Schedule {
    Schedule::rate(name, mins(60)).unwrap()
}

#[tokio::test]
async fn a_schedule_is_created_completely() {
    let fixture = Fixture::new().await;
    let report = Schedule::cron("report", "30 2 * * 1-5").unwrap().zone("Europe/Berlin").description("The week");
    fixture.client.schedule(report, &act("<b>")).await.unwrap();
    let mut schedule = fixture.aws.schedule("runtime-report").unwrap();
    schedule.as_object_mut().unwrap().remove("ClientToken");
    let input = schedule["Target"]["Input"].take();
    assert_eq!(
        schedule,
        json!({
            "Name": "runtime-report",
            "GroupName": "shop",
            "Description": "The week",
            "ScheduleExpression": "cron(30 2 ? * MON-FRI *)",
            "ScheduleExpressionTimezone": "Europe/Berlin",
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "ActionAfterCompletion": "DELETE",
            "State": "ENABLED",
            "Target": {
                "Arn": queue_arn("shop-work"),
                "RoleArn": FakeSchedules::ROLE,
                "DeadLetterConfig": { "Arn": queue_arn("shop-undelivered-events") },
                "RetryPolicy": { "MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185 },
                "Input": null,
            },
        })
    );
    // Only the tick's time is left as a placeholder.
    let input = input.as_str().unwrap();
    assert_eq!(input.matches('<').count(), input.matches(TIME).count(), "{input}");
    let message: Message = input.replace(TIME, "2026-11-02T01:30:00Z").parse().unwrap();
    assert_eq!(message.id.unwrap().as_str(), "report@2026-11-02T01:30:00Z");
    assert_eq!((message.job.as_str(), message.schedule.as_deref()), ("act.out", Some("report")));
    assert_eq!(message.enqueued_at, Some(at("2026-11-02T01:30:00Z")));
    assert_eq!(serde_json::from_str::<Act>(message.args.get()).unwrap().note, "<b>");
}

#[tokio::test]
async fn rates_moments_and_fifo_queues_are_supported() {
    let fixture = Fixture::new().await;
    fixture.client.schedule(Schedule::rate("pace", mins(5)).unwrap(), &Step {}).await.unwrap();
    let pace = fixture.aws.schedule("runtime-pace").unwrap();
    assert_eq!(
        (&pace["ScheduleExpression"], &pace["ScheduleExpressionTimezone"]),
        (&json!("rate(5 minutes)"), &json!("UTC"))
    );
    // The first tick on the common grid, from which Scheduler counts on.
    assert_eq!(pace["StartDate"].as_f64().unwrap() as i64, at("2026-11-01T12:05:00Z").as_second());
    assert_eq!(pace["Target"]["SqsParameters"], json!({ "MessageGroupId": "pace" }));
    fixture.client.schedule(Schedule::at("once", at("2026-12-24T18:00:00+01:00")), &act("")).await.unwrap();
    let once = fixture.aws.schedule("runtime-once").unwrap();
    assert_eq!(once["ScheduleExpression"], "at(2026-12-24T17:00:00)");
    assert!(once.get("StartDate").is_none() && once["Target"].get("SqsParameters").is_none(), "{once}");
}

#[tokio::test]
async fn a_schedule_is_replaced_and_stays_paused() {
    let fixture = Fixture::new().await;
    fixture.client.schedule(hourly("pace"), &act("old")).await.unwrap();
    fixture.client.pause_schedule("pace").await.unwrap();
    fixture.client.schedule(Schedule::rate("pace", mins(2)).unwrap(), &act("new")).await.unwrap();
    let pace = fixture.aws.schedule("runtime-pace").unwrap();
    assert_eq!((&pace["State"], &pace["ScheduleExpression"]), (&json!("DISABLED"), &json!("rate(2 minutes)")));
    assert!(pace["Target"]["Input"].as_str().unwrap().contains("new"), "{pace}");
    fixture.client.resume_schedule("pace").await.unwrap();
    assert_eq!(fixture.aws.schedule("runtime-pace").unwrap()["State"], "ENABLED");
    fixture.client.unschedule("pace").await.unwrap();
    assert_eq!(fixture.aws.schedule("runtime-pace"), None);
}

#[tokio::test]
async fn pausing_writes_back_all_properties() {
    let fixture = Fixture::new().await;
    fixture.deploy();
    let mut before = fixture.aws.schedule("deployed-berlin").unwrap();
    fixture.client.pause_schedule("berlin").await.unwrap();
    let mut after = fixture.aws.schedule("deployed-berlin").unwrap();
    after.as_object_mut().unwrap().remove("ClientToken");
    before["State"] = "DISABLED".into();
    assert_eq!(after, before);
    fixture.client.resume_schedule("berlin").await.unwrap();
    assert_eq!(fixture.aws.schedule("deployed-berlin").unwrap()["State"], "ENABLED");
}

#[tokio::test]
async fn rules_are_disabled_and_enabled() {
    let fixture = Fixture::new().await;
    fixture.deploy();
    for name in ["nightly", "sweep"] {
        let rule = format!("shop-{name}");
        fixture.client.pause_schedule(name).await.unwrap();
        assert_eq!(fixture.aws.rule_state(&rule).as_deref(), Some("DISABLED"));
        fixture.client.resume_schedule(name).await.unwrap();
        assert_eq!(fixture.aws.rule_state(&rule).as_deref(), Some("ENABLED"));
    }
    // Neither another stack's rule nor one that is not a schedule.
    for name in ["eu-nightly", "orders-events"] {
        let refused = fixture.client.pause_schedule(name).await;
        assert!(matches!(&refused, Err(SchedulingError::Unknown(unknown)) if unknown == name), "{refused:?}");
    }
}

/// A role reads the rules of its own stack, and those of a stack whose name begins with its own are refused.
#[tokio::test]
async fn an_unreadable_rule_belongs_to_another_stack() {
    let fixture = Fixture::new().await;
    fixture.deploy();
    fixture.aws.fail("ListTargetsByRule", Fault::refused(400, "AccessDeniedException"));
    let refused = fixture.client.pause_schedule("eu-nightly").await;
    assert!(matches!(&refused, Err(SchedulingError::Unknown(_))), "{refused:?}");
    assert_eq!(fixture.aws.rule_state("shop-eu-nightly").as_deref(), Some("ENABLED"));
    // Its name is free in this stack.
    fixture.aws.fail("ListTargetsByRule", Fault::refused(400, "AccessDeniedException"));
    fixture.client.schedule(hourly("eu-nightly"), &act("")).await.unwrap();
    (0..3).for_each(|_| fixture.aws.fail("ListTargetsByRule", Fault::refused(400, "AccessDeniedException")));
    let listed = fixture.client.schedules().await.unwrap();
    assert_eq!(listed.iter().map(|status| &*status.schedule.name).collect::<Vec<_>>(), ["berlin", "eu-nightly"]);
    // Any other error is reported.
    fixture.aws.fail("ListTargetsByRule", Fault::refused(400, "InternalException"));
    assert!(fixture.client.schedules().await.is_err());
}

#[tokio::test]
async fn both_kinds_are_listed_with_their_next_runs() {
    let fixture = Fixture::new().await;
    fixture.deploy();
    for n in 0..5 {
        fixture.client.schedule(hourly(&format!("made-{n}")), &act("")).await.unwrap();
    }
    let long = "x".repeat(64);
    fixture.client.schedule(hourly(&long), &act("")).await.unwrap();
    // A delayed job shares the group.
    fixture.aws.deploy_schedule("d-order-42", json!({ "Name": "d-order-42", "GroupName": "shop" }));
    let listed = fixture.client.schedules().await.unwrap();
    let names: Vec<_> = listed.iter().map(|status| &*status.schedule.name).collect();
    assert_eq!(names, ["berlin", "made-0", "made-1", "made-2", "made-3", "made-4", "nightly", &long]);
    assert!(!fixture.aws.bodies("GetSchedule").iter().any(|call| call["Name"] == "d-order-42"));
    let find = |name: &str| listed.iter().find(|status| status.schedule.name == name).unwrap();
    let ScheduleStatus { schedule, job, queue, origin, paused, next, last_run, .. } = find("berlin");
    assert_eq!((&**job, &**queue, *origin), ("step.take", "steps", ScheduleOrigin::Deployed));
    assert_eq!((&*schedule.zone, &*schedule.description, *paused, last_run), ("Europe/Berlin", "", false, &None));
    assert_eq!(next[0], at("2026-11-02T01:30:00Z"), "half past two in Berlin, on a Monday in winter");
    let nightly = find("nightly");
    assert_eq!(nightly.schedule, Schedule::cron("nightly", "cron(0 6 * * ? *)").unwrap().description("Nightly"));
    assert_eq!(nightly.next[..2], [at("2026-11-02T06:00:00Z"), at("2026-11-03T06:00:00Z")]);
    let made = find("made-0");
    assert_eq!((made.origin, made.next[0]), (ScheduleOrigin::RunTime, at("2026-11-01T13:00:00Z")));
    fixture.client.pause_schedule("made-0").await.unwrap();
    let listed = fixture.client.schedules().await.unwrap();
    assert!(listed.iter().any(|status| status.schedule.name == "made-0" && status.paused && status.next.is_empty()));
}

#[tokio::test]
async fn triggering_sends_the_message() {
    let fixture = Fixture::new().await;
    fixture.deploy();
    fixture.client.schedule(hourly("made"), &act("now")).await.unwrap();
    for name in ["made", "nightly", "berlin"] {
        let id = fixture.client.trigger_schedule(name).await.unwrap();
        assert_eq!(id.as_str(), format!("{name}@{NOW}"));
        let entry = fixture.sent().pop().unwrap();
        let message: Message = entry["MessageBody"].as_str().unwrap().parse().unwrap();
        assert_eq!((message.id, message.schedule.as_deref()), (Some(id), Some(name)));
    }
    let sent = fixture.sent();
    assert!(sent[0]["MessageBody"].as_str().unwrap().contains("now") && sent[0].get("MessageGroupId").is_none());
    assert_eq!(
        (&sent[2]["MessageGroupId"], &sent[2]["MessageDeduplicationId"]),
        (&json!("berlin"), &json!(format!("step.take:berlin@{NOW}")))
    );
    let refused = fixture.client.trigger_schedule("sweep").await.unwrap_err().to_string();
    assert!(refused.contains("sweep") && refused.contains("calls a function directly"), "{refused}");
}

#[tokio::test]
async fn errors_are_explained() {
    let fixture = Fixture::new().await;
    fixture.deploy();
    for name in ["nightly", "berlin"] {
        let refused = fixture.client.schedule(hourly(name), &act("")).await;
        assert!(matches!(&refused, Err(SchedulingError::Deployed(_))), "{refused:?}");
        let refused = fixture.client.unschedule(name).await;
        assert!(matches!(&refused, Err(SchedulingError::Deployed(_))), "{refused:?}");
    }
    for refused in [
        fixture.client.unschedule("gone").await,
        fixture.client.pause_schedule("gone").await,
        fixture.client.trigger_schedule("gone").await.map(|_| ()),
        fixture.client.trigger_schedule("no/name").await.map(|_| ()),
    ] {
        assert!(matches!(&refused, Err(SchedulingError::Unknown(_))), "{refused:?}");
    }
    let calls = fixture.aws.calls().len();
    let refused = fixture.client.schedule(hourly("lost"), &Lost {}).await;
    assert!(matches!(&refused, Err(SchedulingError::Enqueue(EnqueueError::UnknownQueue(_)))), "{refused:?}");
    assert_eq!(fixture.aws.calls().len(), calls, "nothing was asked");
    let refused = fixture.client.schedule(Schedule::rate("fast", secs(5)).unwrap(), &act("")).await.unwrap_err();
    assert!(refused.to_string().contains("at most once a minute"), "{refused}");
    let refused = fixture.client.schedule(hourly("large"), &act(&"x".repeat(300_000))).await.unwrap_err();
    assert!(refused.to_string().contains("262144"), "{refused}");
    assert_eq!(fixture.aws.bodies("CreateSchedule").len(), 0);
    for (status, code, kind, says) in [
        (403, "AccessDeniedException", StoreErrorKind::Denied, "runtime-pace in group shop"),
        (404, "ResourceNotFoundException", StoreErrorKind::Invalid, "deployed to this account"),
    ] {
        fixture.aws.fail("CreateSchedule", Fault::refused(status, code));
        match fixture.client.schedule(hourly("pace"), &act("")).await {
            Err(SchedulingError::Backend(error)) => {
                assert!(error.kind() == kind && error.to_string().contains(says), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_backend_without_schedules_reports_it() {
    let fake = FakeSqs::start().await.unwrap();
    let sqs = Sqs::new(clients(&fake), lamplighter_aws::QueueMap::default());
    let client = Client::new(Backend::new(Arc::new(sqs)), Env::system());
    let refused = client.schedules().await.unwrap_err().to_string();
    assert!(refused.contains("no schedule group is configured"), "{refused}");
}
