//! The smallest function with this library: one job that does nothing, no table.

use lamplighter::{Function, Job, JobError, Queue};
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
async fn main() -> Result<(), lamplighter_aws::lambda::Error> {
    lamplighter_aws::lambda::run(Function::new("stateless").job(nothing)).await
}
