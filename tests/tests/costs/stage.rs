//! A deployment in the emulator whose calls are recorded.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_sdk_sqs::{
    config::Credentials,
    types::{Message, MessageSystemAttributeName, QueueAttributeName},
};
use lamplighter::{Client, Env};
use lamplighter_aws::{
    Aws, QueueMap, Sdk, Settings,
    lambda::{Host, Invocation},
};
use lamplighter_infra::cost::Asked;
use lamplighter_tests::{
    costs::{Call, Recorder},
    ministack::{MiniStack, REGION, ROOT_KEY, eventually},
};
use serde_json::{Value, json};
use tokio::{sync::OnceCell, time::Instant};

use crate::jobs;

/// How long anything here may take on a machine that is busy.
const SOON: Duration = Duration::from_secs(60);

/// Which parts a deployment has, beside its queue.
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
    pub(crate) probe: Arc<Probe>,
    settings: Settings,
    aws: Arc<MiniStack>,
    host: Host,
    url: String,
    arn: String,
}

/// Parts a run's calls by what happened meanwhile.
pub(crate) struct Probe {
    recorder: Recorder,
    phases: Mutex<Vec<Vec<Call>>>,
    put_back: AtomicBool,
}

impl Probe {
    /// Ends a phase: the calls since the last one.
    pub(crate) fn mark(&self) {
        self.phases.lock().unwrap().push(self.recorder.take());
    }

    /// Whether no job has been put back so far: what is put back is not counted, and must end at some time.
    pub(crate) fn puts_back(&self) -> bool {
        !self.put_back.swap(true, Ordering::Relaxed)
    }
}

/// The emulator that all tests share. It ends with the process.
async fn emulator() -> Arc<MiniStack> {
    static EMULATOR: OnceCell<Arc<MiniStack>> = OnceCell::const_new();
    EMULATOR.get_or_init(async || Arc::new(MiniStack::start().await.unwrap())).await.clone()
}

impl Stage {
    pub(crate) async fn new(parts: Parts) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("costs-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
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
        let recorder = Recorder::start(aws.clone()).await.unwrap();
        let probe = Arc::new(Probe { recorder, phases: Mutex::default(), put_back: AtomicBool::default() });
        let deployment = deployment(&probe.recorder, &settings, Env::system());
        let host = Host::on(jobs::function(probe.clone()), &deployment);
        Self { client: deployment.client(), probe, settings, aws, host, url, arn }
    }

    /// The same deployment by another clock.
    pub(crate) fn at(&self, env: Env) -> Aws {
        deployment(&self.probe.recorder, &self.settings, env)
    }

    /// What something asks.
    pub(crate) async fn asked<T>(&self, doing: impl Future<Output = T>) -> (T, Asked) {
        drop(self.probe.recorder.take());
        let done = doing.await;
        (done, count(&self.probe.recorder.take()))
    }

    /// The calls of something.
    pub(crate) async fn calls<T>(&self, doing: impl Future<Output = T>) -> Vec<Call> {
        drop(self.probe.recorder.take());
        doing.await;
        self.probe.recorder.take()
    }

    /// Receives a batch of so many messages, has it run as Lambda does, and tells what was asked in each of its phases:
    /// until the handler began, between its marks, and after that.
    pub(crate) async fn deliver(&self, count_of: usize) -> Vec<Asked> {
        let messages = self.receive(count_of).await;
        drop(self.probe.recorder.take());
        self.probe.phases.lock().unwrap().clear();
        let records: Vec<Value> = messages.iter().map(|message| self.record(message)).collect();
        let payload = serde_json::from_value(json!({ "Records": records })).unwrap();
        let invocation = Invocation { request_id: "costs".into(), deadline: Instant::now() + Duration::from_secs(30) };
        let answer = serde_json::to_value(self.host.handle(payload, invocation).await.unwrap()).unwrap();
        self.probe.mark();
        let failed: Vec<_> = answer["batchItemFailures"].as_array().unwrap().iter().collect();
        for message in messages {
            let id = message.message_id.as_deref().unwrap();
            if !failed.iter().any(|item| item["itemIdentifier"] == id) {
                let delete = self.aws.sqs().delete_message().queue_url(&self.url);
                delete.set_receipt_handle(message.receipt_handle).send().await.unwrap();
            }
        }
        self.probe.phases.lock().unwrap().iter().map(|calls| count(calls)).collect()
    }

    async fn receive(&self, count: usize) -> Vec<Message> {
        let mut messages = Vec::new();
        eventually(format!("{count} messages come"), SOON, async || {
            let receive = self.aws.sqs().receive_message().queue_url(&self.url).wait_time_seconds(1);
            let receive = receive.max_number_of_messages(i32::try_from(count - messages.len()).unwrap());
            let received = receive.message_system_attribute_names(MessageSystemAttributeName::All).send().await;
            messages.extend(received.map_err(|error| error.to_string())?.messages.unwrap_or_default());
            if messages.len() == count { Ok(()) } else { Err(format!("{} so far", messages.len())) }
        })
        .await
        .unwrap();
        messages
    }

    fn record(&self, message: &Message) -> Value {
        let attributes = message.attributes.iter().flatten().map(|(name, value)| (name.as_str(), value));
        json!({
            "messageId": message.message_id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": attributes.collect::<std::collections::BTreeMap<_, _>>(),
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
        })
    }
}

fn deployment(recorder: &Recorder, settings: &Settings, env: Env) -> Aws {
    let credentials = Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "tests");
    Aws::new(Sdk::fixed(REGION, Some(recorder.endpoint()), credentials), settings.clone(), env)
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

/// What calls ask of AWS. That DynamoDB bills as is worked out here, the emulator finds too.
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
        asked.writes += u32::try_from(call.written).unwrap();
        asked.reads += u32::try_from(call.read).unwrap();
        if let Some(units) = call.second_opinion {
            assert_eq!(units, call.written as f64, "{call:?}");
        }
    }
    asked
}
