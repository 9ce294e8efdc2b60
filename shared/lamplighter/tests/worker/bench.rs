//! A worker over a memory that tests look into, and one job that does what its argument says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::{
    Context, Function, JobError, State,
    backend::{Backend, DeadLetterReason},
    env::Env,
    host::{Delivery, Disposition, MessageAction, Stop, Worker},
    mins, secs,
};
use tokio::time::Instant;

use crate::support::{Act, Memory, start};

pub(crate) type Log = Arc<Mutex<Vec<String>>>;

async fn perform(job: Act, ctx: Context, State(log): State<Log>) -> Result<Option<String>, JobError> {
    log.lock().unwrap().push(job.what.clone());
    let (verb, rest) = job.what.split_once(' ').unwrap_or((&job.what, ""));
    match verb {
        "error" => Ok("no luck".parse::<u8>().map(|_| None)?),
        "fail" => Err(JobError::fail("told to")),
        "later" => Err(JobError::retry_in(mins(3), "come back")),
        "snooze" => ctx.snooze(secs(40)),
        "panic" => panic!("at the {rest}"),
        "sleep" => {
            tokio::time::sleep(secs(rest.parse()?)).await;
            Ok(None)
        }
        "forever" => std::future::pending().await,
        "listen" => {
            ctx.cancelled().await;
            Ok(Some("heard".into()))
        }
        "child" => {
            ctx.client().enqueue(Act { what: "grandchild".into() }).await?;
            Ok(None)
        }
        _ => Ok(Some(format!("{rest} {}", ctx.attempt()))),
    }
}

pub(crate) struct Bench {
    pub(crate) memory: Memory,
    pub(crate) log: Log,
    pub(crate) stop: Stop,
    pub(crate) worker: Worker,
}

impl Bench {
    pub(crate) fn new(env: &Env, shape: impl Fn(Function<Log>) -> Function<Log>) -> Self {
        Self::with(env, shape, |memory| memory.backend())
    }

    pub(crate) fn with(
        env: &Env,
        shape: impl Fn(Function<Log>) -> Function<Log>,
        backend: impl Fn(&Memory) -> Backend,
    ) -> Self {
        let (memory, log, stop) = (Memory::new(env), Log::default(), Stop::new());
        let function = shape(Function::new("test").enqueues::<Act>().job(perform)).with_state(log.clone());
        let worker = Worker::new(function, backend(&memory), env.clone(), "test-host", stop.clone());
        Self { memory, log, stop, worker }
    }

    /// Processes a batch within `budget` and gives the actions in the deliveries' order.
    pub(crate) async fn process(&self, deliveries: Vec<Delivery>, budget: Duration) -> Vec<MessageAction> {
        let order: Vec<_> = deliveries.iter().map(|delivery| delivery.message_id.clone()).collect();
        let deadline = Instant::now() + budget;
        let settlements = self.worker.process(deliveries, deadline).await;
        assert!(Instant::now() <= deadline, "the worker overran its deadline");
        assert_eq!(settlements.len(), order.len(), "each delivery gets one answer");
        let by_id: BTreeMap<_, _> =
            settlements.into_iter().map(|Disposition { message_id, action, .. }| (message_id, action)).collect();
        order.iter().map(|id| by_id[id].clone()).collect()
    }

    pub(crate) fn ran(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }
}

pub(crate) fn env() -> Env {
    Env::driven(start(), 42)
}

pub(crate) fn plain(function: Function<Log>) -> Function<Log> {
    function
}

pub(crate) fn reason(action: &MessageAction) -> DeadLetterReason {
    match action {
        MessageAction::DeadLetter(cause) => cause.reason,
        other => panic!("not dead-lettered but {other:?}"),
    }
}

pub(crate) fn error(action: &MessageAction) -> String {
    match action {
        MessageAction::DeadLetter(cause) => cause.error.to_string(),
        other => panic!("not dead-lettered but {other:?}"),
    }
}

pub(crate) const AT_ONCE: MessageAction = MessageAction::Release(Some(Duration::ZERO));

pub(crate) fn in_group(group: &str, delivery: Delivery) -> Delivery {
    delivery.group(group)
}
