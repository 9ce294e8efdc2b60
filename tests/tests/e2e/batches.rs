//! Batches in which some jobs fail.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use e2e_function::RETRY_DELAY;
use serde_json::{Value, json};

use crate::cloud::{Cloud, INVOCATION, SOON, attribute, cloud};

fn act(label: &str, behaviour: Value) -> String {
    json!({ "job": "e2e.act", "id": label, "args": { "label": label, "behaviour": behaviour } }).to_string()
}

async fn send(cloud: &Cloud, queue: &str, bodies: &[String]) {
    let entries = bodies.iter().enumerate().map(|(index, body)| {
        SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body).build().unwrap()
    });
    let sent = cloud.aws.sqs().send_message_batch().queue_url(queue).set_entries(Some(entries.collect()));
    assert_eq!(sent.send().await.unwrap().failed().len(), 0);
}

#[tokio::test]
async fn one_bad_job_harms_no_other() {
    let cloud = cloud().await;
    let (queue, dead) = (cloud.id("ActsQueue"), cloud.id("ActsDeadLetters"));
    let good: Vec<_> = (1..=5).map(|n| format!("batch-good-{n}")).collect();
    let mut bodies: Vec<_> = good.iter().map(|label| act(label, json!("succeed"))).collect();
    bodies.insert(2, "batch-poison, and no JSON".into());
    bodies.insert(0, act("batch-fails", json!("fail")));
    bodies.insert(4, act("batch-panics", json!("panic")));
    bodies.push(act("batch-sleeps", json!("sleep")));
    bodies.push(act("batch-gives-up", json!("give_up")));
    assert_eq!(bodies.len(), 10);
    send(cloud, queue, &bodies).await;

    let letters = cloud.holds(dead, "batch-", 5).await;
    let letters: BTreeMap<_, _> = letters.iter().map(|held| (held.body.as_str(), held)).collect();
    let letter = |index: usize| letters.get(bodies[index].as_str()).expect("the body is as it was sent");
    for (index, reason, error, receives) in [
        (0, "attempts-exhausted", "batch-fails was told to fail", "3"),
        (3, "bad-message", "not a job message: expected", "1"),
        (4, "attempts-exhausted", "panicked: batch-panics was told to panic", "3"),
        (8, "attempts-exhausted", "took longer than its timeout of 2s", "3"),
        (9, "failed", "batch-gives-up was told to give up", "1"),
    ] {
        let letter = letter(index);
        assert_eq!(attribute(letter, "lamplighter.reason"), reason, "{letter:?}");
        assert_eq!(attribute(letter, "lamplighter.receives"), receives, "{letter:?}");
        assert_eq!(attribute(letter, "lamplighter.queue"), "acts");
        assert_eq!(attribute(letter, "lamplighter.function"), "e2e");
        assert!(attribute(letter, "lamplighter.error").starts_with(error), "{letter:?}");
    }

    // The others had enough time to run again, if the failures had returned them to the queue.
    for label in &good {
        assert_eq!(cloud.runs(label).len(), 1, "{label}");
    }
    for (label, times) in [("batch-fails", 3), ("batch-panics", 3), ("batch-sleeps", 3), ("batch-gives-up", 1)] {
        let attempts: Vec<_> = cloud.runs(label).iter().map(|run| run.attempt).collect();
        assert_eq!(attempts, (1..=times).collect::<Vec<_>>(), "{label}");
    }
    // The last dead letter is visible before its message is deleted.
    cloud.holds(queue, "batch-", 0).await;
}

#[tokio::test]
async fn a_failed_job_returns_after_its_delay_and_not_after_the_visibility_timeout() {
    let cloud = cloud().await;
    let queue = cloud.id("ActsQueue");
    cloud.aws.send(queue, act("patient", json!({ "fail_until": { "attempt": 3 } }))).await.unwrap();
    let runs = cloud.has_run("patient", 3, SOON).await;
    let visibility = cloud.aws.queue_attributes(queue).await.unwrap()["VisibilityTimeout"].parse().unwrap();
    for pair in runs.windows(2) {
        let waited = pair[1].at.duration_since(pair[0].at);
        let waited = Duration::try_from(waited).unwrap();
        assert!(waited >= RETRY_DELAY, "{waited:?}");
        assert!(waited < Duration::from_secs(visibility), "{waited:?}, and the queue would have taken {visibility} s");
    }
    assert!(runs.iter().all(|run| run.id == "patient"), "{runs:?}");
    cloud.holds(queue, "\"patient\"", 0).await;
    assert_eq!(cloud.messages_in(cloud.id("ActsDeadLetters"), "\"patient\"").await.len(), 0);
}

/// What another service may send when it knows only the job's name.
#[tokio::test]
async fn a_handler_that_blocks_its_thread_is_left_behind_before_the_deadline() {
    let cloud = cloud().await;
    let queue = cloud.id("ActsQueue");
    send(cloud, queue, &[act("blocking", json!("block_at_first")), act("beside-it", json!("succeed"))]).await;
    let runs = cloud.has_run("blocking", 2, SOON).await;
    // Without an answer of its invocation, the message would come back after six times that.
    assert_eq!(runs.iter().map(|run| run.attempt).collect::<Vec<_>>(), [1, 2]);
    let pause = runs[1].at.duration_since(runs[0].at).unsigned_abs();
    assert!(pause < INVOCATION * 3, "{pause:?}");
    cloud.has_run("beside-it", 1, SOON).await;
    cloud.holds(queue, "blocking", 0).await;
}

#[tokio::test]
async fn a_message_without_an_id_gets_its_sqs_message_id() {
    let cloud = cloud().await;
    let body = r#"{"job":"e2e.act","args":{"label":"nameless"}}"#;
    let message_id = cloud.aws.send(cloud.id("ActsQueue"), body).await.unwrap();
    let runs = cloud.has_run("nameless", 1, SOON).await;
    assert_eq!(runs[0].id, message_id);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_dead_lettered() {
    let cloud = cloud().await;
    let body = json!({ "job": "e2e.act", "args": { "label": "misfit", "behaviour": "dance" } }).to_string();
    cloud.aws.send(cloud.id("ActsQueue"), body).await.unwrap();
    let letters = cloud.holds(cloud.id("ActsDeadLetters"), "misfit", 1).await;
    assert_eq!(attribute(&letters[0], "lamplighter.reason"), "bad-message");
    let error = attribute(&letters[0], "lamplighter.error");
    assert!(error.contains("`behaviour`: unknown variant") && !error.contains("dance"), "{letters:?}");
    assert_eq!(cloud.runs("misfit").len(), 0);
}
