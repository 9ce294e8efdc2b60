//! Arguments arrive as exactly the sender's text.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use lamplighter::{
    Context, Function, Job, JobError, JobState, ListQuery, Options, Queue, RawValue, Retry, State, schedule::Schedule,
    secs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Subject,
    jobs::{PLAIN, ended, eventually},
    schedules::SOON,
};

/// Details that a parser could change: order, repeated names, white space, numbers of any size and form, and
/// unnecessary escapes in strings.
const LOAD: &str = r#"{ "z":19.90,"a":123456789012345678901,"z":[1e400,-0,1E+2],"\u00e9":"\/" }"#;

/// Carries a payload.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Carry {
    load: Box<RawValue>,
}

impl Job for Carry {
    const NAME: &'static str = "conformance.carry";
    const QUEUE: Queue = PLAIN;

    fn options() -> Options {
        Options::new().timeout(secs(60)).retry(Retry::fixed(secs(1)).attempts(3))
    }
}

fn carry() -> Carry {
    Carry { load: RawValue::from_string(LOAD.to_owned()).expect("JSON") }
}

/// Fails at first, then for good, and returns its payload from then on.
async fn handle(job: Carry, _: Context, State(runs): State<Arc<AtomicUsize>>) -> Result<Box<RawValue>, JobError> {
    match runs.fetch_add(1, Ordering::SeqCst) {
        0 => Err(JobError::retry("not yet")),
        1 => Err(JobError::fail("never")),
        _ => Ok(job.load),
    }
}

async fn started(subject: &dyn Subject, runs: usize) {
    let function = Function::new("conformance").job(handle).with_state(Arc::new(AtomicUsize::new(runs)));
    subject.start(function).await;
}

pub(super) async fn arguments_and_outputs_keep_their_bytes(subject: &dyn Subject) {
    started(subject, 0).await;
    subject.client().enqueue(carry()).id("a").await.expect("enqueued");
    let args = format!(r#"{{"load":{LOAD}}}"#);
    let record = ended(subject, "a").await;
    assert_eq!((record.state, record.message.args.get()), (JobState::Failed, &*args));
    let letter = eventually("a dead letter", || async { subject.dead_letters(PLAIN).await.pop() }).await;
    assert!(letter.body.contains(&args), "{}", letter.body);
    assert_eq!(subject.redrive(PLAIN).await, 1);
    let record = eventually("a success", || async {
        let record = ended(subject, "a").await;
        (record.state == JobState::Succeeded).then_some(record)
    })
    .await;
    assert_eq!(record.output.expect("an output").get(), LOAD);
}

pub(super) async fn a_schedules_arguments_keep_their_bytes(subject: &dyn Subject) {
    started(subject, 2).await;
    let schedule = Schedule::at("bytes", subject.env().now() + SOON);
    subject.client().schedule(schedule, &carry()).await.expect("scheduled");
    let record = eventually("the schedule's job", || async {
        // By the job's name: a scheduler without placeholders leaves the id to the transport.
        let query = ListQuery { jobs: vec![Carry::NAME.into()], ..ListQuery::default() };
        let record = subject.client().list(&query).await.expect("readable").records.pop()?;
        record.state.is_final().then_some(record)
    })
    .await;
    assert_eq!(record.output.expect("an output").get(), LOAD);
}
