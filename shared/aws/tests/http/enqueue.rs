//! Enqueueing through SQS.

use std::time::Duration;

use lamplighter::{
    Client, EnqueueError, Enqueued, Job, Options, Queue, Timestamp,
    backend::{Backend, StoreErrorKind},
    env::Env,
    message::MAX_MESSAGE_BYTES,
    mins, secs,
};
use lamplighter_aws::Sqs;
use lamplighter_fakes::{FakeSqs, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::{Act, End, clients};

/// A job on a FIFO queue.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Step {}

impl Job for Step {
    const NAME: &'static str = "step.take";
    const QUEUE: Queue = Queue::fifo("steps");

    fn options() -> Options {
        Options::new().untracked()
    }
}

/// A job on a queue that is not in the map.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Lost {}

impl Job for Lost {
    const NAME: &'static str = "lost.be";
    const QUEUE: Queue = Queue::standard("nowhere");
}

const NOW: &str = "2026-11-01T12:00:00Z";

fn client(fake: &FakeSqs) -> Client {
    let map =
        json!({"work": {"url": fake.queue_url("shop-work")}, "steps": {"url": fake.queue_url("shop-steps.fifo")}});
    let env = Env::seeded(NOW.parse().unwrap(), 7);
    let sqs = Sqs::with_env(clients(fake), map.to_string().parse().unwrap(), env.clone());
    Client::new(Backend::new(std::sync::Arc::new(sqs)), env)
}

fn act(note: &str) -> Act {
    Act { end: End::Succeed, note: note.into() }
}

fn entries(fake: &FakeSqs) -> Vec<Value> {
    fake.bodies("SendMessageBatch").iter().flat_map(|call| call["Entries"].as_array().unwrap().clone()).collect()
}

#[tokio::test]
async fn a_job_is_sent_to_its_queue() {
    let fake = FakeSqs::start().await.unwrap();
    let enqueued = client(&fake).enqueue(act("hello")).id("order-42").group("tenant-7").await.unwrap();
    assert_eq!(enqueued, Enqueued::New("order-42".parse().unwrap()));
    let calls = fake.bodies("SendMessageBatch");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["QueueUrl"], fake.queue_url("shop-work"));
    let entry = &calls[0]["Entries"][0];
    // A group on a standard queue balances tenants; deduplication ids exist on FIFO queues only.
    assert_eq!(entry["MessageGroupId"], "tenant-7");
    assert!(entry.get("MessageDeduplicationId").is_none() && entry.get("DelaySeconds").is_none(), "{entry}");
    let message: lamplighter::message::Message = entry["MessageBody"].as_str().unwrap().parse().unwrap();
    assert_eq!((message.job.as_str(), message.id.unwrap().as_str()), ("act.out", "order-42"));
}

#[tokio::test]
async fn a_thousand_jobs_take_a_hundred_calls_in_order() {
    let fake = FakeSqs::start().await.unwrap();
    fake.fail("SendMessageBatch", Fault::Entries(vec![3, 4], false));
    fake.fail("SendMessageBatch", Fault::Entries(vec![5], true));
    let answers = client(&fake).enqueue_all((0..1000).map(|n| act(&n.to_string()))).await;
    assert_eq!(answers.len(), 1000);
    let refused: Vec<_> = answers.iter().filter(|answer| answer.is_err()).collect();
    assert!(
        matches!(refused[..], [Err(EnqueueError::Refused { job, reason })] if job == "act.out" && reason.contains("Injected"))
    );
    // Entries that failed in SQS itself were tried again.
    assert_eq!(fake.bodies("SendMessageBatch").len(), 101);
    assert_eq!(entries(&fake).len(), 1002);
    // Each answer has the id of the job at its position.
    let mut sent = std::collections::BTreeMap::new();
    for entry in entries(&fake) {
        let message: lamplighter::message::Message = entry["MessageBody"].as_str().unwrap().parse().unwrap();
        let args: Act = serde_json::from_str(message.args.get()).unwrap();
        sent.insert(message.id.unwrap(), args.note);
    }
    for (place, answer) in answers.iter().enumerate() {
        if let Ok(enqueued) = answer {
            assert_eq!(sent[enqueued.id()], place.to_string());
        }
    }
}

