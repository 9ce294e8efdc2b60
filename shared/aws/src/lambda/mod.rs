//! The Lambda host: serves a function's invocations from every trigger.
//!
//! | payload | effect | response |
//! | --- | --- | --- |
//! | an SQS batch | its jobs | `batchItemFailures` |
//! | an EventBridge event | a job for each [trigger](lamplighter::EventTrigger) that matches | the jobs, or an error |
//! | a [message](lamplighter::message::Message) | its job | `{"id", "state", "output"}`, or an error |
//! | `{"lamplighter":"about"}` | nothing | [a description of the code](About) |
//!
//! An error fails the invocation: Lambda then retries an asynchronous one, and finally sends it to the function's
//! failure destination (AWS Lambda Developer Guide, "Error handling for asynchronous invocation").
//!
//! Without records, a batch whose jobs all succeed makes no call to AWS. Neither does the start, unless [connections
//! ahead](run) are enabled.

mod about;
mod batch;
mod cursor;
mod deadline;
mod error;
mod event;
mod handle;
mod host;
mod invocations;
mod lenient;
mod log_lines;
mod logging;
mod long_retry;
mod message;
mod payload;
mod record;
mod response;
mod stop;
mod summary;
mod undecoded;
mod warm_up;
pub(crate) mod xray;

use std::sync::{Arc, OnceLock};

use lamplighter::Function;

#[cfg(feature = "doctor")]
pub(crate) use self::about::ABOUT;
#[cfg(feature = "poller")]
pub(crate) use self::record::SystemAttributes;
pub use self::{
    about::{About, AboutJob},
    deadline::time_left,
    error::{Error, InvocationError},
    host::{Host, Invocation},
    logging::log_layer,
    payload::{Fields, Payload},
    record::Records,
    response::{ItemFailure, JobResponse, Response},
};
use self::{
    invocations::Invocations,
    stop::{BUDGET, StopNotice},
    summary::{Summaries, SummaryLog},
};
pub(crate) use self::{long_retry::send_later, record::Record};
use crate::{AwsBackend, SqsError, sdk::variable};

/// The environment variable that enables a [stop notice](run).
pub const STOP_NOTICE_VARIABLE: &str = "LAMPLIGHTER_STOP_NOTICE";

/// The environment variable that enables [connections ahead](run).
pub const WARM_UP_VARIABLE: &str = "LAMPLIGHTER_WARM_UP";

/// The environment variable that says what the [summary](run) of an invocation is for.
pub const METRICS_VARIABLE: &str = "LAMPLIGHTER_METRICS";

/// The variables that Lambda sets for every function and the runtime requires (AWS Lambda Developer Guide, "Working
/// with Lambda environment variables").
const SET_BY_LAMBDA: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// Serves a function's invocations until Lambda ends the process.
///
/// The deployment is described by environment variables: its queues by
/// [`LAMPLIGHTER_QUEUES`](crate::QueueMap::VARIABLE), and its other parts as in [`Settings`](crate::Settings). If
/// `AWS_LAMBDA_MAX_CONCURRENCY` is above 1 (Lambda Managed Instances), that many invocations run concurrently.
/// With [`LAMPLIGHTER_STOP_NOTICE`](STOP_NOTICE_VARIABLE) set to `1`, an internal extension is registered, so that
/// Lambda announces its stop by SIGTERM some 500 ms ahead: running jobs are notified, and released if they do not end.
/// That costs a round trip before the first invocation, and rarely finds a job running, except on Managed Instances;
/// without it, unfinished jobs return after the visibility timeout.
///
/// With [`LAMPLIGHTER_WARM_UP`](WARM_UP_VARIABLE) set to `1`, as the template sets it for functions with records,
/// connections to DynamoDB and SQS are opened before the first invocation, for a second at most. A first call reads the
/// machine's certificate authorities, connects and does the TLS handshake: some milliseconds of CPU time. During an
/// invocation, a function of 128 MB has a fourteenth of a processor (AWS Lambda Developer Guide, "Configure Lambda
/// function memory"); before its first one it is not limited to that; `cargo lamp-bench startup` shows both. It has to
/// be done before the first request for an invocation: Lambda starts a process when there is one, so anything still
/// running then shares the invocation's processor.
///
/// Each invocation with a batch writes one line to the log, at the level INFO: how many jobs ended in which way, how long they
/// took and had waited, and which was slowest. `LAMPLIGHTER_METRICS` says what for:
///
/// | value | effect |
/// | --- | --- |
/// | `log`, or none | the line |
/// | `cloudwatch` | CloudWatch takes [metrics](lamplighter::meter::Instrument) from the line, which then is written at every level |
/// | `off` | no line |
///
/// With a [tracer](lamplighter::trace), spans are exported before the response is sent: within a tenth of the time that
/// is left until the deadline, and a second at most. A message without a trace context of its own has that of its
/// system attribute `AWSTraceHeader` or, without one, that of the invocation, if that is sampled: the runtime API gives
/// it in a header, and runtimes pass it on as `_X_AMZN_TRACE_ID` (AWS Lambda Developer Guide, "Building a custom
/// runtime").
///
/// # Errors
/// When the process was not started by Lambda, when it was built with panics that abort, when the function has
/// contradictory settings, when the map of queues is not valid, or when the runtime API is unreachable.
pub async fn run(function: Function) -> Result<(), Error> {
    logging::init();
    if let Some(missing) = SET_BY_LAMBDA.into_iter().find(|name| variable(name).is_none()) {
        return Err(Error::NotInLambda { function: function.name(), missing });
    }
    if cfg!(panic = "abort") {
        return Err(Error::PanicsAbort { function: function.name() });
    }
    let problems = function.problems();
    if !problems.is_empty() {
        return Err(Error::Function(problems.join("; ")));
    }
    let mut aws = AwsBackend::from_env().map_err(SqsError::from)?;
    // By its name in the stack: two stacks of an account have metrics of their own.
    let name = variable("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| function.name().into());
    if let Some(summary) = SummaryLog::new(&name, summaries()) {
        aws = aws.with_meter(Arc::new(summary));
    }
    let host = Host::on(function, &aws);
    let notice = match variable(STOP_NOTICE_VARIABLE).is_some_and(|value| value == "1") {
        true => StopNotice::register().await,
        false => None,
    };
    if variable(WARM_UP_VARIABLE).is_some_and(|value| value == "1") {
        warm_up::warm_up(&host).await;
    }
    let stop = host.stop().clone();
    let invocations = Arc::new(Invocations { host, end: OnceLock::new() });
    let mut running = lamplighter::host::Host::new(stop.clone()).shared_source(invocations.clone()).start();
    match notice {
        Some(mut notice) => drop(running.run(&mut notice, BUDGET).await),
        None => running.ended().await,
    }
    match invocations.end.get() {
        Some(end) => Err(Error::Runtime(end.clone())),
        // A handler that blocks its thread would delay the end of the runtime.
        None => std::process::exit(0),
    }
}

/// What the variable says. A line of the log is left out where lines of its level are.
fn summaries() -> Summaries {
    let text = variable(METRICS_VARIABLE).unwrap_or_default();
    let summaries = Summaries::named(&text).unwrap_or_else(|| {
        tracing::warn!(variable = METRICS_VARIABLE, text, "not off, log or cloudwatch, so it is log");
        Summaries::Log
    });
    match summaries {
        Summaries::Log if tracing::level_filters::LevelFilter::current() < tracing::Level::INFO => Summaries::Off,
        summaries => summaries,
    }
}
