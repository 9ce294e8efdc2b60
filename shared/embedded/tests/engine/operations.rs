//! Operations over many jobs, and those that an engine goes on with.

use std::{num::NonZeroU32, time::Duration};

use lamplighter::{
    JobId, JobState, NewJob, RawValue, Tracking,
    env::Env,
    host::Stop,
    operation::{Action, JobCount, NewOperation, OperationState, Preview, PreviewBound, Runner, Target},
};
use lamplighter_embedded::{Engine, SqliteBackend};
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
    assert_eq!(preview(&Action::Cancel, &Target::Batch { id: batch.clone() }).await.jobs, 1, "by its id it is meant");
    let all = all_of(&embedded, "");
    let cancelling = preview(&Action::Cancel, &all).await;
    assert_eq!((cancelling.jobs, cancelling.by_job.len(), &*cancelling.by_job[0].queue), (2, 1, "work"));
    let operation = runner.start(NewOperation::new(Action::Cancel, all, "ada")).await.unwrap();
    let ended = runner.run(&operation.id, &Stop::new(), None).await.unwrap();
    assert_eq!((ended.progress.done, ended.progress.changed), (2, 2));
    let record = client.get(&batch).await.unwrap().unwrap();
    assert!(record.state.is_final(), "the batch ended with its jobs");
    for action in [Action::Retry, Action::Delete] {
        assert_eq!(preview(&action, &all_of(&embedded, "")).await.jobs, 2, "{action}");
        assert_eq!(preview(&action, &all_of(&embedded, "job:batch")).await.jobs, 0, "{action}");
    }
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
