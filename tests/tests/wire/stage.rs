//! A deployment in the emulator whose calls are recorded.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{config::Config, types::AttributeValue};
use aws_sdk_sqs::{
    config::Credentials,
    types::{Message, MessageSystemAttributeName, QueueAttributeName},
};
use hyper::Request;
use jiff::Timestamp;
use lamplighter::{
    Client, Context, JobId,
    env::{Clock, Env},
    outbox::OutboxEntry,
};
use lamplighter_aws::{
    AwsBackend, AwsClients, QueueMap, Settings,
    lambda::{Host, Invocation},
    maintenance::Maintenance,
    outbox::Outbox,
};
use lamplighter_infra::cost::Asked;
use lamplighter_tests::{
    ministack::{MiniStack, PATIENCE, REGION, ROOT_KEY, batch, eventually},
    wire::{Call, Proxy, proxy},
};
use serde_json::{Value, json};
use tokio::{
    sync::{Notify, OnceCell},
    time::Instant,
};

use crate::jobs;

/// The parts of a deployment, in addition to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// None.
    Queue,
    /// A table.
    Table,
    /// A table, and a group of schedules.
    All,
}

pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) maintenance: Maintenance,
    pub(crate) probe: Arc<Probe>,
    deployment: AwsBackend,
    settings: Settings,
    aws: Arc<MiniStack>,
    host: Host,
    places: Places,
}

/// The addresses of the deployment's parts.
#[derive(Debug, Clone)]
struct Places {
    url: String,
    dead: String,
    arn: String,
    table: String,
}

/// Observes and controls runs.
pub(crate) struct Probe {
    pub(crate) proxy: Proxy,
    phases: Mutex<Vec<Vec<Call>>>,
    runs: Mutex<Vec<(JobId, u32)>>,
    /// How many handlers run, and how many have run at once.
    at_once: Mutex<(usize, usize)>,
    began: Notify,
    released: Notify,
    put_back: AtomicBool,
}

impl Probe {
    /// Records that a handler begins.
    pub(crate) fn begin(&self, ctx: &Context) {
        self.mark();
        self.runs.lock().unwrap().push((ctx.id().clone(), ctx.attempt()));
        self.began.notify_one();
    }

    /// Counts a handler that begins, or ends.
    pub(crate) fn count(&self, change: isize) {
        let mut at_once = self.at_once.lock().unwrap();
        at_once.0 = at_once.0.checked_add_signed(change).unwrap();
        at_once.1 = at_once.1.max(at_once.0);
    }

    /// Returns how many handlers that [count](Self::count) have run at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.at_once.lock().unwrap().1
    }

    /// Returns how many handlers have begun.
    pub(crate) fn begun(&self) -> usize {
        self.runs.lock().unwrap().len()
    }

    /// Returns when a handler has begun, once for each.
    pub(crate) async fn has_begun(&self) {
        self.began.notified().await;
    }

    /// Releases a job that waits.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }

    pub(crate) async fn released(&self) {
        self.released.notified().await;
    }

    /// Ends a phase: the calls since the last one.
    pub(crate) fn mark(&self) {
        self.phases.lock().unwrap().push(self.proxy.take_calls());
    }

    /// Returns the attempts of a job that have begun, in order.
    pub(crate) fn runs(&self, id: &JobId) -> Vec<u32> {
        self.runs.lock().unwrap().iter().filter(|(other, _)| other == id).map(|(_, attempt)| *attempt).collect()
    }

    /// Returns whether no job has been snoozed so far: snoozes are not counted as attempts, and must end at some time.
    pub(crate) fn puts_back(&self) -> bool {
        !self.put_back.swap(true, Ordering::Relaxed)
    }
}

/// The time of an invocation.
const INVOCATION: Duration = Duration::from_secs(30);

/// The machine's clock, ahead by this time.
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp::now().checked_add(self.0).unwrap()
    }
}

/// Returns the emulator that all tests share. It ends with the process.
async fn emulator() -> Arc<MiniStack> {
    static EMULATOR: OnceCell<Arc<MiniStack>> = OnceCell::const_new();
    EMULATOR.get_or_init(async || Arc::new(MiniStack::start().await.unwrap())).await.clone()
}

