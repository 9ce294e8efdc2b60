//! The queue client, and its behaviour without a queue service.

use std::time::Duration;

use e2e_azure::{Act, Behaviour};
use lamplighter::{EnqueueError, days};
use lamplighter_azure::MAX_MESSAGE_BYTES;

use super::support::{Deployment, attempts};

#[tokio::test]
async fn a_job_is_one_message_of_base64_with_its_id() {
    let deployment = Deployment::new().await;
    let queue = deployment.queue("acts").await;
    let id = deployment.act("waits", Behaviour::Succeed).await;
    let bodies = queue.bodies().await.unwrap();
    assert_eq!(bodies.len(), 1);
    let message: serde_json::Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!((&message["job"], &message["id"]), (&"azure.act".into(), &id.as_str().into()));
}

#[tokio::test]
async fn a_delayed_job_is_hidden_for_its_delay() {
    let deployment = Deployment::new().await;
    let _host = deployment.host().await;
    let before = lamplighter::Timestamp::now();
    let delay = Duration::from_secs(3);
    let job = Act { label: "comes later".into(), behaviour: Behaviour::Succeed };
    deployment.client().enqueue(job).delay(delay).await.unwrap();
    let run = deployment.until_runs("comes later", 1).await.remove(0);
    assert!(run.at.duration_since(before) >= delay.try_into().unwrap(), "{run:?}");
}

#[tokio::test]
async fn a_job_that_the_queue_cannot_hold_is_refused() {
    let deployment = Deployment::new().await;
    let act = |label: String| Act { label, behaviour: Behaviour::Succeed };
    let missing = deployment.client().enqueue(act("a".into())).await.unwrap_err();
    assert!(matches!(&missing, EnqueueError::UnknownQueue(queue) if queue == "acts"), "{missing}");
    let queue = deployment.queue("acts").await;
    let late = deployment.client().enqueue(act("a".into())).delay(days(8)).await.unwrap_err();
    assert!(matches!(late, EnqueueError::Delay { .. }) && late.to_string().contains("7 days"), "{late}");
    let large = deployment.client().enqueue(act("x".repeat(MAX_MESSAGE_BYTES))).await.unwrap_err();
    assert!(matches!(large, EnqueueError::TooLarge { limit: MAX_MESSAGE_BYTES, .. }), "{large}");
    assert_eq!(queue.count().await.unwrap(), 0);
    // With its envelope, this one is below the limit.
    deployment.client().enqueue(act("x".repeat(MAX_MESSAGE_BYTES - 512))).await.unwrap();
    assert_eq!(queue.count().await.unwrap(), 1);
}

/// The message is deleted only after the result of its job is stored.
#[tokio::test]
async fn without_a_queue_service_a_failed_job_stays_in_its_queue() {
    let deployment = Deployment::new().await.without_queue_service();
    let _host = deployment.host().await;
    let id = deployment.act("fails", Behaviour::Fail).await;
    deployment.act("works", Behaviour::Succeed).await;
    deployment.until_runs("works", 1).await;
    // Nothing can be sent, so the host delivers the message until it moves it to the poison queue itself.
    let dead = deployment.until_dead("acts", 1).await.remove(0);
    assert_eq!(attempts(&deployment.runs("fails")), [1, 2, 3, 4, 5]);
    assert!(dead.reason.is_none() && dead.body.contains(id.as_str()), "{dead:?}");
    deployment.until_empty("acts").await;
    assert_eq!(deployment.runs("works").len(), 1);
}
