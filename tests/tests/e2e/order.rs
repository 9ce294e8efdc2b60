//! A FIFO queue.

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde_json::{Value, json};

use crate::cloud::{Cloud, SOON, attribute, cloud};

/// Sends messages in one batch: group, label, behaviour.
async fn send(cloud: &Cloud, messages: &[(&str, &str, Value)]) {
    let entries = messages.iter().enumerate().map(|(index, (group, label, behaviour))| {
        let body = json!({ "job": "e2e.ordered", "id": label, "args": { "label": label, "behaviour": behaviour } });
        let entry = SendMessageBatchRequestEntry::builder().id(index.to_string()).message_body(body.to_string());
        entry.message_group_id(*group).message_deduplication_id(*label).build().unwrap()
    });
    let send = cloud.aws.sqs().send_message_batch().queue_url(cloud.id("OrderedQueue"));
    assert_eq!(send.set_entries(Some(entries.collect())).send().await.unwrap().failed().len(), 0);
}

/// Returns the labels of a group's runs, in order.
fn order(cloud: &Cloud, group: &str) -> Vec<String> {
    cloud.runs_of(|run| run.label.starts_with(group)).into_iter().map(|run| run.label).collect()
}

#[tokio::test]
async fn a_failure_delays_its_group_and_no_other() {
    let cloud = cloud().await;
    let fails_twice = json!({ "fail_until": { "attempt": 3 } });
    let messages = [
        ("slow", "slow-1", fails_twice),
        ("swift", "swift-1", json!("succeed")),
        ("slow", "slow-2", json!("succeed")),
        ("swift", "swift-2", json!("succeed")),
        ("slow", "slow-3", json!("succeed")),
        ("swift", "swift-3", json!("succeed")),
    ];
    send(cloud, &messages).await;
    cloud.has_run("slow-3", 1, SOON).await;
    cloud.has_run("swift-3", 1, SOON).await;
    assert_eq!(order(cloud, "slow-"), ["slow-1", "slow-1", "slow-1", "slow-2", "slow-3"]);
    assert_eq!(order(cloud, "swift-"), ["swift-1", "swift-2", "swift-3"]);
    let (slow, swift) = (cloud.runs("slow-1"), cloud.runs("swift-3"));
    // All were in the queue from the beginning, so this does not depend on speed.
    assert!(swift[0].at < slow[2].at, "the other group was done while this one was held up: {swift:?}, {slow:?}");
}

#[tokio::test]
async fn a_group_continues_after_a_job_that_failed_for_good() {
    let cloud = cloud().await;
    send(cloud, &[("lossy", "lossy-1", json!("give_up")), ("lossy", "lossy-2", json!("succeed"))]).await;
    cloud.has_run("lossy-2", 1, SOON).await;
    assert_eq!(order(cloud, "lossy-"), ["lossy-1", "lossy-2"]);
    let letters = cloud.holds(cloud.id("OrderedDeadLetters"), "lossy-1", 1).await;
    assert_eq!(attribute(&letters[0], "lamplighter.reason"), "failed");
    assert_eq!(letters[0].message_group_id.as_deref(), Some("lossy"));
}

#[tokio::test]
async fn a_message_sent_twice_is_one_message() {
    let cloud = cloud().await;
    let twin = || ("twins", "twin", json!("succeed"));
    send(cloud, &[twin()]).await;
    send(cloud, &[twin(), ("twins", "twins-end", json!("succeed"))]).await;
    cloud.has_run("twins-end", 1, SOON).await;
    assert_eq!(cloud.runs("twin").len(), 1);
}
