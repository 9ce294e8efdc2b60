//! Operations over many jobs, and those that an engine goes on with.

use std::{num::NonZeroU32, time::Duration};

use lamplighter::{
    Function, Job, JobError, JobId, JobState, NewJob, Options, Queue, RawValue, Retry, Tracking,
    env::Env,
    host::Stop,
    hours,
    operation::{
        Action, JobCount, NewOperation, OperationQuery, OperationState, Preview, PreviewBound, Runner, Target,
    },
};
use lamplighter_embedded::{Engine, SqliteBackend};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

fn embedded() -> SqliteBackend {
    SqliteBackend::memory(Env::driven("2026-11-28T00:00:00Z".parse().unwrap(), 1)).unwrap()
}

fn job(name: &'static str, id: String) -> NewJob {
    let args = RawValue::from_string("{}".into()).unwrap();
    NewJob::raw(name, "work", Tracking::Full, args).id(id)
}

async fn enqueue(embedded: &SqliteBackend, name: &'static str, count: usize) {
    let jobs = (0..count).map(|n| job(name, format!("{name}-{n}")));
    assert!(embedded.client().enqueue_all(jobs).await.iter().all(Result::is_ok));
}

fn all_of(embedded: &SqliteBackend, query: &str) -> Target {
    Target::Query { query: query.into(), end: embedded.env().now() }
}

