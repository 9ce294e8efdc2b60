//! Claims that are refused, and leases that are lost.

use lamplighter::{
    Job, JobError, JobState, Options, Queue,
    backend::{DeadLetterReason, Token},
    host::MessageAction,
    mins, secs,
};
use tokio::time::Instant;

use crate::{
    bench::{Bench, env, plain, reason},
    support::{self, act, delivery, start},
};

#[tokio::test(start_paused = true)]
async fn a_busy_job_is_released_until_its_lease_ends() {
    let bench = Bench::new(&env(), plain);
    let holder = (Token { attempt: 1, owner: 1 }, start() + secs(90));
    bench.memory.put("a", JobState::Running, 1, Some(holder));
    assert_eq!(bench.process(vec![act("a", "ok")], secs(30)).await, [MessageAction::Release(Some(secs(91)))]);
    tokio::time::advance(secs(90)).await;
    assert_eq!(bench.process(vec![act("a", "ok")], secs(30)).await, [MessageAction::Ack]);
    assert_eq!(bench.memory.settled.lock().unwrap()[0].token.attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_last_attempt_was_lost_is_dead_lettered() {
    let bench = Bench::new(&env(), plain);
    bench.memory.put("a", JobState::Running, 3, Some((Token { attempt: 3, owner: 1 }, start())));
    let action = bench.process(vec![act("a", "ok")], secs(30)).await.remove(0);
    assert_eq!(reason(&action), DeadLetterReason::AttemptsExhausted);
    assert!(bench.ran().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_zombie_changes_nothing() {
    for (state, expected) in
        [(JobState::Running, MessageAction::Release(None)), (JobState::Cancelled, MessageAction::Ack)]
    {
        let bench = Bench::new(&env(), plain);
        let usurp = async {
            tokio::time::sleep(secs(1)).await;
            let successor = (Token { attempt: 2, owner: 9 }, start() + secs(500));
            bench.memory.put("a", state, 2, Some(successor));
        };
        let (actions, ()) = tokio::join!(bench.process(vec![act("a", "sleep 3")], secs(30)), usurp);
        assert_eq!(actions, [expected]);
        assert!(bench.memory.settled.lock().unwrap().is_empty());
        assert_eq!(bench.memory.state("a"), state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_hear_of_its_lost_lease_gives_its_place_to_the_next() {
    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Deaf {}

    impl Job for Deaf {
        const NAME: &'static str = "test.deaf";
        const QUEUE: Queue = support::QUEUE;

        fn options() -> Options {
            Options::new().timeout(mins(10))
        }
    }

    async fn deaf(_: Deaf) -> Result<(), JobError> {
        std::future::pending().await
    }

    let bench = Bench::new(&env(), |function| function.job(deaf).concurrency(1));
    let cancel = async {
        tokio::time::sleep(secs(1)).await;
        bench.memory.put("a", JobState::Cancelled, 1, None);
    };
    let batch = vec![delivery("a", r#"{"job":"test.deaf","id":"a"}"#), act("b", "ok next")];
    let began = Instant::now();
    let (actions, ()) = tokio::join!(bench.process(batch, mins(14)), cancel);
    assert_eq!(actions, [MessageAction::Ack, MessageAction::Ack]);
    assert_eq!(bench.ran(), ["ok next"]);
    assert!(began.elapsed() <= secs(40), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_claimed_is_not_run() {
    let bench = Bench::new(&env(), plain);
    bench.memory.faults.lock().unwrap().claims = 1;
    let actions = bench.process(vec![act("a", "ok"), act("b", "ok")], secs(30)).await;
    assert_eq!(actions, [MessageAction::Release(Some(secs(2))), MessageAction::Ack]);
    assert_eq!(bench.ran().len(), 1);
}
