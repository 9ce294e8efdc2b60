//! Proves every behaviour of the AWS backend: with queues, a table and everything else in the emulator, over the real
//! wire protocols. A poller replaces the event source mapping here, so that a behaviour's function can access its
//! journal.
//!
//! Behaviours that depend on the consumer of the messages are also proven with a worker.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, TransactWriteItem};
use aws_sdk_eventbridge::types::{InputTransformer, RuleState, Target};
use aws_sdk_lambda::{
    primitives::Blob,
    types::{FunctionCode, Runtime as FunctionRuntime},
};
use aws_sdk_scheduler::types::{FlexibleTimeWindow, FlexibleTimeWindowMode};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use lamplighter::{
    Function, JobId, Queue, ScheduledJob,
    backend::{Backend, Operator, tick_template},
    env::Env,
    host::{self, Stop},
    outbox::OutboxEntry,
    schedule::EventBridge,
    secs,
};
use lamplighter_aws::{
    AwsBackend, AwsClients, PollerSettings, QueueMap, Settings, SqsPoller,
    lambda::{Host, Invocation},
    maintenance::Maintenance,
};
use lamplighter_tests::{
    conformance::{AT_ONCE, Ahead, BEHAVIOURS, Behaviour, CHAIN, DeadLetter, PLAIN, Subject},
    ministack::{MiniStack, REGION, ROOT_KEY, batch},
};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};
use tokio::{
    runtime::Runtime,
    sync::{Mutex, OnceCell},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The visibility timeout: above every job's timeout. No behaviour waits for its end.
const VISIBILITY: &str = "120";
/// The role of schedules. The emulator does not check it.
const ROLE: &str = "arn:aws:iam::000000000000:role/schedules";
/// The longest timeout of a job here, and the worker's margin.
const INVOCATION: Duration = Duration::from_secs(65);

struct OnAws {
    aws: Arc<MiniStack>,
    deployment: AwsBackend,
    clock: Ahead,
    /// The event source mappings of its queues, by URL, once a behaviour operates them.
    mappings: Arc<OnceCell<BTreeMap<String, String>>>,
    /// For both queues: the queue, its URL, its dead-letter queue's URL.
    queues: Vec<(Queue, String, String)>,
    /// The group of its schedules, and the prefix of its rules' names.
    name: String,
    /// Rules and schedules that are deployed.
    deployed: Mutex<Vec<(String, EventBridge)>>,
    running: Mutex<Vec<Running>>,
    /// The consumer of the messages.
    consumer: Consumer,
}

/// The consumer of the messages of the queues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Consumer {
    /// Event source mappings and the Lambda host.
    Lambda,
    /// A worker that polls.
    Worker,
}

enum Running {
    Lambda(Poller),
    Worker(host::Running),
}

struct Poller {
    host: Host,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl OnAws {
    /// Creates queues and a table of its own.
    async fn new(aws: Arc<MiniStack>, consumer: Consumer) -> Outcome<Arc<Self>> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("conformance-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut queues = Vec::new();
        for queue in [PLAIN, CHAIN] {
            let (url, dead) = make_queue(&aws, &name, queue).await?;
            queues.push((queue, url, dead));
        }
        aws.make_table(&name).await?;
        scheduler(&aws).create_schedule_group().name(&name).send().await?;
        let map = queues.iter().map(|(queue, url, dead)| (queue.name(), json!({"url": url, "dlq": dead})));
        let map: QueueMap =
            Value::Object(map.map(|(name, urls)| (name.to_owned(), urls)).collect()).to_string().parse()?;
        let credentials = aws_sdk_sqs::config::Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "tests");
        let sdk = AwsClients::fixed(REGION, Some(aws.endpoint()), credentials);
        let settings = Settings::named(map, |variable| match variable {
            "LAMPLIGHTER_TABLE" | "LAMPLIGHTER_SCHEDULE_GROUP" => Some(name.clone()),
            "LAMPLIGHTER_SCHEDULER_ROLE" => Some(ROLE.to_owned()),
            _ => None,
        });
        let clock = Ahead::default();
        let deployment = AwsBackend::new(sdk, settings, clock.env());
        let (mappings, deployed, running) = Default::default();
        Ok(Arc::new(Self { aws, deployment, clock, mappings, queues, name, deployed, running, consumer }))
    }

