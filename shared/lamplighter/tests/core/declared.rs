//! A function's declarations for its handlers, and the calls that their client refuses.

use std::sync::Arc;

use lamplighter::{
    Context, EnqueueError, Function, Job, JobError, Queue, RawValue, Tracking,
    host::MessageAction,
    testing::{RecordingQueue, TestRun},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! job {
    ($type:ident, $name:literal, $queue:literal) => {
        #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
        struct $type {}

        impl Job for $type {
            const NAME: &'static str = $name;
            const QUEUE: Queue = Queue::standard($queue);
        }
    };
}

job!(Import, "rows.import", "rows");
job!(Index, "rows.index", "indexes");

/// Enqueues by type, and then by name.
async fn import(_: Import, ctx: Context) -> Result<(), JobError> {
    ctx.client().enqueue(Index {}).await?;
    let args = RawValue::from_string("{}".into())?;
    ctx.client().enqueue_raw("rows.other", "indexes", Tracking::Full, args).await?;
    Ok(())
}

/// Enqueues its own type.
async fn again(_: Import, ctx: Context) -> Result<(), JobError> {
    ctx.client().enqueue(Import {}).await?;
    Ok(())
}

async fn sent(function: Function) -> (Vec<String>, Option<String>) {
    let queue = Arc::new(RecordingQueue::default());
    let result = TestRun::of(function).queues(queue.clone()).run(&Import {}).await;
    let sent = queue.sent().iter().map(|submission| submission.message.job.clone()).collect();
    (sent, result.error.map(|error| error.message))
}

#[tokio::test]
async fn a_declared_type_allows_no_other_job_on_its_queue() {
    let (jobs, error) = sent(Function::new("import").enqueues::<Index>().job(import).with_state(())).await;
    assert_eq!(jobs, ["rows.index"]);
    assert_eq!(
        error.unwrap(),
        "rows.other was not enqueued: function \"import\" does not say that its handlers enqueue it; add .enqueues::<…>() \
         with the job's type to the function, or .enqueues_to(…) with its queue, \"indexes\""
    );
}

#[tokio::test]
async fn a_declared_queue_allows_any_job() {
    let function = Function::new("import").enqueues_to(Index::QUEUE).job(import).with_state(());
    assert_eq!(sent(function).await, (vec!["rows.index".into(), "rows.other".into()], None));
}

#[tokio::test]
async fn a_functions_own_jobs_must_be_declared_too() {
    let (jobs, error) = sent(Function::new("import").job(again).with_state(())).await;
    assert!(jobs.is_empty() && error.unwrap().starts_with("rows.import was not enqueued"), "{jobs:?}");
    let (jobs, error) = sent(Function::new("import").enqueues::<Import>().job(again).with_state(())).await;
    assert_eq!((jobs, error), (vec!["rows.import".into()], None));
}

#[tokio::test]
async fn clients_outside_of_handlers_are_unlimited() {
    let queue = Arc::new(RecordingQueue::default());
    let client =
        lamplighter::Client::new(lamplighter::backend::Backend::new(queue.clone()), lamplighter::env::Env::system());
    client.enqueue(Index {}).await.unwrap();
    assert_eq!(queue.sent().len(), 1);
}

#[tokio::test]
async fn undeclared_is_an_error_of_its_own() {
    async fn import(_: Import, ctx: Context) -> Result<(), JobError> {
        match ctx.client().enqueue(Index {}).await {
            Err(EnqueueError::Undeclared { job, queue, function }) => {
                assert_eq!((&*job, &*queue, &*function), ("rows.index", "indexes", "import"));
                Ok(())
            }
            other => panic!("{other:?}"),
        }
    }
    let result = TestRun::of(Function::new("import").job(import).with_state(())).run(&Import {}).await;
    assert_eq!(result.action, MessageAction::Ack);
}