impl Stage {
    pub(crate) async fn new(parts: Parts) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("wire-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let aws = emulator().await;
        let (url, dead) = make_queue(&aws, &name).await;
        let arn = aws.queue_attributes(&url).await.unwrap().remove("QueueArn").unwrap();
        if parts != Parts::Queue {
            aws.make_table(&name).await.unwrap();
        }
        if parts == Parts::All {
            let scheduler = aws_sdk_scheduler::Client::new(&aws.sdk_config());
            scheduler.create_schedule_group().name(&name).send().await.unwrap();
        }
        let map = json!({ jobs::QUEUE.name(): { "url": url, "dlq": dead } });
        let map: QueueMap = map.to_string().parse().unwrap();
        let settings = Settings::named(map, |variable| match variable {
            "LAMPLIGHTER_EVENT_BUS" => Some("default".into()),
            "LAMPLIGHTER_TABLE" if parts != Parts::Queue => Some(name.clone()),
            "LAMPLIGHTER_SCHEDULE_GROUP" if parts == Parts::All => Some(name.clone()),
            "LAMPLIGHTER_SCHEDULER_ROLE" if parts == Parts::All => Some("arn:aws:iam::000000000000:role/s".into()),
            _ => None,
        });
        let proxy = proxy(aws.clone()).await.unwrap();
        let (phases, runs, at_once, began, released, put_back) = Default::default();
        let probe = Arc::new(Probe { proxy, phases, runs, at_once, began, released, put_back });
        Self::on(probe, settings, aws, Places { url, dead, arn, table: name }, Env::system())
    }