    #[expect(clippy::expect_used, reason = "there are two, and behaviours use no others")]
    fn queue(&self, queue: Queue) -> &(Queue, String, String) {
        self.queues.iter().find(|(own, ..)| *own == queue).expect("one of the two")
    }
}

/// The function of the event source mappings. With a reserved concurrency of zero, the emulator receives nothing for it
/// from standard queues, so that the poller here can. From a FIFO queue it would receive, and hide each message for the
/// queue's visibility timeout: the mapping of such a queue has a function that is gone.
const FUNCTION: &str = "conformance";

async fn make_function(aws: &MiniStack, name: &str) -> Outcome<()> {
    let mut empty_zip = b"PK\x05\x06".to_vec();
    empty_zip.resize(22, 0);
    let code = FunctionCode::builder().zip_file(Blob::new(empty_zip)).build();
    let make = lambda(aws).create_function().function_name(name).role(ROLE).handler("bootstrap").code(code);
    make.runtime(FunctionRuntime::Providedal2023).send().await?;
    lambda(aws).put_function_concurrency().function_name(name).reserved_concurrent_executions(0).send().await?;
    Ok(())
}

async fn make_mapping(aws: &MiniStack, url: &str) -> Outcome<String> {
    let arn = aws.queue_attributes(url).await?.remove("QueueArn").unwrap_or_default();
    let fifo = url.rsplit('/').next().and_then(|name| name.strip_suffix(".fifo"));
    let Some(name) = fifo else {
        let make = lambda(aws).create_event_source_mapping().function_name(FUNCTION).event_source_arn(arn);
        return Ok(make.send().await?.uuid.unwrap_or_default());
    };
    make_function(aws, name).await?;
    let make = lambda(aws).create_event_source_mapping().function_name(name).event_source_arn(arn).enabled(false);
    let mapping = make.send().await?.uuid.unwrap_or_default();
    lambda(aws).delete_function().function_name(name).send().await?;
    lambda(aws).update_event_source_mapping().uuid(&mapping).enabled(true).send().await?;
    Ok(mapping)
}

fn lambda(aws: &MiniStack) -> aws_sdk_lambda::Client {
    aws_sdk_lambda::Client::new(&aws.sdk_config())
}

fn scheduler(aws: &MiniStack) -> aws_sdk_scheduler::Client {
    aws_sdk_scheduler::Client::new(&aws.sdk_config())
}

fn dynamo(aws: &MiniStack) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::new(&aws.sdk_config())
}

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn events(aws: &MiniStack) -> aws_sdk_eventbridge::Client {
    aws_sdk_eventbridge::Client::new(&aws.sdk_config())
}

impl OnAws {
    async fn transact(&self, writes: Vec<TransactWriteItem>) -> Outcome<()> {
        dynamo(&self.aws).transact_write_items().set_transact_items(Some(writes)).send().await?;
        Ok(())
    }

    async fn deploy_one(&self, scheduled: &ScheduledJob) -> Outcome<EventBridge> {
        let ScheduledJob { schedule, job, args, .. } = scheduled;
        let (_, url, _) = self.queues.iter().find(|(queue, ..)| *queue.name() == *scheduled.queue).ok_or("a queue")?;
        let queue = self.aws.queue_attributes(url).await?.remove("QueueArn").unwrap_or_default();
        let carrier = schedule.eventbridge()?;
        match &carrier {
            EventBridge::Rule { expression } => {
                let rule = format!("{}-{}", self.name, schedule.name);
                let state = if schedule.enabled { RuleState::Enabled } else { RuleState::Disabled };
                events(&self.aws).put_rule().name(&rule).schedule_expression(expression).state(state).send().await?;
                let transformer = InputTransformer::builder()
                    .input_paths_map("time", "$.time")
                    .input_template(tick_template(&schedule.name, job, args.get(), "<time>"));
                let target = Target::builder().id("queue").arn(queue).input_transformer(transformer.build()?);
                events(&self.aws).put_targets().rule(rule).targets(target.build()?).send().await?;
            }
            EventBridge::Scheduler { expression, timezone } => {
                let input = tick_template(&schedule.name, job, args.get(), "<aws.scheduler.scheduled-time>");
                let target = aws_sdk_scheduler::types::Target::builder().arn(queue).role_arn(ROLE).input(input);
                let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build()?;
                let create = scheduler(&self.aws).create_schedule().group_name(&self.name).target(target.build()?);
                let create = create.schedule_expression(expression).schedule_expression_timezone(timezone);
                let name = format!("{}{}", EventBridge::DEPLOYED, schedule.name);
                create.name(name).flexible_time_window(window).send().await?;
            }
        }
        Ok(carrier)
    }

