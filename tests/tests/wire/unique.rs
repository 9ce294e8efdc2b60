//! Replaced jobs, and the messages that their replacements leave behind.

use lamplighter::{Enqueued, JobId, JobState, NewJob, Unique, hours, mins, secs};
use lamplighter_fakes::Fault;
use lamplighter_tests::wire::Call;
use tokio::time::Instant;

use crate::{
    jobs::{Full, Lean, Then, Told},
    stage::{Parts, Stage},
};

/// A job that succeeds is replaced by one that fails: the end tells whose arguments it had.
fn job<J: Told>(then: Then) -> NewJob {
    NewJob::from(J::new(then)).unique(Unique::key("key").or_replace())
}

impl Stage {
    async fn put(&self, job: NewJob) -> Enqueued {
        self.client.enqueue_all([job]).await.remove(0).unwrap()
    }

    async fn end(&self, id: &JobId) -> JobState {
        self.client.get(id).await.unwrap().unwrap().state
    }
}

async fn the_new_arguments_run_at_the_new_time<J: Told>() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.put(job::<J>(Then::Succeed).delay(secs(1))).await.id().clone();
    assert_eq!(stage.put(job::<J>(Then::Fail).delay(hours(1))).await, Enqueued::Replaced(id.clone()));
    // The first message comes at its time, and is released until the new one.
    assert_eq!((stage.run(1).await, stage.end(&id).await), (1, JobState::Scheduled));
    let later = stage.later(hours(1));
    assert_eq!(later.maintenance.run(Instant::now() + secs(60)).await.unwrap().moved, 1);
    assert_eq!((later.run(1).await, later.end(&id).await), (0, JobState::Failed));
    assert_eq!(stage.probe.runs(&id), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_job_runs_its_new_arguments_at_the_new_time() {
    the_new_arguments_run_at_the_new_time::<Full>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lean_job_runs_its_new_arguments_at_the_new_time() {
    the_new_arguments_run_at_the_new_time::<Lean>().await;
}

/// Delayed for long, and then to be run at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_due_earlier_is_sent_once() {
    let stage = Stage::new(Parts::All).await;
    let id = stage.put(job::<Full>(Then::Succeed).delay(hours(1))).await.id().clone();
    assert_eq!(stage.put(job::<Full>(Then::Succeed).delay(hours(2))).await, Enqueued::Replaced(id.clone()));
    assert_eq!(stage.put(job::<Full>(Then::Fail)).await, Enqueued::Replaced(id.clone()));
    assert_eq!((stage.run(1).await, stage.end(&id).await), (0, JobState::Failed));
    let later = stage.later(hours(3));
    assert_eq!(later.maintenance.run(Instant::now() + secs(60)).await.unwrap().moved, 0);
    assert_eq!(later.waiting().await, 0);
}

/// The message that cannot be sent is not needed: the first one runs what is in the record.
#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_was_not_sent_runs_with_the_first_message() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.put(job::<Full>(Then::Succeed)).await.id().clone();
    stage.probe.proxy.fail_when(|call: &Call| (call.action == "SendMessageBatch").then_some(Fault::AWAY));
    let answer = stage.client.enqueue_all([job::<Full>(Then::Fail)]).await.remove(0);
    assert!(answer.is_err(), "who enqueues is told: {answer:?}");
    stage.probe.proxy.stop_failing();
    assert_eq!((stage.run(1).await, stage.end(&id).await), (0, JobState::Failed));
    assert_eq!(stage.probe.runs(&id), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_job_that_has_expired_does_not_run() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.put(job::<Full>(Then::Succeed)).await.id().clone();
    stage.put(job::<Full>(Then::Fail).expires_in(mins(1))).await;
    let later = stage.later(mins(2));
    // Both messages.
    assert_eq!((later.run(2).await, later.end(&id).await), (0, JobState::Cancelled));
    assert_eq!(stage.probe.runs(&id), [0_u32; 0]);
}
