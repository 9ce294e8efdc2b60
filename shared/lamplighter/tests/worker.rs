//! What happens to a batch of deliveries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use lamplighter::{
    Context, Function, Job, JobError, JobState, Options, Queue, State, Tracking,
    backend::{Claim, DeadLetterReason, Decision, JobOwner, Token},
    env::Env,
    host::{Delivery, Disposition, MessageAction, Stop, Worker},
    message::Trace,
    mins,
    record::ErrorText,
    secs,
};
use proptest::prelude::*;
use tokio::time::Instant;

use support::{Act, Memory, act, delivery, start};

type Log = Arc<Mutex<Vec<String>>>;

async fn perform(job: Act, ctx: Context, State(log): State<Log>) -> Result<Option<String>, JobError> {
    log.lock().unwrap().push(job.what.clone());
    let (verb, rest) = job.what.split_once(' ').unwrap_or((&job.what, ""));
    match verb {
        "error" => Ok("no luck".parse::<u8>().map(|_| None)?),
        "fail" => Err(JobError::fail("told to")),
        "later" => Err(JobError::retry_in(mins(3), "come back")),
        "snooze" => ctx.snooze(secs(40)),
        "panic" => panic!("at the {rest}"),
        "sleep" => {
            tokio::time::sleep(secs(rest.parse()?)).await;
            Ok(None)
        }
        "forever" => std::future::pending().await,
        "listen" => {
            ctx.cancelled().await;
            Ok(Some("heard".into()))
        }
        "child" => {
            ctx.client().enqueue(Act { what: "grandchild".into() }).await?;
            Ok(None)
        }
        _ => Ok(Some(format!("{rest} {}", ctx.attempt()))),
    }
}

struct Bench {
    memory: Memory,
    log: Log,
    stop: Stop,
    worker: Worker,
}

impl Bench {
    fn new(env: &Env, shape: impl Fn(Function<Log>) -> Function<Log>) -> Self {
        Self::with(env, shape, |memory| memory.backend())
    }

    fn with(
        env: &Env,
        shape: impl Fn(Function<Log>) -> Function<Log>,
        backend: impl Fn(&Memory) -> lamplighter::backend::Backend,
    ) -> Self {
        let (memory, log, stop) = (Memory::new(env), Log::default(), Stop::new());
        let function = shape(Function::new("test").enqueues::<Act>().job(perform)).with_state(log.clone());
        let worker = Worker::new(function, backend(&memory), env.clone(), "test-host", stop.clone());
        Self { memory, log, stop, worker }
    }

    /// Processes a batch within `budget` and gives the actions in the deliveries' order.
    async fn process(&self, deliveries: Vec<Delivery>, budget: Duration) -> Vec<MessageAction> {
        let order: Vec<_> = deliveries.iter().map(|delivery| delivery.message_id.clone()).collect();
        let deadline = Instant::now() + budget;
        let settlements = self.worker.process(deliveries, deadline).await;
        assert!(Instant::now() <= deadline, "the worker overran its deadline");
        assert_eq!(settlements.len(), order.len(), "each delivery gets one answer");
        let by_id: BTreeMap<_, _> =
            settlements.into_iter().map(|Disposition { message_id, action, .. }| (message_id, action)).collect();
        order.iter().map(|id| by_id[id].clone()).collect()
    }

