//! A host that stops.

use lamplighter::{JobState, host::MessageAction, secs};
use tokio::time::Instant;

use crate::{
    bench::{AT_ONCE, Bench, env, in_group, plain},
    support::act,
};

#[tokio::test(start_paused = true)]
async fn draining_hands_back_what_waits_and_tells_what_runs() {
    let bench = Bench::new(&env(), |function| function.concurrency(1));
    let drain = async {
        tokio::time::sleep(secs(1)).await;
        bench.stop.drain();
    };
    let batch = vec![act("a", "listen"), act("b", "ok never"), in_group("x", act("c", "ok never"))];
    let (actions, ()) = tokio::join!(bench.process(batch, secs(60)), drain);
    assert_eq!(actions, [MessageAction::Ack, AT_ONCE, AT_ONCE]);
    assert_eq!(bench.ran(), ["listen"]);
    assert_eq!(bench.process(vec![act("d", "ok never")], secs(60)).await, [AT_ONCE], "and nothing new is begun");
}

#[tokio::test(start_paused = true)]
async fn aborting_hands_back_what_runs_uncounted() {
    let bench = Bench::new(&env(), plain);
    let began = Instant::now();
    let abort = async {
        tokio::time::sleep(secs(2)).await;
        bench.stop.abort();
    };
    let batch = vec![act("a", "forever"), act("b", "ok fine")];
    let (actions, ()) = tokio::join!(bench.process(batch, secs(60)), abort);
    assert_eq!(actions, [AT_ONCE, MessageAction::Ack]);
    assert_eq!(began.elapsed(), secs(2));
    let jobs = bench.memory.jobs.lock().unwrap();
    assert_eq!((jobs["a"].state, jobs["a"].attempt), (JobState::Queued, 0));
}
