//! The host conformance list: success, failure, deadline, blocking handler, stop in the middle, hard kill, poison.

use e2e_azure::{Behaviour, RETRY_DELAY};
use lamplighter_tests::ministack::{PATIENCE, eventually};

use super::support::{Deployment, attempts};

#[tokio::test]
async fn success_a_job_runs_once_and_its_message_is_deleted() {
    let deployment = Deployment::new().await;
    let host = deployment.host().await;
    let id = deployment.act("works", Behaviour::Succeed).await;
    deployment.until_runs("works", 1).await;
    deployment.until_empty("acts").await;
    let runs = deployment.runs("works");
    assert_eq!((runs.len(), &*runs[0].id, runs[0].attempt), (1, id.as_str(), 1));
    assert_eq!((host.starts(), host.timed_out()), (1, 0));
}

#[tokio::test]
async fn failure_a_job_is_tried_again_after_its_delay_under_its_id() {
    let deployment = Deployment::new().await;
    let _host = deployment.host().await;
    let id = deployment.act("fails once", Behaviour::FailUntil { attempt: 2 }).await;
    let runs = deployment.until_runs("fails once", 2).await;
    assert_eq!(attempts(&runs), [1, 2]);
    assert!(runs.iter().all(|run| run.id == id.as_str()), "{runs:?}");
    let waited = runs[1].at.duration_since(runs[0].at);
    assert!(waited >= RETRY_DELAY.try_into().unwrap(), "{waited:?}");
    deployment.until_empty("acts").await;
    assert_eq!(deployment.queue("acts-poison").await.count().await.unwrap(), 0);
}

#[tokio::test]
async fn failure_a_job_without_attempts_left_is_a_dead_letter_with_its_reason() {
    let deployment = Deployment::new().await;
    let _host = deployment.host().await;
    let id = deployment.act("fails", Behaviour::Fail).await;
    let dead = deployment.until_dead("acts", 1).await.remove(0);
    assert_eq!(attempts(&deployment.runs("fails")), [1, 2, 3]);
    assert_eq!((dead.reason.as_deref(), &*dead.error), (Some("attempts-exhausted"), "fails was told to fail"));
    assert!(dead.body.contains(id.as_str()), "{}", dead.body);
    deployment.until_empty("acts").await;

    // Sent back unchanged, it runs again from its first attempt.
    deployment.queue("acts").await.send(&dead.text).await.unwrap();
    let runs = deployment.until_runs("fails", 6).await;
    assert_eq!(attempts(&runs), [1, 2, 3, 1, 2, 3]);
    assert!(runs.iter().all(|run| run.id == id.as_str()), "{runs:?}");
}

#[tokio::test]
async fn deadline_a_job_that_takes_too_long_is_ended_and_its_process_stays() {
    let deployment = Deployment::new().await;
    let host = deployment.host().await;
    let process = host.handler().await;
    deployment.act("sleeps", Behaviour::Sleep).await;
    let dead = deployment.until_dead("acts", 1).await.remove(0);
    assert_eq!(attempts(&deployment.runs("sleeps")), [1, 2, 3]);
    assert!(dead.error.contains("took longer than its timeout of 2s"), "{}", dead.error);
    assert_eq!((host.handler().await, host.timed_out()), (process, 0));
}

/// More handlers than threads, so that blocked threads are replaced.
#[tokio::test]
async fn blocking_handlers_delay_neither_answers_nor_other_jobs() {
    let deployment = Deployment::new().await;
    let host = deployment.host().await;
    let process = host.handler().await;
    let threads = std::thread::available_parallelism().unwrap().get().max(4);
    for number in 0..=threads {
        deployment.act(&format!("blocks {number}"), Behaviour::Block).await;
    }
    for number in 0..=threads {
        deployment.until_runs(&format!("blocks {number}"), 1).await;
        deployment.act(&format!("works {number}"), Behaviour::Succeed).await;
    }
    for number in 0..=threads {
        deployment.until_runs(&format!("works {number}"), 1).await;
    }
    // The host never had to kill the process, which would have ended all jobs.
    assert_eq!((host.handler().await, host.timed_out()), (process, 0));
    deployment.until_dead("acts", threads + 1).await;
    deployment.until_empty("acts").await;
    assert_eq!((host.handler().await, host.timed_out()), (process, 0));
}