async fn counts(embedded: &SqliteBackend, state: JobState) -> u64 {
    let counts = embedded.client().store().unwrap().counts().await.unwrap();
    counts.iter().filter(|count| count.state == state).map(|count| count.jobs).sum()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_jobs_that_match_are_changed_and_no_other() {
    let embedded = embedded();
    enqueue(&embedded, "mail.send", 10_000).await;
    enqueue(&embedded, "report.daily", 500).await;
    let runner = Runner::new(embedded.client(), Vec::new());
    let target = all_of(&embedded, "job:mail.*");
    let preview = runner.preview(&Action::Cancel, &target).await.unwrap();
    assert_eq!((preview.jobs, preview.is_complete), (10_000, true));
    let new = NewOperation::new(Action::Cancel, target, "ada").with_expected(preview.jobs);
    let operation = runner.start(new).await.unwrap();
    // Left after each of a hundred pages: nothing is skipped, and nothing is done twice.
    let mut calls = 0;
    let ended = loop {
        calls += 1;
        let now = runner.run(&operation.id, &Stop::new(), Some(Instant::now())).await.unwrap();
        assert_eq!(now.progress.unchanged + now.progress.failed, 0, "{now:?}");
        if now.state.is_final() {
            break now;
        }
    };
    assert_eq!((ended.state, ended.progress.changed), (OperationState::Done, 10_000));
    assert!(calls >= 100, "{calls}");
    assert_eq!(
        (counts(&embedded, JobState::Cancelled).await, counts(&embedded, JobState::Queued).await),
        (10_000, 500)
    );
    let log = embedded.client().log(&JobId::new("mail.send-9999").unwrap()).await.unwrap();
    assert_eq!(log.len(), 1, "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn a_preview_is_bounded_by_what_it_looks_at() {
    let embedded = embedded();
    enqueue(&embedded, "mail.send", 11_000).await;
    enqueue(&embedded, "report.daily", 500).await;
    let runner = Runner::new(embedded.client(), Vec::new());
    let cancel = async |query: &str, bound: PreviewBound| {
        let target = Target::Query { query: query.into(), end: jiff::Timestamp::MAX };
        runner.preview_within(&Action::Cancel, &target, bound).await.unwrap()
    };
    let glance = PreviewBound::GLANCE;
    let said = |preview: &Preview| (preview.jobs, preview.is_complete, preview.looked_at);
    assert_eq!(said(&cancel("job:mail.*", glance).await), (2000, false, Some(2000)), "by the index");
    assert_eq!(said(&cancel("tag:blue", glance).await), (0, false, Some(2000)), "by records");
    assert_eq!(said(&cancel("job:report.daily", glance).await), (500, true, None), "few");
    assert_eq!(said(&cancel("state:failed", glance).await), (0, true, None), "none");
    assert_eq!(said(&cancel("tag:blue", PreviewBound::USUAL).await), (0, true, None));
    assert_eq!(said(&cancel("job:mail.*", PreviewBound::USUAL).await), (10_000, false, Some(10_000)));
    let all = PreviewBound::all_within(Duration::from_secs(60));
    assert_eq!(said(&cancel("job:mail.*", all).await), (11_000, true, None));
    let over = PreviewBound::all_within(Duration::ZERO);
    assert_eq!(said(&cancel("job:mail.*", over).await), (0, false, None), "no time at all");
    // What the store counts, no record is read for, and the number is exact.
    let known = cancel("queue:wo*", glance).await;
    assert_eq!((said(&known), known.by_job.len()), ((11_500, true, None), 1));
    assert_eq!((&*known.by_job[0].job, &*known.by_job[0].queue), (JobCount::ANY, "work"));
    assert!(known.end <= embedded.env().now());
    // With an end in the past, the present count is not the answer.
    let past = Target::Query { query: String::new(), end: "2026-11-27T00:00:00Z".parse().unwrap() };
    assert_eq!(said(&runner.preview_within(&Action::Cancel, &past, glance).await.unwrap()), (0, true, None));
}

#[tokio::test(start_paused = true)]
async fn the_jobs_of_a_batch_are_counted_by_the_batch() {
    let embedded = embedded();
    let client = embedded.client();
    let args = || RawValue::from_string("{}".into()).unwrap();
    let jobs = (0..2_100).map(|_| NewJob::raw("mail.send", "work", Tracking::Full, args()));
    let batch = client.enqueue_batch(jobs).await.unwrap().id().clone();
    enqueue(&embedded, "report.daily", 2_500).await;
    let target = Target::Batch { id: batch };
    let runner = Runner::new(client.clone(), Vec::new());
    let preview = async |bound| runner.preview_within(&Action::RunNow, &target, bound).await.unwrap();
    let glance = preview(PreviewBound::GLANCE).await;
    assert_eq!((glance.jobs, glance.is_complete, glance.looked_at), (2000, false, Some(2000)));
    let usual = preview(PreviewBound::USUAL).await;
    assert_eq!((usual.jobs, usual.is_complete, &*usual.by_job[0].job), (2_100, true, "mail.send"));
}

#[tokio::test(start_paused = true)]
async fn jobs_that_match_are_no_batches() {
    let embedded = embedded();
    let client = embedded.client();
    let args = || RawValue::from_string("{}".into()).unwrap();
    let jobs = [(); 2].map(|()| NewJob::raw("mail.send", "work", Tracking::Full, args()));
    let batch = client.enqueue_batch(jobs).await.unwrap().id().clone();
    let runner = Runner::new(client.clone(), Vec::new());
    let preview = async |action: &Action, target: &Target| runner.preview(action, target).await.unwrap();
    assert_eq!(preview(&Action::Cancel, &Target::Batch { id: batch.clone() }).await.jobs, 2, "by its id it is meant");
    let all = all_of(&embedded, "");
    let cancelling = preview(&Action::Cancel, &all).await;
    assert_eq!((cancelling.jobs, cancelling.by_job.len(), &*cancelling.by_job[0].queue), (2, 1, "work"));
    let operation = runner.start(NewOperation::new(Action::Cancel, all, "ada")).await.unwrap();
    let ended = runner.run(&operation.id, &Stop::new(), None).await.unwrap();
    assert_eq!((ended.progress.done, ended.progress.changed), (2, 2));
    let record = client.get(&batch).await.unwrap().unwrap();
    assert!(record.state.is_final(), "the batch ended with its jobs");
    for action in [Action::Retry, Action::Delete] {
        assert_eq!(preview(&action, &all_of(&embedded, "state:cancelled")).await.jobs, 2, "{action}");
        assert_eq!(preview(&action, &all_of(&embedded, "state:cancelled job:batch")).await.jobs, 0, "{action}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_cancelled_with_as_many_jobs_as_the_preview_says() {
    let embedded = embedded();
    let client = embedded.client();
    let args = || RawValue::from_string("{}".into()).unwrap();
    let jobs = (0..2_100).map(|_| NewJob::raw("mail.send", "work", Tracking::Full, args()));
    let batch = client.enqueue_batch(jobs).await.unwrap().id().clone();
    let first = client.batch_jobs(&batch, None, 1).await.unwrap().ids.remove(0);
    client.cancel(&first).await.unwrap();
    let runner = Runner::new(client.clone(), Vec::new());
    // Named as a batch or as a job, it is the same.
    let (as_batch, as_job) = (Target::Batch { id: batch.clone() }, Target::Job { id: batch.clone() });
    for target in [&as_batch, &as_job] {
        let preview = runner.preview_within(&Action::Cancel, target, PreviewBound::GLANCE).await.unwrap();
        assert_eq!((preview.jobs, preview.is_complete, preview.by_job), (2_099, true, Vec::new()), "{target}");
    }
    let new = NewOperation::new(Action::Cancel, as_batch.clone(), "ada").with_expected(2_099);
    let operation = runner.start(new).await.unwrap();
    let ended = runner.run(&operation.id, &Stop::new(), None).await.unwrap();
    assert_eq!((ended.progress.done, ended.progress.changed), (2_099, 2_099), "{ended:?}");
    assert_eq!(counts(&embedded, JobState::Cancelled).await, 2_101, "and the batch");
    assert_eq!(runner.preview(&Action::Cancel, &as_batch).await.unwrap().jobs, 0, "nothing is left");
    for (action, jobs) in [(Action::Retry, 0), (Action::Delete, 2_100)] {
        assert_eq!(runner.preview(&action, &as_batch).await.unwrap().jobs, jobs, "{action}: none of them failed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_cannot_be_stored_is_refused_before_anything_is_done() {
    let embedded = embedded();
    enqueue(&embedded, "mail.send", 1).await;
    let runner = Runner::new(embedded.client(), Vec::new());
    let target = all_of(&embedded, "");
    let far = Action::Reschedule { at: "9999-12-30T00:00:00Z".parse().unwrap() };
    let preview = runner.preview(&far, &target).await.unwrap_err();
    let begun = runner.start(NewOperation::new(far, target.clone(), "ada")).await.unwrap_err();
    for error in [preview, begun] {
        assert!(error.to_string().contains("2262"), "{error}");
    }
    let all = OperationQuery::new(9);
    assert_eq!(embedded.client().operations(&all).await.unwrap().operations, [], "no operation was written down");
    // One that has passed means now.
    let past = Action::Reschedule { at: "0001-01-01T00:00:00Z".parse().unwrap() };
    let operation = runner.start(NewOperation::new(past, target, "ada")).await.unwrap();
    let ended = runner.run(&operation.id, &Stop::new(), None).await.unwrap();
    assert_eq!((ended.progress.changed, ended.progress.failed), (1, 0), "{ended:?}");
}

/// Fails, and is tried again after an hour.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Fails {}

impl Job for Fails {
    const NAME: &'static str = "fails";
    const QUEUE: Queue = Queue::standard("work");

    fn options() -> Options {
        Options::new().retry(Retry::fixed(hours(1)).attempts(5))
    }
}

async fn fails(_: Fails) -> Result<(), JobError> {
    Err(JobError::retry("as always"))
}

#[tokio::test(start_paused = true)]
async fn a_job_that_retries_only_after_the_frozen_end_is_left_alone() {
    let embedded = embedded();
    let client = embedded.client();
    let id = client.enqueue(Fails {}).await.unwrap().id().clone();
    let runner = Runner::new(client.clone(), Vec::new());
    let frozen = all_of(&embedded, "state:retrying");
    assert_eq!(runner.preview(&Action::Cancel, &frozen).await.unwrap().jobs, 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    let engine = Engine::builder(&embedded).function(Function::new("work").job(fails)).start().await.unwrap();
    let state = async || client.get(&id).await.unwrap().unwrap().state;
    while state().await != JobState::Retrying {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let changed = async |action: Action, target: Target| {
        let new = NewOperation::new(action, target, "ada");
        let operation = runner.start(new).await.unwrap();
        runner.run(&operation.id, &Stop::new(), None).await.unwrap().progress.changed
    };
    assert_eq!(runner.preview(&Action::Cancel, &frozen).await.unwrap().jobs, 0, "nor does a later preview count it");
    assert_eq!(changed(Action::Cancel, frozen.clone()).await, 0);
    assert_eq!(state().await, JobState::Retrying);
    assert_eq!(changed(Action::RunNow, frozen).await, 0);
    assert_eq!(changed(Action::Cancel, all_of(&embedded, "state:retrying")).await, 1);
    engine.drain(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_without_a_state_means_those_that_failed() {
    let embedded = embedded();
    enqueue(&embedded, "mail.send", 3).await;
    let runner = Runner::new(embedded.client(), Vec::new());
    let cancelled = runner.start(NewOperation::new(Action::Cancel, all_of(&embedded, ""), "ada")).await.unwrap();
    runner.run(&cancelled.id, &Stop::new(), None).await.unwrap();
    let all = all_of(&embedded, "");
    assert_eq!(runner.preview(&Action::Retry, &all).await.unwrap().jobs, 0);
    let operation = runner.start(NewOperation::new(Action::Retry, all, "ada")).await.unwrap();
    assert_eq!(operation.target.to_string(), "jobs that match state:failed", "it says so");
    let ended = runner.run(&operation.id, &Stop::new(), None).await.unwrap();
    assert_eq!(ended.progress.done, 0);
    let named = all_of(&embedded, "state:cancelled");
    assert_eq!(runner.preview(&Action::Retry, &named).await.unwrap().jobs, 3);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_kept_by_the_clock() {
    let embedded = embedded();
    enqueue(&embedded, "mail.send", 301).await;
    let runner = Runner::new(embedded.client(), Vec::new());
    let new = NewOperation::new(Action::Cancel, all_of(&embedded, ""), "ada").with_rate(NonZeroU32::new(10).unwrap());
    let operation = runner.start(new).await.unwrap();
    let began = Instant::now();
    let ended = runner.run(&operation.id, &Stop::new(), None).await.unwrap();
    assert_eq!((ended.state, ended.progress.changed), (OperationState::Done, 301));
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(30) && took < Duration::from_secs(32), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_goes_on_with_an_operation_whose_process_died() {
    let embedded = embedded();
    enqueue(&embedded, "mail.send", 250).await;
    let dead = Runner::new(embedded.client(), Vec::new());
    let new = NewOperation::new(Action::Cancel, all_of(&embedded, "job:mail.send"), "ada");
    let operation = dead.start(new).await.unwrap().id;
    drop(dead);
    let engine = Engine::builder(&embedded).start().await.unwrap();
    let client = embedded.client();
    let ended = tokio::time::timeout(Duration::from_secs(300), async {
        loop {
            let now = client.operation(&operation).await.unwrap().unwrap();
            if now.state.is_final() {
                return now;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let ended = ended.await.unwrap();
    assert_eq!((ended.state, ended.progress.changed), (OperationState::Done, 250), "{ended:?}");
    engine.drain(Duration::from_secs(1)).await;
}
