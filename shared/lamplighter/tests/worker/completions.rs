//! Completions while the store is away, and those that end together.

use lamplighter::{JobState, Tracking, backend::Decision, host::MessageAction, secs};
use tokio::time::Instant;

use crate::{
    bench::{Bench, env, plain},
    support::{self, act, delivery},
};

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_moment_is_asked_again() {
    let bench = Bench::new(&env(), plain);
    bench.memory.faults.lock().unwrap().settles = 2;
    assert_eq!(bench.process(vec![act("a", "ok fine")], secs(30)).await, [MessageAction::Ack]);
    assert_eq!(bench.memory.state("a"), JobState::Succeeded);
    assert!(bench.memory.sent.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_cannot_be_written_travels_as_a_message_and_is_applied_later() {
    let bench = Bench::new(&env(), plain);
    bench.memory.faults.lock().unwrap().settles = 3;
    assert_eq!(bench.process(vec![act("a", "ok fine")], secs(30)).await, [MessageAction::Ack]);
    assert_eq!(bench.memory.state("a"), JobState::Running);
    let carrier = bench.memory.sent.lock().unwrap().remove(0);
    assert_eq!((&*carrier.queue, carrier.tracking), ("test", Tracking::Untracked));

    let carried = delivery("carrier", &carrier.message.to_json());
    bench.memory.faults.lock().unwrap().settles = 1;
    assert_eq!(bench.process(vec![carried.clone()], secs(30)).await, [MessageAction::Release(Some(secs(2)))]);
    assert_eq!(bench.process(vec![carried.clone()], secs(30)).await, [MessageAction::Ack]);
    assert_eq!(bench.memory.state("a"), JobState::Succeeded);
    let decision = bench.memory.settled.lock().unwrap()[0].decision.clone();
    let Decision::Succeeded { output, .. } = decision else { panic!() };
    assert_eq!(output.as_ref().unwrap().get(), r#""fine 1""#);
    assert_eq!(bench.process(vec![carried], secs(30)).await, [MessageAction::Ack], "applied twice does no harm");
    assert_eq!(bench.ran().len(), 1, "the handler is not run again");
}

#[tokio::test(start_paused = true)]
async fn with_neither_store_nor_queue_the_job_comes_again() {
    let bench = Bench::new(&env(), plain);
    *bench.memory.faults.lock().unwrap() = support::Faults { settles: 3, sends: 1, ..Default::default() };
    assert_eq!(bench.process(vec![act("a", "ok fine")], secs(30)).await, [MessageAction::Release(None)]);
    assert_eq!(bench.memory.state("a"), JobState::Running, "and its lease keeps others away until then");
}

#[tokio::test(start_paused = true)]
async fn jobs_that_end_together_are_settled_in_one_call() {
    let bench = Bench::new(&env(), plain);
    let batch = (0..100).map(|n| act(&n.to_string(), "sleep 1")).collect();
    bench.process(batch, secs(30)).await;
    assert_eq!(bench.memory.settled.lock().unwrap().len(), 100);
    assert!(*bench.memory.settle_calls.lock().unwrap() <= 2, "{}", bench.memory.settle_calls.lock().unwrap());
}

/// The first of them wakes the batch before the others have been polled.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn jobs_that_end_in_one_turn_are_settled_in_one_call() {
    let bench = Bench::new(&env(), plain);
    let batch = (0..50).map(|n| act(&n.to_string(), "ok fine")).collect();
    let (worker, settle_calls) = (bench.worker.clone(), bench.memory.settle_calls.clone());
    let deadline = Instant::now() + secs(30);
    tokio::spawn(async move { worker.process(batch, deadline).await }).await.unwrap();
    assert!(*settle_calls.lock().unwrap() <= 3, "{}", settle_calls.lock().unwrap());
}
