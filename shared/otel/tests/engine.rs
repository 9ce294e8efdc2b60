//! Traces on the embedded engine, exported by OTLP to a collector.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod support;

use std::sync::OnceLock;

use lamplighter::{
    App, Context, Function, Job, JobError, JobId, JobState, ListQuery, NewJob, Options, Queue, Retry, Sensitive,
    Variables,
    backend::WaitError,
    env::Env,
    host::MessageAction,
    message::{Message, Trace},
    mins,
    outbox::OutboxEntry,
    secs,
    testing::TestRun,
};
use lamplighter_embedded::{Engine, SqliteBackend};
use lamplighter_fakes::{Collector, Exported};
use lamplighter_otel::Traces;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use support::one;
use tracing::Instrument;
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

/// Traces are installed once a process: all tests here share them, and find their own spans by a job's id.
fn traced() -> (&'static Traces, &'static Collector) {
    static SHARED: OnceLock<(Traces, Collector)> = OnceLock::new();
    let (traces, collector) = SHARED.get_or_init(|| {
        let collector = Collector::start().unwrap();
        let traces = Traces::builder().endpoint(&collector.endpoint).service("shop").build().unwrap();
        tracing_subscriber::registry().with(traces.layer()).init();
        traces.install().unwrap();
        (traces, collector)
    });
    (traces, collector)
}

macro_rules! job {
    ($name:ident, $wire:literal, $queue:literal $(, $field:ident: $type:ty)*) => {
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        struct $name { $($field: $type),* }

        impl Job for $name {
            const NAME: &'static str = $wire;
            const QUEUE: Queue = Queue::standard($queue);

            fn options() -> Options {
                Options::new().retry(Retry::fixed(secs(0)).attempts(2))
            }
        }
    };
}

job!(Order, "order.place", "orders", card: Sensitive<String>);
job!(Receipt, "receipt.send", "receipts", to: String);
job!(Report, "report.write", "reports");
job!(Charge, "card.charge", "charges", card: Sensitive<String>, how: String);
job!(Relay, "relay", "relays");
job!(Told, "told", "tolds");
job!(Endless, "endless", "endless");

async fn order(_: Order, ctx: Context) -> Result<(), JobError> {
    let charge = tracing::info_span!("charge card");
    let sent = async { ctx.client().enqueue(Receipt { to: "S3CRET-ADDRESS".into() }).await };
    sent.instrument(charge).await?;
    Ok(())
}

async fn receipt(_: Receipt) -> Result<(), JobError> {
    Ok(())
}

async fn report(_: Report) -> Result<(), JobError> {
    Ok(())
}

async fn charge(job: Charge, ctx: Context) -> Result<(), JobError> {
    let text = format!("card {} was refused", job.card.expose());
    match job.how.as_str() {
        "refused" => Err(JobError::fail(text)),
        "panic" => panic!("{text}"),
        "snooze" if ctx.attempt() == 1 && ctx.resume::<u32>().is_none() => {
            ctx.checkpoint(&1).await?;
            ctx.snooze(secs(0))
        }
        "later" if ctx.attempt() == 1 => Err(JobError::retry(text)),
        _ => Ok(()),
    }
}

/// Enqueues from a task of its own, where no span is current.
async fn relay(_: Relay, ctx: Context) -> Result<(), JobError> {
    let client = ctx.client().clone();
    tokio::spawn(async move { client.enqueue(Told {}).id("told-of-a-task").await }).await??;
    Ok(())
}

/// Returns the context in which it was enqueued.
async fn told(_: Told, ctx: Context) -> Result<Option<String>, JobError> {
    Ok(ctx.message().trace.as_ref().map(|trace| trace.traceparent.clone()))
}

async fn endless(_: Endless) -> Result<(), JobError> {
    std::future::pending().await
}

fn app(traces: &Traces) -> App {
    App::new("shop")
        .function(|| Function::new("orders").job(order).enqueues::<Receipt>())
        .function(|| Function::new("receipts").job(receipt))
        .function(|| Function::new("reports").job(report))
        .function(|| Function::new("charges").job(charge))
        .function(|| Function::new("relays").job(relay).enqueues::<Told>())
        .function(|| Function::new("tolds").job(told))
        .layer(traces.clone())
}

struct Shop {
    backend: SqliteBackend,
    engine: lamplighter_embedded::Running,
    collector: &'static Collector,
}

impl Shop {
    async fn open() -> Self {
        let (traces, collector) = traced();
        let backend = SqliteBackend::memory(Env::system()).unwrap();
        let engine = Engine::builder(&backend).app(&app(traces), &Variables::none()).start().await.unwrap();
        Self { backend, engine, collector }
    }

