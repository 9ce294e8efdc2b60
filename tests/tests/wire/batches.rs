//! The counts of batches when calls fail in the middle: none is lost, and none is counted twice.

use lamplighter::{Batch, Enqueued, JobId, JobState, mins, secs};
use lamplighter_fakes::Fault;
use tokio::time::Instant;

use crate::{
    jobs::{Full, Lean, Then, Told},
    stage::{Parts, Stage},
};

impl Stage {
    /// Enqueues a batch of jobs that succeed.
    async fn batch<J: Told>(&self, id: &str, jobs: usize) -> JobId {
        let created = self.client.enqueue_batch((0..jobs).map(|_| J::new(Then::Succeed))).id(id).await.unwrap();
        assert!(matches!(created, Enqueued::New(_)));
        created.id().clone()
    }

    async fn standing(&self, id: &JobId) -> Batch {
        self.client.batch(id).await.unwrap().unwrap()
    }

    /// Makes the updates of a record fail, and no other calls.
    fn breaks_updates_of(&self, id: &JobId) {
        let key = format!("JOB#{id}");
        self.probe.proxy.fail_when(move |call| {
            (call.action == "UpdateItem" && call.body["Key"]["pk"]["S"] == key.as_str()).then_some(Fault::AWAY)
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_end_was_interrupted_ends_with_the_settlement() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.batch::<Full>("one", 1).await;
    stage.breaks_updates_of(&id);
    assert_eq!((stage.run(1).await, stage.waiting().await), (0, 1), "the settlement");
    let open = stage.standing(&id).await;
    assert_eq!((open.state, open.succeeded), (JobState::Waiting, 1), "it is counted");
    stage.probe.proxy.stop_failing();
    assert_eq!((stage.run(1).await, stage.waiting().await), (0, 0));
    let ended = stage.standing(&id).await;
    assert_eq!((ended.state, ended.succeeded, ended.total), (JobState::Succeeded, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_end_was_interrupted_is_ended_by_maintenance() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.batch::<Lean>("one", 1).await;
    let job = stage.client.batch_jobs(&id, None, 10).await.unwrap().ids.remove(0);
    // A lean job has no record before its first attempt.
    assert_eq!(stage.client.cancel(&job).await.unwrap(), None);
    stage.breaks_updates_of(&id);
    assert_eq!((stage.run(1).await, stage.waiting().await), (0, 1), "the settlement");
    stage.probe.proxy.stop_failing();
    let later = stage.later(mins(11));
    later.maintenance.run(Instant::now() + secs(60)).await.unwrap();
    assert_eq!(stage.standing(&id).await.state, JobState::Succeeded);
    // The settlement changes nothing any more.
    assert_eq!((stage.run(1).await, stage.waiting().await), (0, 0));
    assert_eq!(stage.standing(&id).await.succeeded, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_whose_answer_is_lost_is_counted_once() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.batch::<Full>("three", 3).await;
    let mut calls = 0;
    stage.probe.proxy.fail_when(move |call| {
        let is_end = call.action == "TransactWriteItems";
        calls += usize::from(is_end);
        (is_end && calls % 2 == 1).then_some(Fault::AnswerLost)
    });
    while stage.waiting().await > 0 {
        assert_eq!(stage.run(1).await, 0);
    }
    stage.probe.proxy.stop_failing();
    let ended = stage.standing(&id).await;
    assert_eq!((ended.state, ended.succeeded, ended.total), (JobState::Succeeded, 3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_that_are_in_conflict_are_written_one_after_the_other() {
    let stage = Stage::new(Parts::Table).await;
    let mut calls = 0;
    stage.probe.proxy.fail_when(move |call| {
        let is_end = call.action == "TransactWriteItems";
        calls += usize::from(is_end);
        (is_end && calls % 3 > 0).then_some(Fault::Conflict)
    });
    let id = stage.batch::<Lean>("two", 2).await;
    assert_eq!((stage.run(2).await, stage.waiting().await), (0, 0));
    let ended = stage.standing(&id).await;
    assert_eq!((ended.state, ended.succeeded), (JobState::Succeeded, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_sent_in_part_is_sent_by_maintenance() {
    let stage = Stage::new(Parts::Table).await;
    let mut calls = 0;
    stage.probe.proxy.fail_when(move |call| {
        calls += usize::from(call.action == "SendMessageBatch");
        (call.action == "SendMessageBatch" && calls > 2).then_some(Fault::AWAY)
    });
    // It exists: what the sender could not send, is sent.
    let id = stage.batch::<Full>("thirty", 30).await;
    stage.probe.proxy.stop_failing();
    assert!(stage.waiting().await < 30);
    let later = stage.later(mins(11));
    later.maintenance.run(Instant::now() + secs(60)).await.unwrap();
    while stage.waiting().await > 0 {
        assert_eq!(stage.run(10).await, 0);
    }
    let ended = stage.standing(&id).await;
    assert_eq!((ended.state, ended.succeeded, ended.total), (JobState::Succeeded, 30, 30));
    for job in stage.client.batch_jobs(&id, None, 100).await.unwrap().ids {
        assert_eq!(stage.probe.runs(&job), [1]);
    }
}

/// The records of successes are kept for a day; a batch may be open for longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_record_has_expired_is_not_counted_again() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.batch::<Full>("three", 3).await;
    assert_eq!(stage.run(1).await, 0);
    let jobs = stage.client.batch_jobs(&id, None, 10).await.unwrap().ids;
    let ran = jobs.iter().find(|job| !stage.probe.runs(job).is_empty()).unwrap();
    let message = stage.client.get(ran).await.unwrap().unwrap().message.to_json();
    stage.expire(ran).await;
    // Its message comes once more: among three, the others are left for later.
    stage.lose(2).await;
    stage.send(&message).await;
    assert_eq!(stage.run(1).await, 0);
    assert_eq!(stage.probe.runs(ran), [1, 1], "it runs again");
    let open = stage.standing(&id).await;
    assert_eq!((open.state, open.succeeded, open.done()), (JobState::Waiting, 1, 1));
    stage.expire(ran).await;
    assert_eq!(stage.client.cancel(&id).await.unwrap(), Some(JobState::Cancelled));
    let ended = stage.standing(&id).await;
    assert_eq!((ended.state, ended.succeeded, ended.cancelled, ended.total), (JobState::Cancelled, 1, 2, 3));
    assert!(stage.client.get(ran).await.unwrap().is_none(), "it was not cancelled");
}

/// Two processes create the same batch: one of them is ahead, and the jobs of the other do not exist.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_create_a_batch_concurrently_one_does() {
    let stage = Stage::new(Parts::Table).await;
    let create = async || {
        let jobs = (0..5).map(|_| Full::new(Then::Succeed));
        stage.client.enqueue_batch(jobs).id("five").await.unwrap()
    };
    let created = tokio::join!(create(), create(), create());
    let new = [created.0, created.1, created.2].into_iter().filter(|answer| !answer.is_duplicate()).count();
    let id = "five".parse().unwrap();
    assert_eq!((new, stage.standing(&id).await.total), (1, 5));
    assert_eq!(stage.client.batch_jobs(&id, None, 100).await.unwrap().ids.len(), 5);
    assert_eq!(stage.waiting().await, 5);
    assert_eq!(stage.client.cancel(&id).await.unwrap(), Some(JobState::Cancelled));
    assert_eq!(stage.standing(&id).await.cancelled, 5);
}
