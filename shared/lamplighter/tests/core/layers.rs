//! Layers around handlers: order, outcomes, panics, timeouts, cancellation; the metrics layer and tower's own.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task,
    time::Duration,
};

use crate::support::{Act, Memory, QUEUE, act, delivery, start};
use lamplighter::{
    App, Context, Function, Job, JobError, JobState, Queue, RawValue, State, Variables,
    backend::{DeadLetterReason, Decision},
    env::Env,
    host::{Delivery, MessageAction, Stop, Worker},
    layer::{
        EndKind, Execution, HandlerService, Histogram, JobErrorKind, JobMetrics, Layer, Layers, Metrics, Output,
        Service,
    },
    mins, secs,
};
use tokio::time::Instant;
use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer, timeout::TimeoutLayer};

type Log = Arc<Mutex<Vec<String>>>;
type BoxFuture = Pin<Box<dyn Future<Output = Result<Output, JobError>> + Send>>;

async fn handler(job: Act, ctx: Context, State(log): State<Log>) -> Result<Option<String>, JobError> {
    log.lock().unwrap().push(format!("handler {}", job.what));
    match &*job.what {
        "error" => Ok("no luck".parse::<u8>().map(|_| None)?),
        "fail" => Err(JobError::fail("told to")),
        "snooze" => ctx.snooze(secs(40)),
        "panic" => panic!("at the disco"),
        "forever" => std::future::pending().await,
        "listen" => {
            ctx.cancelled().await;
            Ok(Some("heard".into()))
        }
        "second" => {
            tokio::time::sleep(secs(1)).await;
            Ok(None)
        }
        _ => Ok(Some("done".into())),
    }
}

struct Bench {
    memory: Memory,
    log: Log,
    stop: Stop,
    worker: Worker,
}

impl Bench {
    fn new(shape: impl Fn(Function<Log>, &Log) -> Function<Log>) -> Self {
        let env = Env::driven(start(), 42);
        let (memory, log, stop) = (Memory::new(&env), Log::default(), Stop::new());
        let function = shape(Function::new("test").job(handler), &log).with_state(log.clone());
        let worker = Worker::new(function, memory.backend(), env, "test-host", stop.clone());
        Self { memory, log, stop, worker }
    }

    async fn run(&self, deliveries: Vec<Delivery>) -> Vec<MessageAction> {
        let order: Vec<_> = deliveries.iter().map(|delivery| delivery.message_id.clone()).collect();
        let settlements = self.worker.process(deliveries, Instant::now() + secs(30)).await;
        let action = |id: &String| settlements.iter().find(|settled| settled.message_id == *id).unwrap().action.clone();
        order.iter().map(action).collect()
    }

    async fn one(&self, what: &str) -> MessageAction {
        self.run(vec![act("a", what)]).await.remove(0)
    }

    fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn decision(&self, id: &str) -> Decision {
        self.memory
            .settled
            .lock()
            .unwrap()
            .iter()
            .rev()
            .find(|settle| settle.id.as_str() == id)
            .unwrap()
            .decision
            .clone()
    }

    fn error(&self, id: &str) -> String {
        match self.decision(id) {
            Decision::Retry { error, .. } | Decision::Failed { error, .. } => error.to_string(),
            other => panic!("no error: {other:?}"),
        }
    }

    fn output(&self, id: &str) -> Option<String> {
        match self.decision(id) {
            Decision::Succeeded { output, .. } => output.map(|output| output.get().to_owned()),
            other => panic!("no success: {other:?}"),
        }
    }
}

/// A layer made of a function around the inner service.
#[derive(Clone)]
struct Around<F>(F);

impl<F: Clone> Layer<HandlerService> for Around<F> {
    type Service = AroundService<F>;

    fn layer(&self, inner: HandlerService) -> AroundService<F> {
        AroundService { around: self.0.clone(), inner }
    }
}

#[derive(Clone)]
struct AroundService<F> {
    around: F,
    inner: HandlerService,
}

impl<F, Fut> Service<Execution> for AroundService<F>
where
    F: Fn(HandlerService, Execution) -> Fut,
    Fut: Future<Output = Result<Output, JobError>> + Send + 'static,
{
    type Response = Output;
    type Error = JobError;
    type Future = BoxFuture;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> task::Poll<Result<(), JobError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, execution: Execution) -> BoxFuture {
        let clone = self.inner.clone();
        Box::pin((self.around)(std::mem::replace(&mut self.inner, clone), execution))
    }
}