    async fn ended(&self, id: &str) -> lamplighter::Record {
        loop {
            match self.backend.client().wait(&id.parse().unwrap(), mins(10)).await {
                // A message that somebody has sent has no record until it is received.
                Err(WaitError::Unknown(_)) => tokio::task::yield_now().await,
                ended => return ended.unwrap(),
            }
        }
    }

    /// The id of the only job of that name.
    async fn id_of(&self, job: &str) -> JobId {
        let page = self.backend.client().list(&ListQuery::default()).await.unwrap();
        page.records.into_iter().find(|record| record.message.job == job).unwrap().id
    }

    /// The spans of the traces of these jobs, once the engine has drained: that exports them.
    async fn spans_of(self, id: &str) -> Vec<Exported> {
        let Self { engine, collector, .. } = self;
        engine.drain(mins(1)).await;
        collector.with("messaging.message.id", id)
    }
}

#[tokio::test]
async fn a_request_its_job_the_jobs_after_it_and_a_continuation_are_one_trace() {
    let shop = Shop::open().await;
    let client = shop.backend.client();
    let request = tracing::info_span!("POST /orders", otel.kind = "server");
    let receipts = async {
        let order = client.enqueue(Order { card: "4242-S3CRET".to_owned().into() }).id("order-1").await.unwrap();
        client.enqueue(Report {}).id("report-1").after(&order).await.unwrap();
    };
    receipts.instrument(request).await;
    for id in ["order-1", "report-1"] {
        assert_eq!(shop.ended(id).await.state, JobState::Succeeded);
    }
    // The job that the handler has enqueued.
    let receipt = shop.id_of("receipt.send").await;
    assert_eq!(shop.ended(receipt.as_str()).await.state, JobState::Succeeded);
    let collector = shop.collector;
    let spans = shop.spans_of("order-1").await;

    let request = one(&spans, "POST /orders");
    assert_eq!((request.kind, request.parent.len()), (SpanKind::Server, 0));
    let (send, process) = (one(&spans, "send orders"), one(&spans, "process orders"));
    let charge = one(&spans, "charge card");
    let (send_receipt, process_receipt) = (one(&spans, "send receipts"), one(&spans, "process receipts"));
    let (send_report, process_report) = (one(&spans, "send reports"), one(&spans, "process reports"));
    assert_eq!(spans.len(), 8, "one trace, and nothing else in it: {spans:#?}");
    for (child, parent) in [
        (send, request),
        (process, send),
        (charge, process),
        (send_receipt, charge),
        (process_receipt, send_receipt),
        (send_report, request),
        (process_report, send_report),
    ] {
        assert_eq!(child.parent, parent.id, "{} is a child of {}", child.name, parent.name);
    }
    for (process, send) in [(process, send), (process_receipt, send_receipt), (process_report, send_report)] {
        assert_eq!((process.kind, send.kind), (SpanKind::Consumer, SpanKind::Producer));
        assert_eq!((&process.links, send.links.len()), (&vec![send.link()], 0));
        assert_eq!((&process.error, &send.error), (&None, &None));
    }
    let attributes = |span: &Exported| {
        let all = ["messaging.system", "messaging.operation.name", "messaging.operation.type"];
        let more = ["messaging.destination.name", "messaging.message.id", "lamplighter.job", "lamplighter.attempt"];
        let found = all.into_iter().chain(more).map(|name| span.get(name).unwrap_or("none").to_owned());
        found.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(attributes(send), "lamplighter send send orders order-1 order.place none");
    assert_eq!(attributes(process), "lamplighter process process orders order-1 order.place 1");
    assert_eq!(
        (process.get("lamplighter.outcome"), send.get("messaging.batch.message_count")),
        (Some("succeeded"), None)
    );
    assert!(collector.resources().iter().all(|resource| resource["service.name"] == "shop"));
    assert!(!collector.has_received("S3CRET"), "no argument's value is in a span");
    assert!(collector.has_received("order.place"), "what was received can be searched");
}

#[tokio::test]
async fn the_jobs_of_a_batch_are_traces_of_their_own_with_links_to_its_span() {
    let shop = Shop::open().await;
    let client = shop.backend.client();
    let jobs = (0..3).map(|n| Receipt { to: format!("S3CRET {n}") });
    client.enqueue_batch(jobs).id("batch-1").on_success(Report {}).await.unwrap();
    let report = shop.id_of("report.write").await;
    assert_eq!(shop.ended(report.as_str()).await.state, JobState::Succeeded);
    let collector = shop.collector;
    let spans = shop.spans_of(report.as_str()).await;
    let (send, report) = (one(&spans, "send"), one(&spans, "process reports"));
    assert_eq!((send.kind, send.get("messaging.batch.message_count")), (SpanKind::Producer, Some("4")));
    assert_eq!((send.get("messaging.destination.name"), send.get("messaging.message.id")), (None, None), "{send:?}");
    assert_eq!((&report.parent, spans.len()), (&send.id, 2), "the callback is a single job: {spans:#?}");
    let jobs = collector.with("lamplighter.batch", "batch-1");
    assert_eq!(jobs.len(), 3, "{jobs:#?}");
    for job in &jobs {
        assert_eq!((job.name.as_str(), job.parent.len(), &job.links), ("process receipts", 0, &vec![send.link()]));
        assert_ne!(job.trace_id, send.trace_id);
        assert_eq!(collector.of_trace(&job.trace_id).len(), 1);
    }
}

#[tokio::test]
async fn many_jobs_of_one_queue_are_one_span() {
    let shop = Shop::open().await;
    let custom = Trace::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None).unwrap();
    let jobs = ["many-1", "many-2", "many-3"].map(|id| NewJob::from(Report {}).id(id));
    let [first, second, third] = jobs;
    let client = shop.backend.client();
    let answers = client.enqueue_all([first, second, third.trace(custom), NewJob::from(Report {}).id(" ")]);
    assert_eq!(answers.await.iter().filter(|answer| answer.is_ok()).count(), 3);
    for id in ["many-1", "many-2", "many-3"] {
        shop.ended(id).await;
    }
    let collector = shop.collector;
    let spans = shop.spans_of("many-1").await;
    let send = one(&spans, "send reports");
    assert_eq!(send.get("messaging.batch.message_count"), Some("3"));
    assert_eq!((send.get("error.type"), send.error.as_deref()), (Some("id"), Some("")));
    let processed: Vec<_> = spans.iter().filter(|span| span.name == "process reports").collect();
    assert_eq!((processed.len(), spans.len()), (2, 3), "{spans:#?}");
    assert!(processed.iter().all(|span| span.parent == send.id));
    // The context that the caller has set is that of its job, and the span only links to it.
    let third = collector.with("messaging.message.id", "many-3");
    let third = one(&third, "process reports");
    assert_eq!(
        (send.links.clone(), third.links.clone()),
        (third.links.clone(), vec![(third.trace_id.clone(), third.parent.clone())])
    );
    assert_eq!(third.parent, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
}

#[tokio::test]
async fn a_job_of_an_outbox_continues_what_wrote_it_down() {
    let shop = Shop::open().await;
    let entry = OutboxEntry::new(NewJob::from(Report {}).id("outbox-1")).unwrap();
    let entry: OutboxEntry = entry.to_json().parse().unwrap();
    shop.backend.client().enqueue_entries([entry]).await.remove(0).unwrap();
    shop.ended("outbox-1").await;
    let collector = shop.collector;
    let spans = shop.spans_of("outbox-1").await;
    let (create, process) = (one(&spans, "create reports"), one(&spans, "process reports"));
    assert_eq!((create.kind, &process.parent, spans.len()), (SpanKind::Producer, &create.id, 2));
    // The span of sending is not the message's: it belongs to what sweeps the outbox.
    let received = collector.with("messaging.operation.name", "send");
    let send = received.iter().find(|span| span.links == [create.link()]).unwrap();
    assert_eq!((send.kind, send.name.as_str()), (SpanKind::Client, "send reports"));
}

#[tokio::test]
async fn errors_are_in_spans_as_records_have_them() {
    let shop = Shop::open().await;
    let client = shop.backend.client();
    for how in ["refused", "panic", "snooze", "later"] {
        let job = Charge { card: "4242-S3CRET".to_owned().into(), how: how.into() };
        client.enqueue(job).id(format!("charge-{how}")).await.unwrap();
    }
    let bad = r#"{"job":"card.charge","id":"charge-bad","args":{"card":"S3CRET","how":["S3CRET"]}}"#;
    shop.backend.send_raw("charges", bad).await.unwrap();
    let mut records = Vec::new();
    for how in ["refused", "panic", "snooze", "later", "bad"] {
        records.push(shop.ended(&format!("charge-{how}")).await);
    }
    let collector = shop.collector;
    shop.spans_of("charge-bad").await;
    let attempts = |how: &str| {
        let id = format!("charge-{how}");
        let mut all = collector.with("messaging.message.id", &id);
        all.retain(|span| span.name == "process charges");
        let seen = all.iter().map(|span| {
            let get = |name| span.get(name).unwrap_or("none").to_owned();
            (get("lamplighter.outcome"), get("error.type"), span.error.clone())
        });
        seen.collect::<Vec<_>>()
    };
    let seen = |outcome: &str, error: &str, text: Option<&str>| (outcome.into(), error.into(), text.map(str::to_owned));
    let text = "card [redacted] was refused";
    let refused = Some(text);
    assert_eq!(attempts("refused"), [seen("failed", "failed", refused)]);
    assert_eq!(attempts("later"), [seen("retried", "retried", refused), seen("succeeded", "none", None)]);
    assert_eq!(attempts("snooze"), [seen("snoozed", "none", None), seen("succeeded", "none", None)]);
    assert_eq!(attempts("panic"), [seen("panicked", "panicked", Some("")), seen("panicked", "panicked", Some(""))]);
    let of_record = |index: usize| records[index].last_error().unwrap().to_string();
    assert_eq!(attempts("bad"), [seen("failed", "bad_arguments", Some(&of_record(4)))]);
    assert_eq!(of_record(0), text);
    assert!(!collector.has_received("S3CRET"));
}

#[tokio::test]
async fn a_job_that_enqueues_from_another_task_is_still_the_parent() {
    let shop = Shop::open().await;
    shop.backend.client().enqueue(Relay {}).id("relay-1").await.unwrap();
    shop.ended("relay-1").await;
    shop.ended("told-of-a-task").await;
    let spans = shop.spans_of("relay-1").await;
    assert_eq!(one(&spans, "send tolds").parent, one(&spans, "process relays").id);
    assert_eq!(one(&spans, "process tolds").parent, one(&spans, "send tolds").id);
}

#[tokio::test]
async fn what_is_not_sampled_stays_so_in_all_that_follows() {
    let shop = Shop::open().await;
    let body = |job: &str, id: &str, flags: &str| {
        let trace = format!("00-4bf92f3577b34da6a3ce929d0e0e{flags}36-00f067aa0ba902b7-{flags}");
        format!(r#"{{"job":"{job}","id":"{id}","trace":{{"traceparent":"{trace}","tracestate":"congo=t61"}}}}"#)
    };
    shop.backend.send_raw("relays", body("relay", "unsampled", "00")).await.unwrap();
    shop.ended("unsampled").await;
    let child = shop.ended("told-of-a-task").await;
    // The job that it has enqueued carries the decision, from a span that was not recorded.
    let context = child.output.unwrap().get().to_owned();
    assert!(context.starts_with("\"00-4bf92f3577b34da6a3ce929d0e0e0036-") && context.ends_with("-00\""), "{context}");
    assert!(!context.contains("00f067aa0ba902b7"), "{context}");
    shop.backend.send_raw("tolds", body("told", "sampled", "01")).await.unwrap();
    shop.ended("sampled").await;
    let collector = shop.collector;
    let sampled = shop.spans_of("sampled").await;
    let process = one(&sampled, "process tolds");
    assert_eq!(process.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_0136_u128.to_be_bytes());
    assert_eq!(process.parent, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(collector.with("messaging.message.id", "unsampled").len(), 0);
    assert_eq!(
        collector
            .with("messaging.message.id", "told-of-a-task")
            .iter()
            .filter(|span| { span.trace_id == 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_0036_u128.to_be_bytes() })
            .count(),
        0
    );
}

#[tokio::test]
async fn a_strangers_invalid_context_is_ignored() {
    let shop = Shop::open().await;
    for (index, trace) in [r#""00-1-2-01""#, r#"{"traceparent":[1e400]}"#, "7"].iter().enumerate() {
        let body = format!(r#"{{"job":"report.write","id":"strange-{index}","trace":{trace}}}"#);
        assert!(body.parse::<Message>().is_ok(), "{body}");
        shop.backend.send_raw("reports", body).await.unwrap();
        assert_eq!(shop.ended(&format!("strange-{index}")).await.state, JobState::Succeeded);
    }
    let collector = shop.collector;
    let spans = shop.spans_of("strange-0").await;
    let root = one(&spans, "process reports");
    assert_eq!((root.parent.len(), root.links.len(), spans.len()), (0, 0, 1));
    assert_eq!(collector.with("messaging.message.id", "strange-2").len(), 1);
}

/// On a clock that jumps to the deadline.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_reaches_its_deadline_has_a_span_that_says_so() {
    let (traces, collector) = traced();
    let run = TestRun::of(Function::new("endless").job(endless).layer(traces.clone())).id("endless-1");
    assert!(matches!(run.run(&Endless {}).await.action, MessageAction::Retry(_)));
    // Not `flush`, whose time would jump as well.
    traces.provider().force_flush().unwrap();
    let spans = collector.with("messaging.message.id", "endless-1");
    let span = one(&spans, "process endless");
    assert_eq!((span.get("error.type"), span.get("lamplighter.outcome")), (Some("timed_out"), Some("timed_out")));
    assert_eq!(span.error.as_deref(), Some(""));
}
