//! Timeouts, the deadline of an invocation, and the limit of jobs at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use lamplighter::{
    Context, Function, JobError, JobState, State, backend::Decision, env::Env, host::MessageAction, secs,
};
use tokio::time::Instant;

use crate::{
    bench::{AT_ONCE, Bench, env, plain},
    support::{Act, Memory, act},
};

#[tokio::test(start_paused = true)]
async fn a_job_ends_at_its_own_timeout_and_holds_up_nobody() {
    let bench = Bench::new(&env(), plain);
    let began = Instant::now();
    let mut at = BTreeMap::new();
    let batch = vec![act("slow", "forever"), act("quick", "ok fine")];
    let deadline = Instant::now() + secs(60);
    bench
        .worker
        .process_each(batch, deadline, |settled| {
            for settlement in settled {
                at.insert(settlement.message_id, (began.elapsed(), settlement.action));
            }
        })
        .await;
    assert_eq!(at["quick"], (Duration::ZERO, MessageAction::Ack));
    assert_eq!(at["slow"], (secs(10), MessageAction::Retry(secs(7))));
    let settled = bench.memory.settled.lock().unwrap();
    let Decision::Retry { error, .. } = &settled[1].decision else { panic!() };
    assert_eq!(error.message, "took longer than its timeout of 10s");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_what_would_overrun_it_and_says_so() {
    let bench = Bench::new(&env(), plain);
    let actions = bench.process(vec![act("a", "forever"), act("b", "ok fine")], secs(5)).await;
    assert_eq!(actions, [MessageAction::Retry(secs(7)), MessageAction::Ack]);
    let settled = bench.memory.settled.lock().unwrap();
    let Decision::Retry { error, .. } = &settled[1].decision else { panic!() };
    assert!(error.message.contains("was ended after 4.5 s by its invocation's deadline"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_start_in_time_is_released_uncounted() {
    let bench = Bench::new(&env(), |function| function.concurrency(1));
    let batch = vec![act("a", "sleep 9"), act("b", "sleep 9"), act("c", "sleep 9")];
    let actions = bench.process(batch, secs(25)).await;
    // After the first, 14 s are left less the margin; after the second, 5 s are less than the timeout of 10 s.
    assert_eq!(actions, [MessageAction::Ack, MessageAction::Ack, AT_ONCE]);
    let jobs = bench.memory.jobs.lock().unwrap();
    assert_eq!((jobs["c"].state, jobs["c"].attempt), (JobState::Queued, 0));
}

#[tokio::test(start_paused = true)]
async fn without_any_time_nothing_is_begun() {
    let bench = Bench::new(&env(), plain);
    assert_eq!(bench.process(vec![act("a", "ok fine")], Duration::ZERO).await, [AT_ONCE]);
    assert!(bench.ran().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_jobs_at_once_holds() {
    let bench = Bench::new(&env(), |function| function.concurrency(2));
    let began = Instant::now();
    let batch = (0..6).map(|n| act(&n.to_string(), "sleep 3")).collect();
    let actions = bench.process(batch, secs(60)).await;
    assert!(actions.iter().all(|action| *action == MessageAction::Ack));
    assert_eq!(began.elapsed(), secs(9));
}

/// A handler that blocks its thread cannot be ended, but it is left behind: the others are settled in time.
#[test]
fn a_handler_that_blocks_its_thread_is_left_behind() {
    async fn blocks(job: Act, _: Context, State(gate): State<Arc<Mutex<mpsc::Receiver<()>>>>) -> Result<(), JobError> {
        if job.what == "block" {
            let _ = gate.lock().unwrap().recv();
        }
        Ok(())
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (open, gate) = mpsc::channel();
    runtime.block_on(async {
        let memory = Memory::new(&Env::system());
        let function = Function::new("test").job(blocks).with_state(Arc::new(Mutex::new(gate)));
        let worker = memory.worker(function);
        // A tenth of it is the worker's margin: what a busy machine may take for that.
        let deadline = Instant::now() + secs(10);
        // On a thread of the runtime, as with a host: the first job that ends wakes the batch while the second one blocks it.
        let batch = vec![act("a", "end"), act("b", "block"), act("c", "end")];
        let settlements = tokio::spawn(async move { worker.process(batch, deadline).await }).await.unwrap();
        assert!(Instant::now() <= deadline);
        let action = |id: &str| &settlements.iter().find(|one| one.message_id == id).unwrap().action;
        assert_eq!(action("b"), &MessageAction::Retry(secs(7)));
        assert_eq!([action("a"), action("c")], [&MessageAction::Ack; 2]);
    });
    open.send(()).unwrap();
}