    fn on(probe: Arc<Probe>, settings: Settings, aws: Arc<MiniStack>, places: Places, env: Env) -> Self {
        let credentials = Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "tests");
        let sdk = AwsClients::fixed(REGION, Some(probe.proxy.endpoint()), credentials);
        let deployment = AwsBackend::new(sdk, settings.clone(), env);
        let (client, maintenance) = (deployment.client(), Maintenance::new(&deployment));
        let host = Host::on(jobs::function(probe.clone()), &deployment);
        Self { client, maintenance, probe, deployment, settings, aws, host, places }
    }

    /// Returns the same deployment, this much later.
    pub(crate) fn later(&self, by: Duration) -> Self {
        let env = Env { clock: Arc::new(Ahead(by)), ..Env::system() };
        let Self { probe, settings, aws, places, .. } = self;
        Self::on(probe.clone(), settings.clone(), aws.clone(), places.clone(), env)
    }

    /// Returns the deployment.
    pub(crate) fn backend(&self) -> &AwsBackend {
        &self.deployment
    }

    /// Counts the calls during a future.
    pub(crate) async fn asked<T>(&self, doing: impl Future<Output = T>) -> (T, Asked) {
        drop(self.probe.proxy.take_calls());
        let done = doing.await;
        (done, count(&self.probe.proxy.take_calls()))
    }

    /// Returns the calls during a future.
    pub(crate) async fn calls<T>(&self, doing: impl Future<Output = T>) -> Vec<Call> {
        drop(self.probe.proxy.take_calls());
        doing.await;
        self.probe.proxy.take_calls()
    }

    /// Receives a batch of this many messages, runs it as Lambda does, and returns the calls in each of its phases:
    /// before the handler began, between its marks, and afterwards.
    pub(crate) async fn deliver(&self, count_of: usize) -> Vec<Asked> {
        self.run(count_of).await;
        self.probe.phases.lock().unwrap().iter().map(|calls| count(calls)).collect()
    }

    /// Like [`deliver`](Self::deliver), for jobs that fail alike. Returns the calls since they began: how many of their
    /// failures are settled together depends on the machine, so their error group is counted once.
    pub(crate) async fn deliver_failing(&self, count_of: usize) -> Asked {
        self.run(count_of).await;
        let phases = self.probe.phases.lock().unwrap();
        let is_of_group = |call: &&Call| call.body["Key"]["pk"]["S"].as_str().is_some_and(|pk| pk.starts_with("ERR#"));
        let (groups, mut calls): (Vec<&Call>, Vec<&Call>) = phases.iter().skip(1).flatten().partition(is_of_group);
        assert!(groups.len() <= count_of, "at most one for each failure");
        calls.extend(groups.first());
        count(&calls.into_iter().cloned().collect::<Vec<_>>())
    }

    /// Returns the calls since a handler ended, or began.
    pub(crate) fn last_phase(&self) -> Asked {
        count(self.probe.phases.lock().unwrap().last().unwrap())
    }

    /// Receives a batch of this many messages, runs it as Lambda does, and returns how many of them are delivered
    /// again.
    pub(crate) async fn run(&self, count: usize) -> usize {
        let messages = self.receive(count).await;
        drop(self.probe.proxy.take_calls());
        self.probe.phases.lock().unwrap().clear();
        self.settled(messages, INVOCATION).await
    }

    /// Receives this many batches of ten messages, then runs them in concurrent invocations that may take this long, and
    /// returns how many messages are delivered again.
    pub(crate) async fn run_together(&self, batches: usize, time: Duration) -> usize {
        let mut received = Vec::new();
        for _ in 0..batches {
            received.push(self.receive(10).await);
        }
        let running = received.into_iter().map(|messages| self.settled(messages, time));
        futures_util::future::join_all(running).await.into_iter().sum()
    }

    /// Receives and runs batches as one invocation of Lambda after the other, until `is_done`, and returns how many messages
    /// were received.
    pub(crate) async fn serve(&self, is_done: impl Fn() -> bool) -> usize {
        let mut received = 0;
        while !is_done() {
            let receive = self.aws.sqs().receive_message().queue_url(&self.places.url).wait_time_seconds(1);
            let receive = receive.max_number_of_messages(10);
            let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
            let messages = receive.send().await.unwrap().messages.unwrap_or_default();
            received += messages.len();
            if !messages.is_empty() {
                self.settled(messages, INVOCATION).await;
            }
        }
        received
    }

    async fn settled(&self, messages: Vec<Message>, time: Duration) -> usize {
        let answer = self.hand_over(&messages, time).await;
        self.probe.mark();
        let failed = answer["batchItemFailures"].as_array().unwrap();
        for message in messages {
            let id = message.message_id.as_deref().unwrap();
            if !failed.iter().any(|item| item["itemIdentifier"] == id) {
                self.delete(message).await;
            }
        }
        failed.len()
    }

    async fn hand_over(&self, messages: &[Message], time: Duration) -> Value {
        let payload = serde_json::from_value(batch(messages, &self.places.arn)).unwrap();
        let invocation = Invocation { request_id: "wire".into(), deadline: Instant::now() + time, trace_header: None };
        serde_json::to_value(self.host.handle(payload, invocation).await.unwrap()).unwrap()
    }

    async fn delete(&self, message: Message) {
        let delete = self.aws.sqs().delete_message().queue_url(&self.places.url);
        if let Err(error) = delete.set_receipt_handle(message.receipt_handle).send().await {
            // It was received again meanwhile, on a busy machine: the receipt is an old one, as may happen to a poller too.
            let is_old = error.as_service_error().is_some_and(|error| error.is_receipt_handle_is_invalid());
            assert!(is_old, "{error:?}");
        }
    }

    /// Receives this many messages, and loses them.
    pub(crate) async fn lose(&self, count: usize) {
        for message in self.receive(count).await {
            self.delete(message).await;
        }
    }

    /// Receives a message, and dies in the middle of its job. The message is lost, too.
    pub(crate) async fn die(&self) {
        let messages = self.receive(1).await;
        tokio::select! {
            answer = self.hand_over(&messages, INVOCATION) => panic!("it has ended: {answer}"),
            () = self.probe.has_begun() => {}
        }
        for message in messages {
            self.delete(message).await;
        }
    }

    /// Makes the stored entry of a delayed job unreadable.
    pub(crate) async fn spoil(&self, id: &str) {
        self.replace(&format!("JOB#{id}"), "DUE", "m", json!({ "S": "no message" })).await;
    }

    /// Replaces an attribute of an item, as a newer version might.
    pub(crate) async fn replace(&self, pk: &str, sk: &str, attribute: &str, value: Value) {
        let update = json!({
            "TableName": self.places.table,
            "Key": { "pk": { "S": pk }, "sk": { "S": sk } },
            "UpdateExpression": "SET #a = :value",
            "ConditionExpression": "attribute_exists(#a)",
            "ExpressionAttributeNames": { "#a": attribute },
            "ExpressionAttributeValues": { ":value": value },
        });
        let request = Request::post("/")
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "DynamoDB_20120810.UpdateItem")
            .body(update.to_string().into_bytes())
            .unwrap();
        let answer = self.aws.request_as_root("dynamodb", request).await.unwrap();
        assert!(answer.status().is_success(), "{}", String::from_utf8_lossy(answer.body()));
    }

    /// Returns the outbox.
    pub(crate) fn outbox(&self) -> Outbox {
        self.deployment.outbox().unwrap()
    }

    /// Writes an entry into the outbox, as the only write of a transaction.
    pub(crate) async fn commit(&self, entry: &OutboxEntry) {
        let config =
            Config::from(&self.aws.sdk_config()).to_builder().endpoint_url(self.probe.proxy.endpoint()).build();
        let write = aws_sdk_dynamodb::Client::from_conf(config).transact_write_items();
        write.transact_items(self.outbox().put(entry).unwrap()).send().await.unwrap();
    }

    /// Deletes a job's record, as DynamoDB does some time after it has expired.
    pub(crate) async fn expire(&self, id: &JobId) {
        let delete = aws_sdk_dynamodb::Client::new(&self.aws.sdk_config()).delete_item().table_name(&self.places.table);
        let delete = delete.key("pk", AttributeValue::S(format!("JOB#{id}"))).key("sk", AttributeValue::S("#".into()));
        delete.send().await.unwrap();
    }

    /// Sends a body to the queue once more.
    pub(crate) async fn send(&self, body: &str) {
        self.aws.send(&self.places.url, body).await.unwrap();
    }

    /// Returns the number of messages in the dead-letter queue.
    pub(crate) async fn dead(&self) -> usize {
        self.aws.peek(&self.places.dead).await.unwrap().len()
    }

    /// Returns the number of messages in the queue: those that can be received, and those that wait.
    pub(crate) async fn waiting(&self) -> usize {
        self.aws.peek(&self.places.url).await.unwrap().len()
    }

    async fn receive(&self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        eventually(format!("{count} messages come"), PATIENCE, async || {
            let receive = self.aws.sqs().receive_message().queue_url(&self.places.url).wait_time_seconds(1);
            let receive = receive.max_number_of_messages(i32::try_from(count - messages.len()).unwrap());
            let received = receive.message_system_attribute_names(MessageSystemAttributeName::All).send().await;
            messages.extend(received.map_err(|error| error.to_string())?.messages.unwrap_or_default());
            if messages.len() == count { Ok(()) } else { Err(format!("{} so far", messages.len())) }
        })
        .await
        .unwrap();
        messages
    }
}