    fn ran(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

fn env() -> Env {
    Env::driven(start(), 42)
}

fn plain(function: Function<Log>) -> Function<Log> {
    function
}

fn reason(action: &MessageAction) -> DeadLetterReason {
    match action {
        MessageAction::DeadLetter(cause) => cause.reason,
        other => panic!("not buried but {other:?}"),
    }
}

fn error(action: &MessageAction) -> String {
    match action {
        MessageAction::DeadLetter(cause) => cause.error.to_string(),
        other => panic!("not buried but {other:?}"),
    }
}

const AT_ONCE: MessageAction = MessageAction::Release(Some(Duration::ZERO));

#[tokio::test(start_paused = true)]
async fn bad_bodies_are_buried_singly_and_their_neighbours_run() {
    let bench = Bench::new(&env(), plain);
    let batch = vec![
        delivery("1", "not json"),
        act("a", "ok fine"),
        delivery("3", r#"{"args":{}}"#),
        delivery("4", r#"{"job":"test.act","args":{"wrong":1}}"#),
        act("b", "ok too"),
    ];
    let actions = bench.process(batch, secs(30)).await;
    assert_eq!(actions[1], MessageAction::Ack);
    assert_eq!(actions[4], MessageAction::Ack);
    for index in [0, 2, 3] {
        assert_eq!(reason(&actions[index]), DeadLetterReason::BadMessage);
    }
    assert!(error(&actions[3]).contains("the arguments do not fit test.act: missing field `what`"), "{:?}", actions[3]);
    assert_eq!(bench.memory.state("4"), JobState::Failed);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_job_rests_and_is_buried_at_the_sixth_receive() {
    let bench = Bench::new(&env(), plain);
    for receives in 1..=6 {
        let unknown = Delivery { receive_count: receives, ..delivery("1", r#"{"job":"newer.job"}"#) };
        let action = bench.process(vec![unknown], secs(30)).await.remove(0);
        if receives <= 5 {
            assert_eq!(action, MessageAction::Release(Some(secs(30) * receives)));
        } else {
            assert_eq!(reason(&action), DeadLetterReason::UnknownJob);
        }
    }
}

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
    let another = Delivery { message_id: "another".into(), ..act("a", "error") };
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
    async fn blocks(_: Act, _: Context, State(gate): State<Arc<Mutex<mpsc::Receiver<()>>>>) -> Result<(), JobError> {
        let _ = gate.lock().unwrap().recv();
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
        let settlements = worker.process(vec![act("a", "block")], deadline).await;
        assert!(Instant::now() <= deadline);
        assert_eq!(settlements[0].action, MessageAction::Retry(secs(7)));
    });
    open.send(()).unwrap();
}

fn in_group(group: &str, delivery: Delivery) -> Delivery {
    Delivery { group: Some(group.into()), ..delivery }
}

#[tokio::test(start_paused = true)]
async fn groups_run_in_order_beside_each_other_and_fail_alone() {
    let bench = Bench::new(&env(), plain);
    let batch = vec![
        in_group("x", act("x1", "sleep 1")),
        in_group("x", act("x2", "error")),
        in_group("y", act("y1", "sleep 2")),
        in_group("x", act("x3", "ok never")),
        in_group("y", act("y2", "ok last")),
        in_group("x", act("x4", "ok never")),
    ];
    let actions = bench.process(batch, secs(60)).await;
    let retry = MessageAction::Retry(secs(7));
    assert_eq!(actions, [MessageAction::Ack, retry, MessageAction::Ack, AT_ONCE, MessageAction::Ack, AT_ONCE]);
    assert_eq!(bench.ran(), ["sleep 1", "sleep 2", "error", "ok last"]);
    assert_eq!(bench.memory.jobs.lock().unwrap()["x3"].attempt, 0);
}

#[tokio::test(start_paused = true)]
async fn whatever_keeps_the_head_of_a_group_on_its_queue_the_rest_is_handed_back() {
    let far = start() + secs(90);
    let claims: [(&str, Option<Claim>, MessageAction); 6] = [
        ("waits for a lock", Some(Claim::Locked(far)), MessageAction::Release(Some(secs(90)))),
        ("runs elsewhere", Some(Claim::Busy(far)), MessageAction::Release(Some(secs(91)))),
        ("cannot be claimed", None, MessageAction::Release(Some(secs(2)))),
        ("was lost", Some(Claim::Exhausted { attempts: 3 }), AT_ONCE),
        ("is another's", Some(Claim::Foreign(JobOwner { job: "a".into(), queue: "b".into() })), AT_ONCE),
        (
            "was not dead-lettered",
            Some(Claim::DeadLetterPending {
                reason: DeadLetterReason::Failed,
                error: ErrorText::new("no"),
                attempts: 3,
            }),
            AT_ONCE,
        ),
    ];
    for (cause, answer, expected) in claims {
        let bench = Bench::new(&env(), plain);
        match answer {
            Some(answer) => bench.memory.answers.lock().unwrap().push_back(answer),
            None => bench.memory.faults.lock().unwrap().claims = 1,
        }
        let batch = vec![
            in_group("x", act("x1", "ok 1")),
            in_group("y", act("y1", "ok free")),
            in_group("x", act("x2", "ok 2")),
            in_group("x", act("x3", "ok 3")),
        ];
        let actions = bench.process(batch, secs(60)).await;
        if !matches!(actions[0], MessageAction::DeadLetter(_)) {
            assert_eq!(actions[0], expected, "{cause}");
        }
        assert_eq!(actions[1..], [MessageAction::Ack, AT_ONCE, AT_ONCE], "{cause}");
        assert_eq!(bench.ran(), ["ok free"], "{cause}");
        assert_eq!(bench.memory.jobs.lock().unwrap()["x2"].attempt, 0, "{cause}: handed back, uncounted");
    }
    for head in [r#"{"job":"no.such"}"#, "not json", r#"{"job":"test.act","id":"a b"}"#] {
        let bench = Bench::new(&env(), plain);
        let batch = vec![
            in_group("x", delivery("x1", head)),
            in_group("x", act("x2", "ok 2")),
            in_group("y", act("y1", "ok free")),
        ];
        let actions = bench.process(batch, secs(60)).await;
        assert_eq!(actions[1..], [AT_ONCE, MessageAction::Ack], "{head}");
        assert_eq!(bench.ran(), ["ok free"], "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_has_ended_already_lets_its_group_go_on() {
    let bench = Bench::new(&env(), plain);
    bench.memory.put("x1", JobState::Succeeded, 1, None);
    let batch = vec![in_group("x", act("x1", "ok 1")), in_group("x", act("x2", "ok 2"))];
    assert_eq!(bench.process(batch, secs(60)).await, [MessageAction::Ack, MessageAction::Ack]);
    assert_eq!(bench.ran(), ["ok 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_head_whose_end_is_neither_written_nor_sent_keeps_its_group() {
    let bench = Bench::new(&env(), plain);
    *bench.memory.faults.lock().unwrap() = support::Faults { settles: 3, sends: 1, ..Default::default() };
    let batch = vec![in_group("x", act("x1", "ok 1")), in_group("x", act("x2", "ok 2"))];
    assert_eq!(bench.process(batch, secs(60)).await, [MessageAction::Release(None), AT_ONCE]);
    assert_eq!(bench.ran(), ["ok 1"]);
}

#[tokio::test(start_paused = true)]
async fn on_a_fifo_queue_a_settlement_travels_beside_its_group() {
    let bench = Bench::new(&env(), plain);
    bench.memory.faults.lock().unwrap().settles = 3;
    let actions = bench.process(vec![in_group("x", act("x1", "error"))], secs(60)).await;
    let MessageAction::Retry(rest) = actions[0] else { panic!("{actions:?}") };
    assert!(
        rest >= secs(60 + 5 + 70 - 1),
        "its message stays at the head of its group, behind its settlement: {rest:?}"
    );
    let sent = bench.memory.sent.lock().unwrap().remove(0);
    assert_eq!(&*sent.message.job, "lamplighter.settle");
}

#[tokio::test(start_paused = true)]
async fn a_message_under_another_jobs_id_is_dead_lettered_with_both_names() {
    let bench = Bench::new(&env(), plain);
    let owner = JobOwner { job: "report.daily".into(), queue: "reports".into() };
    bench.memory.answers.lock().unwrap().push_back(Claim::Foreign(owner));
    let action = bench.process(vec![act("report-daily@2026-12-01T06:00:00Z", "ok")], secs(30)).await.remove(0);
    assert_eq!(reason(&action), DeadLetterReason::ForeignId);
    for part in ["report-daily@2026-12-01T06:00:00Z", "report.daily", "reports", "test.act", "queue test"] {
        assert!(error(&action).contains(part), "{}", error(&action));
    }
    assert!(bench.ran().is_empty());
}

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
async fn a_job_whose_last_attempt_was_lost_is_buried() {
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

#[tokio::test(start_paused = true)]
async fn without_a_store_receives_are_attempts() {
    let bench = Bench::with(&env(), plain, Memory::stateless);
    let actions = bench
        .process(
            vec![
                act("a", "ok fine"),
                Delivery { receive_count: 2, ..act("b", "error") },
                Delivery { receive_count: 3, ..act("c", "error") },
            ],
            secs(30),
        )
        .await;
    assert_eq!(actions[..2], [MessageAction::Ack, MessageAction::Retry(secs(7))]);
    assert_eq!(reason(&actions[2]), DeadLetterReason::AttemptsExhausted);
    assert!(bench.memory.jobs.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_id_goes_by_the_transports() {
    let bench = Bench::new(&env(), plain);
    let action = bench.process(vec![delivery("sqs-1", r#"{"job":"test.act","args":{"what":"ok"}}"#)], secs(30)).await;
    assert_eq!(action, [MessageAction::Ack]);
    assert_eq!(bench.memory.state("sqs-1"), JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn children_name_their_parent_count_hops_and_carry_the_trace() {
    let bench = Bench::new(&env(), plain);
    let body = r#"{"job":"test.act","id":"p","args":{"what":"child"},"hops":7,"trace":"00-1-2-01"}"#;
    assert_eq!(bench.process(vec![delivery("1", body)], secs(30)).await, [MessageAction::Ack]);
    let child = bench.memory.sent.lock().unwrap().remove(0);
    assert_eq!(child.message.hops, 8);
    assert_eq!(child.message.parent.as_ref().unwrap().as_str(), "p");
    assert_eq!(child.message.trace, Some(Trace { traceparent: "00-1-2-01".into(), tracestate: None }));
    assert_eq!(child.message.id, Some(child.id));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_begets_itself_for_ever_comes_to_an_end() {
    let bench = Bench::new(&env(), plain);
    let body = |hops| format!(r#"{{"job":"test.act","args":{{"what":"child"}},"hops":{hops}}}"#);
    let actions = bench.process(vec![delivery("1", &body(100)), delivery("2", &body(101))], secs(30)).await;
    assert_eq!(actions[0], MessageAction::Retry(secs(7)), "its enqueue was refused");
    assert_eq!(reason(&actions[1]), DeadLetterReason::TooManyHops);
}

#[tokio::test(start_paused = true)]
async fn an_expired_job_is_not_run_any_more() {
    let bench = Bench::with(&env(), plain, Memory::stateless);
    let body = format!(r#"{{"job":"test.act","args":{{"what":"ok"}},"expires_at":"{}"}}"#, start());
    assert_eq!(bench.process(vec![delivery("1", &body)], secs(30)).await, [MessageAction::Ack]);
    assert!(bench.ran().is_empty());
}

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

fn behaviours() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("ok"),
        Just("error"),
        Just("fail"),
        Just("later"),
        Just("snooze"),
        Just("panic now"),
        Just("forever"),
        Just("sleep 1"),
        Just("sleep 8"),
        Just("listen"),
        Just("child"),
        Just("{broken")
    ]
    .prop_map(String::from)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn every_delivery_gets_exactly_one_answer_in_time_whatever_happens(
        jobs in proptest::collection::vec((behaviours(), 0u8..12, 0u8..4, 1u32..6), 0..30),
        limit in 1usize..8,
        budget in 0u64..40,
        stop_at in proptest::option::of(0u64..20),
        faults in (0u32..3, 0u32..6, 0u32..3),
        tracked in any::<bool>(),
    ) {
        // The panics are part of the test: their traces would drown what matters.
        std::panic::set_hook(Box::new(|_| {}));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let backend = if tracked { Memory::backend } else { Memory::stateless };
            let bench = Bench::with(&env(), |function| function.concurrency(limit), backend);
            *bench.memory.faults.lock().unwrap() =
                support::Faults { claims: faults.0, settles: faults.1, sends: faults.2, panics: false };
            let batch: Vec<_> = jobs
                .iter()
                .enumerate()
                .map(|(index, (what, id, group, receives))| {
                    let body = format!(r#"{{"job":"test.act","id":"j{id}","args":{{"what":"{what}"}}}}"#);
                    let body = if what == "{broken" { what.clone() } else { body };
                    let group = (*group > 0).then(|| format!("g{group}").into());
                    Delivery { receive_count: *receives, group, ..delivery(&index.to_string(), &body) }
                })
                .collect();
            let ids: HashSet<_> = batch.iter().map(|delivery| delivery.message_id.clone()).collect();
            let stop = async {
                if let Some(at) = stop_at {
                    tokio::time::sleep(secs(at)).await;
                    bench.stop.drain();
                    tokio::time::sleep(secs(3)).await;
                    bench.stop.abort();
                }
            };
            let deadline = Instant::now() + secs(budget);
            let work = bench.worker.process(batch, deadline);
            tokio::pin!(stop);
            let settlements = tokio::select! {
                settlements = work => settlements,
                () = async { stop.await; std::future::pending::<()>().await } => unreachable!(),
            };
            assert!(Instant::now() <= deadline);
            let answered: HashSet<_> = settlements.iter().map(|settlement| settlement.message_id.clone()).collect();
            assert_eq!(settlements.len(), ids.len());
            assert_eq!(answered, ids);
        });
    }
}
