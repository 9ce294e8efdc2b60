//! SQS batches: the jobs that run, the response to Lambda, and the calls to SQS.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use lamplighter_aws::lambda::Response;
use lamplighter_fakes::{FakeSqs, Fault, queue_arn};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Fixture, batch, body, failures, record, visibilities};

#[tokio::test]
async fn a_successful_batch_makes_no_call() {
    let mut fixture = Fixture::mapped().await;
    let ids: Vec<_> = (0..10).map(|n| format!("m{n}")).collect();
    assert_eq!(fixture.failures(&batch(ids.iter().map(|id| record(id, body("succeed"))))).await, [""; 0]);
    let ran = fixture.ran();
    assert_eq!(ran.len(), 10);
    // A message without an id of its own has the transport's id.
    assert!(ran.contains(&("m3".into(), 1, "succeed".into())));
    assert_eq!(fixture.sqs.calls(), []);
}

#[tokio::test]
async fn ten_failures_take_one_call() {
    let fixture = Fixture::mapped().await;
    let began = Instant::now();
    let ids: Vec<_> = (0..10).map(|n| format!("m{n}")).collect();
    assert_eq!(fixture.failures(&batch(ids.iter().map(|id| record(id, body("retry"))))).await, ids);
    let calls = fixture.sqs.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].action, "ChangeMessageVisibilityBatch");
    assert_eq!(calls[0].body["QueueUrl"], fixture.sqs.queue_url("work"));
    // 6.5 seconds, less what has passed since, rounded up.
    let passed = began.elapsed().as_secs() + 1;
    assert!(visibilities(&fixture.sqs).values().all(|seconds| (7_u64.saturating_sub(passed)..=7).contains(seconds)));
}

