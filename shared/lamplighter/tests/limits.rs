//! Bounds that hold where nobody says anything, and where others say too much.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use lamplighter::{
    Context, Function, JobError, State,
    backend::Decision,
    env::Env,
    host::{JobResult, MessageAction, Stop, Worker},
    secs,
    testing::TestRun,
};
use serde_json::value::RawValue;
use tokio::time::Instant;

use support::{Act, Memory, act, start};

/// How many handlers run now, and how many ran at most.
#[derive(Debug, Clone, Default)]
struct Busy(Arc<(AtomicUsize, AtomicUsize)>);

async fn rest(_: Act, _: Context, State(Busy(busy)): State<Busy>) -> Result<(), JobError> {
    let now = busy.0.fetch_add(1, Ordering::SeqCst) + 1;
    busy.1.fetch_max(now, Ordering::SeqCst);
    tokio::time::sleep(secs(1)).await;
    busy.0.fetch_sub(1, Ordering::SeqCst);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_large_batch_runs_at_most_the_default_number_of_jobs_at_once() {
    let env = Env::driven(start(), 1);
    let (memory, busy) = (Memory::new(&env), Busy::default());
    let function = Function::new("test").job(rest).with_state(busy.clone());
    let worker = Worker::new(function, memory.backend(), env, "test-host", Stop::new());
    let batch: Vec<_> = (0..1200).map(|n| act(&n.to_string(), "rest")).collect();
    let began = Instant::now();
    let settlements = worker.process(batch, began + secs(60)).await;
    assert_eq!(settlements.len(), 1200);
    assert!(settlements.iter().all(|settlement| settlement.action == MessageAction::Ack));
    assert_eq!(busy.0.1.load(Ordering::SeqCst), Function::DEFAULT_CONCURRENCY);
    assert_eq!(began.elapsed(), secs(5), "five rounds of 256");
}

async fn obey(job: Act) -> Result<(), JobError> {
    let told = Duration::from_secs(job.what.parse()?);
    Err(JobError::retry_after(told, "come back"))
}

#[tokio::test]
async fn a_time_that_others_name_never_makes_a_retry_sooner_than_the_policy() {
    // The policy waits seven seconds, and ends after three attempts.
    for (told, receives, action) in [
        ("0", 1, Some(secs(7))),
        ("1", 1, Some(secs(7))),
        ("7", 2, Some(secs(7))),
        ("90", 1, Some(secs(90))),
        ("0", 3, None),
        ("90", 3, None),
    ] {
        let env = Env::driven(start(), 1);
        let trial = TestRun::of(Function::new("test").job(obey)).env(env).receive_count(receives);
        let JobResult { action: found, .. } = trial.run(&Act { what: told.into() }).await;
        match action {
            Some(delay) => assert_eq!(found, MessageAction::Retry(delay), "{told} after {receives}"),
            None => assert!(matches!(found, MessageAction::DeadLetter(_)), "{told} after {receives}: {found:?}"),
        }
    }
}

/// The record says the same as the message.
#[tokio::test(start_paused = true)]
async fn a_record_keeps_the_later_of_the_two_times() {
    let env = Env::driven(start(), 1);
    let memory = Memory::new(&env);
    let worker = memory.worker(Function::new("test").job(obey));
    worker.process(vec![act("a", "0"), act("b", "90")], Instant::now() + secs(60)).await;
    let settled = memory.settled.lock().unwrap();
    let delays: Vec<_> = settled
        .iter()
        .map(|settle| match settle.decision {
            Decision::Retry { delay, .. } => delay,
            _ => panic!("no retry"),
        })
        .collect();
    assert_eq!(delays, [secs(7), secs(90)]);
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Carry {
    load: Box<RawValue>,
}

impl lamplighter::Job for Carry {
    const NAME: &'static str = "test.carry";
    const QUEUE: lamplighter::Queue = support::QUEUE;
}

async fn unload(job: Carry) -> Result<Box<RawValue>, JobError> {
    Ok(job.load)
}

#[tokio::test]
async fn a_raw_value_reaches_its_handler_and_its_record_as_it_was_sent() {
    let load = r#"{ "z":19.90,"a":123456789012345678901,"a":[1e400] }"#;
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let trial = || TestRun::of(Function::new("test").job(unload));
    let performed = trial().run_raw("test.carry", raw(&format!(r#"{{"load":{load}}}"#))).await;
    assert_eq!(performed.output.unwrap().get(), load);
    assert_eq!(trial().run(&Carry { load: raw(load) }).await.output.unwrap().get(), load);
}
