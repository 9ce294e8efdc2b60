//! The worker's use of a job's overlap policy.

use std::time::Duration;

use lamplighter::{
    Function, Job, JobError, Options, Overlap, Queue,
    backend::{Claim, DeadLetterReason, LimitRequest, OnFull},
    env::Env,
    host::MessageAction,
    secs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::support::{Memory, QUEUE, delivery, start};

macro_rules! job {
    ($type:ident, $name:literal, $options:expr) => {
        #[derive(Debug, Serialize, Deserialize, JsonSchema)]
        struct $type {}

        impl Job for $type {
            const NAME: &'static str = $name;
            const QUEUE: Queue = QUEUE;

            fn options() -> Options {
                $options
            }
        }
    };
}

job!(Beside, "job.beside", Options::new());
job!(Behind, "job.behind", Options::new().overlap(Overlap::Queue));
job!(Once, "job.once", Options::new().overlap(Overlap::Skip));
job!(Untracked, "job.untracked", Options::new().overlap(Overlap::Skip).untracked());

async fn done<J: Job>(_: J) -> Result<(), JobError> {
    Ok(())
}

fn function() -> Function {
    Function::new("overlap").job(done::<Beside>).job(done::<Behind>).job(done::<Once>).with_state(())
}

/// The actions for messages of these jobs and schedules, each with its own id.
async fn process(memory: &Memory, messages: &[(&str, Option<&str>)]) -> Vec<MessageAction> {
    let deliveries = messages.iter().enumerate().map(|(n, (job, schedule))| {
        let body = serde_json::json!({ "job": job, "id": format!("job-{n}"), "schedule": schedule });
        delivery(&format!("message-{n}"), &body.to_string())
    });
    let worker = memory.worker(function());
    let mut settled = worker.process(deliveries.collect(), Instant::now() + Duration::from_secs(60)).await;
    settled.sort_by(|a, b| a.message_id.cmp(&b.message_id));
    settled.into_iter().map(|settlement| settlement.action).collect()
}

fn memory() -> Memory {
    Memory::new(&Env::seeded(start(), 1))
}

#[tokio::test]
async fn scheduled_jobs_are_claimed_and_settled_within_their_limit() {
    let memory = memory();
    let named = Some("nightly");
    let messages = [("job.beside", named), ("job.behind", named), ("job.once", named), ("job.once", None)];
    process(&memory, &messages).await;
    let refused = process(&memory, &[("job.once", Some("not a schedule's name"))]).await;
    assert!(
        matches!(&refused[..], [MessageAction::DeadLetter(cause)] if cause.reason == DeadLetterReason::BadMessage),
        "{refused:?}"
    );
    let key = |job: &str| format!("schedule:{job}:nightly");
    let reason = "skipped: an earlier job of schedule nightly was still running".to_owned();
    let claimed: Vec<_> = memory.claims.lock().unwrap().iter().map(|claim| claim.limits.clone()).collect();
    let behind = LimitRequest::mutex(key("job.behind"));
    let once = LimitRequest::mutex(key("job.once")).on_full(OnFull::Cancel { reason });
    assert_eq!(claimed, [vec![], vec![behind], vec![once], vec![]]);
    let settled = memory.settled.lock().unwrap();
    let (behind, once) = (vec![key("job.behind")], vec![key("job.once")]);
    for (id, limits) in [("job-0", vec![]), ("job-1", behind), ("job-2", once), ("job-3", vec![])] {
        assert_eq!(settled.iter().find(|settle| settle.id.as_str() == id).unwrap().limits, limits, "{id}");
    }
}

#[tokio::test]
async fn limited_jobs_are_released_and_skipped_ones_acknowledged() {
    let memory = memory();
    memory
        .answers
        .lock()
        .unwrap()
        .extend([Claim::Limited { until: start() + secs(30), is_hidden: false }, Claim::Skipped]);
    let actions = process(&memory, &[("job.behind", Some("nightly")), ("job.once", Some("nightly"))]).await;
    assert_eq!(actions, [MessageAction::Release(Some(secs(30))), MessageAction::Ack]);
    assert!(memory.settled.lock().unwrap().is_empty());
}

#[test]
fn a_policy_without_records_is_a_contradiction() {
    assert_eq!(function().problems(), Vec::<String>::new());
    let problems = Function::new("overlap").job(done::<Untracked>).with_state(()).problems();
    assert!(matches!(&problems[..], [one] if one.contains("job.untracked") && one.contains("overlap")), "{problems:?}");
}