    async fn withdraw(&self, name: &str, carrier: &EventBridge) -> Outcome<()> {
        match carrier {
            EventBridge::Rule { .. } => {
                let rule = format!("{}-{name}", self.name);
                events(&self.aws).remove_targets().rule(&rule).ids("queue").send().await?;
                events(&self.aws).delete_rule().name(rule).send().await?;
            }
            EventBridge::Scheduler { .. } => {
                let name = format!("{}{name}", EventBridge::DEPLOYED);
                scheduler(&self.aws).delete_schedule().group_name(&self.name).name(name).send().await?;
            }
        }
        Ok(())
    }
}

async fn make_queue(aws: &MiniStack, name: &str, queue: Queue) -> Outcome<(String, String)> {
    let sqs = aws.sqs();
    let suffix = if queue.is_fifo() { ".fifo" } else { "" };
    let make = async |name: String, more: Vec<(QueueAttributeName, String)>| -> Outcome<String> {
        let fifo = queue.is_fifo().then(|| (QueueAttributeName::FifoQueue, "true".to_owned()));
        let attributes = more.into_iter().chain(fifo).collect();
        let made = sqs.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await?;
        Ok(made.queue_url.unwrap_or_default())
    };
    let dead = make(format!("{name}-{}-dlq{suffix}", queue.name()), Vec::new()).await?;
    let arn = aws.queue_attributes(&dead).await?.remove("QueueArn").unwrap_or_default();
    let redrive = json!({"deadLetterTargetArn": arn, "maxReceiveCount": 100}).to_string();
    let attributes =
        vec![(QueueAttributeName::RedrivePolicy, redrive), (QueueAttributeName::VisibilityTimeout, VISIBILITY.into())];
    Ok((make(format!("{name}-{}{suffix}", queue.name()), attributes).await?, dead))
}

impl OnAws {
    /// Connects a worker once, which marks the queues as polled. The mark does not say whether a worker polls now.
    async fn has_been_polled(&self) -> Outcome<()> {
        let nobody = Function::new("nobody");
        let (settings, stop) = (PollerSettings::default(), Stop::new());
        SqsPoller::connect(&self.deployment, nobody, &[PLAIN, CHAIN], "before", (settings, &stop)).await?;
        Ok(())
    }

    async fn start_worker(&self, function: Function) -> Outcome<host::Running> {
        let stop = Stop::new();
        let mut settings = PollerSettings::default();
        // A drain waits for an empty receive.
        settings.wait = secs(1);
        let queues: Vec<_> = function.queues();
        let pollers = SqsPoller::connect(&self.deployment, function, &queues, "worker", (settings, &stop)).await?;
        let host = pollers.into_iter().fold(host::Host::new(stop), host::Host::source);
        Ok(host.start())
    }
}

#[async_trait]
#[expect(clippy::expect_used, reason = "a behaviour cannot be shown on a backend that does not work at all")]
impl Subject for OnAws {
    fn env(&self) -> Env {
        self.deployment.env().clone()
    }

    async fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    fn backend(&self) -> Backend {
        self.deployment.backend()
    }

    async fn operator(&self) -> Arc<dyn Operator> {
        if self.consumer == Consumer::Worker {
            self.has_been_polled().await.expect("a worker");
            return self.deployment.operator();
        }
        let make = async || {
            let mut mappings = BTreeMap::new();
            for (_, url, _) in &self.queues {
                mappings.insert(url.clone(), make_mapping(&self.aws, url).await?);
            }
            Outcome::Ok(mappings)
        };
        self.mappings.get_or_try_init(make).await.expect("mappings");
        self.deployment.operator()
    }

    async fn deploy(&self, schedules: Vec<ScheduledJob>) {
        let mut deployed = self.deployed.lock().await;
        for (name, carrier) in std::mem::take(&mut *deployed) {
            self.withdraw(&name, &carrier).await.expect("withdrawn");
        }
        for scheduled in &schedules {
            let carrier = self.deploy_one(scheduled).await.expect("deployed");
            deployed.push((scheduled.schedule.name.clone(), carrier));
        }
    }

