//! The job of `stateless`, with traces around it.

use lamplighter::{Function, Job, JobError, Queue};
use lamplighter_otel::Traces;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Nothing {}

impl Job for Nothing {
    const NAME: &'static str = "nothing.do";
    const QUEUE: Queue = Queue::standard("nothing");
}

async fn nothing(_: Nothing) -> Result<(), JobError> {
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let traces = Traces::from_env()?;
    traces.install()?;
    Ok(lamplighter_aws::lambda::run(Function::new("traced").job(nothing).layer(traces)).await?)
}
