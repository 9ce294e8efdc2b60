//! The jobs of the simulation: handlers that do what the plan says.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use lamplighter::{Context, Function, Job, JobError, JobId, Limit, Options, Queue, Retry, State, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::{ledger::End, plan::Act};

/// The standard queue and the FIFO queue.
pub(crate) const STEPS: Queue = Queue::standard("steps");
pub(crate) const LINKS: Queue = Queue::fifo("links");
/// The attempts that each job has.
pub(crate) const ATTEMPTS: u32 = 3;
/// The time that each attempt has, in seconds.
const TIMEOUT: u64 = 5;

/// A job of the plan, by its number.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Step {
    pub(crate) n: usize,
}

/// The same on the FIFO queue.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Link {
    pub(crate) n: usize,
}

/// A job of which one at a time runs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Alone {
    pub(crate) n: usize,
}

/// A job that strangers send under the id of another one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Stranger {
    pub(crate) n: usize,
}

fn options() -> Options {
    Options::new().timeout(secs(TIMEOUT)).retry(Retry::fixed(secs(7)).attempts(ATTEMPTS))
}

impl Job for Step {
    const NAME: &'static str = "step";
    const QUEUE: Queue = STEPS;

    fn options() -> Options {
        options()
    }
}

impl Job for Link {
    const NAME: &'static str = "link";
    const QUEUE: Queue = LINKS;

    fn options() -> Options {
        options()
    }
}

impl Job for Alone {
    const NAME: &'static str = "alone";
    const QUEUE: Queue = STEPS;

    fn options() -> Options {
        options().limit(Limit::mutex("alone"))
    }
}

impl Job for Stranger {
    const NAME: &'static str = "stranger";
    const QUEUE: Queue = STEPS;

    fn options() -> Options {
        options()
    }
}

/// Where a handler runs, and who is told what it does.
#[async_trait]
pub(crate) trait Stage: Send + Sync {
    /// Returns when the process lives: at once, later, or never.
    async fn alive(&self);

    /// A handler begins: the number of the execution, from 0, and what it is to do after how many milliseconds.
    fn begins(&self, ctx: &Context, job: &str, n: usize) -> (usize, u64, Act);

    /// It ends. The first end counts.
    fn ends(&self, ctx: &Context, execution: usize, end: End);

    /// A job that it enqueued is acknowledged.
    fn acknowledged(&self, id: &JobId);

    /// The jobs that the handler of this one enqueues.
    fn children(&self, parent: usize) -> Vec<usize>;
}

/// The function that performs them.
pub(crate) fn function(stage: Arc<dyn Stage>) -> Function {
    Function::new("simulated").enqueues::<Step>().job(step).job(link).job(alone).job(stranger).with_state(stage)
}

async fn step(job: Step, ctx: Context, State(stage): State<Arc<dyn Stage>>) -> Result<usize, JobError> {
    perform(job.n, Step::NAME, ctx, stage).await
}

async fn link(job: Link, ctx: Context, State(stage): State<Arc<dyn Stage>>) -> Result<usize, JobError> {
    perform(job.n, Link::NAME, ctx, stage).await
}

async fn alone(job: Alone, ctx: Context, State(stage): State<Arc<dyn Stage>>) -> Result<usize, JobError> {
    perform(job.n, Alone::NAME, ctx, stage).await
}

async fn stranger(job: Stranger, ctx: Context, State(stage): State<Arc<dyn Stage>>) -> Result<usize, JobError> {
    perform(job.n, Stranger::NAME, ctx, stage).await
}

/// One execution, which is told of however it ends.
struct Execution<'a> {
    stage: &'a dyn Stage,
    ctx: &'a Context,
    number: usize,
}

impl Execution<'_> {
    fn ends(&self, end: End) {
        self.stage.ends(self.ctx, self.number, end);
    }

    /// It ends with this error.
    fn fails<T>(&self, end: End, error: JobError) -> Result<T, JobError> {
        self.ends(end);
        Err(error)
    }
}

impl Drop for Execution<'_> {
    fn drop(&mut self) {
        self.ends(End::Dropped);
    }
}

async fn perform(n: usize, job: &str, ctx: Context, stage: Arc<dyn Stage>) -> Result<usize, JobError> {
    stage.alive().await;
    let (number, takes, act) = stage.begins(&ctx, job, n);
    let execution = Execution { stage: &*stage, ctx: &ctx, number };
    if takes > 0 {
        sleep(Duration::from_millis(takes)).await;
        stage.alive().await;
    }
    match act {
        Act::Succeed => {}
        Act::Err => return execution.fails(End::Error, JobError::retry("as planned")),
        Act::ErrIn(delay) => {
            return execution.fails(End::Error, JobError::retry_in(Duration::from_millis(delay), "as planned"));
        }
        Act::Fail => return execution.fails(End::Failed, JobError::fail("as planned")),
        Act::Panic => {
            execution.ends(End::Panicked);
            // Without the hook, which would print it.
            std::panic::resume_unwind(Box::new("as planned"));
        }
        Act::Snooze(delay) => {
            execution.ends(End::Snoozed);
            return ctx.snooze(Duration::from_millis(delay));
        }
        Act::Continue => {
            execution.ends(End::Continued);
            return ctx.continue_with(&number);
        }
        Act::Checkpoint => {
            let saved = ctx.checkpoint(&number).await;
            stage.alive().await;
            return execution.fails(End::Error, saved.map_or_else(JobError::retry, |()| JobError::retry("as planned")));
        }
        Act::Overrun => sleep(secs(60)).await,
        Act::Enqueue(from) => {
            for child in stage.children(from) {
                let enqueued = ctx.client().enqueue(Step { n: child }).id(format!("job-{child}")).await;
                stage.alive().await;
                match enqueued {
                    Ok(child) => stage.acknowledged(child.id()),
                    Err(error) => return execution.fails(End::Error, JobError::retry(error)),
                }
            }
        }
    }
    execution.ends(End::Succeeded);
    Ok(n)
}
