//! The jobs with which the behaviours are tested.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lamplighter::{
    Context, Function, Job, JobError, JobId, Limit, LogLevel, Options, Overlap, Queue, Record, Retry, State, Timestamp,
    backend::SchedulingError, secs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Subject;
pub(super) use crate::ministack::PATIENCE;

/// A standard queue.
pub const PLAIN: Queue = Queue::standard("conformance");
/// A FIFO queue.
pub const CHAIN: Queue = Queue::fifo("conformance-chain");

macro_rules! told {
    ($(#[$doc:meta])* $type:ident, $name:literal, $queue:expr $(, $change:expr)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $type {
            pub(super) what: String,
        }

        impl Job for $type {
            const NAME: &'static str = $name;
            const QUEUE: Queue = $queue;

            fn options() -> Options {
                // Longer than any job that ends by itself takes here, on any machine.
                let options = Options::new().timeout(secs(60)).retry(Retry::fixed(secs(1)).attempts(3));
                $(let options = $change(options);)?
                options
            }
        }
    };
}

told!(
    /// Follows its arguments.
    Act, "conformance.act", PLAIN
);
told!(
    /// Follows its arguments, in the order of its group.
    Link, "conformance.link", CHAIN
);
told!(
    /// Follows its arguments, unless another job of its schedule runs.
    Skipping, "conformance.skipping", PLAIN, |options: Options| options.overlap(Overlap::Skip)
);
told!(
    /// Follows its arguments, when no other job of its schedule runs.
    Waiting, "conformance.waiting", PLAIN, |options: Options| options.overlap(Overlap::Queue)
);
told!(
    /// Follows its arguments, with a timeout of a second.
    Hasty, "conformance.hasty", PLAIN, |options: Options| options.timeout(secs(1))
);

macro_rules! limited {
    ($(#[$doc:meta])* $type:ident, $name:literal, $limit:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
        pub(super) struct $type {
            pub(super) what: String,
            pub(super) of: String,
        }

        impl $type {
            /// Takes this long, and counts how many of its name run at once.
            pub(super) fn of(of: &str, millis: u64) -> Self {
                Self { what: format!("count {of} {millis}"), of: of.into() }
            }
        }

        impl Job for $type {
            const NAME: &'static str = $name;
            const QUEUE: Queue = PLAIN;

            fn options() -> Options {
                Options::new().timeout(secs(60)).retry(Retry::fixed(secs(1)).attempts(3)).limit($limit)
            }
        }
    };
}

limited!(
    /// Follows its arguments, one at a time of each `of`.
    Alone, "conformance.alone", Limit::mutex("alone").by("of")
);
limited!(
    /// Follows its arguments, three at a time.
    Few, "conformance.few", Limit::new("few").at_once(3)
);
limited!(
    /// Follows its arguments, three at once and then one a second.
    Paced, "conformance.paced", Limit::new("paced").rate(3, secs(3))
);

/// One execution of a handler, as the handler saw it.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) what: String,
    pub(super) attempt: u32,
    pub(super) at: Timestamp,
}

/// The runs, in order.
#[derive(Clone)]
pub(super) struct Journal {
    env: lamplighter::env::Env,
    runs: Arc<Mutex<Vec<Run>>>,
    released: watch::Sender<bool>,
    /// How many run now, and how many have run at once, by their names.
    at_once: Arc<Mutex<BTreeMap<String, (usize, usize)>>>,
}

impl Journal {
    fn save_job_data(&self, ctx: &Context, what: &str) {
        let run = Run { id: ctx.id().to_string(), what: what.into(), attempt: ctx.attempt(), at: self.env.now() };
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push(run);
    }

    pub(super) fn runs(&self) -> Vec<Run> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many jobs that count have run at once under a name.
    pub(super) fn most_at_once(&self, name: &str) -> usize {
        self.at_once.lock().unwrap_or_else(PoisonError::into_inner).get(name).map_or(0, |(_, most)| *most)
    }

