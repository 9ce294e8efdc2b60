//! How an attempt ends, and what comes after it.

use lamplighter::{
    JobError, JobState, Options,
    backend::{DeadLetterReason, Decision},
    host::MessageAction,
    mins, secs,
};
use tokio::time::Instant;

use crate::{
    bench::{Bench, env, error, plain, reason},
    support::{self, Memory, act, delivery},
};

#[tokio::test(start_paused = true)]
async fn errors_are_retried_by_policy_until_attempts_are_used_up() {
    let bench = Bench::new(&env(), plain);
    for attempt in 1..=3 {
        let action = bench.process(vec![act("a", "error")], secs(30)).await.remove(0);
        if attempt < 3 {
            assert_eq!(action, MessageAction::Retry(secs(7)));
            assert_eq!(bench.memory.state("a"), JobState::Retrying);
        } else {
            assert_eq!(reason(&action), DeadLetterReason::AttemptsExhausted);
            assert_eq!(error(&action), "invalid digit found in string");
            assert_eq!(bench.memory.state("a"), JobState::Failed);
        }
    }
    let attempts: Vec<_> = bench.memory.settled.lock().unwrap().iter().map(|settle| settle.token.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
    let again = bench.process(vec![act("a", "error")], secs(30)).await.remove(0);
    assert_eq!(reason(&again), DeadLetterReason::Failed, "the message that was to be dead-lettered has come back");
    let mut another = act("a", "error");
    another.message_id = "another".into();
    assert_eq!(bench.process(vec![another], secs(30)).await, [MessageAction::Ack], "it has ended");
    assert_eq!(bench.ran().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_handler_decides_by_its_error() {
    let bench = Bench::new(&env(), plain);
    let batch = vec![act("a", "fail"), act("b", "later"), act("c", "snooze")];
    let actions = bench.process(batch, secs(30)).await;
    assert_eq!(reason(&actions[0]), DeadLetterReason::Failed);
    assert_eq!(actions[1], MessageAction::Retry(mins(3)));
    assert_eq!(actions[2], MessageAction::Retry(secs(40)));
    assert_eq!(bench.memory.jobs.lock().unwrap()["c"].attempt, 0, "a snoozed attempt does not count");
}

#[tokio::test(start_paused = true)]
async fn a_panic_fails_one_job() {
    let bench = Bench::new(&env(), plain);
    let actions = bench.process(vec![act("a", "panic disco"), act("b", "ok fine")], secs(30)).await;
    assert_eq!(actions, [MessageAction::Retry(secs(7)), MessageAction::Ack]);
    let settled = bench.memory.settled.lock().unwrap();
    let panic = settled.iter().find(|settle| settle.id.as_str() == "a").unwrap();
    let Decision::Retry { error, .. } = &panic.decision else { panic!("{:?}", panic.decision) };
    assert_eq!(error.message, "panicked: at the disco");
}

#[tokio::test(start_paused = true)]
async fn without_a_store_receives_are_attempts() {
    let bench = Bench::with(&env(), plain, Memory::stateless);
    let actions = bench
        .process(vec![act("a", "ok fine"), act("b", "error").received(2), act("c", "error").received(3)], secs(30))
        .await;
    assert_eq!(actions[..2], [MessageAction::Ack, MessageAction::Retry(secs(7))]);
    assert_eq!(reason(&actions[2]), DeadLetterReason::AttemptsExhausted);
    assert!(bench.memory.jobs.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_handed_over_directly_gives_its_output() {
    let bench = Bench::new(&env(), plain);
    let deadline = || Instant::now() + secs(30);
    let performed = bench.worker.perform(act("a", "ok fine"), deadline()).await;
    assert_eq!((performed.action, performed.output.unwrap().get()), (MessageAction::Ack, r#""fine 1""#));
    let performed = bench.worker.perform(act("b", "fail"), deadline()).await;
    assert_eq!(performed.error.unwrap().message, "told to");
    let performed = bench.worker.perform(delivery("c", "junk"), deadline()).await;
    assert!(performed.error.unwrap().message.contains("not a job message"));
}

#[tokio::test(start_paused = true)]
async fn an_untracked_job_leaves_no_trace_in_the_store() {
    #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Light {}
    impl lamplighter::Job for Light {
        const NAME: &'static str = "test.light";
        const QUEUE: lamplighter::Queue = support::QUEUE;
        fn options() -> Options {
            Options::new().untracked()
        }
    }
    async fn light(_: Light) -> Result<(), JobError> {
        Ok(())
    }
    let bench = Bench::new(&env(), |function| function.job(light));
    let actions = bench.process(vec![delivery("1", r#"{"job":"test.light"}"#), act("a", "ok")], secs(30)).await;
    assert_eq!(actions, [MessageAction::Ack, MessageAction::Ack]);
    assert_eq!(bench.memory.jobs.lock().unwrap().len(), 1);
}
