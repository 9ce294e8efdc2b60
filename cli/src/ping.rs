//! `lamp.ping`: a job without side effects, to try queues, delays and retries. It exists only in `lamp dev` and in the
//! embedded file, and is never deployed.

use std::time::Duration;

use lamplighter::{Context, Definition, Function, Job, JobError, Options, Queue, Retry, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest duration, in milliseconds: well below the job's timeout.
const LONGEST_MS: u64 = 1000;

/// Does nothing for a while, and fails as many times as its arguments say.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Ping {
    /// The duration in milliseconds: 0 to 1000.
    #[schemars(range(max = LONGEST_MS))]
    sleep_ms: u64,
    /// The number of attempts that fail before one succeeds.
    failures: u32,
}

/// The output of `lamp.ping`.
#[derive(Debug, Serialize)]
pub(crate) struct Pong {
    attempt: u32,
}

impl Job for Ping {
    const NAME: &'static str = "lamp.ping";
    const QUEUE: Queue = Queue::standard("lamp").max_concurrency(4);

    fn options() -> Options {
        Options::new().timeout(secs(2)).retry(Retry::fixed(secs(1)).attempts(5))
    }
}

async fn ping(job: Ping, ctx: Context) -> Result<Pong, JobError> {
    if job.sleep_ms > LONGEST_MS {
        return Err(JobError::fail(format!("sleep_ms is {LONGEST_MS} at most")));
    }
    tokio::time::sleep(Duration::from_millis(job.sleep_ms)).await;
    if ctx.attempt() <= job.failures {
        return Err(JobError::retry(format!("attempt {} of {} that shall fail", ctx.attempt(), job.failures)));
    }
    Ok(Pong { attempt: ctx.attempt() })
}

/// The function that answers pings.
pub(crate) fn function() -> Function {
    Function::new("lamp").description("Answers lamp.ping; not deployed").job(ping).with_state(())
}

/// The definition of `lamp.ping`.
pub(crate) fn definition() -> Definition {
    Definition::of::<Ping>()
}