#[tokio::test]
async fn large_messages_share_no_call() {
    let fake = FakeSqs::start().await.unwrap();
    let answers = client(&fake).enqueue_all((0..4).map(|_| act(&"x".repeat(400_000)))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(fake.bodies("SendMessageBatch").len(), 2);
    let error = client(&fake).enqueue(act(&"x".repeat(MAX_MESSAGE_BYTES))).await.unwrap_err();
    assert!(matches!(error, EnqueueError::TooLarge { limit: MAX_MESSAGE_BYTES, .. }), "{error}");
    // Characters that SQS refuses are sent as escapes.
    client(&fake).enqueue(act("a\u{ffff}b")).await.unwrap();
    let body = entries(&fake).last().unwrap()["MessageBody"].as_str().unwrap().to_owned();
    assert!(body.contains("a\\uffffb"), "{body}");
}

#[tokio::test]
async fn delays_are_exact_or_refused() {
    let fake = FakeSqs::start().await.unwrap();
    let client = client(&fake);
    for (delay, seconds) in
        [(secs(0), None), (Duration::from_millis(1), Some(1)), (secs(60), Some(60)), (mins(15), Some(900))]
    {
        client.enqueue(act("later")).delay(delay).await.unwrap();
        assert_eq!(entries(&fake).last().unwrap()["DelaySeconds"].as_u64(), seconds, "{delay:?}");
    }
    client.enqueue(act("past")).at("2020-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(entries(&fake).last().unwrap().get("DelaySeconds"), None);
    let calls = fake.calls().len();
    for delay in [mins(15) + Duration::from_millis(1), secs(u64::MAX)] {
        let error = client.enqueue(act("late")).delay(delay).await.unwrap_err();
        assert!(matches!(&error, EnqueueError::Delay { .. }) && error.to_string().contains("15 minutes"), "{error}");
    }
    let error = client.enqueue(Step {}).at(Timestamp::MAX).await.unwrap_err();
    assert!(error.to_string().contains("FIFO"), "{error}");
    assert_eq!(fake.calls().len(), calls, "nothing was sent");
}

#[tokio::test]
async fn fifo_messages_have_a_group_and_a_deduplication_id() {
    let fake = FakeSqs::start().await.unwrap();
    let client = client(&fake);
    client.enqueue(Step {}).id("one").await.unwrap();
    client.enqueue(Step {}).id("two").group("a").await.unwrap();
    let sent: Vec<_> = entries(&fake)
        .iter()
        .map(|entry| (entry["MessageGroupId"].clone(), entry["MessageDeduplicationId"].clone()))
        .collect();
    assert_eq!(sent, [(json!("steps"), json!("step.take:one")), (json!("a"), json!("step.take:two"))]);
    let error = client.enqueue(Step {}).group("not a group").await.unwrap_err();
    assert!(matches!(error, EnqueueError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn calls_to_a_fifo_queue_are_sequential() {
    let fake = FakeSqs::start().await.unwrap();
    fake.fail("SendMessageBatch", Fault::Entries(vec![9], false));
    let ids: Vec<_> = (0..25).map(|n| format!("s{n}")).collect();
    let client = client(&fake);
    let answers = client.enqueue_all((0..25).map(|_| Step {})).await;
    assert!(answers.iter().all(Result::is_ok));
    let order: Vec<_> =
        entries(&fake).iter().map(|entry| entry["MessageDeduplicationId"].as_str().unwrap().to_owned()).collect();
    let mut expected: Vec<_> = answers.iter().map(|answer| answer.as_ref().unwrap().id().to_string()).collect();
    // The entry that failed was sent again before anything after it.
    expected.insert(9, expected[9].clone());
    assert_eq!(order, expected);
    assert_eq!(ids.len() + 1, order.len());
}

#[tokio::test]
async fn errors_are_explained() {
    let fake = FakeSqs::start().await.unwrap();
    let client = client(&fake);
    let error = client.enqueue(Lost {}).await.unwrap_err();
    assert!(matches!(&error, EnqueueError::UnknownQueue(queue) if queue == "nowhere"), "{error}");
    for (fault, kind, says) in [
        (
            Fault::Refused(403, "AccessDenied", "not yours."),
            StoreErrorKind::Denied,
            "AccessDenied: not yours; the role",
        ),
        (Fault::Refused(400, "ExpiredToken", ""), StoreErrorKind::Denied, "expired: sign in again"),
        (Fault::Refused(400, "QueueDoesNotExist", "no such queue"), StoreErrorKind::Invalid, "check the queue's URL"),
        (Fault::Refused(400, "OverLimit", "too many"), StoreErrorKind::Unavailable, "try again"),
    ] {
        fake.fail("SendMessageBatch", fault.clone());
        match client.enqueue(act("x")).await.unwrap_err() {
            EnqueueError::Backend(error) => {
                assert_eq!(error.kind(), kind, "{fault:?}");
                let text = error.to_string();
                assert!(text.contains(says) && text.contains("/shop-work") && !text.contains('\n'), "{text}");
            }
            error => panic!("{error}"),
        }
    }
    // Temporary errors are retried by the SDK.
    fake.fail("SendMessageBatch", Fault::Refused(503, "ServiceUnavailable", "later"));
    fake.fail("SendMessageBatch", Fault::Refused(500, "InternalError", "oops"));
    client.enqueue(act("x")).await.unwrap();
}

#[tokio::test]
async fn an_unreachable_endpoint_is_explained() {
    let closed = FakeSqs::start().await.unwrap();
    let client = client(&closed);
    drop(closed);
    let error = client.enqueue(act("x")).await.unwrap_err().to_string();
    assert!(error.contains("does not answer") && error.contains("check the address"), "{error}");
}

#[test]
fn an_invalid_url_is_refused_with_an_example() {
    for url in ["", "webhooks", "ftp://host/1/q", "https://host", "https://host/ /q"] {
        let error = Sqs::for_url("webhooks", url).unwrap_err().to_string();
        assert!(error.contains("https://sqs.eu-west-1.amazonaws.com/"), "{error}");
    }
    assert!(Sqs::for_url("webhooks", "https://sqs.eu-west-1.amazonaws.com/123456789012/webhooks").is_ok());
}
