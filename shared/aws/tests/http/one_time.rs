//! Messages that are sent once, later than SQS can delay them.

use lamplighter::{JobId, Timestamp, backend::StoreErrorKind};
use lamplighter_aws::{OneTime, OneTimeError, Sending};
use lamplighter_fakes::{FakeSchedules, Fault, queue_arn};
use serde_json::{Value, json};

use crate::support::{clients, schedule_settings};

const URL: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/shop-webhooks";
const BODY: &str = r#"{"job":"a","args":{"html":"<aws.scheduler.schedule-arn>"}}"#;

fn sending(queue_url: &str) -> Sending<'_> {
    Sending { queue_url, body: BODY, group: Some("tenant-7") }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn one_time() -> (FakeSchedules, OneTime) {
    let fake = FakeSchedules::start().await.unwrap();
    let one_time = OneTime::new(clients(&fake), schedule_settings());
    (fake, one_time)
}

#[tokio::test]
async fn a_message_becomes_a_schedule_that_is_deleted_after_it() {
    let (fake, later) = one_time().await;
    later.create("d-order-42", at("2026-12-24T18:00:00.001+01:00"), sending(URL)).await.unwrap();
    let mut schedule = fake.schedule("d-order-42").unwrap();
    let token = schedule.as_object_mut().unwrap().remove("ClientToken").unwrap();
    assert!((1..=64).contains(&token.as_str().unwrap().len()), "{token}");
    let input = schedule["Target"]["Input"].take();
    assert_eq!(
        schedule,
        json!({
            "Name": "d-order-42",
            "GroupName": "shop",
            "ScheduleExpression": "at(2026-12-24T17:00:01)",
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": "arn:aws:sqs:eu-west-1:123456789012:shop-webhooks",
                "RoleArn": FakeSchedules::ROLE,
                "DeadLetterConfig": { "Arn": queue_arn("shop-undelivered-events") },
                "RetryPolicy": { "MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185 },
                "Input": null,
            },
        })
    );
    // The message is unchanged, and contains no placeholder of Scheduler.
    let input = input.as_str().unwrap();
    assert!(!input.contains("<aws."), "{input}");
    assert_eq!(serde_json::from_str::<Value>(input).unwrap(), serde_json::from_str::<Value>(BODY).unwrap());
}

#[tokio::test]
async fn fifo_queues_get_the_group_and_emulators_their_region() {
    let (fake, later) = one_time().await;
    later
        .create("d-1", at("2026-12-24T17:00:00Z"), sending("http://127.0.0.1:4566/000000000000/a.fifo"))
        .await
        .unwrap();
    let target = &fake.schedule("d-1").unwrap()["Target"];
    assert_eq!(target["Arn"], "arn:aws:sqs:us-east-1:000000000000:a.fifo");
    assert_eq!(target["SqsParameters"], json!({ "MessageGroupId": "tenant-7" }));
}

#[tokio::test]
async fn calls_are_idempotent() {
    let (fake, later) = one_time().await;
    let moment = at("2026-12-24T17:00:00Z");
    later.create("d-1", moment, sending(URL)).await.unwrap();
    later.create("d-1", moment, sending(URL)).await.unwrap();
    let calls = fake.bodies("CreateSchedule");
    assert_eq!((calls.len(), &calls[0]["ClientToken"]), (2, &calls[1]["ClientToken"]));
    later.delete("d-1").await.unwrap();
    assert_eq!(fake.schedule("d-1"), None);
    later.delete("d-1").await.unwrap();
}

#[tokio::test]
async fn errors_are_explained() {
    let (fake, later) = one_time().await;
    let moment = at("2026-12-24T17:00:00Z");
    let body = "x".repeat(OneTime::MAX_BODY + 1);
    let error = later.create("d-1", moment, Sending { body: &body, ..sending(URL) }).await.unwrap_err();
    assert!(matches!(error, OneTimeError::TooLarge { bytes } if bytes == body.len()), "{error}");
    assert!(error.to_string().contains("262144"), "{error}");
    let error = later.create("d-1", at("1969-01-01T00:00:00Z"), sending(URL)).await.unwrap_err();
    assert!(matches!(error, OneTimeError::Moment(_)), "{error}");
    let error = later.create("d-1", moment, sending("https://example.com/webhooks")).await.unwrap_err().to_string();
    assert!(error.contains("not a queue's URL"), "{error}");
    let error = later.delete("../other").await.unwrap_err().to_string();
    assert!(error.contains("not a schedule's name"), "{error}");
    assert_eq!(fake.calls().len(), 0, "nothing was sent");
    // The SDK itself tries temporary errors three times.
    for (times, status, code, kind, says) in [
        (1, 403, "AccessDeniedException", StoreErrorKind::Denied, "needs the permission"),
        (1, 402, "ServiceQuotaExceededException", StoreErrorKind::Invalid, "quota"),
        (3, 400, "ThrottlingException", StoreErrorKind::Unavailable, "try again"),
        (3, 500, "InternalServerException", StoreErrorKind::Unavailable, "try again"),
    ] {
        (0..times).for_each(|_| fake.fail("CreateSchedule", Fault::refused(status, code)));
        let error = later.create("d-1", moment, sending(URL)).await.unwrap_err();
        let OneTimeError::Backend(error) = error else { panic!("{error}") };
        let text = error.to_string();
        assert!(error.kind() == kind && text.contains(says) && text.contains("d-1 in group shop"), "{text}");
    }
}

#[test]
fn names_derive_from_ids() {
    let name = |id: &str| OneTime::name(OneTime::DELAY, &JobId::new(id).unwrap());
    assert_eq!(name("order-42"), "d-order-42");
    assert_eq!(name("a:b").len(), 50);
    assert_eq!(name("a:b"), name("a:b"));
    assert_ne!(name("a:b"), name("a:c"));
    let long = "x".repeat(128);
    let last = format!("{}-{}", OneTime::RETRY, lamplighter::Timestamp::MAX.as_second());
    assert!(name(&long).len() <= 64 && OneTime::name(&last, &JobId::new(&long).unwrap()).len() <= 64);
    assert_ne!(name("a"), OneTime::name("r-2", &JobId::new("a").unwrap()));
}
