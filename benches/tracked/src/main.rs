//! The smallest function with records: one job that does nothing, or fails when its arguments say so.

use lamplighter::{Function, Job, JobError, Queue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Nothing {
    #[serde(default)]
    fail: bool,
}

impl Job for Nothing {
    const NAME: &'static str = "nothing.do";
    const QUEUE: Queue = Queue::standard("nothing");
}

async fn nothing(job: Nothing) -> Result<(), JobError> {
    if job.fail { Err(JobError::retry("as it was told")) } else { Ok(()) }
}

#[tokio::main]
async fn main() -> Result<(), lamplighter_aws::lambda::Error> {
    lamplighter_aws::lambda::run(Function::new("tracked").job(nothing)).await
}