async fn make_queue(aws: &MiniStack, name: &str) -> (String, String) {
    let make = async |name: String, redrive: Option<String>| {
        let redrive = redrive.map(|policy| (QueueAttributeName::RedrivePolicy, policy));
        let made = aws.sqs().create_queue().queue_name(name).set_attributes(Some(redrive.into_iter().collect()));
        made.send().await.unwrap().queue_url.unwrap()
    };
    let dead = make(format!("{name}-dlq"), None).await;
    let arn = aws.queue_attributes(&dead).await.unwrap().remove("QueueArn").unwrap();
    let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": 100 }).to_string();
    (make(name.to_owned(), Some(redrive)).await, dead)
}

/// Counts the AWS calls and their cost. The bill of DynamoDB is computed here, and the emulator reports the same.
pub(crate) fn count(calls: &[Call]) -> Asked {
    let mut asked = Asked::default();
    for call in calls {
        match call.service.as_str() {
            "sqs" => asked.sqs += 1,
            "scheduler" => asked.scheduler += 1,
            "events" => asked.events += 1,
            "dynamodb" => asked.dynamodb += 1,
            other => panic!("a call of {other}: {call:?}"),
        }
        asked.writes += u32::try_from(call.measure.written).unwrap();
        asked.reads += u32::try_from(call.measure.read).unwrap();
        if let Some(units) = call.measure.second_opinion {
            assert_eq!(units, call.measure.written as f64, "{call:?}");
        }
    }
    asked
}
