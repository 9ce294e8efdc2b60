//! Running one job in a test, the way a worker runs it: arguments through JSON, timeout, panics and errors included.
//!
//! ```
//! # use lamplighter::{Function, Job, JobError, Queue};
//! # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! # pub struct Greet { pub name: String }
//! # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
//! # async fn greet(job: Greet) -> Result<String, JobError> { Ok(format!("Hello, {}!", job.name)) }
//! use lamplighter::{testing::TestRun, host::MessageAction};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(async {
//! let result = TestRun::of(Function::new("greetings").job(greet)).run(&Greet { name: "Ada".into() }).await;
//! assert_eq!(result.action, MessageAction::Ack);
//! assert_eq!(result.output.unwrap().get(), r#""Hello, Ada!""#);
//! # });
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    delivery::Delivery,
    env::Env,
    function::Function,
    host::Stop,
    job::Job,
    ports::{Backend, EnqueueError, EnqueueRequest, Enqueued, Queues, Store},
    worker::{JobResult, Worker},
};

/// One job to be run by a function. Create it with [`TestRun::of`], set it up with the other methods, and run it at the
/// end.
#[derive(Debug)]
#[must_use = "a test run does nothing until `run` is awaited"]
pub struct TestRun {
    function: Function,
    env: Env,
    backend: Backend,
    id: String,
    enqueued_at: Option<Timestamp>,
    receive_count: u32,
}

impl TestRun {
    /// A test run of one of `function`'s jobs: its first receive, under the id `trial`, on the machine's clock, without
    /// a store, and with a [`RecordingQueue`] for the jobs that it enqueues.
    pub fn of(function: Function) -> Self {
        Self {
            function,
            env: Env::system(),
            backend: Backend::new(Arc::new(RecordingQueue::default())),
            id: "trial".into(),
            enqueued_at: None,
            receive_count: 1,
        }
    }

    /// Sets the clock and the randomness.
    pub fn env(mut self, env: Env) -> Self {
        self.env = env;
        self
    }

    /// Sets the store of records.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.backend.store = Some(store);
        self
    }

    /// Sets the queues for jobs that the handler enqueues.
    pub fn queues(mut self, queues: Arc<dyn Queues>) -> Self {
        self.backend.queues = queues;
        self
    }

    /// Sets the job's id.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets the moment at which the job was enqueued; by default the message does not name one.
    pub fn enqueued_at(mut self, moment: Timestamp) -> Self {
        self.enqueued_at = Some(moment);
        self
    }

    /// Sets how often the message was received, from 1: the attempt's number, if there is no store.
    pub fn receive_count(mut self, count: u32) -> Self {
        self.receive_count = count;
        self
    }

    /// Runs the job with as much time as the function has on Lambda.
    pub async fn run<J: Job>(self, job: &J) -> JobResult {
        match serde_json::value::to_raw_value(job) {
            Ok(args) => self.run_raw(J::NAME, args).await,
            Err(error) => {
                let text = format!("the arguments of {} cannot be written as JSON: {error}", J::NAME);
                JobResult {
                    action: crate::host::MessageAction::Release(None),
                    state: None,
                    output: None,
                    error: Some(crate::record::ErrorText::new(text)),
                }
            }
        }
    }

    /// Runs the job of that name with arguments as JSON.
    pub async fn run_raw(self, job: &str, args: Box<RawValue>) -> JobResult {
        let queue = self.function.route(job).map_or("trials", |route| route.queue.name());
        let body = Body { job, args: &args, id: &self.id, enqueued_at: self.enqueued_at };
        // Strings, and arguments that are valid JSON already: serialization cannot fail.
        let body = serde_json::to_string(&body).unwrap_or_default();
        let delivery = Delivery::new(queue, "trial-message", "trial-receipt", body).received(self.receive_count);
        let deadline = Instant::now() + self.function.timeout();
        Worker::new(self.function, self.backend, self.env, "trial", Stop::new()).perform(delivery, deadline).await
    }
}

/// The message of a test run. Not a [`Message`](crate::message::Message), so that invalid messages can be tested too;
/// and with the arguments' own text, so that the handler gets it as a queue would deliver it.
#[derive(Serialize)]
struct Body<'a> {
    job: &'a str,
    args: &'a RawValue,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    enqueued_at: Option<Timestamp>,
}

/// Accepts every job that is sent and records it for the test.
#[derive(Debug, Default)]
pub struct RecordingQueue(Mutex<Vec<EnqueueRequest>>);

impl RecordingQueue {
    /// The jobs sent so far.
    #[must_use]
    pub fn sent(&self) -> Vec<EnqueueRequest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Queues for RecordingQueue {
    async fn send(&self, submissions: Vec<EnqueueRequest>) -> Vec<Result<Enqueued, EnqueueError>> {
        let answers = submissions.iter().map(|submission| Ok(Enqueued::New(submission.id.clone()))).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(submissions);
        answers
    }
}