    async fn start(&self, function: Function) {
        let mut running = self.running.lock().await;
        if self.consumer == Consumer::Worker {
            running.push(Running::Worker(self.start_worker(function).await.expect("a worker")));
            return;
        }
        let host = Host::on(function, &self.deployment);
        for (queue, url, _) in &self.queues {
            let stop = CancellationToken::new();
            let mapping = Mapping { aws: self.aws.clone(), url: url.clone(), all: self.mappings.clone() };
            let polling = poll(mapping, host.clone(), *queue, stop.clone());
            running.push(Running::Lambda(Poller { host: host.clone(), stop, task: tokio::spawn(polling) }));
        }
    }

    async fn stop(&self, budget: Duration) {
        let mut pollers = Vec::new();
        for running in std::mem::take(&mut *self.running.lock().await) {
            match running {
                Running::Lambda(poller) => pollers.push(poller),
                Running::Worker(worker) => assert!(!worker.drain(budget).await.left_behind),
            }
        }
        for poller in &pollers {
            poller.stop.cancel();
            poller.host.stop().drain();
        }
        for poller in pollers {
            if tokio::time::timeout(budget, poller.host.idle()).await.is_err() {
                poller.host.stop().abort();
            }
            poller.task.await.expect("a poller that ends in order");
        }
    }

    async fn inject(&self, queue: Queue, body: &str) {
        self.aws.send(&self.queue(queue).1, body).await.expect("sent");
    }

    async fn write_entries(&self, entries: &[OutboxEntry]) {
        let outbox = self.deployment.outbox().expect("a table");
        for entries in entries.chunks(100) {
            let puts = entries.iter().map(|entry| outbox.put(entry).expect("an item")).collect();
            self.transact(puts).await.expect("committed");
        }
    }

    async fn write_entry(&self, entry: &OutboxEntry, is_committed: bool) {
        let mut writes = vec![self.deployment.outbox().expect("a table").put(entry).expect("an item")];
        if !is_committed {
            let check =
                ConditionCheck::builder().table_name(&self.name).key("pk", text("ORDER#42")).key("sk", text("#"));
            let check = check.condition_expression("attribute_exists(pk)").build().expect("a check");
            writes.push(TransactWriteItem::builder().condition_check(check).build());
        }
        assert_eq!(self.transact(writes).await.is_ok(), is_committed);
    }

    async fn write_text(&self, id: &JobId, body: &str) {
        // As a writer in any language would.
        let put = dynamo(&self.aws).put_item().table_name(&self.name).item("pk", text(format!("JOB#{id}")));
        let now = self.env().now().as_nanosecond();
        let put = put.item("sk", text("OUT#1")).item("dpk", text("due#2")).item("dsk", text(format!("{now:019}#{id}")));
        put.item("ob", text(body)).send().await.expect("written");
    }

    async fn sweep(&self) {
        Maintenance::new(&self.deployment).run(Instant::now() + secs(60)).await.expect("swept");
    }

    async fn failed_entries(&self) -> Vec<(String, String)> {
        let failed = self.deployment.outbox().expect("a table").failed(None).await.expect("listed");
        assert!(failed.next.is_none());
        failed.entries.into_iter().map(|entry| (entry.id, entry.error)).collect()
    }

    async fn dead_letters(&self, queue: Queue) -> Vec<DeadLetter> {
        let held = self.aws.peek(&self.queue(queue).2).await.expect("readable");
        let letter = |held: lamplighter_tests::ministack::Held| DeadLetter {
            reason: held.message_attributes["lamplighter.reason"]["StringValue"].as_str().expect("a reason").into(),
            body: held.body,
        };
        held.into_iter().map(letter).collect()
    }
}

/// The event source mapping of a queue, whose state decides whether messages are received from it.
struct Mapping {
    aws: Arc<MiniStack>,
    url: String,
    all: Arc<OnceCell<BTreeMap<String, String>>>,
}

impl Mapping {
    async fn is_paused(&self) -> bool {
        let Some(mapping) = self.all.get().and_then(|all| all.get(&self.url)) else { return false };
        let asked = lambda(&self.aws).get_event_source_mapping().uuid(mapping).send().await;
        asked.is_ok_and(|mapping| mapping.state.as_deref() == Some("Disabled"))
    }
}