#[tokio::test]
async fn each_message_is_settled_separately() {
    let fixture = Fixture::mapped().await;
    let mut exhausted = record("exhausted", body("retry"));
    exhausted["attributes"]["ApproximateReceiveCount"] = json!("3");
    let event = batch([
        record("good", body("succeed")),
        record("poison", "{not json"),
        record("retry", body("retry")),
        record("hour", body("retry-in-an-hour")),
        record("year", body("retry-next-year")),
        record("failed", body("fail")),
        record("panic", body("panic")),
        record("snooze", body("snooze")),
        record("unknown", r#"{"job":"no.such"}"#),
        record("misfit", r#"{"job":"act.out","args":{"end":7}}"#),
        exhausted,
    ]);
    let began = Instant::now();
    assert_eq!(fixture.failures(&event).await, ["retry", "hour", "year", "panic", "snooze", "unknown"]);
    // A delay counts from the decision.
    let passed = began.elapsed().as_secs() + 1;

    let seconds = visibilities(&fixture.sqs);
    let about = |id: &str, delay: u64| {
        let seconds = seconds[&format!("receipt-{id}")];
        assert!((delay.saturating_sub(passed)..=delay).contains(&seconds), "{id}: {seconds}, after {passed}");
    };
    about("retry", 7);
    about("panic", 7);
    about("hour", 3600);
    about("snooze", 77);
    about("unknown", 30);
    // Never beyond 12 hours from the receive, some of which have passed.
    let year = seconds["receipt-year"];
    assert!((43_200 - 400 - passed..=43_200 - 330).contains(&year), "{year}");
    assert_eq!(seconds.len(), 6);

    let reasons: BTreeMap<_, _> =
        dead(&fixture.sqs).into_iter().map(|(id, dead_letter)| (id, attribute(&dead_letter, "reason"))).collect();
    let expected = [
        ("exhausted", "attempts-exhausted"),
        ("failed", "failed"),
        ("misfit", "bad-message"),
        ("poison", "bad-message"),
    ];
    assert_eq!(reasons, expected.map(|(id, reason)| (id.to_owned(), reason.to_owned())).into());
}

/// The messages in the dead-letter queue, by their original message id.
fn dead(sqs: &FakeSqs) -> BTreeMap<String, Value> {
    let calls = sqs.bodies("SendMessageBatch");
    assert!(calls.iter().all(|call| call["QueueUrl"].as_str().unwrap().contains("-dlq")));
    let dead_letters = calls.iter().flat_map(|call| call["Entries"].as_array().unwrap().clone());
    dead_letters.map(|dead_letter| (attribute(&dead_letter, "message-id"), dead_letter)).collect()
}

fn attribute(dead_letter: &Value, name: &str) -> String {
    let value = &dead_letter["MessageAttributes"][&format!("lamplighter.{name}")]["StringValue"];
    value.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_poison_body_is_dead_lettered_with_its_attributes() {
    let fixture = Fixture::mapped().await;
    let mut poison = record("poison", "{\"job\": broken");
    poison["attributes"]["ApproximateReceiveCount"] = json!("4");
    poison["messageAttributes"] = json!({
        "tenant": {"stringValue": "blue", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
        "blob": {"binaryValue": "MTEwMA==", "dataType": "Binary"},
        "empty": {"stringValue": "", "dataType": "String"},
        "nonsense": 7,
    });
    assert_eq!(fixture.failures(&batch([poison])).await, [""; 0]);
    let dead_letter = &dead(&fixture.sqs)["poison"];
    assert_eq!(dead_letter["MessageBody"], "{\"job\": broken");
    assert_eq!(attribute(dead_letter, "reason"), "bad-message");
    assert!(attribute(dead_letter, "error").contains("expected value"), "{dead_letter}");
    assert_eq!(attribute(dead_letter, "queue"), "work");
    assert_eq!(attribute(dead_letter, "function"), "actors");
    assert_eq!(attribute(dead_letter, "receives"), "4");
    assert_eq!(dead_letter["MessageAttributes"]["tenant"]["StringValue"], "blue");
    assert_eq!(dead_letter["MessageAttributes"]["blob"]["BinaryValue"], "MTEwMA==");
    assert_eq!(dead_letter["MessageAttributes"].as_object().unwrap().len(), 8);
}

#[tokio::test]
async fn without_a_map_the_queue_is_asked_once() {
    let fixture = Fixture::unmapped().await;
    fixture.sqs.set_dead_letter_queue("work", "shop-work-dlq");
    for round in 0..3 {
        assert_eq!(fixture.failures(&batch([record(&format!("m{round}"), "poison")])).await, [""; 0]);
    }
    let asked = fixture.sqs.bodies("GetQueueAttributes");
    assert_eq!(asked, [json!({"QueueUrl": fixture.sqs.queue_url("work"), "AttributeNames": ["RedrivePolicy"]})]);
    let sent = fixture.sqs.bodies("SendMessageBatch");
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|call| call["QueueUrl"] == fixture.sqs.queue_url("shop-work-dlq")));
}

#[tokio::test]
async fn a_message_that_cannot_be_dead_lettered_comes_back() {
    let poison = || batch([record("good", body("succeed")), record("poison", "nonsense")]);
    // No dead-letter queue.
    let fixture = Fixture::unmapped().await;
    assert_eq!(fixture.failures(&poison()).await, ["poison"]);
    // One that refuses.
    let fixture = Fixture::mapped().await;
    fixture.sqs.fail("SendMessageBatch", Fault::Refused(403, "AccessDenied", "not yours"));
    assert_eq!(fixture.failures(&poison()).await, ["poison"]);
    // One that refuses the entry.
    let fixture = Fixture::mapped().await;
    fixture.sqs.fail("SendMessageBatch", Fault::Entries(vec![0], true));
    assert_eq!(fixture.failures(&poison()).await, ["poison"]);
    // One that does not answer before the deadline.
    let fixture = Fixture::mapped().await;
    fixture.sqs.fail("SendMessageBatch", Fault::Silence);
    let response = fixture.invoke_for(&poison(), Duration::from_secs(5)).await.unwrap();
    assert_eq!(failures(response), ["poison"]);
    // Its entry fails on SQS's side once, and is tried again.
    let fixture = Fixture::mapped().await;
    fixture.sqs.fail("SendMessageBatch", Fault::Entries(vec![0], false));
    assert_eq!(fixture.failures(&poison()).await, [""; 0]);
    assert_eq!(fixture.sqs.bodies("SendMessageBatch").len(), 2);
}

#[tokio::test]
async fn a_delay_that_cannot_be_set_still_reports_the_failure() {
    let event = || batch(["a", "b", "c"].map(|id| record(id, body("retry"))));
    for fault in [
        Fault::Refused(403, "AccessDenied", "not yours"),
        Fault::Entries(vec![0, 2], true),
        Fault::Entries(vec![1], false),
    ] {
        let fixture = Fixture::mapped().await;
        fixture.sqs.fail("ChangeMessageVisibilityBatch", fault.clone());
        assert_eq!(fixture.failures(&event()).await, ["a", "b", "c"], "{fault:?}");
    }
    let fixture = Fixture::mapped().await;
    fixture.sqs.fail("ChangeMessageVisibilityBatch", Fault::Silence);
    let response = fixture.invoke_for(&event(), Duration::from_secs(5)).await.unwrap();
    assert_eq!(failures(response), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_hanging_job_is_ended_before_the_deadline() {
    let mut fixture = Fixture::mapped().await;
    let event = batch([record("good", body("succeed")), record("hangs", body("hang"))]);
    // A tenth of it is the worker's margin: what a busy machine may take for that.
    let budget = Duration::from_secs(10);
    let began = Instant::now();
    let response = fixture.invoke_for(&event, budget).await.unwrap();
    assert!(began.elapsed() < budget, "{:?}", began.elapsed());
    assert_eq!(failures(response), ["hangs"]);
    assert_eq!(fixture.ran().len(), 2);
}

#[tokio::test]
async fn a_stopping_host_releases_its_jobs_immediately() {
    let fixture = Fixture::mapped().await;
    let event = batch([record("hangs", body("hang"))]);
    let (response, ()) = tokio::join!(fixture.invoke(&event), async {
        fixture.host.stop().drain();
        fixture.host.stop().abort();
        fixture.host.idle().await;
    });
    assert_eq!(failures(response.unwrap()), ["hangs"]);
    assert_eq!(visibilities(&fixture.sqs)["receipt-hangs"], 0);
}

fn fifo(id: &str, group: &str, end: &str) -> Value {
    let mut record = record(id, body(end));
    record["attributes"]["MessageGroupId"] = json!(group);
    record["eventSourceARN"] = json!(queue_arn("shop-work.fifo"));
    record
}

#[tokio::test]
async fn a_fifo_failure_delays_only_its_group() {
    let mut fixture = Fixture::unmapped().await;
    fixture.sqs.set_dead_letter_queue("shop-work.fifo", "shop-work-dlq.fifo");
    let event = batch([
        fifo("a1", "a", "succeed"),
        fifo("a2", "a", "retry"),
        fifo("a3", "a", "succeed"),
        fifo("b1", "b", "succeed"),
        fifo("c1", "c", "fail"),
        fifo("c2", "c", "succeed"),
    ]);
    assert_eq!(fixture.failures(&event).await, ["a2", "a3", "c2"]);
    let ran: Vec<_> = fixture.ran().into_iter().map(|(id, ..)| id).collect();
    assert!(!ran.contains(&"a3".into()) && !ran.contains(&"c2".into()), "{ran:?}");
    let seconds = visibilities(&fixture.sqs);
    assert_eq!((seconds["receipt-a3"], seconds["receipt-c2"]), (0, 0));
    assert!((6..=7).contains(&seconds["receipt-a2"]));
    let dead_letter = &dead(&fixture.sqs)["c1"];
    assert_eq!(
        (dead_letter["MessageGroupId"].as_str(), dead_letter["MessageDeduplicationId"].as_str()),
        (Some("c"), Some("c1"))
    );
}

#[tokio::test]
async fn groups_order_nothing_on_standard_queues() {
    let mut fixture = Fixture::mapped().await;
    let event = batch(["a1", "a2", "a3"].map(|id| {
        let mut record = record(id, body(if id == "a1" { "retry" } else { "succeed" }));
        record["attributes"]["MessageGroupId"] = json!("tenant");
        record
    }));
    assert_eq!(fixture.failures(&event).await, ["a1"]);
    assert_eq!(fixture.ran().len(), 3);
}

#[tokio::test]
async fn more_than_ten_entries_take_several_calls() {
    let fixture = Fixture::mapped().await;
    let event = batch((0..25).map(|n| record(&format!("r{n}"), body(if n % 2 == 0 { "retry" } else { "fail" }))));
    assert_eq!(fixture.failures(&event).await.len(), 13);
    let sizes = |action| {
        let mut sizes: Vec<_> =
            fixture.sqs.bodies(action).iter().map(|call| call["Entries"].as_array().unwrap().len()).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes("ChangeMessageVisibilityBatch"), [3, 10]);
    assert_eq!(sizes("SendMessageBatch"), [2, 10]);
}

#[tokio::test]
async fn ten_thousand_records_are_processed() {
    let mut fixture = Fixture::mapped().await;
    let event = batch((0..10_000).map(|n| record(&format!("m{n}"), body("succeed"))));
    assert_eq!(fixture.failures(&event).await, [""; 0]);
    assert_eq!(fixture.ran().len(), 10_000);
    assert_eq!(fixture.sqs.calls(), []);
}

#[tokio::test]
async fn hostile_events_lose_nothing() {
    // No id: not run, since it could not be released; dead-lettered, as its body is known.
    let mut fixture = Fixture::mapped().await;
    let mut nameless = record("x", body("retry"));
    nameless["messageId"] = Value::Null;
    let mut empty = record("x", body("retry"));
    empty["messageId"] = json!("");
    let mut number = record("x", body("retry"));
    number["messageId"] = json!(7);
    let event = batch([nameless.clone(), record("good", body("retry")), empty, number]);
    assert_eq!(fixture.failures(&event).await, ["good"]);
    assert_eq!(fixture.ran().len(), 1);
    assert_eq!(fixture.sqs.bodies("SendMessageBatch")[0]["Entries"].as_array().unwrap().len(), 3);

    // If it cannot be dead-lettered either, only failing the batch keeps it.
    let fixture = Fixture::mapped().await;
    fixture.sqs.fail("SendMessageBatch", Fault::Refused(403, "AccessDenied", "not yours"));
    let error = fixture.invoke(&batch([nameless])).await.unwrap_err();
    assert_eq!(error.error_type(), "Lamplighter.Unreportable");

    // Bodies of any kind.
    let mut fixture = Fixture::mapped().await;
    let bodies = [json!(null), json!(7), json!([]), json!({"job": "act.out"}), json!("")];
    let event = batch(bodies.into_iter().enumerate().map(|(n, body)| {
        let mut record = record(&format!("m{n}"), "");
        record["body"] = body;
        record
    }));
    assert_eq!(fixture.failures(&event).await, [""; 0]);
    assert_eq!(fixture.ran().len(), 1, "a body that is a message object instead of its text runs");
    let dead_letters = dead(&fixture.sqs);
    assert_eq!(dead_letters.len(), 4);
    assert_eq!(dead_letters["m0"]["MessageBody"], "null");

    // Fields of any kind.
    let fixture = Fixture::mapped().await;
    let mut odd = record("odd", body("retry"));
    odd["attributes"] = json!([1, 2]);
    odd["receiptHandle"] = json!({});
    odd["messageAttributes"] = json!("text");
    odd["extra"] = json!({"deep": [[[]]]});
    assert_eq!(fixture.failures(&batch([odd])).await, ["odd"]);
    assert_eq!(fixture.sqs.calls(), [], "there is no receipt to change the visibility with");

    // Fields of any depth, and with half of a character: the other records run, and so does this one.
    let mut fixture = Fixture::mapped().await;
    let deep = format!("{}{}", "[".repeat(130), "]".repeat(130));
    let (first, second) = (record("deep", body("succeed")).to_string(), record("half", body("succeed")).to_string());
    let event = format!(
        r#"{{"Records":[{{"x":{deep},{},{{"\udfff":"\ud800",{},{}]}}"#,
        &first[1..],
        &second[1..],
        record("good", body("retry"))
    );
    let answer = fixture.invoke_with_text(&event, Duration::from_secs(30)).await.unwrap();
    assert_eq!(failures(answer), ["good"]);
    assert_eq!(fixture.ran().len(), 3);

    // A count above the maximum counts as the maximum: no more attempts.
    let fixture = Fixture::mapped().await;
    let mut often = record("often", body("retry"));
    often["attributes"]["ApproximateReceiveCount"] = json!("4294967296");
    assert_eq!(fixture.failures(&batch([often])).await, [""; 0]);
    assert_eq!(dead(&fixture.sqs).len(), 1);

    // The same id twice is reported once.
    let fixture = Fixture::mapped().await;
    let event = batch([record("twin", body("retry")), record("twin", body("retry"))]);
    assert_eq!(fixture.failures(&event).await, ["twin"]);

    // Invalid queue ARNs.
    let fixture = Fixture::unmapped().await;
    let mut lost = record("lost", "nonsense");
    lost["eventSourceARN"] = json!("nowhere");
    let mut none = record("none", body("retry"));
    none.as_object_mut().unwrap().remove("eventSourceARN");
    assert_eq!(fixture.failures(&batch([lost, none])).await, ["lost", "none"]);

    // Records that are not valid.
    for records in [json!(null), json!([]), json!("text"), json!(7)] {
        let fixture = Fixture::mapped().await;
        assert_eq!(fixture.failures(&json!({"Records": records})).await, [""; 0], "{records}");
    }
    for records in [json!([null]), json!({}), json!([7, "x", []])] {
        let fixture = Fixture::mapped().await;
        let response = fixture.invoke(&json!({"Records": records})).await.unwrap();
        assert!(matches!(response, Response::Batch { failures } if failures.is_empty()), "{records}");
    }
}

#[tokio::test]
async fn aws_example_events_are_accepted() {
    let fixture = Fixture::unmapped().await;
    fixture.sqs.set_dead_letter_queue("work", "work-dlq");
    let event: Value = serde_json::from_str(include_str!("../fixtures/example-sqs-event.json")).unwrap();
    // Its body is not a message, and its queue has no dead-letter queue that could be asked for: it comes back.
    assert_eq!(fixture.failures(&event).await, ["MessageID_1"]);
    let event: Value = serde_json::from_str(include_str!("../fixtures/example-sqs-event-obj.json")).unwrap();
    assert_eq!(fixture.failures(&event).await.len(), 1);
    for (event, source) in [
        (include_str!("../fixtures/example-s3-event.json"), "aws:s3"),
        (include_str!("../fixtures/example-sns-event.json"), "aws:sns"),
    ] {
        let error = fixture.invoke(&serde_json::from_str(event).unwrap()).await.unwrap_err();
        assert_eq!(error.error_type(), "Lamplighter.UnknownEvent");
        assert!(error.message().contains(source), "{error}");
    }
}

/// A record whose fields are either valid or arbitrary.
fn odd_record() -> impl Strategy<Value = Value> {
    let field = |name: &'static str, good: Vec<Value>| {
        let good = proptest::sample::select(good);
        let odd =
            proptest::sample::select(vec![json!(null), json!(""), json!(7), json!([1]), json!({"a": {}}), json!(true)]);
        prop_oneof![4 => good.prop_map(Some), 1 => odd.prop_map(Some), 1 => Just(None)]
            .prop_map(move |value| (name, value))
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| json!(text)).collect::<Vec<_>>();
    let bodies = ["succeed", "retry", "fail", "panic", "snooze"].map(body);
    let bodies: Vec<_> = bodies.iter().map(String::as_str).chain(["nonsense", "{}"]).collect();
    (
        field("messageId", texts(&["a", "b", "c"])),
        field("receiptHandle", texts(&["r1", "r2"])),
        field("body", texts(&bodies)),
        field("eventSource", texts(&["aws:sqs"])),
        field("eventSourceARN", vec![json!(queue_arn("work")), json!(queue_arn("other.fifo"))]),
        field(
            "attributes",
            vec![
                json!({"ApproximateReceiveCount": "9", "MessageGroupId": "g"}),
                json!({"ApproximateReceiveCount": -1}),
            ],
        ),
        field(
            "messageAttributes",
            vec![json!({"a": {"stringValue": "\u{0}", "dataType": "String"}}), json!({"a": {"dataType": 1}})],
        ),
    )
        .prop_map(|(a, b, c, d, e, f, g)| {
            let fields = [a, b, c, d, e, f, g].into_iter();
            fields.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<serde_json::Map<_, _>>().into()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn only_ids_of_the_batch_are_reported(records in proptest::collection::vec(odd_record(), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let event = batch(records.clone());
        let answer = runtime.block_on(async { Fixture::mapped().await.invoke(&event).await });
        if let Ok(response) = answer {
            let named = failures(response);
            let known = |id: &String| records.iter().any(|record| record["messageId"] == json!(id));
            prop_assert!(named.iter().all(|id| !id.is_empty() && known(id)), "{named:?} of {event}");
            let once: std::collections::BTreeSet<_> = named.iter().collect();
            prop_assert_eq!(once.len(), named.len());
        }
    }
}
