//! The circuit breaker: when it opens and closes, when jobs come back, and that none is lost by it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{Act, Memory, act, delivery, start};
use lamplighter::{
    Context, Function, Job, JobError, JobState, Options, Queue, State,
    env::Env,
    host::{Delivery, MessageAction, Stop, Worker},
    hours,
    layer::{CircuitBreaker, CircuitState},
    mins, secs,
};
use tokio::time::{Instant, advance};
use tower::limit::GlobalConcurrencyLimitLayer;

/// How the handlers of the next jobs end; by default they succeed.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    is_down: bool,
    ran: Vec<String>,
}

impl World {
    fn is_down(&self, is_down: bool) {
        self.0.lock().unwrap().is_down = is_down;
    }

    fn ran(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().ran)
    }

    fn enter(&self, job: &str) -> bool {
        let mut shared = self.0.lock().unwrap();
        shared.ran.push(job.to_owned());
        shared.is_down
    }
}

async fn handler(job: Act, _: Context, State(world): State<World>) -> Result<(), JobError> {
    let down = || Err(JobError::retry("connection refused").dependency_down());
    let is_down = world.enter(&job.what);
    match &*job.what {
        "unrelated" => Err(JobError::retry("something else")),
        "panic" => panic!("out"),
        "silent" => std::future::pending().await,
        "slow" => {
            tokio::time::sleep(secs(5)).await;
            if is_down { down() } else { Ok(()) }
        }
        _ if is_down => down(),
        _ => Ok(()),
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Untracked {}

impl Job for Untracked {
    const NAME: &'static str = "test.untracked";
    const QUEUE: Queue = crate::support::QUEUE;

    fn options() -> Options {
        Options::new().untracked()
    }
}

async fn untracked(_: Untracked, _: Context, State(world): State<World>) -> Result<(), JobError> {
    if world.enter("untracked") { Err(JobError::retry("refused").dependency_down()) } else { Ok(()) }
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Other {}

impl Job for Other {
    const NAME: &'static str = "test.other";
    const QUEUE: Queue = crate::support::QUEUE;
}

async fn other(_: Other, _: Context, State(world): State<World>) -> Result<(), JobError> {
    world.enter("other");
    tokio::time::sleep(secs(20)).await;
    Ok(())
}

struct Bench {
    memory: Memory,
    world: World,
    worker: Worker,
    breaker: CircuitBreaker,
}

impl Bench {
    fn new(breaker: CircuitBreaker) -> Self {
        Self::with(breaker, |function| function)
    }

    fn with(breaker: CircuitBreaker, shape: impl Fn(Function<World>) -> Function<World>) -> Self {
        let env = Env::driven(start(), 7);
        let (memory, world) = (Memory::new(&env), World::default());
        let function = shape(Function::new("test").job(handler)).layer(breaker.clone()).with_state(world.clone());
        let worker = Worker::new(function, memory.backend(), env, "test-host", Stop::new());
        Self { memory, world, worker, breaker }
    }

    async fn run(&self, deliveries: Vec<Delivery>) -> Vec<MessageAction> {
        let order: Vec<_> = deliveries.iter().map(|delivery| delivery.message_id.clone()).collect();
        let settlements = self.worker.process(deliveries, Instant::now() + secs(60)).await;
        let actions: HashMap<_, _> =
            settlements.into_iter().map(|settled| (settled.message_id, settled.action)).collect();
        order.iter().map(|id| actions[id].clone()).collect()
    }

    async fn one(&self, id: &str, what: &str) -> MessageAction {
        self.run(vec![act(id, what)]).await.remove(0)
    }

    /// Fails until the circuit opens.
    async fn open(&self, failures: u32) {
        self.world.is_down(true);
        for number in 0..failures {
            assert_eq!(self.state(), CircuitState::Closed, "after {number}");
            assert_eq!(self.one(&format!("opens-{number}"), "go").await, MessageAction::Retry(secs(7)));
        }
        assert_eq!(self.state(), CircuitState::Open);
        self.world.ran();
    }

    fn state(&self) -> CircuitState {
        self.breaker.state(Act::NAME)
    }
}

fn delay(action: &MessageAction) -> Duration {
    match action {
        MessageAction::Retry(delay) => *delay,
        other => panic!("not put back: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn after_failures_in_a_row_jobs_are_put_back_uncounted() {
    let bench = Bench::new(CircuitBreaker::new().failures(3).cool_down(secs(60)));
    bench.open(3).await;
    let put_back = bench.one("a", "go").await;
    assert!((secs(60)..=secs(120)).contains(&delay(&put_back)), "{put_back:?}");
    assert!(bench.world.ran().is_empty());
    assert_eq!(bench.memory.state("a"), JobState::Queued);
    assert_eq!(bench.memory.jobs.lock().unwrap()["a"].attempt, 0, "not an attempt");
    assert_eq!(bench.memory.jobs.lock().unwrap()["opens-0"].attempt, 1, "what failed counts");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_jobs_do_not_come_back_at_one_moment() {
    let bench = Bench::new(CircuitBreaker::new());
    bench.open(CircuitBreaker::DEFAULT_FAILURES).await;
    let cool_down = CircuitBreaker::DEFAULT_COOL_DOWN;
    let delays: Vec<_> =
        bench.run((0..1000).map(|n| act(&format!("a{n}"), "go")).collect()).await.iter().map(delay).collect();
    assert!(delays.iter().all(|delay| (cool_down..=2 * cool_down).contains(delay)));
    for second in 30..60 {
        let there = delays.iter().filter(|delay| delay.as_secs() == second).count();
        assert!((10..60).contains(&there), "{there} come back after {second} s");
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_cool_down_is_over_one_job_tries_and_its_success_closes_the_circuit() {
    let bench = Bench::new(CircuitBreaker::new().failures(1).cool_down(secs(30)));
    bench.open(1).await;
    advance(secs(29)).await;
    assert!((secs(1)..=secs(31)).contains(&delay(&bench.one("early", "go").await)));
    advance(secs(1)).await;
    assert_eq!(bench.state(), CircuitState::HalfOpen);
    bench.world.is_down(false);
    let actions = bench.run(["a", "b", "c"].map(|id| act(id, "slow")).into()).await;
    assert_eq!(actions.iter().filter(|action| **action == MessageAction::Ack).count(), 1);
    assert_eq!(bench.world.ran(), ["slow"], "one tries, and the others wait for what comes of it");
    assert_eq!(bench.state(), CircuitState::Closed);
    let actions = bench.run((0..50).map(|n| act(&format!("d{n}"), "go")).collect()).await;
    assert!(actions.iter().all(|action| *action == MessageAction::Ack));
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_fails_opens_the_circuit_again_and_long_outages_spread_jobs_further() {
    let bench = Bench::new(CircuitBreaker::new().failures(1).cool_down(secs(30)));
    bench.open(1).await;
    let mut widest = Vec::new();
    for round in 0..120 {
        advance(secs(60)).await;
        assert_eq!(bench.state(), CircuitState::HalfOpen);
        assert_eq!(bench.one(&format!("trial-{round}"), "go").await, MessageAction::Retry(secs(7)));
        assert_eq!(bench.state(), CircuitState::Open);
        let batch = (0..50).map(|n| act(&format!("{round}-{n}"), "go")).collect();
        widest.push(bench.run(batch).await.iter().map(delay).max().unwrap());
    }
    assert!(widest[0] <= secs(90) && widest[30] > mins(15) && widest[119] > mins(45), "{widest:?}");
    assert!(widest.iter().all(|delay| *delay <= hours(1) + secs(30)));
    assert_eq!(bench.world.ran().len(), 120);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_marked_counts_and_a_success_ends_the_row() {
    let bench = Bench::new(CircuitBreaker::new().failures(2));
    bench.world.is_down(true);
    bench.one("a", "go").await;
    for id in ["b", "c", "d"] {
        bench.one(id, "unrelated").await;
    }
    bench.world.is_down(false);
    bench.one("e", "go").await;
    bench.world.is_down(true);
    bench.one("f", "go").await;
    assert_eq!(bench.state(), CircuitState::Closed, "the row began anew");
    bench.one("g", "unrelated").await;
    bench.one("h", "go").await;
    assert_eq!(bench.state(), CircuitState::Open, "what is not marked does not end it");
}

#[tokio::test(start_paused = true)]
async fn a_predicate_may_choose_and_timeouts_may_count() {
    let chosen = CircuitBreaker::new().failures(1).when(|error| error.to_string().contains("something else"));
    let bench = Bench::new(chosen);
    bench.world.is_down(true);
    bench.one("a", "go").await;
    bench.one("b", "silent").await;
    bench.one("c", "panic").await;
    assert_eq!(bench.state(), CircuitState::Closed);
    bench.one("d", "unrelated").await;
    assert_eq!(bench.state(), CircuitState::Open);

    let bench = Bench::new(CircuitBreaker::new().failures(1).count_timeouts());
    bench.one("a", "panic").await;
    assert_eq!(bench.state(), CircuitState::Closed);
    bench.one("b", "silent").await;
    assert_eq!(bench.state(), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn what_began_before_the_circuit_opened_says_nothing() {
    let bench = Bench::new(CircuitBreaker::new().failures(1).cool_down(secs(30)));
    bench.world.is_down(true);
    // The quick one opens it; the slow ones end five seconds later, and would open it again for longer.
    let began = Instant::now();
    bench.run(vec![act("slow-1", "slow"), act("slow-2", "slow"), act("quick", "go")]).await;
    assert_eq!(began.elapsed(), secs(5));
    advance(secs(25)).await;
    assert_eq!(bench.state(), CircuitState::HalfOpen, "30 s after it opened");
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_says_nothing_makes_room_for_the_next() {
    for what in ["panic", "silent", "unrelated"] {
        let bench = Bench::new(CircuitBreaker::new().failures(1));
        bench.open(1).await;
        advance(secs(30)).await;
        bench.one("a", what).await;
        assert_eq!(bench.state(), CircuitState::HalfOpen, "{what}");
        bench.world.is_down(false);
        assert_eq!(bench.one("b", "go").await, MessageAction::Ack, "{what}");
        assert_eq!(bench.state(), CircuitState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn job_types_have_circuits_of_their_own_and_clones_of_the_layer_share_them() {
    let bench = Bench::with(CircuitBreaker::new().failures(1), |function| function.job(other));
    bench.open(1).await;
    assert_eq!(bench.breaker.clone().state(Other::NAME), CircuitState::Closed);
    bench.world.is_down(false);
    assert_eq!(bench.run(vec![delivery("o", r#"{"job":"test.other"}"#)]).await, [MessageAction::Ack]);
    assert_eq!(bench.breaker.clone().state(Act::NAME), CircuitState::Open);
    assert_eq!(bench.breaker.state("test.unknown"), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_answers_at_once_though_what_is_inside_is_not_ready() {
    let one_at_a_time = GlobalConcurrencyLimitLayer::new(1);
    let bench =
        Bench::with(CircuitBreaker::new().failures(1), |function| function.job(other).layer(one_at_a_time.clone()));
    bench.open(1).await;
    let began = Instant::now();
    let worker = bench.worker.clone();
    let holder = tokio::spawn(async move {
        worker.process(vec![delivery("o", r#"{"job":"test.other"}"#)], Instant::now() + secs(90)).await
    });
    while bench.world.ran().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(matches!(bench.one("a", "go").await, MessageAction::Retry(delay) if delay >= secs(30)));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(holder.await.unwrap()[0].action, MessageAction::Ack);
}

#[tokio::test(start_paused = true)]
async fn jobs_that_cannot_be_put_back_uncounted_run() {
    // Untracked.
    let bench = Bench::with(CircuitBreaker::new().failures(1), |function| function.job(untracked));
    bench.world.is_down(true);
    let body = r#"{"job":"test.untracked","id":"u"}"#;
    for _ in 0..3 {
        bench.run(vec![delivery("u", body)]).await;
    }
    assert_eq!(bench.world.ran().len(), 3);
    assert_eq!(bench.breaker.state(Untracked::NAME), CircuitState::Open);
    // One of them finds out that it is up again.
    bench.world.is_down(false);
    assert_eq!(bench.run(vec![delivery("u", body)]).await, [MessageAction::Ack]);
    assert_eq!(bench.breaker.state(Untracked::NAME), CircuitState::Closed);

    // Handed over by nobody's queue: what is put back would be lost.
    let bench = Bench::new(CircuitBreaker::new().failures(1));
    bench.open(1).await;
    let mut direct = act("direct", "go");
    direct.receipt.clear();
    bench.worker.perform(direct, Instant::now() + secs(60)).await;
    assert_eq!(bench.world.ran(), ["go"]);

    // Without a store.
    let env = Env::driven(start(), 7);
    let (memory, world, breaker) = (Memory::new(&env), World::default(), CircuitBreaker::new().failures(1));
    let function = Function::new("test").job(handler).layer(breaker.clone()).with_state(world.clone());
    let worker = Worker::new(function, memory.stateless(), env, "test-host", Stop::new());
    world.is_down(true);
    for _ in 0..3 {
        worker.process(vec![act("a", "go")], Instant::now() + secs(60)).await;
    }
    assert_eq!(world.ran().len(), 3);
    assert_eq!(breaker.state(Act::NAME), CircuitState::Open);
}

/// Delivers a job as SQS does while its dependency stays down, until it is dead-lettered or two weeks have passed. Gives how
/// often it was received, and by whom it was dead-lettered.
async fn outage(bench: &Bench, limit: u32) -> (u32, Option<&'static str>) {
    let began = Instant::now();
    let mut receives = 0;
    while began.elapsed() < hours(24 * 14) {
        receives += 1;
        if receives > limit {
            return (receives, Some("SQS"));
        }
        // Another job of the type tries whenever the circuit lets one.
        if bench.state() == CircuitState::HalfOpen {
            bench.one(&format!("trial-{receives}"), "go").await;
        }
        match bench.run(vec![act("victim", "victim").received(receives)]).await.remove(0) {
            MessageAction::Retry(delay) => advance(delay).await,
            MessageAction::DeadLetter(_) => return (receives, Some("the worker")),
            other => panic!("{other:?}"),
        }
    }
    (receives, None)
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_two_weeks_dead_letters_no_job_whose_attempts_its_record_counts() {
    let breaker = CircuitBreaker::new().failures(1);
    let bench = Bench::new(breaker);
    bench.open(1).await;
    let (receives, end) = outage(&bench, Function::MAX_RECEIVES).await;
    assert_eq!(end, None);
    assert!((300..850).contains(&receives), "{receives}");
    let ran = bench.world.ran().iter().filter(|what| *what == "victim").count();
    assert!(ran <= 3, "it ran {ran} times, as a trial");
    assert_eq!(bench.memory.state("victim"), JobState::Queued);
}

#[tokio::test(start_paused = true)]
async fn on_a_queue_that_gives_messages_up_early_a_job_gets_all_its_attempts() {
    // The queue also carries a job without records: it gives messages up after the most attempts of any, and five.
    let bench = Bench::with(CircuitBreaker::new().failures(1), |function| function.job(untracked));
    let limit = bench.worker.function().receive_limit("test");
    assert!(limit < 20, "{limit}");
    bench.open(1).await;
    let (receives, end) = outage(&bench, limit).await;
    // It is down all the time, so in the end the job fails, by its own attempts.
    assert_eq!(end, Some("the worker"));
    let ran = bench.world.ran().iter().filter(|what| *what == "victim").count();
    assert_eq!(ran, 3, "all attempts that its policy allows");
    assert!(receives > 3, "and it was put back before: {receives}");
}

#[tokio::test(start_paused = true)]
async fn puts_back_by_chance_of_the_workers_own() {
    // Two workers with different seeds put jobs back at different moments; with one seed, at the same.
    let delays = async |seed| {
        let env = Env::driven(start(), seed);
        let (memory, world) = (Memory::new(&env), World::default());
        let function =
            Function::new("test").job(handler).layer(CircuitBreaker::new().failures(1)).with_state(world.clone());
        let worker = Worker::new(function, memory.backend(), env, "test-host", Stop::new());
        world.is_down(true);
        let run = async |id| worker.process(vec![act(id, "go")], Instant::now() + secs(60)).await.remove(0).action;
        run("first").await;
        [delay(&run("a").await), delay(&run("b").await)]
    };
    let (one, same, another) = (delays(1).await, delays(1).await, delays(2).await);
    assert_eq!(one, same);
    assert_eq!([one, another].concat().into_iter().collect::<BTreeSet<_>>().len(), 4);
}
