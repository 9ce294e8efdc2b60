//! Jobs that need longer than an invocation has, and go on from their checkpoints.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use lamplighter::{
    Context, Function, Job, JobError, JobState, Options, Queue, Retry, State,
    backend::{DeadLetterReason, Decision},
    host::MessageAction,
    mins,
    record::AttemptOutcome,
    secs,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    bench::{env, error, reason},
    support::{Memory, QUEUE, delivery},
};

const ATTEMPTS: u32 = 3;
/// An invocation of Lambda: its longest.
const INVOCATION: Duration = mins(15);

/// Works through so many minutes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Long {
    minutes: u32,
    #[serde(default)]
    manner: Manner,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Manner {
    /// Continues before its time is used up.
    #[default]
    Continues,
    /// Continues at once, from where it began.
    Stands,
    /// Saves checkpoints, and works until its deadline.
    TimesOut,
    /// Works until its deadline.
    Hangs,
}

impl Job for Long {
    const NAME: &'static str = "test.long";
    const QUEUE: Queue = QUEUE;

    fn options() -> Options {
        Options::new().timeout(mins(14)).retry(Retry::fixed(secs(1)).attempts(ATTEMPTS))
    }
}

/// The minutes that were worked, in order.
type Worked = Arc<Mutex<Vec<u32>>>;

async fn long(job: Long, ctx: Context, State(worked): State<Worked>) -> Result<u32, JobError> {
    let from = ctx.resume().unwrap_or(0);
    if job.manner == Manner::Stands {
        return ctx.continue_with(&from);
    }
    for minute in from..job.minutes {
        if job.manner == Manner::Continues && ctx.remaining() < mins(2) {
            return ctx.continue_with(&minute);
        }
        sleep(mins(1)).await;
        worked.lock().unwrap().push(minute);
        if job.manner != Manner::Hangs && minute % 5 == 4 {
            ctx.checkpoint(&(minute + 1)).await?;
        }
    }
    Ok(job.minutes)
}

struct Run {
    memory: Memory,
    worked: Worked,
    body: String,
}

impl Run {
    fn of(minutes: u32, manner: Manner) -> Self {
        let body = serde_json::json!({ "job": Long::NAME, "id": "long", "args": Long { minutes, manner } });
        Self { memory: Memory::new(&env()), worked: Worked::default(), body: body.to_string() }
    }

    /// One invocation. When it is killed, it ends without an answer.
    async fn invoke(&self, killed_after: Option<Duration>) -> Option<MessageAction> {
        let function = Function::new("test").job(long).with_state(self.worked.clone());
        let worker = self.memory.worker(function);
        let process = worker.process(vec![delivery("m", &self.body)], Instant::now() + INVOCATION);
        let mut answers = match killed_after {
            Some(time) => timeout(time, process).await.ok()?,
            None => process.await,
        };
        Some(answers.remove(0).action)
    }

    fn outcomes(&self) -> Vec<(u32, AttemptOutcome)> {
        let settled = self.memory.settled.lock().unwrap();
        let outcome = |decision: &Decision| match decision {
            Decision::Succeeded { .. } => AttemptOutcome::Succeeded,
            Decision::Continued { outcome, .. }
            | Decision::Retry { outcome, .. }
            | Decision::Failed { outcome, .. } => *outcome,
            Decision::Released { .. } => panic!("released"),
        };
        settled.iter().map(|settle| (settle.token.attempt, outcome(&settle.decision))).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn three_hours_of_work_end_on_invocations_of_15_minutes_two_of_which_are_killed() {
    let run = Run::of(180, Manner::Continues);
    let (began, mut invocations) = (Instant::now(), 0);
    loop {
        invocations += 1;
        // The second and the seventh are killed in the middle.
        let killed_after = [2, 7].contains(&invocations).then_some(mins(8));
        match run.invoke(killed_after).await {
            Some(MessageAction::Ack) => break,
            Some(action) => assert_eq!(action, MessageAction::Retry(Duration::ZERO), "it goes on at once"),
            // Its message comes again when its lease has ended.
            None => sleep(INVOCATION * 6).await,
        }
        assert!(invocations < 30);
    }
    assert_eq!(run.memory.state("long"), JobState::Succeeded);
    assert!(began.elapsed() > mins(180));
    let outcomes = run.outcomes();
    assert!(outcomes.len() > usize::try_from(ATTEMPTS).unwrap() * 3, "{outcomes:?}");
    assert!(outcomes.iter().all(|(attempt, _)| *attempt <= 2), "only the kills count: {outcomes:?}");
    // Every minute was worked, and after a kill at most those since the last checkpoint again.
    let worked = run.worked.lock().unwrap();
    let mut minutes = worked.clone();
    minutes.sort_unstable();
    let repeated = minutes.len() - 180;
    minutes.dedup();
    assert_eq!(minutes, (0..180).collect::<Vec<_>>());
    assert!((1..=10).contains(&repeated), "{repeated}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_continues_without_advancing_has_failed_when_its_attempts_are_used_up() {
    let run = Run::of(10, Manner::Stands);
    // The first checkpoint is an advance over none.
    assert_eq!(run.invoke(None).await.unwrap(), MessageAction::Retry(Duration::ZERO));
    for attempt in 1..=ATTEMPTS {
        let action = run.invoke(None).await.unwrap();
        match attempt {
            ATTEMPTS => {
                assert_eq!(reason(&action), DeadLetterReason::AttemptsExhausted);
                assert!(error(&action).contains("it does not advance"), "{action:?}");
            }
            _ => assert_eq!(action, MessageAction::Retry(secs(1))),
        }
    }
    assert_eq!(run.memory.state("long"), JobState::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_time_out_counts_only_without_a_new_checkpoint() {
    let run = Run::of(60, Manner::TimesOut);
    let mut invocations = 0;
    while run.invoke(None).await.unwrap() != MessageAction::Ack {
        invocations += 1;
        assert!(invocations < 20);
    }
    assert!(invocations > 3, "more than it has attempts");
    let (last, others) = run.outcomes().pop().map(|last| (last, run.outcomes())).unwrap();
    assert_eq!(last, (1, AttemptOutcome::Succeeded));
    assert!(others[..invocations].iter().all(|one| *one == (1, AttemptOutcome::TimedOut)), "{others:?}");

    let run = Run::of(60, Manner::Hangs);
    for _ in 1..ATTEMPTS {
        assert_eq!(run.invoke(None).await.unwrap(), MessageAction::Retry(secs(1)));
    }
    assert_eq!(reason(&run.invoke(None).await.unwrap()), DeadLetterReason::AttemptsExhausted);
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_record_cannot_continue() {
    let memory = Memory::new(&env());
    let function = Function::new("test").job(long).with_state(Worked::default());
    let worker = lamplighter::host::Worker::new(function, memory.stateless(), env(), "test", Default::default());
    let body = r#"{"job":"test.long","args":{"minutes":1,"manner":"stands"}}"#;
    let action = worker.process(vec![delivery("m", body)], Instant::now() + INVOCATION).await.remove(0).action;
    assert_eq!(reason(&action), DeadLetterReason::Failed);
    assert!(error(&action).contains("not tracked"), "{action:?}");
}
