//! Claims that are refused, and leases that are lost.

use lamplighter::{
    Context, Function, Job, JobError, JobState, Options, Queue, QueueHost, Retry,
    backend::{DeadLetterReason, Token},
    host::{Delivery, MessageAction, Stop, Worker},
    hours, mins, secs,
};
use tokio::time::Instant;

use crate::{
    bench::{Bench, env, plain, reason},
    support::{self, Memory, act, delivery, start},
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

/// A job of hours, on a host that may die at any time.
#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Long {
    secs: u64,
}

impl Job for Long {
    const NAME: &'static str = "test.long";
    const QUEUE: Queue = support::QUEUE.host(QueueHost::Worker);

    fn options() -> Options {
        Options::new().timeout(hours(5)).retry(Retry::never())
    }
}

async fn long(job: Long, ctx: Context) -> Result<&'static str, JobError> {
    tokio::select! {
        () = tokio::time::sleep(secs(job.secs)) => Ok("done"),
        () = ctx.cancelled() => Err(JobError::fail("heard of it")),
    }
}

fn renewing(lease: std::time::Duration) -> (Memory, Worker) {
    let env = env();
    let memory = Memory::new(&env);
    let function = Function::new("test").job(long);
    let worker = Worker::with_lease(function, memory.backend(), env, "test-host", Stop::new(), lease);
    (memory, worker)
}

fn long_job(id: &str) -> Delivery {
    delivery(id, &format!(r#"{{"job":"test.long","id":"{id}","args":{{"secs":7200}}}}"#))
}

#[tokio::test(start_paused = true)]
async fn a_host_that_gives_hours_keeps_its_leases_short_and_renews_them() {
    let (memory, worker) = renewing(secs(60));
    let watch = async {
        let mut ends = Vec::new();
        for _ in 0..7000 {
            tokio::time::sleep(secs(1)).await;
            let (_, until) = memory.jobs.lock().unwrap()["a"].holder.unwrap();
            let left = until.duration_since(memory.env.now());
            assert!((0..=60).contains(&left.as_secs()), "{left:?}");
            ends.push(until);
        }
        ends.dedup();
        ends.len()
    };
    let deadline = Instant::now() + hours(4);
    let (answers, renewals) = tokio::join!(worker.process(vec![long_job("a")], deadline), watch);
    assert_eq!(answers[0].action, MessageAction::Ack);
    assert!((349..=352).contains(&renewals), "three in the length of a lease: {renewals}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_silent_for_less_than_a_lease_costs_nothing() {
    let (memory, worker) = renewing(secs(60));
    let outage = async {
        tokio::time::sleep(secs(100)).await;
        memory.faults.lock().unwrap().renewals = 2;
    };
    let (answers, ()) = tokio::join!(worker.process(vec![long_job("a")], Instant::now() + hours(4)), outage);
    assert_eq!(answers[0].action, MessageAction::Ack);
    assert_eq!(memory.faults.lock().unwrap().renewals, 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_lost_ends_its_handler_and_not_its_neighbour() {
    let (memory, worker) = renewing(secs(60));
    let lose = async {
        tokio::time::sleep(secs(100)).await;
        memory.put("a", JobState::Cancelled, 1, None);
    };
    let began = Instant::now();
    let mut ended = Vec::new();
    let batch = vec![long_job("a"), long_job("b")];
    let process = worker.process_each(batch, began + hours(4), |lot| {
        ended.extend(lot.into_iter().map(|one| (one.message_id, began.elapsed().as_secs())));
    });
    tokio::join!(process, lose);
    assert_eq!(ended.len(), 2);
    assert!(ended[0].0 == "a" && ended[0].1 <= 120, "{ended:?}");
    assert!(ended[1].0 == "b" && ended[1].1 >= 7200, "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_claimed_is_not_run() {
    let bench = Bench::new(&env(), plain);
    bench.memory.faults.lock().unwrap().claims = 1;
    let actions = bench.process(vec![act("a", "ok"), act("b", "ok")], secs(30)).await;
    assert_eq!(actions, [MessageAction::Release(Some(secs(2))), MessageAction::Ack]);
    assert_eq!(bench.ran().len(), 1);
}