/// Notes what passes it.
fn noting(
    log: &Log,
    name: &'static str,
) -> impl Layer<HandlerService, Service: Passes> + Clone + Send + Sync + 'static {
    let log = log.clone();
    Around(move |mut inner: HandlerService, execution: Execution| {
        let log = log.clone();
        async move {
            log.lock().unwrap().push(format!("{name} begins"));
            let outcome = inner.call(execution).await;
            log.lock().unwrap().push(format!("{name} ends {}", outcome.is_ok()));
            outcome
        }
    })
}

trait Passes:
    Service<Execution, Response = Output, Error = JobError, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}
impl<S> Passes for S where
    S: Service<Execution, Response = Output, Error = JobError, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

fn text(json: &str) -> Output {
    Some(RawValue::from_string(json.into()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_last_layer_sees_an_execution_first_and_its_outcome_last() {
    let bench = Bench::new(|function, log| function.layer(noting(log, "first")).layer(noting(log, "second")));
    assert_eq!(bench.one("fine").await, MessageAction::Ack);
    assert_eq!(bench.log(), ["second begins", "first begins", "handler fine", "first ends true", "second ends true"]);
    assert_eq!(bench.output("a").unwrap(), r#""done""#);
    bench.one("fine").await;
    assert!(bench.log().is_empty(), "the job has ended, and no layer sees it");
}

#[tokio::test(start_paused = true)]
async fn layers_of_one_builder_run_as_they_are_listed() {
    let bench = Bench::new(|function, log| {
        function.layer(noting(log, "inside")).layer(
            ServiceBuilder::new()
                .map_request({
                    let log = log.clone();
                    move |execution: Execution| {
                        log.lock().unwrap().push("map".into());
                        execution
                    }
                })
                .layer(noting(log, "outside")),
        )
    });
    bench.one("fine").await;
    assert_eq!(
        bench.log(),
        ["map", "outside begins", "inside begins", "handler fine", "inside ends true", "outside ends true"]
    );
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Other {}

impl Job for Other {
    const NAME: &'static str = "test.other";
    const QUEUE: Queue = QUEUE;
}

async fn other(_: Other) -> Result<(), JobError> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_layer_is_around_the_jobs_that_were_there_before_it() {
    let bench = Bench::new(|function, log| function.layer(noting(log, "inside")).job(other).layer(noting(log, "all")));
    bench.run(vec![delivery("o", r#"{"job":"test.other","id":"o"}"#)]).await;
    assert_eq!(bench.log(), ["all begins", "all ends true"]);
    bench.one("fine").await;
    assert_eq!(bench.log()[..2], ["all begins", "inside begins"]);
}

#[tokio::test(start_paused = true)]
async fn a_layer_can_be_added_before_and_after_the_state() {
    let log = Log::default();
    let function = Function::new("test").job(handler).layer(noting(&log, "before")).with_state(log.clone());
    let function = function.layer(noting(&log, "after"));
    lamplighter::testing::TestRun::of(function).run(&Act { what: "fine".into() }).await;
    assert_eq!(log.lock().unwrap()[..3], ["after begins", "before begins", "handler fine"]);
}

#[tokio::test(start_paused = true)]
async fn the_layers_of_an_app_are_outside_of_its_functions_own() {
    let log = Log::default();
    let (inside, handlers) = (noting(&log, "own"), log.clone());
    let layers = Layers::new().layer(noting(&log, "third")).layer(noting(&log, "fourth"));
    let app = App::new("shop")
        .layer(noting(&log, "second"))
        .function(move || Function::new("test").job(handler).layer(inside.clone()).with_state(handlers.clone()))
        .layers(&layers);
    let function = app.functions(&Variables::system()).remove(0);
    lamplighter::testing::TestRun::of(function).run(&Act { what: "fine".into() }).await;
    let begun: Vec<_> = log.lock().unwrap().iter().filter(|note| note.contains("begins")).cloned().collect();
    assert_eq!(begun, ["fourth begins", "third begins", "second begins", "own begins"]);
}

#[test]
fn a_layer_around_nothing_is_a_problem() {
    let problems = Function::<()>::new("test").layer(Metrics::new()).job(other).problems();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("a layer is added before any job"), "{problems:?}");
    assert!(Function::<()>::new("test").job(other).layer(Metrics::new()).problems().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_layer_sees_what_there_is_to_see() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = seen.clone();
    let bench = Bench::new(|function, _| {
        let notes = notes.clone();
        function.layer(Around(move |mut inner: HandlerService, execution: Execution| {
            let notes = notes.clone();
            async move {
                let (job, id, attempt) = (execution.job(), execution.id().clone(), execution.attempt());
                let (queue, args) = (execution.queue().to_owned(), execution.args().get().to_owned());
                let (hops, now) = (execution.context().message().hops, execution.env().now());
                notes.lock().unwrap().push(format!("{job} {id} {attempt} {queue} {args} {hops} {now} {execution:?}"));
                inner.call(execution).await
            }
        }))
    });
    let body = r#"{"job":"test.act","id":"a","hops":3,"args":{"what" : "error"}}"#;
    bench.run(vec![delivery("m", body)]).await;
    bench.run(vec![delivery("m", body)]).await;
    let now = start();
    for (note, attempt) in seen.lock().unwrap().iter().zip([1, 2]) {
        let shown = format!("Execution {{ job: \"test.act\", id: JobId(a), attempt: {attempt}, queue: \"test\", .. }}");
        assert_eq!(*note, format!(r#"test.act a {attempt} test {{"what" : "error"}} 3 {now} {shown}"#));
    }
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn outcomes_pass_a_layer_unchanged() {
    let plain = Bench::new(|function, _| function);
    let layered = Bench::new(|function, log| function.layer(noting(log, "layer")).layer(Metrics::new()));
    for what in ["fine", "error", "fail", "snooze", "panic", "forever"] {
        let batch = || vec![act(what, what)];
        assert_eq!(layered.run(batch()).await, plain.run(batch()).await, "{what}");
        assert_eq!(format!("{:?}", layered.decision(what)), format!("{:?}", plain.decision(what)));
    }
}

#[tokio::test(start_paused = true)]
async fn arguments_that_do_not_fit_pass_the_layers_and_are_a_bad_message() {
    let kinds: Arc<Mutex<Vec<JobErrorKind>>> = Arc::default();
    let seen = kinds.clone();
    let bench = Bench::new(|function, _| {
        let seen = seen.clone();
        function.layer(Around(move |mut inner: HandlerService, execution: Execution| {
            let seen = seen.clone();
            async move {
                let outcome = inner.call(execution).await;
                seen.lock().unwrap().extend(outcome.as_ref().err().map(JobError::kind));
                outcome
            }
        }))
    });
    let plain = Bench::new(|function, _| function);
    let wrong = || vec![delivery("m", r#"{"job":"test.act","id":"a","args":{"what":["S3CRET"]}}"#)];
    let actions = bench.run(wrong()).await;
    assert_eq!(actions, plain.run(wrong()).await);
    let [MessageAction::DeadLetter(cause)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!(cause.reason, DeadLetterReason::BadMessage);
    assert_eq!(cause.error.message, "the arguments do not fit test.act: `what`: expected a string, found an array");
    assert_eq!(*kinds.lock().unwrap(), [JobErrorKind::BadArguments]);
    assert!(bench.log().is_empty(), "no handler ran");
    assert_eq!(bench.memory.state("a"), JobState::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_answer_in_the_handlers_place() {
    let bench = Bench::new(|function, _| {
        function.layer(Around(|_: HandlerService, execution: Execution| async move {
            match execution.id().as_str() {
                "answered" => Ok(text(r#"{"by":"the layer"}"#)),
                "refused" => Err(JobError::fail("not today")),
                _ => Err(JobError::retry_in(mins(3), "later")),
            }
        }))
    });
    let actions = bench.run(["answered", "refused", "later"].map(|id| act(id, "fine")).into()).await;
    assert_eq!(actions[0], MessageAction::Ack);
    assert_eq!(bench.output("answered").unwrap(), r#"{"by":"the layer"}"#);
    assert!(matches!(&actions[1], MessageAction::DeadLetter(cause) if cause.error.message == "not today"));
    assert_eq!(actions[2], MessageAction::Retry(mins(3)));
    assert!(bench.log().is_empty(), "no handler ran");
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_run_the_handler_twice_within_one_attempt() {
    let bench = Bench::new(|function, _| {
        function.layer(Around(|mut inner: HandlerService, execution: Execution| async move {
            let first = inner.call(execution.clone()).await;
            assert!(first.is_err() || execution.id().as_str() != "a");
            std::future::poll_fn(|cx| inner.poll_ready(cx)).await?;
            inner.call(execution).await
        }))
    });
    assert_eq!(bench.one("error").await, MessageAction::Retry(secs(7)));
    assert_eq!(bench.log(), ["handler error", "handler error"]);
    assert_eq!(bench.memory.jobs.lock().unwrap()["a"].attempt, 1, "it is one attempt");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_layer_fails_that_job_only() {
    fn in_call(_: HandlerService, execution: Execution) -> std::future::Ready<Result<Output, JobError>> {
        assert!(execution.id().as_str() != "call", "a layer fell over");
        std::future::ready(Ok(None))
    }
    let bench = Bench::new(|function, _| {
        function.layer(Around(in_call)).layer(Around(|mut inner: HandlerService, execution: Execution| async move {
            assert!(execution.id().as_str() != "future", "another fell over");
            inner.call(execution).await
        }))
    });
    let actions = bench.run(["call", "future", "fine"].map(|id| act(id, "fine")).into()).await;
    assert_eq!(actions, [MessageAction::Retry(secs(7)), MessageAction::Retry(secs(7)), MessageAction::Ack]);
    assert_eq!(bench.error("call"), "panicked: a layer fell over");
    assert_eq!(bench.error("future"), "panicked: another fell over");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_covers_the_layers() {
    let bench = Bench::new(|function, _| {
        function.layer(Around(|mut inner: HandlerService, execution: Execution| async move {
            tokio::time::sleep(secs(6)).await;
            let outcome = inner.call(execution).await;
            tokio::time::sleep(secs(6)).await;
            outcome
        }))
    });
    let began = Instant::now();
    assert_eq!(bench.one("fine").await, MessageAction::Retry(secs(7)));
    assert_eq!(began.elapsed(), secs(10));
    assert_eq!(bench.error("a"), "took longer than its timeout of 10s");
    assert_eq!(bench.log(), ["handler fine"]);
}

/// Never ready.
#[derive(Clone)]
struct Never;

impl Service<Execution> for Never {
    type Response = Output;
    type Error = JobError;
    type Future = BoxFuture;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> task::Poll<Result<(), JobError>> {
        task::Poll::Pending
    }

    fn call(&mut self, _: Execution) -> BoxFuture {
        panic!("called though not ready");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_is_waited_for_until_the_timeout() {
    let bench = Bench::new(|function, log| {
        function.layer(tower::layer::layer_fn(|_: HandlerService| Never)).layer(noting(log, "outside"))
    });
    assert_eq!(bench.one("fine").await, MessageAction::Retry(secs(7)));
    assert_eq!(bench.error("a"), "took longer than its timeout of 10s");
    assert!(bench.log().is_empty(), "what is outside is not called before the inside is ready");
}

#[tokio::test(start_paused = true)]
async fn readiness_is_waited_for_and_passed_on_outwards() {
    let bench = Bench::new(|function, _| function.layer(ConcurrencyLimitLayer::new(1)));
    let began = Instant::now();
    let actions = bench.run((0..5).map(|n| act(&format!("a{n}"), "second")).collect()).await;
    assert!(actions.iter().all(|action| *action == MessageAction::Ack));
    assert_eq!(began.elapsed(), secs(5), "one after the other");

    // A layer that asks whether the inside is ready, in a call of its own.
    let bench = Bench::new(|function, _| {
        let shed = ServiceBuilder::new().map_err(JobError::from_boxed).layer(LoadShedLayer::new());
        function.layer(ConcurrencyLimitLayer::new(1)).layer(shed)
    });
    let actions = bench.run(vec![act("a", "second"), act("b", "second")]).await;
    let retried = |action: &MessageAction| *action == MessageAction::Retry(secs(7));
    assert!(actions.iter().any(retried) && actions.contains(&MessageAction::Ack), "{actions:?}");
}

#[tokio::test(start_paused = true)]
async fn towers_own_layers_fit_and_job_errors_pass_them() {
    let bench = Bench::new(|function, _| {
        function.layer(
            ServiceBuilder::new().map_err(JobError::from_boxed).layer(TimeoutLayer::new(Duration::from_millis(200))),
        )
    });
    let actions = bench.run(["fine", "second", "fail", "snooze"].map(|what| act(what, what)).into()).await;
    assert_eq!(actions[0], MessageAction::Ack);
    assert_eq!(actions[1], MessageAction::Retry(secs(7)));
    assert_eq!(bench.error("second"), "request timed out");
    assert!(matches!(&actions[2], MessageAction::DeadLetter(cause) if cause.reason == DeadLetterReason::Failed));
    assert_eq!(bench.error("fail"), "told to");
    assert_eq!(actions[3], MessageAction::Retry(secs(40)));
}

#[tokio::test(start_paused = true)]
async fn a_layer_hears_of_the_end_of_its_host_and_is_dropped_when_it_must() {
    let dropped: Arc<AtomicUsize> = Arc::default();
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let bench = Bench::new(|function, _| {
        let dropped = dropped.clone();
        function.layer(Around(move |mut inner: HandlerService, execution: Execution| {
            let dropped = dropped.clone();
            async move {
                let _guard = Guard(dropped);
                if execution.id().as_str() == "heard" {
                    execution.context().cancelled().await;
                    return Ok(text("1"));
                }
                inner.call(execution).await
            }
        }))
    });
    let stop = bench.stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(secs(1)).await;
        stop.drain();
        tokio::time::sleep(secs(1)).await;
        stop.abort();
    });
    let actions = bench.run(vec![act("heard", "fine"), act("deaf", "forever")]).await;
    assert_eq!(actions, [MessageAction::Ack, MessageAction::Release(Some(Duration::ZERO))]);
    tokio::task::yield_now().await;
    assert_eq!(dropped.load(SeqCst), 2);
}

#[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Long {}

impl Job for Long {
    const NAME: &'static str = "test.long";
    const QUEUE: Queue = QUEUE;
}

async fn long(_: Long) -> Result<(), JobError> {
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn a_layer_is_dropped_when_its_job_is_taken_over() {
    let metrics = Metrics::new();
    let bench = Bench::new(|function, _| function.job(long).layer(metrics.clone()));
    let memory = bench.memory.clone();
    tokio::spawn(async move {
        tokio::time::sleep(secs(5)).await;
        memory.jobs.lock().unwrap().get_mut("a").unwrap().holder = None;
    });
    let long = vec![delivery("m", r#"{"job":"test.long","id":"a"}"#)];
    let settlements = bench.worker.process(long, Instant::now() + secs(90)).await;
    assert_eq!(settlements[0].action, MessageAction::Release(None));
    assert_eq!(metrics.snapshot()["test.long"].ended(EndKind::Abandoned).count, 1);
}

fn ends(metrics: &JobMetrics) -> Vec<u64> {
    EndKind::ALL.iter().map(|kind| metrics.ended(*kind).count).collect()
}

#[tokio::test(start_paused = true)]
async fn metrics_count_by_job_and_by_how_executions_end() {
    let metrics = Metrics::new();
    let bench = Bench::new(|function, _| function.layer(metrics.clone()).job(other).layer(metrics.clone()));
    assert!(metrics.snapshot().is_empty());
    let batch = ["fine", "error", "fail", "snooze", "panic", "forever", "second"].map(|what| act(what, what)).into();
    let stop = bench.stop.clone();
    bench.run(batch).await;
    bench.run(vec![delivery("o", r#"{"job":"test.other","id":"o"}"#)]).await;
    // The last two of three attempts.
    bench.run(vec![act("error", "error")]).await;
    bench.run(vec![act("error", "error")]).await;
    bench.run(vec![delivery("m", r#"{"job":"test.act","id":"bad","args":{}}"#)]).await;
    tokio::spawn(async move {
        tokio::time::sleep(secs(1)).await;
        stop.drain();
        stop.abort();
    });
    bench.run(vec![act("deaf", "forever")]).await;
    tokio::task::yield_now().await;

    let all = metrics.snapshot();
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), ["test.act", "test.other"]);
    let act = &all["test.act"];
    // Both layers of this job count into the same numbers.
    assert_eq!(act.started, 2 * 11);
    assert_eq!(ends(act), [2 * 2, 2 * 2, 2 * 3, 2, 0, 2, 2, 2]);
    assert_eq!(act.running(), 0);
    assert_eq!(ends(&all["test.other"]), [1, 0, 0, 0, 0, 0, 0, 0]);

    let succeeded = act.ended(EndKind::Succeeded);
    assert_eq!(succeeded.sum, secs(2));
    assert_eq!(succeeded.buckets.iter().sum::<u64>(), succeeded.count);
    let second = Histogram::BOUNDS.iter().position(|bound| *bound == secs(1)).unwrap();
    assert_eq!((succeeded.buckets[0], succeeded.buckets[second]), (2, 2));
    assert_eq!(act.ended(EndKind::TimedOut).sum, secs(20));
    assert_eq!(act.ended(EndKind::Abandoned).sum, secs(2));
}

#[tokio::test(start_paused = true)]
async fn metrics_know_what_runs() {
    let metrics = Metrics::new();
    let bench = Bench::new(|function, _| function.layer(metrics.clone()));
    let watched = metrics.clone();
    let watch = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        watched.snapshot()["test.act"].running()
    });
    bench.run(vec![act("a", "second"), act("b", "second")]).await;
    assert_eq!(watch.await.unwrap(), 2);
    assert_eq!(metrics.snapshot()["test.act"].running(), 0);
}

#[test]
fn bounds_rise() {
    assert!(Histogram::BOUNDS.is_sorted());
    assert_eq!(EndKind::ALL.map(EndKind::as_str)[..2], ["succeeded", "retried"]);
}