/// Behaves like an event source mapping with partial batch responses.
async fn poll(mapping: Mapping, host: Host, queue: Queue, stop: CancellationToken) {
    let (aws, url) = (&mapping.aws, mapping.url.clone());
    let sqs = aws.sqs();
    let arn = aws.queue_attributes(&url).await.ok().and_then(|mut all| all.remove("QueueArn")).unwrap_or_default();
    let mut invocations = tokio::task::JoinSet::new();
    while !stop.is_cancelled() {
        if mapping.is_paused().await {
            rest(&stop).await;
            continue;
        }
        let receive = sqs.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(1);
        let receive =
            receive.message_system_attribute_names(MessageSystemAttributeName::All).message_attribute_names("All");
        let messages = receive.send().await.ok().and_then(|received| received.messages).unwrap_or_default();
        // Received before the pause, which takes effect only once no more messages are received.
        if !messages.is_empty() && mapping.is_paused().await {
            for message in messages {
                let show = sqs.change_message_visibility().queue_url(&url).visibility_timeout(0);
                let _ = show.set_receipt_handle(message.receipt_handle).send().await;
            }
            continue;
        }
        if messages.is_empty() {
            // A long poll of the emulator may return at once.
            rest(&stop).await;
            continue;
        }
        let invocation = invoke(sqs.clone(), host.clone(), url.clone(), arn.clone(), messages);
        if queue.is_fifo() {
            invocation.await;
        } else {
            invocations.spawn(invocation);
        }
    }
    while invocations.join_next().await.is_some() {}
}

async fn rest(stop: &CancellationToken) {
    tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(Duration::from_millis(50)) => {} }
}

async fn invoke(sqs: aws_sdk_sqs::Client, host: Host, url: String, arn: String, messages: Vec<Message>) {
    let Ok(payload) = serde_json::from_value(batch(&messages, &arn)) else { return };
    let invocation =
        Invocation { request_id: "poll".into(), deadline: Instant::now() + INVOCATION, trace_header: None };
    let Ok(answer) = host.handle(payload, invocation).await else { return };
    let Ok(answer) = serde_json::to_value(answer) else { return };
    let failed: Vec<_> = answer["batchItemFailures"].as_array().into_iter().flatten().collect();
    for message in messages {
        let id = message.message_id.as_deref().unwrap_or_default();
        if !failed.iter().any(|item| item["itemIdentifier"] == id) {
            let delete = sqs.delete_message().queue_url(&url).set_receipt_handle(message.receipt_handle);
            // A message whose deletion fails is delivered again, as on AWS.
            let _ = delete.send().await;
        }
    }
}

/// Returns the tests: each behaviour, and once more with a worker where the consumer matters.
fn all() -> impl Iterator<Item = (String, Consumer, &'static Behaviour)> {
    let on_aws = BEHAVIOURS.iter().map(|one| (format!("on_aws::{}", one.name), Consumer::Lambda, one));
    let depends = BEHAVIOURS.iter().filter(|one| ["run", "operator"].contains(&one.about));
    on_aws.chain(depends.map(|one| (format!("on_worker::{}", one.name), Consumer::Worker, one)))
}

fn trial(
    runtime: &Arc<Runtime>,
    aws: &Arc<MiniStack>,
    (name, consumer, behaviour): (String, Consumer, &'static Behaviour),
) -> Trial {
    let (runtime, aws) = (runtime.clone(), aws.clone());
    Trial::test(name, move || {
        let outcome: Outcome<()> = runtime.block_on(async {
            let subject = OnAws::new(aws, consumer).await?;
            (behaviour.prove)(&*subject).await;
            subject.stop(secs(1)).await;
            Ok(())
        });
        outcome.map_err(|error| Failed::from(error.to_string()))
    })
}

fn main() -> Outcome<()> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?);
    let start = async || {
        let aws = MiniStack::start().await?;
        make_function(&aws, FUNCTION).await?;
        Outcome::Ok(Arc::new(aws))
    };
    let aws = if arguments.list { None } else { Some(runtime.block_on(start())?) };
    let trials = match &aws {
        Some(aws) => all().map(|test| trial(&runtime, aws, test)).collect(),
        None => all().map(|(name, ..)| Trial::test(name, || Ok(()))).collect(),
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(aws);
    conclusion.exit()
}
