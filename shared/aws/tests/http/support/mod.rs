//! A function whose jobs end in every way, and events for it.

#![allow(dead_code, reason = "each test program uses a part")]

use std::time::Duration;

use aws_credential_types::Credentials;
use lamplighter::{Context, EventTrigger, Function, Job, JobError, Options, Queue, Retry, State, secs};
use lamplighter_aws::{
    AwsClients, QueueMap, ScheduleSettings, Sqs,
    lambda::{Host, Invocation, InvocationError, Payload, Response},
};
use lamplighter_fakes::{Endpoint, FakeSchedules, FakeSqs, REGION, Service, queue_arn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};

pub(crate) const QUEUE: Queue = Queue::standard("work");

/// A job that ends as its arguments request.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Act {
    #[serde(default)]
    pub(crate) end: End,
    #[serde(default)]
    pub(crate) note: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum End {
    #[default]
    Succeed,
    Retry,
    RetryInAnHour,
    RetryNextYear,
    Fail,
    Panic,
    Hang,
    Snooze,
}

impl Job for Act {
    const NAME: &'static str = "act.out";
    const QUEUE: Queue = QUEUE;

    fn options() -> Options {
        Options::new().timeout(secs(20)).retry(Retry::fixed(Duration::from_millis(6500)).attempts(3))
    }
}

/// A job that EC2 events start.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Watch {
    pub(crate) instance_id: String,
    pub(crate) state: String,
}

impl Job for Watch {
    const NAME: &'static str = "instance.watch";
    const QUEUE: Queue = QUEUE;
}

/// A run: job id, attempt, note.
pub(crate) type Ran = (String, u32, String);

pub(crate) async fn act(
    job: Act,
    ctx: Context,
    State(ran): State<mpsc::UnboundedSender<Ran>>,
) -> Result<String, JobError> {
    ran.send((ctx.id().to_string(), ctx.attempt(), job.note.clone()))?;
    tracing::info_span!("step", number = 1).in_scope(|| tracing::info!("acting"));
    match job.end {
        End::Succeed => Ok(job.note),
        End::Retry => Err(JobError::retry("not yet")),
        End::RetryInAnHour => Err(JobError::retry_in(secs(3600), "in an hour")),
        End::RetryNextYear => Err(JobError::retry_in(secs(365 * 86_400), "next year")),
        End::Fail => Err(JobError::fail("for good")),
        End::Panic => panic!("as asked"),
        End::Hang => std::future::pending().await,
        End::Snooze => ctx.snooze(secs(77)),
    }
}

async fn watch(job: Watch, ctx: Context, State(ran): State<mpsc::UnboundedSender<Ran>>) -> Result<(), JobError> {
    ran.send((ctx.id().to_string(), ctx.attempt(), format!("{} {}", job.instance_id, job.state)))?;
    Ok(())
}

pub(crate) fn function(ran: mpsc::UnboundedSender<Ran>) -> Function {
    Function::new("actors")
        .job(act)
        .job(watch)
        .on_event(
            EventTrigger::new::<Act>().rule("scheduled-rule").args(&Act { end: End::Succeed, note: "tick".into() }),
        )
        .on_event(EventTrigger::new::<Watch>().source("aws.ec2"))
        .on_event(EventTrigger::new::<Watch>().source("aws.ec2").detail_type("EC2 Instance State-change Notification"))
        .on_event(EventTrigger::new::<Act>().source("shop"))
        .with_state(ran)
}

/// Clients that call a fake.
pub(crate) fn clients<S: Service>(fake: &Endpoint<S>) -> AwsClients {
    AwsClients::fixed(REGION, Some(fake.endpoint()), Credentials::new("test", "test", None, None, "test"))
}

/// The group and the role of [`FakeSchedules`], and the queue `shop-undelivered-events`.
pub(crate) fn schedule_settings() -> ScheduleSettings {
    let settings = ScheduleSettings::new(FakeSchedules::GROUP, FakeSchedules::ROLE).unwrap();
    settings.undelivered(queue_arn("shop-undelivered-events")).unwrap()
}

/// A host, the SQS that it calls, and the jobs that it ran.
pub(crate) struct Fixture {
    pub(crate) sqs: FakeSqs,
    pub(crate) host: Host,
    pub(crate) ran: mpsc::UnboundedReceiver<Ran>,
}

impl Fixture {
    /// With a map that names the queue and its dead-letter queue, `work` and `work-dlq`.
    pub(crate) async fn mapped() -> Self {
        Self::with(|sqs| {
            let map = json!({"work": {"url": sqs.queue_url("work"), "dlq": sqs.queue_url("work-dlq")}});
            map.to_string().parse().unwrap()
        })
        .await
    }

    /// Without a map.
    pub(crate) async fn unmapped() -> Self {
        Self::with(|_| QueueMap::default()).await
    }

    async fn with(map: impl FnOnce(&FakeSqs) -> QueueMap) -> Self {
        let sqs = FakeSqs::start().await.unwrap();
        let (report, ran) = mpsc::unbounded_channel();
        let host = Host::new(function(report), Sqs::new(clients(&sqs), map(&sqs)));
        Self { sqs, host, ran }
    }

    pub(crate) async fn invoke(&self, payload: &Value) -> Result<Response, InvocationError> {
        self.invoke_for(payload, secs(30)).await
    }

    pub(crate) async fn invoke_for(&self, payload: &Value, budget: Duration) -> Result<Response, InvocationError> {
        self.invoke_with_text(&payload.to_string(), budget).await
    }

    pub(crate) async fn invoke_with_text(&self, payload: &str, budget: Duration) -> Result<Response, InvocationError> {
        let payload = Payload::read(payload.as_bytes());
        let invocation =
            Invocation { request_id: "request-1".into(), deadline: Instant::now() + budget, trace_header: None };
        self.host.handle(payload, invocation).await
    }

    /// The ids that were reported as failed.
    pub(crate) async fn failures(&self, payload: &Value) -> Vec<String> {
        failures(self.invoke(payload).await.unwrap())
    }

    pub(crate) fn ran(&mut self) -> Vec<Ran> {
        std::iter::from_fn(|| self.ran.try_recv().ok()).collect()
    }
}

pub(crate) fn failures(response: Response) -> Vec<String> {
    let json = serde_json::to_value(response).unwrap();
    assert!(json.as_object().unwrap().len() == 1, "{json}");
    let failures = json["batchItemFailures"].as_array().unwrap().iter();
    failures.map(|item| item["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// A record of the standard queue `work`.
pub(crate) fn record(id: &str, body: impl Into<String>) -> Value {
    json!({
        "messageId": id,
        "receiptHandle": format!("receipt-{id}"),
        "body": body.into(),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1520621625029"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn("work"),
        "awsRegion": REGION,
    })
}

/// A message whose job ends in that way.
pub(crate) fn body(end: &str) -> String {
    json!({"job": "act.out", "args": {"end": end, "note": end}}).to_string()
}

pub(crate) fn batch(records: impl IntoIterator<Item = Value>) -> Value {
    json!({"Records": records.into_iter().collect::<Vec<_>>()})
}

/// Visibility timeouts that were set, by receipt.
pub(crate) fn visibilities(sqs: &FakeSqs) -> std::collections::BTreeMap<String, u64> {
    let calls = sqs.bodies("ChangeMessageVisibilityBatch");
    let entries = calls.iter().flat_map(|call| call["Entries"].as_array().unwrap());
    entries
        .map(|entry| {
            let receipt = entry["ReceiptHandle"].as_str().unwrap().to_owned();
            (receipt, entry["VisibilityTimeout"].as_u64().unwrap())
        })
        .collect()
}
