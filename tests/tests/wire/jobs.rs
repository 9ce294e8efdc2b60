//! Jobs that follow their arguments: one type for each mode, and one with a single attempt.

use std::{sync::Arc, time::Duration};

use lamplighter::{Context, Function, Job, JobError, Limit, Options, Queue, Retry, State, mins, secs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stage::Probe;

pub(crate) const QUEUE: Queue = Queue::standard("work");
/// As long as the name of a function in a stack together with its log stream.
const FUNCTION: &str = "shop-WebhooksFunction-a1b2C3d4E5f6 2026/11/01/[$LATEST]0123456789abcdef0123456789abcdef";

/// The behaviour of a first attempt. Later ones succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Then {
    Succeed,
    Retry,
    Fail,
    Released,
    /// Snoozes for ten minutes, the first time.
    Rest,
    JobData,
    /// Waits until the test releases it.
    Wait,
    /// Counts how many run at once.
    Count,
}

/// A job with its behaviour: a type for each mode.
pub(crate) trait Told: Job + Copy {
    fn new(then: Then) -> Self;
    fn then(&self) -> Then;
}

macro_rules! told {
    ($name:ident, $wire:literal, $options:expr, $attempts:literal) => {
        #[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
        pub(crate) struct $name {
            then: Then,
        }

        impl Job for $name {
            const NAME: &'static str = $wire;
            const QUEUE: Queue = QUEUE;

            fn options() -> Options {
                $options.retry(Retry::fixed(secs(1)).attempts($attempts))
            }
        }

        impl Told for $name {
            fn new(then: Then) -> Self {
                Self { then }
            }

            fn then(&self) -> Then {
                self.then
            }
        }
    };
}

told!(Untracked, "wire.untracked", Options::new().untracked(), 8);
told!(Lean, "wire.lean", Options::new().lean(), 8);
told!(Full, "wire.full", Options::new(), 8);
told!(Once, "wire.once", Options::new(), 1);
told!(LimitedLean, "wire.limited-lean", Options::new().lean().limit(Limit::mutex("one")), 8);
told!(Limited, "wire.limited", Options::new().limit(Limit::mutex("one")), 8);

async fn act<J: Told>(job: J, ctx: Context, State(probe): State<Arc<Probe>>) -> Result<(), JobError> {
    probe.begin(&ctx);
    if ctx.attempt() > 1 {
        return Ok(());
    }
    match job.then() {
        Then::Succeed => Ok(()),
        Then::Retry => Err(JobError::retry("the receiver answered 503 Service Unavailable")),
        Then::Fail => Err(JobError::fail("the receiver answered 410 Gone, and wants no more of it")),
        Then::Released if probe.puts_back() => ctx.snooze(secs(1)),
        Then::Rest if probe.puts_back() => ctx.snooze(mins(10)),
        Then::Released | Then::Rest => Ok(()),
        Then::JobData => {
            for rows in [1000, 2000] {
                ctx.checkpoint(&rows).await?;
                probe.mark();
            }
            Ok(())
        }
        Then::Count => {
            probe.count(1);
            tokio::time::sleep(Duration::from_millis(2)).await;
            probe.count(-1);
            Ok(())
        }
        Then::Wait => {
            probe.released().await;
            Ok(())
        }
    }
}

pub(crate) fn function(probe: Arc<Probe>) -> Function {
    let function = Function::new(FUNCTION).job(act::<Untracked>).job(act::<Lean>).job(act::<Full>).job(act::<Once>);
    function.job(act::<Limited>).job(act::<LimitedLean>).with_state(probe)
}
