//! The fate of jobs when AWS calls are refused, throttled or interrupted: none is lost, none that has finished runs
//! again, and no attempt is used up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures_util::future::join_all;
use lamplighter::{
    EnqueueError, Job, JobId, JobState, Queue, Record, mins,
    record::{AttemptOutcome, ErrorQuery},
    secs,
};
use lamplighter_fakes::{Fault, Gate};
use lamplighter_tests::ministack::PATIENCE;

use crate::{
    jobs::{Full, Lean, Then, Told},
    stage::{Parts, Stage},
};

impl Stage {
    /// Enqueues a job.
    async fn with<J: Told>(&self, then: Then) -> JobId {
        self.client.enqueue(J::new(then)).await.unwrap().id().clone()
    }

    /// Makes all calls of a service fail.
    fn breaks(&self, service: &'static str, fault: &Fault) {
        let fault = fault.clone();
        self.probe.proxy.fail_when(move |call| (call.service == service).then(|| fault.clone()));
    }

    async fn ended(&self, id: &JobId) -> Record {
        let record = self.client.get(id).await.unwrap().unwrap();
        assert!(record.state.is_final(), "{record:?}");
        record
    }
}

fn outcomes(record: &Record) -> Vec<AttemptOutcome> {
    record.attempts.iter().map(|attempt| attempt.outcome).collect()
}