#[tokio::test]
async fn stop_in_the_middle_loses_nothing_and_another_host_runs_it() {
    let deployment = Deployment::new().await;
    let host = deployment.host().await;
    let id = deployment.hold("is stopped", Behaviour::SleepUntil { attempt: 2 }).await;
    let first = deployment.until_runs("is stopped", 1).await.remove(0);
    // A scale-in: no notice, and the process ends.
    drop(host);
    let _another = deployment.host().await;
    let runs = deployment.until_runs("is stopped", 2).await;
    assert_eq!((attempts(&runs), &*runs[1].id), (vec![1, 2], id.as_str()));
    assert_ne!(first.process, runs[1].process);
    deployment.until_empty("holds").await;
}

#[tokio::test]
async fn hard_kill_the_job_runs_again_in_a_new_process() {
    let deployment = Deployment::new().await;
    let host = deployment.host().await;
    let id = deployment.hold("is killed", Behaviour::SleepUntil { attempt: 3 }).await;
    deployment.until_runs("is killed", 1).await;
    host.kill_handler().await;
    deployment.until_runs("is killed", 2).await;
    host.kill_handler().await;
    let runs = deployment.until_runs("is killed", 3).await;
    assert_eq!(attempts(&runs), [1, 2, 3]);
    assert!(runs.iter().all(|run| run.id == id.as_str()), "{runs:?}");
    deployment.until_empty("holds").await;
    assert_eq!(host.starts(), 3);
}

#[tokio::test]
async fn poison_a_job_that_ends_its_process_is_dead_lettered_by_the_host() {
    let deployment = Deployment::new().await;
    let host = deployment.host().await;
    let id = deployment.act("ends the process", Behaviour::EndTheProcess).await;
    let dead = deployment.until_dead("acts", 1).await.remove(0);
    let runs = deployment.runs("ends the process");
    assert_eq!(attempts(&runs), [1, 2, 3, 4, 5], "maxDequeueCount");
    assert_eq!(dead.reason, None, "the host knows none");
    assert!(dead.body.contains(id.as_str()), "{}", dead.body);
    deployment.until_empty("acts").await;
    assert!(host.starts() >= 5);
    // The next job runs in a new process.
    deployment.act("works again", Behaviour::Succeed).await;
    deployment.until_runs("works again", 1).await;
}

#[tokio::test]
async fn poison_a_message_that_is_no_job_is_dead_lettered_and_the_others_run() {
    let deployment = Deployment::new().await;
    let _host = deployment.host().await;
    let queue = deployment.queue("acts").await;
    for body in ["not a message", "\"quoted\"", "", r#"{"job":"azure.act","args":{"label":7}}"#, r#"{"args":{}}"#] {
        queue.send(body).await.unwrap();
    }
    deployment.act("works", Behaviour::Succeed).await;
    deployment.until_runs("works", 1).await;
    let dead = deployment.until_dead("acts", 5).await;
    assert!(dead.iter().all(|letter| letter.reason.as_deref() == Some("bad-message")), "{dead:?}");
    let mut bodies: Vec<_> = dead.iter().map(|letter| &*letter.body).collect();
    bodies.sort_unstable();
    assert_eq!(
        bodies,
        ["", "\"quoted\"", "not a message", r#"{"args":{}}"#, r#"{"job":"azure.act","args":{"label":7}}"#]
    );
    deployment.until_empty("acts").await;
}

/// A message with an unknown job name waits, since a deployment may be in progress; received often enough, it is
/// dead-lettered.
#[tokio::test]
async fn poison_an_unknown_job_waits_and_is_then_dead_lettered() {
    let deployment = Deployment::new().await;
    let _host = deployment.host().await;
    let queue = deployment.queue("acts").await;
    queue.send(r#"{"job":"azure.nobody","id":"new"}"#).await.unwrap();
    queue.send(r#"{"job":"azure.nobody","id":"old","lamplighter.receives":5}"#).await.unwrap();
    let dead = deployment.until_dead("acts", 1).await;
    assert_eq!((dead.len(), dead[0].reason.as_deref()), (1, Some("unknown-job")));
    assert!(dead[0].body.contains("old"), "{dead:?}");
    // The next job runs, and the new one waits.
    deployment.act("known", Behaviour::Succeed).await;
    deployment.until_runs("known", 1).await;
    let left = eventually("only the new one is left", PATIENCE, async || match queue.count().await {
        Ok(1) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    left.await.unwrap();
}