    fn count(&self, name: &str, change: isize) {
        let mut at_once = self.at_once.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, most) = at_once.entry(name.to_owned()).or_default();
        *now = now.saturating_add_signed(change);
        *most = (*most).max(*now);
    }

    fn has_run(&self, id: &str) -> bool {
        self.runs().iter().any(|run| run.id == id)
    }

    /// Releases the jobs that wait for it.
    pub(super) fn release(&self) {
        self.released.send_replace(true);
    }

    pub(super) fn words(&self) -> Vec<String> {
        self.runs().into_iter().map(|run| run.what).collect()
    }
}

async fn act(job: Act, ctx: Context, State(journal): State<Journal>) -> Result<Option<String>, JobError> {
    perform(&job.what, &ctx, &journal).await
}

async fn link(job: Link, ctx: Context, State(journal): State<Journal>) -> Result<Option<String>, JobError> {
    perform(&job.what, &ctx, &journal).await
}

async fn skipping(job: Skipping, ctx: Context, State(journal): State<Journal>) -> Result<Option<String>, JobError> {
    perform(&job.what, &ctx, &journal).await
}

async fn waiting(job: Waiting, ctx: Context, State(journal): State<Journal>) -> Result<Option<String>, JobError> {
    perform(&job.what, &ctx, &journal).await
}

async fn hasty(job: Hasty, ctx: Context, State(journal): State<Journal>) -> Result<Option<String>, JobError> {
    perform(&job.what, &ctx, &journal).await
}

async fn alone(job: Alone, ctx: Context, State(journal): State<Journal>) -> Result<Option<String>, JobError> {
    perform(&job.what, &ctx, &journal).await
}

async fn few(job: Few, ctx: Context, State(journal): State<Journal>) -> Result<Option<String>, JobError> {
    perform(&job.what, &ctx, &journal).await
}

async fn paced(job: Paced, ctx: Context, State(journal): State<Journal>) -> Result<Option<String>, JobError> {
    perform(&job.what, &ctx, &journal).await
}

async fn perform(what: &str, ctx: &Context, journal: &Journal) -> Result<Option<String>, JobError> {
    journal.save_job_data(ctx, what);
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    match verb {
        "say" => return Ok(Some(rest.to_owned())),
        "error" => return Err(JobError::retry(rest.to_owned())),
        "fail" => return Err(JobError::fail(rest.to_owned())),
        "error-until" if ctx.attempt() < rest.parse()? => return Err(JobError::retry("not yet")),
        "fail-first-run" if journal.runs().iter().filter(|run| run.id == ctx.id().as_str()).count() == 1 => {
            return Err(JobError::fail("for now"));
        }
        "fail-once-then-after" if ctx.attempt() == 1 => return Err(JobError::retry("not yet")),
        "fail-once-then-after" if !journal.has_run(rest) => return ctx.snooze(secs(1)),
        "later-once" if ctx.attempt() == 1 => return Err(JobError::retry_in(secs(3), "come back")),
        "panic" => std::panic::panic_any(rest.to_owned()),
        "hang" => std::future::pending::<()>().await,
        "snooze-once" if journal.runs().iter().filter(|run| run.id == ctx.id().as_str()).count() == 1 => {
            return ctx.snooze(secs(1));
        }
        "keep" if ctx.attempt() == 1 => {
            ctx.checkpoint(&rest).await?;
            return Err(JobError::retry("kept it"));
        }
        "keep" => return Ok(ctx.resume()),
        "go-on" => {
            let step: u32 = ctx.resume().unwrap_or(0);
            if step < rest.parse()? {
                return ctx.continue_with(&(step + 1));
            }
            return Ok(Some(step.to_string()));
        }
        "beget" => {
            ctx.client().enqueue(Act { what: format!("say {rest}") }).id(format!("{}.child", ctx.id())).await?;
        }
        "log" => {
            let lines: usize = rest.parse()?;
            (1..=lines).for_each(|n| ctx.log(LogLevel::Info, format!("line {n}")));
            if ctx.attempt() == 1 && lines == 2 {
                ctx.log(LogLevel::Error, "not yet");
                return Err(JobError::retry("not yet"));
            }
        }
        "count" => {
            let (name, millis) = rest.split_once(' ').unwrap_or((rest, "0"));
            journal.count(name, 1);
            tokio::time::sleep(Duration::from_millis(millis.parse()?)).await;
            journal.count(name, -1);
        }
        "sleep" => tokio::time::sleep(Duration::from_millis(rest.parse()?)).await,
        "old-run" if journal.runs().iter().filter(|run| run.id == ctx.id().as_str()).count() == 1 => {
            journal.released.subscribe().wait_for(|released| *released).await?;
            if rest == "errs" {
                return Err(JobError::retry("of the run before"));
            }
        }
        "reach" => return Ok(Some(reach(rest, ctx).await)),
        "until-told" => ctx.cancelled().await,
        "until-cancelled" => {
            ctx.cancelled().await;
            journal.save_job_data(ctx, "heard of it");
        }
        "until-released" => _ = journal.released.subscribe().wait_for(|released| *released).await?,
        _ => {}
    }
    Ok(None)
}

