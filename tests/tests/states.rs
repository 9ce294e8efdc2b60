//! The state changes of the embedded backend are exactly `JobState::TRANSITIONS`: a trigger in the file records each of
//! them, from any code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

use std::{collections::BTreeSet, path::Path, time::Duration};

use lamplighter::{
    Client, Context, Function, Job, JobError, JobId, JobState, Options, Queue, RawValue, Retry, State, Tracking,
    Unique, hours,
};
use lamplighter_embedded::{Engine, Settings, SqliteBackend};
use lamplighter_tests::conformance::Ahead;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

const QUEUE: Queue = Queue::standard("states");

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
enum End {
    Succeed,
    Fail,
    FailOnce,
    FailOnceForLong,
    SnoozeOnce,
    UntilCancelled,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Act {
    end: End,
}

impl Job for Act {
    const NAME: &'static str = "states.act";
    const QUEUE: Queue = QUEUE;

    fn options() -> Options {
        Options::new().retry(Retry::fixed(Duration::from_millis(20)).attempts(3))
    }
}

async fn act(job: Act, ctx: Context, State(started): State<mpsc::UnboundedSender<JobId>>) -> Result<(), JobError> {
    started.send(ctx.id().clone()).unwrap();
    let first = ctx.resume::<bool>().is_none();
    match job.end {
        End::Succeed => Ok(()),
        End::Fail => Err(JobError::fail("by request")),
        End::FailOnce if ctx.attempt() == 1 => Err(JobError::retry("by request")),
        End::FailOnceForLong if ctx.attempt() == 1 => Err(JobError::retry_in(hours(1), "by request")),
        End::SnoozeOnce if first => {
            ctx.checkpoint(&true).await?;
            ctx.snooze(Duration::from_millis(20))
        }
        End::UntilCancelled => {
            ctx.cancelled().await;
            Ok(())
        }
        End::FailOnce | End::FailOnceForLong | End::SnoozeOnce => Ok(()),
    }
}

fn watch(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE seen (before INTEGER, after INTEGER, UNIQUE (before, after));
             CREATE TRIGGER watch AFTER UPDATE OF state ON jobs WHEN OLD.state != NEW.state
             BEGIN INSERT OR IGNORE INTO seen VALUES (OLD.state, NEW.state); END",
        )
        .unwrap();
    connection
}

/// Waits until a job is in a state, and advances the clock by `step` between checks.
async fn becomes(client: &Client, clock: (&Ahead, Duration), id: &JobId, state: JobState) {
    let seen = async {
        while client.get(id).await.unwrap().unwrap().state != state {
            clock.0.pass(clock.1);
            client.store().unwrap().changed(id).await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, seen).await.unwrap_or_else(|_| panic!("{id} does not become {state}"));
}

#[tokio::test]
async fn every_state_change_is_documented() {
    use JobState::{Cancelled, Failed, Queued, Retrying, Running, Scheduled, Succeeded, Waiting};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jobs.db");
    let clock = Ahead::default();
    let embedded = SqliteBackend::open(&path, Settings::default().env(clock.env())).unwrap();
    let (still, quick) = ((&clock, Duration::ZERO), (&clock, Duration::from_secs(300)));
    let file = watch(&path);
    let client = embedded.client();
    let enqueue = async |id: &str, end: End| client.enqueue(Act { end }).id(id).await.unwrap().id().clone();

    // Without an engine: a job that waits for a delayed one is cancelled with it, and a queued one retried by hand.
    let waiting = enqueue("waiting", End::Succeed).await;
    let delayed = client.enqueue(Act { end: End::Succeed }).id("delayed").delay(hours(1)).await.unwrap().id().clone();
    let after = |id: &str, other: &JobId| client.enqueue(Act { end: End::Succeed }).id(id).after(other);
    let (next, behind) = (after("next", &waiting).await.unwrap(), after("behind", &delayed).await.unwrap());
    let last = after("last", next.id()).delay(hours(1)).await.unwrap();
    for id in [&delayed, behind.id()] {
        client.cancel(id).await.unwrap();
    }
    becomes(&client, still, behind.id(), Cancelled).await;
    for id in [&waiting, &delayed] {
        assert_eq!(client.cancel(id).await.unwrap(), Some(Cancelled));
    }
    assert_eq!(client.retry(&waiting).await.unwrap(), Some(Queued));
    // What waited for it was cancelled with it.
    for other in [&next, &last] {
        becomes(&client, still, other.id(), Cancelled).await;
    }
    let next = after("once-more", &waiting).await.unwrap();
    let last = after("much-later", next.id()).delay(hours(1)).await.unwrap();

    // Replaced: later, and now after all.
    for delay in [Duration::ZERO, Duration::from_secs(3600), Duration::ZERO] {
        let unique = Unique::key("key").or_replace();
        client.enqueue(Act { end: End::Succeed }).delay(delay).unique(unique).await.unwrap();
    }

    let (started, mut starts) = mpsc::unbounded_channel();
    let function = Function::new("states").job(act).with_state(started);
    let running = Engine::builder(&embedded).function(function).start().await.unwrap();
    becomes(&client, still, &waiting, Succeeded).await;
    becomes(&client, still, next.id(), Succeeded).await;
    becomes(&client, still, last.id(), Scheduled).await;
    assert_eq!(client.cancel(last.id()).await.unwrap(), Some(Cancelled));
    assert_eq!(client.retry(&waiting).await.unwrap(), Some(Queued));
    becomes(&client, still, &waiting, Succeeded).await;
    let soon = client.enqueue(Act { end: End::Succeed }).delay(Duration::from_millis(50)).await.unwrap().id().clone();
    becomes(&client, still, &soon, Succeeded).await;
    let failing = enqueue("failing", End::Fail).await;
    becomes(&client, still, &failing, Failed).await;
    assert_eq!(client.retry(&failing).await.unwrap(), Some(Queued));
    becomes(&client, still, &failing, Failed).await;
    for end in [End::FailOnce, End::SnoozeOnce] {
        becomes(&client, still, &enqueue(&format!("{end:?}"), end).await, Succeeded).await;
    }
    let later = enqueue("later", End::FailOnceForLong).await;
    becomes(&client, still, &later, Retrying).await;
    assert_eq!(client.cancel(&later).await.unwrap(), Some(Cancelled));
    let busy = enqueue("busy", End::UntilCancelled).await;
    while starts.recv().await.unwrap() != busy {}
    assert_eq!(client.cancel(&busy).await.unwrap(), Some(Cancelled));
    // No handler performs it: it is released a few times, and then dead-lettered.
    let args = RawValue::from_string("{}".into()).unwrap();
    let unknown = client.enqueue_raw("states.unknown", QUEUE.name(), Tracking::Full, args).await.unwrap().id().clone();
    becomes(&client, quick, &unknown, Failed).await;
    running.drain(Duration::from_secs(10)).await;

    let number = |state: JobState| match state {
        Queued => 1,
        Succeeded => 2,
        Scheduled => 3,
        Waiting => 4,
        Running => 5,
        Retrying => 6,
        Failed => 7,
        Cancelled => 8,
    };
    let mut statement = file.prepare("SELECT before, after FROM seen").unwrap();
    let seen: BTreeSet<(i64, i64)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let documented: BTreeSet<_> =
        JobState::TRANSITIONS.iter().map(|&(before, after)| (number(before), number(after))).collect();
    assert_eq!(seen, documented, "left: seen in the file; right: JobState::TRANSITIONS");
}
