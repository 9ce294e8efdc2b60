//! The job of the tests on AWS.

use lamplighter::{Job, JobError, Queue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Greet {}

impl Job for Greet {
    const NAME: &'static str = "greeting.say";
    const QUEUE: Queue = Queue::standard("greetings");
}

pub(crate) async fn greet(_: Greet) -> Result<(), JobError> {
    Ok(())
}
