//! A trace through the emulator: what enqueues a job, its handler in a worker, and the job that it enqueues, over the real
//! wire protocols, exported to a collector.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use aws_sdk_sqs::config::Credentials;
use lamplighter::{
    Context, Function, Job, JobError, JobState, Queue,
    backend::WaitError,
    env::Env,
    host::{Host, Stop},
    mins,
};
use lamplighter_aws::{AwsBackend, AwsClients, PollerSettings, QueueMap, Settings, SqsPoller};
use lamplighter_fakes::{Collector, Exported};
use lamplighter_otel::Traces;
use lamplighter_tests::ministack::{MiniStack, REGION, ROOT_KEY};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tracing::Instrument;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

const ORDERS: Queue = Queue::standard("orders");

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Order {}

impl Job for Order {
    const NAME: &'static str = "order.place";
    const QUEUE: Queue = ORDERS;
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Receipt {}

impl Job for Receipt {
    const NAME: &'static str = "receipt.send";
    const QUEUE: Queue = ORDERS;
}

async fn order(_: Order, ctx: Context) -> Result<(), JobError> {
    ctx.client().enqueue(Receipt {}).id("receipt").await?;
    Ok(())
}

async fn receipt(_: Receipt) -> Result<(), JobError> {
    Ok(())
}

fn one<'a>(spans: &'a [Exported], name: &str, id: &str) -> &'a Exported {
    let is_it = |span: &&Exported| span.name == name && span.get("messaging.message.id") == Some(id);
    let found: Vec<_> = spans.iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{name} of {id} in {spans:#?}");
    found[0]
}

#[tokio::test]
async fn a_request_and_the_jobs_after_it_are_one_trace_through_sqs_and_dynamodb() {
    let collector = Collector::start().unwrap();
    let traces = Traces::builder().endpoint(&collector.endpoint).service("shop").build().unwrap();
    tracing_subscriber::registry().with(traces.layer()).init();
    traces.install().unwrap();

    let aws = MiniStack::start().await.unwrap();
    let mut urls = Vec::new();
    for name in ["orders", "orders-dead"] {
        urls.push(aws.sqs().create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap());
    }
    aws.make_table("traces").await.unwrap();
    let map: QueueMap = json!({ ORDERS.name(): { "url": urls[0], "dlq": urls[1] } }).to_string().parse().unwrap();
    let settings = Settings::named(map, |name| (name == "LAMPLIGHTER_TABLE").then(|| "traces".to_owned()));
    let credentials = Credentials::new(ROOT_KEY, ROOT_KEY, None, None, "tests");
    let sdk = AwsClients::fixed(REGION, Some(aws.endpoint()), credentials);
    let backend = AwsBackend::new(sdk, settings, Env::system());

    let client = backend.client();
    let request = tracing::info_span!("POST /orders", otel.kind = "server");
    client.enqueue(Order {}).id("order").into_future().instrument(request).await.unwrap();

    let function = Function::new("orders").job(order).job(receipt).enqueues::<Receipt>().layer(traces.clone());
    let stop = Stop::new();
    let polling = PollerSettings::default();
    let pollers = SqsPoller::connect(&backend, function, &[ORDERS], "worker", (polling, &stop)).await.unwrap();
    let process = pollers.into_iter().fold(Host::new(stop), Host::source).start();
    for id in ["order", "receipt"] {
        let ended = loop {
            match client.wait(&id.parse().unwrap(), mins(2)).await {
                // It has no record before it is received.
                Err(WaitError::Unknown(_)) => tokio::task::yield_now().await,
                ended => break ended.unwrap(),
            }
        };
        assert_eq!(ended.state, JobState::Succeeded, "{id}");
    }
    process.drain(mins(1)).await;

    let spans = collector.with("messaging.message.id", "order");
    let request = spans.iter().find(|span| span.name == "POST /orders").unwrap();
    let (send, process) = (one(&spans, "send orders", "order"), one(&spans, "process orders", "order"));
    let (send_receipt, process_receipt) =
        (one(&spans, "send orders", "receipt"), one(&spans, "process orders", "receipt"));
    for (child, parent) in [(send, request), (process, send), (send_receipt, process), (process_receipt, send_receipt)]
    {
        assert_eq!(
            (&child.parent, &child.trace_id),
            (&parent.id, &request.trace_id),
            "{} after {}",
            child.name,
            parent.name
        );
    }
    assert_eq!((process.get("messaging.system"), &process.links), (Some("aws_sqs"), &vec![send.link()]));
}
