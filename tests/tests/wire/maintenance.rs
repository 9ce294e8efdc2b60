//! The findings and repairs of `maintenance`, in a real table and a real queue of the emulator.

use lamplighter::{JobId, JobState, Record, hours, mins, record::AttemptOutcome, secs};
use lamplighter_aws::maintenance::Report;
use lamplighter_fakes::{Fault, Gate};
use lamplighter_tests::wire::Call;
use tokio::time::Instant;

use crate::{
    jobs::{Full, Lean, Once, Then, Told, Untracked},
    stage::{Parts, Stage},
};

impl Stage {
    async fn round(&self) -> Report {
        self.maintenance.run(Instant::now() + secs(60)).await.unwrap()
    }

    async fn sent<J: Told>(&self, then: Then) -> JobId {
        self.client.enqueue(J::new(then)).await.unwrap().id().clone()
    }

    async fn record_of(&self, id: &JobId) -> Record {
        self.client.get(id).await.unwrap().unwrap()
    }
}

/// Returns how many jobs a round has sent again, lost and given up.
fn repaired(report: &Report) -> [u64; 3] {
    [report.sent_again, report.lost, report.failed]
}

async fn due_jobs_go_to_their_queue_once<J: Told>() {
    let stage = Stage::new(Parts::Table).await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        let delayed = stage.client.enqueue(J::new(Then::Succeed)).delay(hours(2)).await.unwrap();
        ids.push(delayed.id().clone());
    }
    assert_eq!((stage.round().await.moved, stage.waiting().await), (0, 0), "too early");
    let later = stage.later(hours(2));
    assert_eq!((later.round().await.moved, later.waiting().await), (12, 12));
    assert_eq!((later.round().await.moved, later.waiting().await), (0, 12), "once");
    assert_eq!((later.run(10).await, later.run(2).await), (0, 0));
    assert!(ids.iter().all(|id| stage.probe.runs(id) == [1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn due_jobs_with_records_are_sent_once() {
    due_jobs_go_to_their_queue_once::<Full>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn due_jobs_without_records_are_sent_once() {
    due_jobs_go_to_their_queue_once::<Untracked>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_rounds_send_each_job_once() {
    let stage = Stage::new(Parts::Table).await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(stage.client.enqueue(Lean::new(Then::Succeed)).delay(hours(2)).await.unwrap().id().clone());
    }
    let lost = stage.sent::<Full>(Then::Succeed).await;
    stage.lose(1).await;
    ids.push(lost);
    let (one, other) = (stage.later(hours(2)), stage.later(hours(2)));
    let (a, b) = tokio::join!(one.round(), other.round());
    assert!(a.moved + b.moved >= 10, "{a:?}, {b:?}");
    assert_eq!(a.sent_again + b.sent_again, 1, "the one that has the record sends the message: {a:?}, {b:?}");
    let mut waiting = one.waiting().await;
    assert!((11..=21).contains(&waiting), "{waiting}");
    while waiting > 0 {
        let batch = waiting.min(10);
        assert_eq!(one.run(batch).await, 0);
        waiting -= batch;
    }
    for id in ids {
        assert_eq!(stage.probe.runs(&id), [1], "{id}");
        assert_eq!(stage.record_of(&id).await.state, JobState::Succeeded);
    }
}

/// As after a crash between the two steps of enqueueing, or after a purge of the queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_message_gets_one() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.sent::<Full>(Then::Succeed).await;
    stage.lose(1).await;
    assert_eq!(repaired(&stage.later(mins(5)).round().await), [0; 3], "its message may be on its way");
    let later = stage.later(mins(15));
    assert_eq!(repaired(&later.round().await), [1, 0, 0]);
    assert_eq!(repaired(&later.round().await), [0; 3], "it has one now");
    assert_eq!((later.waiting().await, later.run(1).await), (1, 0));
    assert_eq!(later.record_of(&id).await.state, JobState::Succeeded);
    assert_eq!(repaired(&stage.later(hours(1)).round().await), [0; 3]);
    assert_eq!(stage.probe.runs(&id), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_left_by_a_failed_send_gets_a_message() {
    let stage = Stage::new(Parts::Table).await;
    let fails = |call: &Call| (call.service == "sqs" || call.action == "DeleteItem").then_some(Fault::AWAY);
    stage.probe.proxy.fail_when(fails);
    let sent = stage.client.enqueue(Full::new(Then::Succeed)).id("written").await;
    assert!(sent.is_err(), "who enqueues is told: {sent:?}");
    stage.probe.proxy.stop_failing();
    let later = stage.later(mins(15));
    assert_eq!(repaired(&later.round().await), [1, 0, 0]);
    assert_eq!(later.run(1).await, 0);
    let record = later.record_of(&JobId::new("written").unwrap()).await;
    assert_eq!((record.state, record.attempts.len()), (JobState::Succeeded, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_without_host_and_message_is_lost_and_the_job_runs_again() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.sent::<Full>(Then::Wait).await;
    stage.die().await;
    assert_eq!(stage.record_of(&id).await.state, JobState::Running);
    assert_eq!(repaired(&stage.round().await), [0; 3], "its lease still runs");
    let later = stage.later(hours(1));
    assert_eq!(repaired(&later.round().await), [1, 1, 0]);
    assert_eq!(repaired(&later.round().await), [0; 3]);
    assert_eq!(later.run(1).await, 0);
    let record = later.record_of(&id).await;
    let history: Vec<_> = record.attempts.iter().map(|attempt| (attempt.number, attempt.outcome)).collect();
    assert_eq!(history, [(1, AttemptOutcome::Lost), (2, AttemptOutcome::Succeeded)]);
    assert_eq!((record.state, stage.probe.runs(&id)), (JobState::Succeeded, vec![1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_last_attempt_is_lost_fails_and_an_event_says_so() {
    let stage = Stage::new(Parts::Table).await;
    let id = stage.sent::<Once>(Then::Wait).await;
    stage.die().await;
    let later = stage.later(hours(1));
    let (report, asked) = later.asked(later.round()).await;
    assert_eq!((repaired(&report), asked.events), ([0, 1, 1], 1));
    let record = later.record_of(&id).await;
    assert_eq!((record.state, record.attempts[0].outcome), (JobState::Failed, AttemptOutcome::Lost));
    assert!(record.attempts[0].error.as_ref().is_some_and(|error| !error.message.is_empty()), "{record:?}");
    assert_eq!((later.waiting().await, repaired(&later.round().await)), (0, [0; 3]));
}

/// A round that is interrupted continues where it stopped, and its work is bounded by its deadline.
#[tokio::test(flavor = "multi_thread")]
async fn a_round_ends_at_its_deadline_and_the_next_continues() {
    let stage = Stage::new(Parts::Table).await;
    let jobs = (0..60).map(|_| Full::new(Then::Succeed));
    assert!(stage.client.enqueue_all(jobs).await.iter().all(Result::is_ok));
    // Their messages are in the queue, so they are only read, and not repaired.
    let later = stage.later(mins(15));
    let over = Instant::now();
    assert_eq!(later.maintenance.run(over).await.unwrap().looked_at, 0, "it was over before it began");

    let gate = Gate::new();
    let held = gate.clone();
    later.probe.proxy.fail_when(move |call| (call.action == "BatchGetItem").then(|| Fault::Held(held.clone())));
    let deadline = Instant::now() + secs(5);
    let at_the_deadline = async {
        tokio::time::sleep_until(deadline).await;
        gate.open();
    };
    let (first, ()) = tokio::join!(later.maintenance.run(deadline), at_the_deadline);
    let first = first.unwrap();
    later.probe.proxy.stop_failing();
    assert!((1..60).contains(&first.looked_at), "one portion: {first:?}");

    let calls = later.calls(async { assert!(later.round().await.looked_at > 0) }).await;
    let place = |call: &Call| call.body["ExpressionAttributeValues"][":low"]["S"].as_str().map(str::to_owned);
    let listing = calls.iter().find(|call| call.body["IndexName"] == "listing").and_then(place);
    assert_ne!(listing.as_deref(), Some("0"), "behind what was looked at, not at the beginning");
    assert_eq!(later.waiting().await, 60, "and nothing was sent again");
}

/// An unreadable entry must not keep the others from being sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreadable_entry_delays_no_other() {
    let stage = Stage::new(Parts::Table).await;
    for n in 0..2 {
        stage.client.enqueue(Untracked::new(Then::Succeed)).id(format!("job-{n}")).delay(hours(2)).await.unwrap();
    }
    stage.spoil("job-0").await;
    let later = stage.later(hours(2));
    assert_eq!((later.round().await.moved, later.waiting().await), (1, 1));
    assert_eq!((later.round().await.moved, later.waiting().await), (0, 1));
}
