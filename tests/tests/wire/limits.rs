//! Jobs that wait for limits: on a queue that shows a message only when it is told to, or when its time has passed.

use std::env;

use lamplighter::{JobId, JobState, secs};
use lamplighter_fakes::Fault;
use tokio::time::Instant;

use crate::{
    jobs::{Limited, Then, Told},
    stage::{Parts, Stage},
};

fn id(text: &str) -> JobId {
    text.parse().unwrap()
}

impl Stage {
    /// Runs a job until the test releases it, and one behind it that has to wait; then does something, and returns when the
    /// first has ended, with the number of its messages that come again.
    async fn one_behind_another(&self, then: impl Future<Output = ()>) -> usize {
        self.client.enqueue(Limited::new(Then::Wait)).id("first").await.unwrap();
        let second = async {
            self.probe.has_begun().await;
            self.client.enqueue(Limited::new(Then::Succeed)).id("second").await.unwrap();
            assert_eq!(self.run(1).await, 1, "it waits");
            let record = self.client.get(&id("second")).await.unwrap().unwrap();
            assert_eq!((record.state, record.attempt, record.limit.as_deref()), (JobState::Queued, 0, Some("one")));
            then.await;
        };
        tokio::join!(self.run(1), second).0
    }

    async fn second_has_run(&self) {
        let record = self.client.get(&id("second")).await.unwrap().unwrap();
        assert_eq!((record.state, record.attempt, record.limit), (JobState::Succeeded, 1, None));
        assert_eq!(self.waiting().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_job_is_woken_when_one_is_cancelled() {
    let stage = Stage::new(Parts::Table).await;
    let cancel = async {
        stage.client.cancel(&id("first")).await.unwrap();
        assert_eq!(stage.run(1).await, 0);
        stage.probe.release();
    };
    stage.one_behind_another(cancel).await;
    stage.second_has_run().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_that_is_lost_costs_neither_the_job_nor_its_place() {
    let stage = Stage::new(Parts::Table).await;
    let release = async {
        stage.probe.proxy.fail_when(|call| (call.action == "ChangeMessageVisibilityBatch").then_some(Fault::AWAY));
        stage.probe.release();
    };
    assert_eq!(stage.one_behind_another(release).await, 0, "its own end depends on no other");
    stage.probe.proxy.fail_when(|_| None);
    assert_eq!(stage.waiting().await, 1, "the second comes by itself");
    // The place was kept for it for some seconds. Then it is there for any other.
    let later = stage.later(secs(20));
    later.client.enqueue(Limited::new(Then::Succeed)).id("third").await.unwrap();
    assert_eq!(later.run(1).await, 0);
    assert_eq!(later.client.get(&id("third")).await.unwrap().unwrap().state, JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_becomes_free_while_a_job_joins_the_line_is_taken_or_kept_for_it() {
    for action in ["ChangeMessageVisibilityBatch", "PutItem", "UpdateItem"] {
        let stage = Stage::new(Parts::Table).await;
        stage.client.enqueue(Limited::new(Then::Wait)).id("first").await.unwrap();
        let second = async {
            stage.probe.has_begun().await;
            stage.client.enqueue(Limited::new(Then::Succeed)).id("second").await.unwrap();
            let probe = stage.probe.clone();
            stage.probe.proxy.fail_when(move |call| {
                if call.action == action {
                    probe.release();
                }
                None
            });
            stage.run(1).await
        };
        let (first, again) = tokio::join!(stage.run(1), second);
        assert_eq!(first, 0);
        if again == 1 {
            assert_eq!(stage.run(1).await, 0, "it was woken");
        }
        stage.second_has_run().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_message_cannot_be_hidden_asks_again_soon() {
    let stage = Stage::new(Parts::Table).await;
    stage.client.enqueue(Limited::new(Then::Wait)).id("first").await.unwrap();
    let second = async {
        stage.probe.has_begun().await;
        stage.client.enqueue(Limited::new(Then::Succeed)).id("second").await.unwrap();
        stage.probe.proxy.fail_when(|call| (call.action == "ChangeMessageVisibilityBatch").then_some(Fault::AWAY));
        assert_eq!(stage.run(1).await, 1);
        stage.probe.proxy.fail_when(|_| None);
        assert_eq!(stage.client.get(&id("second")).await.unwrap().unwrap().limit, None, "it is in no line");
        stage.probe.release();
    };
    assert_eq!(tokio::join!(stage.run(1), second).0, 0);
    assert_eq!(stage.waiting().await, 1);
}

/// How many jobs crowd on one mutex, times `E2E_SCALE`.
const CROWD: usize = 100;
/// Concurrent invocations.
const INVOCATIONS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_on_one_mutex_runs_one_after_the_other_and_is_received_about_twice() {
    let stage = Stage::new(Parts::Table).await;
    let crowd = CROWD * env::var("E2E_SCALE").map_or(1, |scale| scale.parse::<usize>().unwrap());
    let jobs = (0..crowd).map(|_| Limited::new(Then::Count));
    assert!(stage.client.enqueue_all(jobs).await.iter().all(Result::is_ok));
    let began = Instant::now();
    let is_done = || stage.probe.begun() >= crowd;
    let serving: Vec<_> = (0..INVOCATIONS).map(|_| stage.serve(is_done)).collect();
    let received: usize = futures_util::future::join_all(serving).await.into_iter().sum();
    let (took, each) = (began.elapsed(), received as f64 / crowd as f64);
    println!("{crowd} jobs on one mutex took {took:.1?}, and were received {each:.2} times each");
    assert_eq!((stage.probe.begun(), stage.probe.most_at_once()), (crowd, 1));
    assert_eq!(stage.dead().await, 0);
    // Once when it joins the line, once when it is woken, and in between once each time that its wait doubles.
    assert!(each < 4.0 + (crowd as f64 / CROWD as f64).log2(), "{each}");
}
