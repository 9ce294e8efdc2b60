//! Traces on AWS: X-Ray's header, and the export before a response on Lambda.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod support;

use std::sync::OnceLock;

use aws_credential_types::Credentials;
use lamplighter::{
    Function, Job,
    env::Env,
    host::{Host as Process, Stop},
    mins, secs,
};
use lamplighter_aws::{
    AwsBackend, AwsClients, PollerSettings, QueueMap, Settings, Sqs, SqsPoller,
    lambda::{Host, Invocation, Response},
};
use lamplighter_fakes::{Collector, Exported, FakeSqs, REGION, queue_arn};
use lamplighter_otel::Traces;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use support::{
    greet::{Greet, greet},
    one,
};
use tokio::time::Instant;

fn traced() -> (&'static Traces, &'static Collector) {
    static SHARED: OnceLock<(Traces, Collector)> = OnceLock::new();
    let (traces, collector) = SHARED.get_or_init(|| {
        let collector = Collector::start().unwrap();
        let traces = Traces::builder().endpoint(&collector.endpoint).build().unwrap();
        traces.install().unwrap();
        (traces, collector)
    });
    (traces, collector)
}

/// An invocation, and the spans of its message that the collector has when it has been answered.
async fn spans_of(id: &str, payload: Value, trace_header: Option<&str>) -> Vec<Exported> {
    let (traces, collector) = traced();
    let function = Function::new("greetings").job(greet).layer(traces.clone());
    let clients = AwsClients::fixed(REGION, None, Credentials::new("test", "test", None, None, "test"));
    let host = Host::new(function, Sqs::new(clients, QueueMap::default()));
    // A tenth of this is for the export: enough on any machine, and it takes no more than it needs.
    let deadline = Instant::now() + secs(900);
    let trace_header = trace_header.map(str::to_owned);
    let invocation = Invocation { request_id: id.into(), deadline, trace_header };
    let answer = host.handle(serde_json::from_value(payload).unwrap(), invocation).await.unwrap();
    assert!(!matches!(answer, Response::Batch { failures } if !failures.is_empty()));
    let mut spans = collector.with("messaging.message.id", id);
    // Some are in one trace.
    spans.retain(|span| span.get("messaging.message.id") == Some(id));
    spans
}

fn batch(id: &str, body: &Value, header: Option<&str>) -> Value {
    let mut attributes = json!({"ApproximateReceiveCount": "1", "SentTimestamp": "1520621625029"});
    if let Some(header) = header {
        attributes["AWSTraceHeader"] = header.into();
    }
    json!({"Records": [{
        "messageId": id,
        "receiptHandle": "receipt",
        "body": body.to_string(),
        "attributes": attributes,
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn("greetings"),
        "awsRegion": REGION,
    }]})
}

const OF_MESSAGE: &str =
    "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a87bd80c:0";
const OF_INVOCATION: &str = "Root=1-6759e988-bd862e3fe1be46a994272793;Parent=63995c3f42cd8ad8;Sampled=1";

/// The trace and the parent of a span.
fn place(span: &Exported) -> (u128, u64) {
    let parent = span.parent.clone().try_into().map_or(0, u64::from_be_bytes);
    (u128::from_be_bytes(span.trace_id.clone().try_into().unwrap()), parent)
}

#[tokio::test]
async fn a_message_continues_the_trace_of_its_header_and_is_exported_before_the_answer() {
    let body = json!({"job": "greeting.say"});
    let spans = spans_of("with-header", batch("with-header", &body, Some(OF_MESSAGE)), Some(OF_INVOCATION)).await;
    let span = one(&spans, "process greetings");
    assert_eq!(place(span), (0x5759_e988_bd86_2e3f_e1be_46a9_9427_2793, 0x5399_5c3f_42cd_8ad8));
    assert_eq!((span.kind, span.get("messaging.system")), (SpanKind::Consumer, Some("aws_sqs")));
    assert_eq!(span.links.len(), 1);
}

#[tokio::test]
async fn without_a_header_it_continues_that_of_the_invocation() {
    let of_invocation = (0x6759_e988_bd86_2e3f_e1be_46a9_9427_2793, 0x6399_5c3f_42cd_8ad8);
    let body = json!({"job": "greeting.say"});
    for header in [None, Some("Root=1-5759e988-bd862e3fe1be46a994272793"), Some("\u{0}")] {
        let id = format!("without-header-{}", header.map_or(0, str::len));
        let spans = spans_of(&id, batch(&id, &body, header), Some(OF_INVOCATION)).await;
        assert_eq!(place(one(&spans, "process greetings")), of_invocation, "{header:?}");
    }
    let direct = json!({"job": "greeting.say", "id": "direct"});
    let spans = spans_of("direct", direct, Some(OF_INVOCATION)).await;
    assert_eq!(place(one(&spans, "process greetings")), of_invocation);
    let unsampled = OF_INVOCATION.replace("Sampled=1", "Sampled=0");
    for (id, header) in [("no-header", None), ("x-ray-is-off", Some(&*unsampled))] {
        let spans = spans_of(id, batch(id, &body, None), header).await;
        assert_eq!(place(one(&spans, "process greetings")).1, 0, "{id}: a trace of its own");
    }
}

#[tokio::test]
async fn the_messages_own_context_comes_first() {
    let own = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let body = json!({"job": "greeting.say", "trace": own});
    let spans = spans_of("own", batch("own", &body, Some(OF_MESSAGE)), Some(OF_INVOCATION)).await;
    assert_eq!(
        place(one(&spans, "process greetings")),
        (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7)
    );
}

#[tokio::test]
async fn what_x_ray_does_not_sample_is_not_exported() {
    let body = json!({"job": "greeting.say"});
    let unsampled = OF_MESSAGE.replace("Sampled=1", "Sampled=0");
    assert_eq!(spans_of("unsampled", batch("unsampled", &body, Some(&unsampled)), None).await.len(), 0);
}

#[tokio::test]
async fn a_poller_asks_for_the_header_and_exports_at_the_end_of_a_drain() {
    let (traces, collector) = traced();
    let sqs = FakeSqs::start().await.unwrap();
    let map = json!({"greetings": {"url": sqs.queue_url("greetings"), "dlq": sqs.queue_url("greetings-dlq")}});
    let mut settings = Settings::default();
    settings.queues = map.to_string().parse().unwrap();
    let credentials = Credentials::new("test", "test", None, None, "test");
    let aws = AwsBackend::new(AwsClients::fixed(REGION, Some(sqs.endpoint()), credentials), settings, Env::system());
    let header = "Root=1-7759e988-bd862e3fe1be46a994272793;Parent=73995c3f42cd8ad8;Sampled=1";
    sqs.put_traced("greetings", &json!({"job": "greeting.say", "id": "polled"}).to_string(), header);
    let function = Function::new("greetings").job(greet).layer(traces.clone());
    let (polling, stop) = (PollerSettings::default(), Stop::new());
    let pollers = SqsPoller::connect(&aws, function, &[Greet::QUEUE], "worker", (polling, &stop)).await.unwrap();
    let process = pollers.into_iter().fold(Process::new(stop), Process::source).start();
    while !sqs.messages("greetings").is_empty() {
        tokio::task::yield_now().await;
    }
    process.drain(mins(1)).await;
    let spans = collector.with("messaging.message.id", "polled");
    let span = one(&spans, "process greetings");
    assert_eq!(place(span), (0x7759_e988_bd86_2e3f_e1be_46a9_9427_2793, 0x7399_5c3f_42cd_8ad8));
}
