//! Error groups of jobs with sensitive arguments.

use lamplighter::{
    Context, Function, Job, JobError, JobState, NewJob, Options, Queue, RawValue, Retry, Sensitive, Tracking, env::Env,
    mins, record::ErrorQuery,
};
use lamplighter_embedded::{Engine, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Charge {
    customer: Sensitive<String>,
    panics: bool,
}

impl Job for Charge {
    const NAME: &'static str = "card.charge";
    const QUEUE: Queue = Queue::standard("cards");

    fn options() -> Options {
        Options::new().retry(Retry::fixed(mins(1)).attempts(1))
    }
}

async fn charge(job: Charge, _: Context) -> Result<(), JobError> {
    let customer = job.customer.expose();
    if job.panics {
        std::panic::resume_unwind(Box::new(format!("no account of {customer}")));
    }
    Err(JobError::fail(format!("the bank knows no {customer} here")))
}

#[tokio::test]
async fn titles_and_samples_are_made_of_redacted_errors() {
    let embedded = SqliteBackend::memory(Env::system()).unwrap();
    let function = Function::new("cards").job(charge).with_state(());
    let running = Engine::builder(&embedded).function(function).start().await.unwrap();
    let client = embedded.client();
    for (customer, panics) in [("Ada Lovelace", false), ("Grace Hopper", false), ("Ada Lovelace", true)] {
        let job = Charge { customer: Sensitive::new(customer.into()), panics };
        let id = client.enqueue(job).await.unwrap().id().clone();
        assert_eq!(client.wait(&id, mins(1)).await.unwrap().state, JobState::Failed);
    }
    let groups = client.error_groups(&ErrorQuery::default()).await.unwrap().groups;
    let told: Vec<_> = groups.iter().map(|group| (&*group.title, group.failures, &*group.sample.message)).collect();
    let (panicked, refused) = ("panicked: no account of [redacted]", "the bank knows no [redacted] here");
    assert_eq!(told, [(panicked, 1, panicked), (refused, 2, refused)]);
    running.drain(mins(1)).await;
}

#[tokio::test]
async fn arguments_nested_more_deeply_than_a_stack_has_room_for_stop_no_worker() {
    let embedded = SqliteBackend::memory(Env::system()).unwrap();
    let function = Function::new("cards").job(charge).with_state(());
    let running = Engine::builder(&embedded).function(function).start().await.unwrap();
    let client = embedded.client();
    let note = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let args = format!(r#"{{"customer":"Ada Lovelace","panics":false,"note":{note}}}"#);
    let args = RawValue::from_string(args).unwrap();
    let job = NewJob::raw(Charge::NAME, "cards", Tracking::Full, args);
    let id = client.enqueue_all([job]).await.remove(0).unwrap().id().clone();
    let record = client.wait(&id, mins(1)).await.unwrap();
    assert_eq!((record.state, record.attempts.len()), (JobState::Failed, 1));
    let told = format!("{:?}", record.attempts);
    assert!(!told.contains("Ada") && told.contains("[redacted]"), "{told:.300}");
    running.drain(mins(1)).await;
}
