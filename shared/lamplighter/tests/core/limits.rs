//! Limits by default, and limits on delays that others name.

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

use crate::support::{Act, Memory, act, start};

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
async fn large_batches_run_at_the_default_concurrency() {
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
    let named = Duration::from_secs(job.what.parse()?);
    Err(JobError::retry_after(named, "come back"))
}

#[tokio::test]
async fn named_delays_never_retry_sooner_than_the_policy() {
    // The policy waits seven seconds, and ends after three attempts.
    for (named, receives, action) in [
        ("0", 1, Some(secs(7))),
        ("1", 1, Some(secs(7))),
        ("7", 2, Some(secs(7))),
        ("90", 1, Some(secs(90))),
        ("0", 3, None),
        ("90", 3, None),
    ] {
        let env = Env::driven(start(), 1);
        let run = TestRun::of(Function::new("test").job(obey)).env(env).receive_count(receives);
        let JobResult { action: found, .. } = run.run(&Act { what: named.into() }).await;
        match action {
            Some(delay) => assert_eq!(found, MessageAction::Retry(delay), "{named} after {receives}"),
            None => assert!(matches!(found, MessageAction::DeadLetter(_)), "{named} after {receives}: {found:?}"),
        }
    }
}

/// The record has the same delay as the message.
#[tokio::test(start_paused = true)]
async fn records_keep_the_later_of_two_delays() {
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
    const QUEUE: lamplighter::Queue = crate::support::QUEUE;
}

async fn unload(job: Carry) -> Result<Box<RawValue>, JobError> {
    Ok(job.load)
}

#[tokio::test]
async fn raw_values_reach_handler_and_record_unchanged() {
    let load = r#"{ "z":19.90,"a":123456789012345678901,"a":[1e400] }"#;
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let run = || TestRun::of(Function::new("test").job(unload));
    let result = run().run_raw("test.carry", raw(&format!(r#"{{"load":{load}}}"#))).await;
    assert_eq!(result.output.unwrap().get(), load);
    assert_eq!(run().run(&Carry { load: raw(load) }).await.output.unwrap().get(), load);
}