/// The claim is refused: nothing runs, the message is delivered again, and all attempts are left.
async fn a_job_that_cannot_be_claimed_comes_again<J: Told>(fault: Fault) {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.with::<J>(Then::Retry).await;
    stage.breaks("dynamodb", &fault);
    assert_eq!(stage.run(1).await, 1, "{fault:?}");
    assert_eq!(stage.probe.runs(&id), [0; 0]);
    stage.probe.proxy.stop_failing();
    // The first attempt, and the second.
    assert_eq!((stage.run(1).await, stage.run(1).await), (1, 0));
    assert_eq!(stage.probe.runs(&id), [1, 2]);
    assert_eq!(outcomes(&stage.ended(&id).await), [AttemptOutcome::Error, AttemptOutcome::Succeeded]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_while_the_table_is_unavailable_uses_no_attempt() {
    a_job_that_cannot_be_claimed_comes_again::<Full>(Fault::AWAY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_claim_uses_no_attempt() {
    a_job_that_cannot_be_claimed_comes_again::<Lean>(Fault::THROTTLED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_with_expired_credentials_uses_no_attempt() {
    a_job_that_cannot_be_claimed_comes_again::<Full>(Fault::EXPIRED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_waits_behind_others_at_a_slow_table_uses_no_attempt() {
    let stage = Stage::new(Parts::Table).await;
    let jobs = join_all((0..100).map(|_| stage.with::<Lean>(Then::Succeed))).await;
    let gate = Gate::new();
    stage.breaks("dynamodb", &Fault::Held(gate.clone()));
    assert_eq!(stage.run_together(10, secs(20)).await, jobs.len(), "all come again");
    gate.open();
    stage.probe.proxy.stop_failing();

    // A claim that was made, and whose answer did not come, has used an attempt: its job is busy until its lease has ended.
    // How many those are depends on how far the invocations are apart. All other jobs have their first attempt, or have it
    // before them where little time was left on a busy machine.
    stage.run_together(10, mins(1)).await;
    let mut lost = 0;
    for id in &jobs {
        let record = stage.client.get(id).await.unwrap();
        match (record.as_ref().map_or(0, |record| record.attempt), &stage.probe.runs(id)[..]) {
            (1, [1]) | (0, []) => {}
            (1, []) => lost += 1,
            (_, runs) => panic!("{runs:?}: {record:?}"),
        }
    }
    assert!((1..jobs.len() * 3 / 4).contains(&lost), "{lost}");
}

/// The settlement is refused after a success: it travels as a message, and the handler does not run again.
async fn a_success_that_cannot_be_written_travels<J: Told>(fault: Fault) {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.with::<J>(Then::Succeed).await;
    let began = stage.probe.clone();
    let job = id.clone();
    stage
        .probe
        .proxy
        .fail_when(move |call| (call.service == "dynamodb" && !began.runs(&job).is_empty()).then(|| fault.clone()));
    assert_eq!(stage.run(1).await, 0, "its own message is done with");
    assert_eq!(stage.waiting().await, 1, "the settlement");
    // The table is still unavailable: the settlement waits.
    assert_eq!(stage.run(1).await, 1);
    stage.probe.proxy.stop_failing();
    assert_eq!((stage.run(1).await, stage.waiting().await), (0, 0));
    assert_eq!(outcomes(&stage.ended(&id).await), [AttemptOutcome::Succeeded]);
    assert_eq!(stage.probe.runs(&id), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_while_the_table_is_unavailable_is_written_later() {
    a_success_that_cannot_be_written_travels::<Full>(Fault::AWAY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_success_is_written_later() {
    a_success_that_cannot_be_written_travels::<Lean>(Fault::THROTTLED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_with_expired_credentials_is_written_later() {
    a_success_that_cannot_be_written_travels::<Full>(Fault::EXPIRED).await;
}

/// The record says that the job has failed, and the message did not reach the dead-letter queue: it is delivered again,
/// and dead-lettered without another run.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_dead_lettering_is_completed() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.with::<Full>(Then::Fail).await;
    stage.probe.proxy.fail_when(|call| call.action.starts_with("SendMessage").then_some(Fault::AWAY));
    assert_eq!((stage.run(1).await, stage.dead().await), (1, 0));
    assert_eq!(stage.ended(&id).await.state, JobState::Failed);
    stage.probe.proxy.stop_failing();
    assert_eq!((stage.run(1).await, stage.dead().await, stage.waiting().await), (0, 1, 0));
    assert_eq!((stage.probe.runs(&id), outcomes(&stage.ended(&id).await)), (vec![1], vec![AttemptOutcome::Error]));
}

/// The item of an error group takes no more writes, as under a storm of failures: outcomes are written all the same,
/// and what has failed meanwhile is counted later, with the next failure.
#[tokio::test(flavor = "multi_thread")]
async fn an_error_group_that_is_throttled_changes_no_outcome_and_is_counted_later() {
    let stage = Stage::new(Parts::Table).await;
    let (tried, tries) = (Arc::new(AtomicU64::new(0)), 5);
    let refused = tried.clone();
    stage.probe.proxy.fail_when(move |call| {
        let is_of_group = call.body["Key"]["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with("ERR#"));
        is_of_group.then(|| {
            refused.fetch_add(1, Ordering::SeqCst);
            Fault::THROTTLED
        })
    });
    let mut failures = 0;
    let mut fail = async || {
        let id = stage.with::<Full>(Then::Fail).await;
        assert_eq!(stage.run(1).await, 0);
        assert_eq!(outcomes(&stage.ended(&id).await), [AttemptOutcome::Error]);
        failures += 1;
        failures
    };
    for _ in 0..tries {
        fail().await;
    }
    assert_eq!(stage.dead().await, tries as usize);
    let tried = tried.load(Ordering::SeqCst);
    assert!((1..=tries).contains(&tried), "tried {tried} times, and not again at once");
    assert!(stage.client.error_groups(&ErrorQuery::default()).await.unwrap().groups.is_empty());

    stage.probe.proxy.stop_failing();
    let begun = Instant::now();
    loop {
        let failures = fail().await;
        let groups = stage.client.error_groups(&ErrorQuery::default()).await.unwrap().groups;
        if groups.iter().map(|group| group.failures).sum::<u64>() == failures {
            assert_eq!(groups.len(), 1);
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{groups:?}");
    }
}

/// A write that was done, but whose answer was lost, is repeated, and its condition no longer holds: the caller
/// recognizes its own mark in the record.
#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_fails_after_its_own_write_is_no_refusal() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.with::<Full>(Then::Retry).await;
    let mut calls = 0;
    stage.probe.proxy.fail_when(move |call| {
        let is_update = call.action == "UpdateItem";
        calls += usize::from(is_update);
        (is_update && calls % 2 == 1).then_some(Fault::AnswerLost)
    });
    assert_eq!((stage.run(1).await, stage.run(1).await), (1, 0));
    stage.probe.proxy.stop_failing();
    assert_eq!(stage.probe.runs(&id), [1, 2]);
    assert_eq!(outcomes(&stage.ended(&id).await), [AttemptOutcome::Error, AttemptOutcome::Succeeded]);
}

/// Another process ends the job while it runs: its settlement is fenced, and its message is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_fails_after_another_write_is_a_fence() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.with::<Full>(Then::Wait).await;
    let cancelled = async {
        stage.probe.has_begun().await;
        let state = stage.client.cancel(&id).await.unwrap();
        stage.probe.release();
        state
    };
    let (came_again, state) = tokio::join!(stage.run(1), cancelled);
    assert_eq!((came_again, state), (0, Some(JobState::Cancelled)));
    assert_eq!(stage.ended(&id).await.state, JobState::Cancelled);
    assert_eq!((stage.probe.runs(&id), stage.waiting().await), (vec![1], 0));
}

/// The sender gets an error, and nothing is lost: no record stays without a message, and no message without a record.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_cannot_be_recorded_is_not_sent() {
    for (fault, says) in
        [(Fault::AWAY, "try again"), (Fault::THROTTLED, "try again"), (Fault::EXPIRED, "sign in again")]
    {
        let stage = Stage::new(Parts::Table).await;
        stage.breaks("dynamodb", &fault);
        let error = stage.client.enqueue(Full::new(Then::Succeed)).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!(stage.waiting().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_a_job_that_cannot_be_sent_is_removed() {
    let stage = Stage::new(Parts::Table).await;
    stage.breaks("sqs", &Fault::AWAY);
    let error = stage.client.enqueue(Full::new(Then::Succeed)).id("once-more").await.unwrap_err().to_string();
    assert!(error.contains("try again"), "{error}");
    stage.probe.proxy.stop_failing();
    let id = JobId::new("once-more").unwrap();
    assert!(stage.client.get(&id).await.unwrap().is_none());
    // As the sender asked: it is a new job, not a duplicate of one that was never sent.
    let again = stage.client.enqueue(Full::new(Then::Succeed)).id("once-more").await.unwrap();
    assert!(!again.is_duplicate(), "{again:?}");
    assert_eq!((stage.run(1).await, stage.probe.runs(&id)), (0, vec![1]));
}

/// Its settlement is applied a moment later, and its delay is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_snoozed_while_the_table_is_unavailable_keeps_its_delay() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.with::<Full>(Then::Rest).await;
    let (probe, job) = (stage.probe.clone(), id.clone());
    stage
        .probe
        .proxy
        .fail_when(move |call| (call.service == "dynamodb" && !probe.runs(&job).is_empty()).then_some(Fault::AWAY));
    stage.run(1).await;
    stage.probe.proxy.stop_failing();
    assert_eq!(stage.run(1).await, 1, "the settlement's message comes, and comes again when the job is due");
    let record = stage.client.get(&id).await.unwrap().unwrap();
    assert_eq!((record.state, record.attempt, stage.probe.runs(&id)), (JobState::Queued, 0, vec![1]));
}

/// Defines a job with a message and a record.
macro_rules! large {
    ($type:ident, $name:literal) => {
        #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        struct $type {
            pad: String,
        }

        impl Job for $type {
            const NAME: &'static str = $name;
            const QUEUE: Queue = crate::jobs::QUEUE;
        }
    };
}

large!(LargeOrder, "wire.large-order");
large!(LargeOther, "wire.large-other");

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_job_leaves_the_payload_of_the_first_job_unchanged() {
    let stage = Stage::new(Parts::Table).await;
    let id = JobId::new("order-42").unwrap();
    stage.client.enqueue(LargeOrder { pad: "mine ".repeat(100) }).id(id.as_str()).await.unwrap();
    let refused = stage.client.enqueue(LargeOther { pad: "other ".repeat(100) }).id(id.as_str()).await.unwrap_err();
    assert!(matches!(refused, EnqueueError::IdTaken { .. }), "{refused}");
    let twice = stage.client.enqueue(LargeOrder { pad: "again ".repeat(100) }).id(id.as_str()).await.unwrap();
    assert!(twice.is_duplicate());
    let record = stage.client.get(&id).await.unwrap().unwrap();
    assert_eq!(record.message.job, LargeOrder::NAME);
    assert!(record.message.args.get().contains("mine"), "{}", record.message.args.get());
}
