//! Timers: a tick is a job with an id of its own.

use super::support::Deployment;

#[tokio::test]
async fn a_timer_enqueues_the_job_of_its_tick() {
    let deployment = Deployment::new().await;
    let host = deployment.host().await;
    host.fire("timer-hourly", false).await.unwrap();
    let run = deployment.until_runs("tick", 1).await.remove(0);
    let hour = lamplighter::Timestamp::from_second(run.at.as_second() / 3600 * 3600).unwrap();
    assert_eq!(run.id, format!("hourly@{hour}"));
    deployment.until_empty("ticks").await;
}

/// With records, a timer that fires twice for one tick creates one job.
#[tokio::test]
async fn a_timer_that_fires_twice_for_a_tick_enqueues_one_job() {
    let deployment = Deployment::new().await.with_records();
    let host = deployment.host().await;
    host.fire("timer-hourly", false).await.unwrap();
    deployment.until_runs("tick", 1).await;
    host.fire("timer-hourly", true).await.unwrap();
    deployment.until_empty("ticks").await;
    let ids: Vec<_> = deployment.runs("tick").into_iter().map(|run| run.id).collect();
    // Two ids, if the hour has ended between them.
    assert!(ids.len() == 1 || (ids.len() == 2 && ids[0] != ids[1]), "{ids:?}");
}

#[tokio::test]
async fn a_tick_that_cannot_be_enqueued_fails_its_invocation() {
    let deployment = Deployment::new().await.without_queue_service();
    let host = deployment.host().await;
    let error = host.fire("timer-hourly", false).await.unwrap_err().to_string();
    assert!(error.contains("500"), "{error}");
}
