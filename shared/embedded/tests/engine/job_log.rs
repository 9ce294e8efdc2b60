//! What handlers say to `tracing`, in their jobs' logs.

use lamplighter::{Context, Function, Job, JobError, LogLevel, Queue, Sensitive, env::Env, layer::JobLog, mins};
use lamplighter_embedded::{Engine, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::layer::SubscriberExt;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Charge {
    order: u64,
    card: Sensitive<String>,
}

impl Job for Charge {
    const NAME: &'static str = "order.charge";
    const QUEUE: Queue = Queue::standard("orders");
}

async fn charge(job: Charge, ctx: Context) -> Result<(), JobError> {
    tracing::info!(order = job.order, "charging");
    tracing::debug!("a detail");
    tracing::info!(target: "lamplighter::client", "of the library");
    tokio::task::yield_now().await;
    tracing::warn!(card = job.card.expose().as_str(), attempt = ctx.attempt(), "the bank is slow");
    tracing::error!(code = 7);
    ctx.log(LogLevel::Debug, "of its own");
    Ok(())
}

#[tokio::test]
async fn events_of_a_handler_are_lines_of_its_jobs_log() {
    let subscriber = tracing_subscriber::registry().with(JobLog::default());
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let embedded = SqliteBackend::memory(Env::system()).unwrap();
    let running =
        Engine::builder(&embedded).function(Function::new("orders").job(charge).with_state(())).start().await.unwrap();
    let client = embedded.client();
    tracing::info!("outside of any handler");
    let mut ids = Vec::new();
    for order in [1, 2] {
        let job = Charge { order, card: Sensitive::new(format!("4111-1111-1111-000{order}")) };
        ids.push(client.enqueue(job).await.unwrap().id().clone());
    }
    for (order, id) in (1..).zip(&ids) {
        client.wait(id, mins(1)).await.unwrap();
        let lines = client.log(id).await.unwrap();
        let lines: Vec<_> = lines.iter().map(|line| (line.level, line.text.as_str())).collect();
        let charging = format!("charging order={order}");
        let expected = [
            (LogLevel::Info, &*charging),
            (LogLevel::Warn, "the bank is slow card=[redacted] attempt=1"),
            (LogLevel::Error, "code=7"),
            (LogLevel::Debug, "of its own"),
        ];
        assert_eq!(lines, expected);
    }
    running.drain(mins(1)).await;
}
