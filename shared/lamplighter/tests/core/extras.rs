//! The optional parts of a backend, and malformed messages.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use lamplighter::{
    Context, Function, Job, JobError, JobId, JobState, Options, Queue, RawValue, Record, Retry, Timestamp,
    backend::{Backend, DeadLetterReason, Event, Events, Payloads, StoreError, StoreErrorKind},
    env::Env,
    host::{Delivery, Disposition, MessageAction, Stop, Worker},
    secs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::support::{Act, Memory, act, delivery, log::Log, start};

/// Records events and serves payloads; unavailable on demand.
#[derive(Clone, Default)]
struct Aside {
    heard: Arc<Mutex<Vec<Event>>>,
    unavailable: Arc<Mutex<bool>>,
}

#[async_trait]
impl Events for Aside {
    async fn publish(&self, events: Vec<Event>) -> Result<(), StoreError> {
        if *self.unavailable.lock().unwrap() {
            return Err(StoreError::unavailable("unavailable for a test"));
        }
        self.heard.lock().unwrap().extend(events);
        Ok(())
    }
}

#[async_trait]
impl Payloads for Aside {
    async fn put(&self, _: &JobId, _: &RawValue, _: Option<Timestamp>) -> Result<String, StoreError> {
        Err(StoreError::unavailable("nothing is put in these tests"))
    }

    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn get(&self, reference: &str) -> Result<Box<RawValue>, StoreError> {
        match reference {
            "unavailable" => Err(StoreError::unavailable("unavailable for a test")),
            "good" => Ok(RawValue::from_string(r#"{"what":"fetched"}"#.into()).unwrap()),
            _ => Err(StoreError::new(StoreErrorKind::Invalid, format_args!("{reference} has expired"))),
        }
    }
}

/// A job whose successes are published too.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Announced {}

impl Job for Announced {
    const NAME: &'static str = "test.announced";
    const QUEUE: Queue = crate::support::QUEUE;

    fn options() -> Options {
        Options::new().announce_success()
    }
}

async fn announced(_: Announced) -> Result<(), JobError> {
    Ok(())
}

async fn perform(job: Act, ctx: Context) -> Result<String, JobError> {
    match job.what.as_str() {
        "fail" => Err(JobError::fail("as asked")),
        "error" => Err(JobError::retry("no luck")),
        "talk" => Ok("x".repeat(Record::MAX_VALUE_BYTES)),
        "keep" => {
            let error = ctx.checkpoint(&"x".repeat(Record::MAX_VALUE_BYTES)).await.unwrap_err();
            Ok(error.to_string())
        }
        "listen" => {
            ctx.cancelled().await;
            Ok("heard".into())
        }
        what => Ok(format!("{what} {}", ctx.attempt())),
    }
}

struct Bench {
    memory: Memory,
    aside: Aside,
    worker: Worker,
}

impl Bench {
    fn new(backend: impl Fn(&Memory, &Aside) -> Backend) -> Self {
        let env = Env::driven(start(), 3);
        let (memory, aside) = (Memory::new(&env), Aside::default());
        let function = Function::new("test").job(perform).job(announced);
        let worker = Worker::new(function, backend(&memory, &aside), env, "test-host", Stop::new());
        Self { memory, aside, worker }
    }

    fn tracked() -> Self {
        Self::new(|memory, aside| {
            memory.backend().with_events(Arc::new(aside.clone())).with_payloads(Arc::new(aside.clone()))
        })
    }

    async fn process(&self, deliveries: Vec<Delivery>) -> Vec<MessageAction> {
        let settlements = self.worker.process(deliveries, Instant::now() + secs(60)).await;
        settlements.into_iter().map(|Disposition { action, .. }| action).collect()
    }

    async fn one(&self, delivery: Delivery) -> MessageAction {
        self.process(vec![delivery]).await.remove(0)
    }

    fn last_decision(&self) -> lamplighter::backend::Decision {
        self.memory.settled.lock().unwrap().last().unwrap().decision.clone()
    }

    fn heard(&self) -> Vec<Event> {
        std::mem::take(&mut *self.aside.heard.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn failures_are_published_and_successes_on_request() {
    for bench in [Bench::tracked(), Bench::new(|memory, aside| memory.stateless().with_events(Arc::new(aside.clone())))]
    {
        bench.process(vec![act("a", "fine"), act("b", "error")]).await;
        assert_eq!(bench.heard(), [], "neither an unannounced success nor a retry has an event");
        bench.one(act("c", "fail")).await;
        let event = bench.heard().remove(0);
        assert_eq!((event.kind().as_str(), event.id.as_str(), event.attempt), ("job.failed", "c", 1));
        assert_eq!((event.job.as_str(), event.queue.as_str()), ("test.act", "test"));
        assert_eq!(event.error.unwrap().message, "as asked");
        bench.one(delivery("d", r#"{"job":"test.announced","id":"d","schedule":"nightly"}"#)).await;
        let event = bench.heard().remove(0);
        assert_eq!((event.kind().as_str(), event.schedule.as_deref()), ("job.succeeded", Some("nightly")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_last_attempt_is_published_as_a_failure() {
    let bench = Bench::tracked();
    let token = lamplighter::backend::Token { attempt: 3, owner: 9 };
    bench.memory.put("a", JobState::Running, 3, Some((token, start())));
    tokio::time::advance(secs(1)).await;
    assert!(matches!(bench.one(act("a", "fine")).await, MessageAction::DeadLetter(_)));
    let event = bench.heard().remove(0);
    assert_eq!((event.state, event.attempt), (JobState::Failed, 3));
}

#[tokio::test(start_paused = true)]
async fn an_unpublished_event_changes_nothing() {
    let bench = Bench::tracked();
    *bench.aside.unavailable.lock().unwrap() = true;
    assert!(matches!(bench.one(act("a", "fail")).await, MessageAction::DeadLetter(_)));
    assert_eq!(bench.memory.state("a"), JobState::Failed);
}

fn claim_check(id: &str, reference: &str) -> Delivery {
    let body = serde_json::json!({ "job": Act::NAME, "id": id, "args_at": reference });
    delivery(id, &body.to_string())
}

#[tokio::test(start_paused = true)]
async fn claim_checks_are_redeemed_before_the_handler_runs() {
    let bench = Bench::tracked();
    assert_eq!(bench.one(claim_check("a", "good")).await, MessageAction::Ack);
    match bench.last_decision() {
        lamplighter::backend::Decision::Succeeded { output: Some(output), .. } => {
            assert_eq!(output.get(), "\"fetched 1\"");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn unavailable_arguments_are_uncounted_and_missing_ones_are_dead_lettered() {
    let bench = Bench::tracked();
    assert_eq!(bench.one(claim_check("a", "unavailable")).await, MessageAction::Release(Some(secs(2))));
    assert_eq!(bench.memory.state("a"), JobState::Queued);
    match bench.one(claim_check("b", "gone")).await {
        MessageAction::DeadLetter(cause) => {
            assert_eq!(cause.reason, DeadLetterReason::BadMessage);
            assert!(cause.error.to_string().contains("gone has expired"), "{}", cause.error);
        }
        other => panic!("{other:?}"),
    }
    let bench = Bench::new(|memory, _| memory.backend());
    match bench.one(claim_check("c", "good")).await {
        MessageAction::DeadLetter(cause) => assert!(cause.error.to_string().contains("no bucket"), "{}", cause.error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn ticks_with_unfilled_times_are_separate_jobs() {
    let bench = Bench::tracked();
    let tick = |message_id: &str| {
        let body = r#"{"job":"test.act","args":{"what":"tick"},"schedule":"nightly",
            "id":"nightly@<aws.scheduler.scheduled-time>","enqueued_at":"<aws.scheduler.scheduled-time>"}"#;
        delivery(message_id, body)
    };
    assert_eq!(bench.process(vec![tick("m1"), tick("m2")]).await, [MessageAction::Ack, MessageAction::Ack]);
    assert_eq!((bench.memory.state("m1"), bench.memory.state("m2")), (JobState::Succeeded, JobState::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn bodies_with_placeholders_are_checked_like_others() {
    let bench = Bench::tracked();
    // A field that occurs twice is an error, even if one of the two is removed.
    for body in [
        r#"{"job":"test.act","args":{"what":"tick"},"x":"<aws.scheduler.x>","x":1}"#,
        r#"{"job":"test.act","args":{"what":"tick"},"args":{"what":"<aws.scheduler.x>"}}"#,
        r#"{"job":"test.act","args":{"what":"tick"},"id":"a@<aws.scheduler.scheduled-time>","id":"b"}"#,
        r#"{"job":"test.act","args":{"what":"tick"},"id":"b","id":"a@<aws.scheduler.scheduled-time>"}"#,
    ] {
        match bench.one(delivery("m", body)).await {
            MessageAction::DeadLetter(cause) => assert_eq!(cause.reason, DeadLetterReason::BadMessage, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
    // Everything else stays as received.
    let body =
        r#"{"job":"test.act","id":"n@<aws.scheduler.scheduled-time>","z":1e400,"a":19.90,"args":{"what":"tick"}}"#;
    assert_eq!(bench.one(delivery("m1", body)).await, MessageAction::Ack);
    let claims = bench.memory.claims.lock().unwrap();
    assert_eq!(
        claims.last().unwrap().message.to_json(),
        r#"{"job":"test.act","args":{"what":"tick"},"a":19.90,"z":1e400}"#
    );
}

#[tokio::test(start_paused = true)]
async fn values_of_bad_arguments_appear_nowhere() {
    let log = Log::of_this_thread();
    let bench = Bench::tracked();
    let bodies = [
        (
            r#"{"job":"test.act","id":"a","args":{"what":["S3CRET"]}}"#,
            "test.act: `what`: expected a string, found an array",
        ),
        (
            r#"{"job":"test.act","id":"b","args":{"what":{"S3CRET":"S3CRET"}}}"#,
            "`what`: expected a string, found an object",
        ),
        (r#"{"job":"test.act","id":"c","args":{"S3CRET":"S3CRET"}}"#, "missing field `what`"),
        (r#"{"job":"test.act","id":"d","args":"S3CRET"}"#, "must be a JSON object"),
        (r#"{"job":"test.act","id":"S3CRET !","args":{"what":"fine"}}"#, "field \"id\": expected a job id"),
        (r#"{"job":"test.act","id":"f","hops":"S3CRET"}"#, "field \"hops\": expected u32, found a string"),
        (r#""S3CRET""#, "a JSON object with the field"),
        (r#"{"job":"lamplighter.settle","args":{"id":["S3CRET"]}}"#, "expected"),
        (r#"{"job":"lamplighter.settle","args":{"id":"S3CRET !","S3CRET":"S3CRET"}}"#, "not a job message"),
    ];
    for (index, (body, says)) in bodies.into_iter().enumerate() {
        match bench.one(delivery(&format!("m{index}"), body)).await {
            MessageAction::DeadLetter(cause) => {
                let error = cause.error.to_string();
                assert_eq!(cause.reason, DeadLetterReason::BadMessage, "{body}");
                assert!(error.contains(says) || index > 6, "{body}: {error}");
                assert!(!error.contains("S3CRET"), "{body}: {error}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    let settled = bench.memory.settled.lock().unwrap();
    let heard = bench.aside.heard.lock().unwrap();
    assert_eq!((settled.len(), heard.len()), (3, 3));
    let (settled, heard, logged) = (format!("{settled:?}"), format!("{heard:?}"), log.text());
    assert!(logged.contains("`what`: expected a string"), "{logged}");
    for text in [settled, heard, logged] {
        assert!(!text.contains("S3CRET"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn arguments_may_contain_placeholders() {
    let bench = Bench::tracked();
    let body = r#"{"job":"test.act","id":"a","args":{"what":"<aws.scheduler.scheduled-time>"}}"#;
    assert_eq!(bench.one(delivery("m", body)).await, MessageAction::Ack);
    assert_eq!(bench.memory.state("a"), JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn attempts_in_the_message_count_without_a_record() {
    let bench = Bench::new(|memory, _| memory.stateless());
    let body = r#"{"job":"test.act","id":"a","args":{"what":"error"},"attempts":2}"#;
    match bench.one(delivery("m", body)).await {
        MessageAction::DeadLetter(cause) => {
            assert_eq!(cause.reason, DeadLetterReason::AttemptsExhausted, "the third of three");
        }
        other => panic!("{other:?}"),
    }
    // The policy's own limit, so that the number above means something.
    assert_eq!(Act::options().retry, Retry::fixed(secs(7)).attempts(3));
}

#[tokio::test(start_paused = true)]
async fn oversized_outputs_and_checkpoints_are_errors() {
    let bench = Bench::tracked();
    match bench.one(act("a", "talk")).await {
        MessageAction::DeadLetter(cause) => {
            assert!(cause.error.to_string().contains("a record keeps 131072"), "{}", cause.error);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.one(act("b", "keep")).await, MessageAction::Ack);
    match bench.last_decision() {
        lamplighter::backend::Decision::Succeeded { output: Some(output), .. } => {
            assert!(output.get().contains("put the data into an object store"), "{output}");
        }
        other => panic!("{other:?}"),
    }
    // Without a record there is nothing to be too large for.
    let bench = Bench::new(|memory, _| memory.stateless());
    assert_eq!(bench.one(act("c", "talk")).await, MessageAction::Ack);
}

#[tokio::test(start_paused = true)]
async fn running_jobs_learn_of_a_lost_lease() {
    let bench = Bench::tracked();
    let memory = bench.memory.clone();
    let (action, ()) = tokio::join!(bench.one(act("a", "listen")), async {
        tokio::time::sleep(secs(3)).await;
        memory.put("a", JobState::Cancelled, 1, None);
    });
    // Its result is fenced, and its message is done.
    assert_eq!(action, MessageAction::Ack);
    assert_eq!(bench.memory.state("a"), JobState::Cancelled);
    assert!(bench.memory.settled.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn large_arguments_go_to_the_payload_store() {
    let large = || Act { what: "x".repeat(lamplighter::message::MAX_MESSAGE_BYTES) };
    let bench = Bench::tracked();
    let env = Env::driven(start(), 3);
    let client = lamplighter::Client::new(bench.memory.backend(), env.clone());
    let refused = client.enqueue(large()).await.unwrap_err();
    // The reported size is the one that is compared: the message's, not that of its arguments.
    match refused {
        lamplighter::EnqueueError::TooLarge { bytes, limit, .. } => assert!(bytes > limit + 100, "{bytes}"),
        other => panic!("{other}"),
    }
    // Arguments that fit, in a message that does not.
    let close = Act { what: "x".repeat(lamplighter::message::MAX_MESSAGE_BYTES - 92) };
    match client.enqueue(close).await.unwrap_err() {
        lamplighter::EnqueueError::TooLarge { bytes, limit, .. } => assert!(bytes > limit, "{bytes}"),
        other => panic!("{other}"),
    }
    let wrong = client.enqueue(Act { what: "x".into() }).schedule("\u{1b}]52;").await.unwrap_err();
    assert!(wrong.to_string().contains("1 to 64 letters"), "{wrong}");
    assert!(bench.memory.sent.lock().unwrap().is_empty(), "nothing was sent");

    let shelf = Shelf::default();
    let client = lamplighter::Client::new(bench.memory.backend().with_payloads(Arc::new(shelf.clone())), env);
    client.enqueue(large()).id("one").await.unwrap();
    for answer in client.enqueue_all([large(), Act { what: "small".into() }]).await {
        answer.unwrap();
    }
    let sent = bench.memory.sent.lock().unwrap();
    let checks: Vec<_> =
        sent.iter().map(|one| (one.message.args.get().len() < 100, one.message.args_at.is_some())).collect();
    assert_eq!(checks, [(true, true), (true, true), (true, false)]);
    assert_eq!(sent[0].message.args_at.as_deref(), Some("shelf/one"));
    assert_eq!(*shelf.0.lock().unwrap(), 2);
}

/// Accepts all payloads.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<u32>>);

#[async_trait]
impl Payloads for Shelf {
    async fn put(&self, id: &JobId, args: &RawValue, _: Option<Timestamp>) -> Result<String, StoreError> {
        assert!(args.get().len() > lamplighter::message::MAX_MESSAGE_BYTES);
        *self.0.lock().unwrap() += 1;
        Ok(format!("shelf/{id}"))
    }

    async fn delete(&self, _: &str) -> Result<(), StoreError> {
        Ok(())
    }

    async fn get(&self, _: &str) -> Result<Box<RawValue>, StoreError> {
        Err(StoreError::unavailable("nothing is fetched in these tests"))
    }
}

#[tokio::test]
async fn a_backend_without_error_groups_says_so() {
    let env = Env::system();
    let client = lamplighter::Client::new(Memory::new(&env).backend(), env);
    let listed = client.error_groups(&lamplighter::record::ErrorQuery::default()).await.unwrap_err();
    let one = client.error_group(lamplighter::record::Fingerprint::from_bits(1)).await.unwrap_err();
    for error in [listed, one] {
        assert_eq!(error.kind(), StoreErrorKind::Invalid);
        assert!(error.to_string().contains("keeps no error groups"), "{error}");
    }
}
