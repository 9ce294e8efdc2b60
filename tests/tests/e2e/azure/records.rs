//! Functions with a store: the effect of records.

use e2e_azure::{Act, Behaviour};
use lamplighter::JobState;
use lamplighter_embedded::{Settings, SqliteBackend};

use super::support::{Deployment, attempts};

#[tokio::test]
async fn a_message_that_is_delivered_twice_runs_once() {
    let deployment = Deployment::new().await.with_records();
    let host = deployment.host().await;
    let client = deployment.client();
    let act = || Act { label: "works".into(), behaviour: Behaviour::Succeed };
    client.enqueue(act()).id("one").await.unwrap();
    deployment.until_runs("works", 1).await;
    client.enqueue(act()).id("one").await.unwrap();
    deployment.until_empty("acts").await;
    assert_eq!(deployment.runs("works").len(), 1);
    drop(host);
    let records = SqliteBackend::open(deployment.folder().join("records.db"), Settings::default()).unwrap();
    let record = records.backend().store.unwrap().get(&"one".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((record.state, record.message.job.as_str()), (JobState::Succeeded, "azure.act"));
}

#[tokio::test]
async fn attempts_are_counted_by_records_and_an_exhausted_job_is_a_dead_letter() {
    let deployment = Deployment::new().await.with_records();
    let _host = deployment.host().await;
    deployment.act("fails", Behaviour::Fail).await;
    let dead = deployment.until_dead("acts", 1).await.remove(0);
    assert_eq!(attempts(&deployment.runs("fails")), [1, 2, 3]);
    assert_eq!(dead.reason.as_deref(), Some("attempts-exhausted"));
    deployment.until_empty("acts").await;
}
