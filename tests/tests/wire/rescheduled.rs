//! A job that was given another time has a message more than it needs. Whenever that arrives, the job runs as often as its
//! attempts say.

use lamplighter::{JobId, JobState, Timestamp, mins, secs};
use serde_json::json;

use crate::{
    jobs::{Full, Lean, Then, Told},
    stage::{Parts, Stage},
};

impl Stage {
    /// A job that was told to run in ten minutes, after its message had been sent.
    async fn delayed<J: Told>(&self, then: Then) -> JobId {
        let id = self.client.enqueue(J::new(then)).id("put-off").await.unwrap().id().clone();
        let state = self.client.reschedule(&id, Timestamp::now() + mins(10)).await.unwrap();
        assert_eq!(state, Some(JobState::Scheduled));
        id
    }

    /// Its message, once more.
    async fn again<J: Told>(&self, id: &JobId, then: Then) {
        let args = serde_json::to_value(J::new(then)).unwrap();
        self.send(&json!({ "job": J::NAME, "id": id, "args": args }).to_string()).await;
    }

    async fn state_of(&self, id: &JobId) -> JobState {
        self.client.get(id).await.unwrap().unwrap().state
    }
}

async fn the_former_message_changes_nothing<J: Told>() {
    let stage = Stage::new(Parts::All).await;
    let id = stage.delayed::<J>(Then::Succeed).await;
    // Early, and twice: the first is the one that was sent before the job was given another time.
    assert_eq!(stage.run(1).await, 1, "it comes again");
    stage.again::<J>(&id, Then::Succeed).await;
    assert_eq!(stage.run(1).await, 1, "it comes again");
    assert_eq!((stage.probe.runs(&id), stage.state_of(&id).await), (vec![], JobState::Scheduled));
    // At its time, two together.
    let due = stage.later(mins(10) + secs(1));
    for _ in 0..2 {
        due.again::<J>(&id, Then::Succeed).await;
    }
    due.run(2).await;
    assert_eq!((due.probe.runs(&id), due.state_of(&id).await), (vec![1], JobState::Succeeded));
    // Late, and twice.
    let late = stage.later(mins(60));
    for _ in 0..2 {
        late.again::<J>(&id, Then::Succeed).await;
    }
    assert_eq!(late.run(2).await, 0, "they are done with");
    assert_eq!((late.probe.runs(&id), late.state_of(&id).await), (vec![1], JobState::Succeeded));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_message_of_a_job_changes_nothing() {
    the_former_message_changes_nothing::<Full>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_message_of_a_lean_job_changes_nothing() {
    the_former_message_changes_nothing::<Lean>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_message_may_come_while_the_job_runs() {
    let stage = Stage::new(Parts::All).await;
    let id = stage.delayed::<Full>(Then::Wait).await;
    assert_eq!(stage.run(1).await, 1);
    let due = stage.later(mins(10) + secs(1));
    due.again::<Full>(&id, Then::Wait).await;
    let beside = async {
        due.probe.has_begun().await;
        due.again::<Full>(&id, Then::Wait).await;
        assert_eq!(due.run(1).await, 1, "it waits for the lease");
        due.probe.release();
    };
    assert_eq!(tokio::join!(due.run(1), beside).0, 0);
    assert_eq!((due.probe.runs(&id), due.state_of(&id).await), (vec![1], JobState::Succeeded));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_message_may_come_between_two_attempts() {
    let stage = Stage::new(Parts::All).await;
    let id = stage.delayed::<Full>(Then::Retry).await;
    assert_eq!(stage.run(1).await, 1);
    let due = stage.later(mins(10) + secs(1));
    due.again::<Full>(&id, Then::Retry).await;
    assert_eq!(due.run(1).await, 1, "its next attempt");
    let next = stage.later(mins(11));
    for _ in 0..2 {
        next.again::<Full>(&id, Then::Retry).await;
    }
    next.run(2).await;
    assert_eq!((next.probe.runs(&id), next.state_of(&id).await), (vec![1, 2], JobState::Succeeded));
}