/// Uses a right that a function must declare, and returns the result as a text.
async fn reach(what: &str, ctx: &Context) -> String {
    let (client, own) = (ctx.client(), ctx.id());
    let done = match what {
        "queue" => {
            let link = Link { what: "say linked".into() };
            client.enqueue(link).id(format!("{own}.link")).await.map(drop).map_err(|error| error.to_string())
        }
        "many" => {
            let answers = client.enqueue_all([Link { what: "say linked".into() }]).await;
            answers.into_iter().try_for_each(|answer| answer.map(drop).map_err(|error| error.to_string()))
        }
        "schedules" => client.schedules().await.map(drop).map_err(|error| error.to_string()),
        "trigger" => match client.trigger_schedule("nowhere").await {
            Err(SchedulingError::Unknown(_)) => Ok(()),
            answer => answer.map(drop).map_err(|error| error.to_string()),
        },
        "cancel" => client.cancel(own).await.map(drop).map_err(|error| error.to_string()),
        "retry" => client.retry(own).await.map(drop).map_err(|error| error.to_string()),
        other => Err(format!("nobody reaches for {other:?}")),
    };
    done.err().unwrap_or_else(|| "done".into())
}

/// Returns the function under test, and its journal.
pub(super) fn function(subject: &dyn Subject) -> (Function, Journal) {
    function_that(subject, |function| function)
}

/// Returns the function under test with more declarations, and its journal.
pub(super) fn function_that(
    subject: &dyn Subject,
    declaring: impl FnOnce(Function<Journal>) -> Function<Journal>,
) -> (Function, Journal) {
    let (runs, released, at_once) = Default::default();
    let journal = Journal { env: subject.env(), runs, released, at_once };
    let function =
        Function::new("conformance").enqueues::<Act>().job(act).job(link).job(skipping).job(waiting).job(hasty);
    let function = function.job(alone).job(few).job(paced);
    (declaring(function).with_state(journal.clone()), journal)
}

/// Starts the function under test.
pub(super) async fn started(subject: &dyn Subject) -> Journal {
    let (function, journal) = function(subject);
    subject.start(function).await;
    journal
}

/// Enqueues an [`Act`] under an id.
pub(super) async fn enqueue(subject: &dyn Subject, id: &str, what: &str) -> JobId {
    let answer = subject.client().enqueue(Act { what: what.into() }).id(id).await.expect("enqueued");
    answer.id().clone()
}

/// Waits for the end of a job.
pub(super) async fn ended(subject: &dyn Subject, id: &str) -> Record {
    let id = JobId::new(id).expect("a good id");
    // An injected job has no record before its message is received.
    let client = subject.client();
    eventually("a record", || async { client.get(&id).await.expect("readable") }).await;
    client.wait(&id, PATIENCE).await.expect("the job's end")
}

/// Calls `ask` repeatedly until it returns a value.
pub(super) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| std::panic::panic_any(format!("never: {what}")))
}
