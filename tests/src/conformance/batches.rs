//! Jobs that are watched as one.

use lamplighter::{
    After, Batch, EnqueueBatch, EnqueueError, Enqueued, JobId, JobState, ListQuery, NewJob, Record, Tracking,
    backend::StoreErrorKind,
};
use serde_json::value::to_raw_value;

use super::{
    Subject,
    jobs::{Act, CHAIN, Link, PATIENCE, ended, enqueue, eventually, started},
};

fn id(id: &str) -> JobId {
    JobId::new(id).expect("a good id")
}

fn act(what: &str) -> Act {
    Act { what: what.into() }
}

/// A batch with a job for each of its outcomes.
fn with_callbacks(batch: EnqueueBatch<'_>) -> EnqueueBatch<'_> {
    batch.on_success(act("say success")).on_failure(act("say failure")).on_end(act("say end"))
}

async fn batch(subject: &dyn Subject, name: &str) -> Batch {
    subject.client().batch(&id(name)).await.expect("readable").expect("a batch")
}

/// Waits for the end of a batch, and returns its record.
async fn over(subject: &dyn Subject, name: &str) -> Record {
    subject.client().wait(&id(name), PATIENCE).await.expect("the batch's end")
}

/// The counts of a batch: its jobs, and those that have succeeded, failed and were cancelled.
fn counts(batch: &Batch) -> [u64; 4] {
    [batch.total, batch.succeeded, batch.failed, batch.cancelled]
}

/// The ids of a batch's jobs, read in pages of this size.
async fn members(subject: &dyn Subject, name: &str, limit: usize) -> Vec<JobId> {
    let (client, mut all, mut cursor) = (subject.client(), Vec::new(), None);
    loop {
        let page = client.batch_jobs(&id(name), cursor.as_deref(), limit).await.expect("listed");
        assert!(page.ids.len() <= limit);
        all.extend(page.ids);
        cursor = page.next;
        if cursor.is_none() {
            return all;
        }
    }
}

/// The states of a batch's jobs, in order.
async fn states(subject: &dyn Subject, name: &str) -> Vec<JobState> {
    let mut states = Vec::new();
    for id in members(subject, name, 100).await {
        let record = subject.client().get(&id).await.expect("readable");
        states.push(record.expect("a record").state);
    }
    states
}

pub(super) async fn a_batch_succeeds_when_all_of_its_jobs_have(subject: &dyn Subject) {
    let client = subject.client();
    let jobs = ["say one", "say two", "error-until 2"].map(act);
    let created = with_callbacks(client.enqueue_batch(jobs).id("batch")).await;
    assert_eq!(created.expect("created"), Enqueued::New(id("batch")));
    let open = batch(subject, "batch").await;
    assert_eq!((open.state, counts(&open), open.open()), (JobState::Waiting, [3, 0, 0, 0], 3));
    let waiting = ListQuery { states: vec![JobState::Waiting], jobs: vec![Batch::JOB.into()], ..ListQuery::default() };
    let listed = client.list(&waiting).await.expect("listed").records;
    assert_eq!(listed.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["batch"]);

    let journal = started(subject).await;
    let record = over(subject, "batch").await;
    assert_eq!(record.state, JobState::Succeeded);
    let output = record.output.expect("an output");
    assert_eq!(output.get(), r#"{"total":3,"succeeded":3,"failed":0,"cancelled":0}"#);
    let done = batch(subject, "batch").await;
    assert_eq!((done.state, counts(&done), done.open()), (JobState::Succeeded, [3, 3, 0, 0], 0));
    assert!(done.finished_at.is_some_and(|at| at >= done.created_at));
    let runs = async || {
        let words = journal.words();
        (words.contains(&"say success".into()) && words.contains(&"say end".into())).then_some(words)
    };
    let words = eventually("both callbacks", runs).await;
    assert_eq!(words.len(), 6, "{words:?}");
    let cancelled = ListQuery { states: vec![JobState::Cancelled], ..ListQuery::default() };
    let cancelled = client.list(&cancelled).await.expect("listed").records;
    let reason = cancelled[0].reason.clone().expect("a reason");
    assert!(cancelled.len() == 1 && reason.contains("job batch, which it waited for"), "{reason}");
}

pub(super) async fn the_first_failure_in_a_batch_is_told_at_once(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    let jobs = ["until-released", "fail for good", "fail again"].map(act);
    with_callbacks(client.enqueue_batch(jobs).id("batch")).await.expect("created");
    let told = || async { journal.words().contains(&"say failure".into()).then_some(()) };
    eventually("the callback", told).await;
    let open = batch(subject, "batch").await;
    assert!(open.state == JobState::Waiting && open.failed >= 1 && open.open() >= 1, "{open:?}");
    assert!(!journal.words().contains(&"say end".into()));
    journal.release();
    assert_eq!(over(subject, "batch").await.state, JobState::Failed);
    assert_eq!(counts(&batch(subject, "batch").await), [3, 1, 2, 0]);
    eventually("the end", || async { journal.words().contains(&"say end".into()).then_some(()) }).await;
    let words = journal.words();
    assert_eq!(words.iter().filter(|word| *word == "say failure").count(), 1, "{words:?}");
    assert!(!words.contains(&"say success".into()));
    // What is enqueued after the batch has ended, knows how.
    let late = client.enqueue(act("say late")).id("late").after(After::failure(id("batch"))).await;
    assert_eq!(late.expect("enqueued"), Enqueued::New(id("late")));
    assert_eq!(ended(subject, "late").await.state, JobState::Succeeded);
}

pub(super) async fn a_batch_exists_once_under_its_id(subject: &dyn Subject) {
    let client = subject.client();
    client.enqueue_batch([act("say one")]).id("batch").await.expect("created");
    let again = client.enqueue_batch([act("say two"), act("say three")]).id("batch").await;
    assert_eq!(again.expect("answered"), Enqueued::Duplicate(id("batch"), JobState::Waiting));
    assert_eq!(counts(&batch(subject, "batch").await), [1, 0, 0, 0]);
    enqueue(subject, "job", "say job").await;
    let taken = client.enqueue_batch([act("say two")]).id("job").await.expect_err("taken");
    assert!(matches!(taken, EnqueueError::IdTaken { .. }), "{taken}");
    let taken = client.enqueue(act("say four")).id("batch").await.expect_err("taken");
    assert!(matches!(taken, EnqueueError::IdTaken { .. }), "{taken}");
    assert!(client.batch(&id("job")).await.expect("readable").is_none());
    assert!(client.batch(&id("nothing")).await.expect("readable").is_none());
    let journal = started(subject).await;
    over(subject, "batch").await;
    ended(subject, "job").await;
    let mut words = journal.words();
    words.sort_unstable();
    assert_eq!(words, ["say job", "say one"]);
}

pub(super) async fn a_batch_with_a_job_that_is_refused_has_none(subject: &dyn Subject) {
    let client = subject.client();
    let bad = [
        NewJob::from(act("say so")).id("own"),
        NewJob::from(act("say so")).unique("key"),
        NewJob::from(act("say so")).after(id("other")),
        NewJob::raw("conformance.act", "conformance", Tracking::Untracked, to_raw_value(&act("say so")).expect("JSON")),
    ];
    for bad in bad {
        let refused = client.enqueue_batch([act("say one").into(), bad]).id("batch").await.expect_err("refused");
        assert!(matches!(refused, EnqueueError::Refused { .. }), "{refused}");
    }
    let large = Act { what: format!("say {}", "x".repeat(Batch::MAX_MESSAGE_BYTES)) };
    let refused = client.enqueue_batch([act("say one"), large]).id("batch").await.expect_err("refused");
    assert!(matches!(refused, EnqueueError::TooLarge { .. }), "{refused}");
    let refused = client.enqueue_batch([act("say one")]).id("batch").within(&id("outer")).await.expect_err("refused");
    assert!(
        matches!(refused, EnqueueError::Batch { .. }) && refused.to_string().contains("no batch outer"),
        "{refused}"
    );
    let refused = client.add_to_batch(&id("batch"), [act("say one")]).await.expect_err("refused");
    assert!(refused.to_string().contains("there is no batch batch"), "{refused}");
    assert!(client.get(&id("batch")).await.expect("readable").is_none());
    let page = client.list(&ListQuery::default()).await.expect("listed");
    assert_eq!(page.records.len(), 0, "nothing of them exists");
    let foreign = client.batch_jobs(&id("batch"), Some("nonsense"), 10).await.expect_err("refused");
    assert_eq!(foreign.kind(), StoreErrorKind::Invalid);
}

pub(super) async fn jobs_are_added_to_a_batch_until_it_ends(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    client.enqueue_batch([act("until-released")]).id("batch").on_end(act("say end")).await.expect("created");
    client.add_to_batch(&id("batch"), ["say one", "say two"].map(act)).await.expect("added");
    client.add_to_batch(&id("batch"), [Link { what: "say linked".into() }]).await.expect("added");
    client
        .add_to_batch(&id("batch"), [NewJob::from(act("say later")).delay(lamplighter::secs(1))])
        .await
        .expect("added");
    let open = || async { Some(batch(subject, "batch").await).filter(|batch| batch.succeeded == 4) };
    let open = eventually("the end of those that were added", open).await;
    assert_eq!((open.state, open.total), (JobState::Waiting, 5));
    assert_eq!(members(subject, "batch", 2).await.len(), 5);
    let of_chain = ListQuery { queues: vec![CHAIN.name().into()], ..ListQuery::default() };
    let linked = client.list(&of_chain).await.expect("listed").records.remove(0);
    assert!(members(subject, "batch", 1).await.contains(&linked.id));
    assert_eq!(linked.message.batch.as_ref().map(|batch| batch.id.as_str()), Some("batch"));
    journal.release();
    assert_eq!(over(subject, "batch").await.state, JobState::Succeeded);
    let refused = client.add_to_batch(&id("batch"), [act("say late")]).await.expect_err("refused");
    assert!(refused.to_string().contains("batch batch has ended: succeeded"), "{refused}");
    assert_eq!(counts(&batch(subject, "batch").await), [5, 5, 0, 0]);
}

pub(super) async fn a_batch_within_another_counts_there_as_one_job(subject: &dyn Subject) {
    let client = subject.client();
    client.enqueue_batch([act("say one")]).id("outer").on_end(act("say end")).await.expect("created");
    for (name, jobs) in [("good", ["say two", "say three"]), ("bad", ["say four", "fail for good"])] {
        client.enqueue_batch(jobs.map(act)).id(name).within(&id("outer")).await.expect("created");
    }
    client.enqueue_batch([act("say five")]).id("inmost").within(&id("good")).await.expect("created");
    assert_eq!(counts(&batch(subject, "outer").await), [3, 0, 0, 0]);
    assert_eq!(counts(&batch(subject, "good").await), [3, 0, 0, 0]);
    let mut names = members(subject, "outer", 10).await;
    names.retain(|name| ["good", "bad"].contains(&name.as_str()));
    assert_eq!(names.len(), 2);
    let journal = started(subject).await;
    assert_eq!(over(subject, "outer").await.state, JobState::Failed);
    assert_eq!(counts(&batch(subject, "outer").await), [3, 2, 1, 0]);
    assert_eq!(counts(&batch(subject, "good").await), [3, 3, 0, 0]);
    assert_eq!(batch(subject, "inmost").await.state, JobState::Succeeded);
    assert_eq!(counts(&batch(subject, "bad").await), [2, 1, 1, 0]);
    eventually("the end", || async { (journal.words().len() == 7).then_some(()) }).await;
}

pub(super) async fn a_batch_is_cancelled_with_all_of_its_jobs(subject: &dyn Subject) {
    let client = subject.client();
    let jobs = ["say one", "say two"].map(|what| NewJob::from(act(what)).delay(lamplighter::hours(1)));
    with_callbacks(client.enqueue_batch(jobs.into_iter().chain([act("until-cancelled").into()])).id("batch"))
        .await
        .expect("created");
    client
        .enqueue_batch([NewJob::from(act("say in")).delay(lamplighter::hours(1))])
        .id("inner")
        .within(&id("batch"))
        .await
        .expect("created");
    let journal = started(subject).await;
    eventually("a run", || async { journal.words().contains(&"until-cancelled".into()).then_some(()) }).await;
    let cancelled = client.cancel(&id("batch")).reason("it is over").by("ada").await.expect("answered");
    assert_eq!(cancelled, Some(JobState::Cancelled));
    let record = over(subject, "batch").await;
    assert_eq!((record.state, record.reason.as_deref()), (JobState::Cancelled, Some("it is over (by ada)")));
    assert_eq!(counts(&batch(subject, "batch").await), [4, 0, 0, 4]);
    assert_eq!(batch(subject, "inner").await.state, JobState::Cancelled);
    assert_eq!(states(subject, "batch").await, [JobState::Cancelled; 4]);
    assert_eq!(states(subject, "inner").await, [JobState::Cancelled]);
    eventually("the running one", || async { journal.words().contains(&"heard of it".into()).then_some(()) }).await;
    eventually("the end", || async { journal.words().contains(&"say end".into()).then_some(()) }).await;
    assert_eq!(journal.runs().len(), 3, "{:?}", journal.words());
    let refused = client.add_to_batch(&id("batch"), [act("say late")]).await.expect_err("refused");
    assert!(refused.to_string().contains("has ended: cancelled"), "{refused}");
    assert_eq!(client.cancel(&id("batch")).await.expect("answered"), Some(JobState::Cancelled));
    assert_eq!(client.retry(&id("batch")).await.expect("answered"), Some(JobState::Cancelled), "a batch does not run");
}

pub(super) async fn a_batch_counts_each_job_once(subject: &dyn Subject) {
    let client = subject.client();
    client.enqueue_batch(["fail-first-run", "until-released"].map(act)).id("batch").await.expect("created");
    let jobs = members(subject, "batch", 10).await;
    let journal = started(subject).await;
    let failed = || async { (batch(subject, "batch").await.failed == 1).then_some(()) };
    eventually("the failure", failed).await;
    // By hand, it succeeds; and its message comes twice.
    let failed = client.get(&jobs[0]).await.expect("readable").expect("a record");
    assert_eq!(failed.state, JobState::Failed);
    assert_eq!(client.retry(&jobs[0]).await.expect("answered"), Some(JobState::Queued));
    assert_eq!(client.wait(&jobs[0], PATIENCE).await.expect("its end").state, JobState::Succeeded);
    subject.inject(super::PLAIN, &failed.message.to_json()).await;
    enqueue(subject, "other", "say other").await;
    ended(subject, "other").await;
    assert_eq!(counts(&batch(subject, "batch").await), [2, 0, 1, 0]);
    journal.release();
    assert_eq!(over(subject, "batch").await.state, JobState::Failed);
    assert_eq!(counts(&batch(subject, "batch").await), [2, 1, 1, 0]);
}

pub(super) async fn a_batch_counts_each_job_once_also_when_its_record_has_expired(subject: &dyn Subject) {
    let client = subject.client();
    let far = |what| NewJob::from(act(what)).delay(lamplighter::days(5));
    let jobs = [act("say one").into(), far("say two"), far("say three")];
    client.enqueue_batch(jobs).id("batch").on_end(act("say end")).await.expect("created");
    let first = members(subject, "batch", 10).await.remove(0);
    let journal = started(subject).await;
    let record = client.wait(&first, PATIENCE).await.expect("its end");
    eventually("its count", || async { (batch(subject, "batch").await.succeeded == 1).then_some(()) }).await;
    // The records of successes are kept for a day. Its message comes once more.
    subject.pass(lamplighter::days(2)).await;
    subject.inject(super::PLAIN, &record.message.to_json()).await;
    enqueue(subject, "other", "say other").await;
    ended(subject, "other").await;
    let again = || async {
        let record = client.get(&first).await.expect("readable");
        record.is_none_or(|record| record.state.is_final()).then_some(())
    };
    eventually("it has ended, if it runs again", again).await;
    let open = batch(subject, "batch").await;
    assert_eq!((open.state, counts(&open)), (JobState::Waiting, [3, 1, 0, 0]));
    assert_eq!(client.cancel(&id("batch")).await.expect("answered"), Some(JobState::Cancelled));
    assert_eq!(over(subject, "batch").await.state, JobState::Cancelled);
    assert_eq!(counts(&batch(subject, "batch").await), [3, 1, 0, 2]);
    let first = client.get(&first).await.expect("readable");
    assert!(first.is_none_or(|record| record.state == JobState::Succeeded), "it was not cancelled");
    let words = journal.words();
    assert!(!words.contains(&"say two".into()) && !words.contains(&"say three".into()), "{words:?}");
}

pub(super) async fn a_batch_of_many_jobs_ends_once(subject: &dyn Subject) {
    // Several chunks, and several parts.
    const JOBS: usize = 230;
    let client = subject.client();
    let jobs = (0..JOBS).map(|n| act(if n % 10 == 0 { "fail it" } else { "say it" }));
    client.enqueue_batch(jobs).id("batch").on_end(act("say end")).await.expect("created");
    let all = members(subject, "batch", 70).await;
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), JOBS);
    let journal = started(subject).await;
    assert_eq!(over(subject, "batch").await.state, JobState::Failed);
    assert_eq!(counts(&batch(subject, "batch").await), [230, 207, 23, 0]);
    eventually("the end", || async { journal.words().contains(&"say end".into()).then_some(()) }).await;
    assert_eq!(journal.runs().len(), JOBS + 1);
    let states = states(subject, "batch").await;
    let failed = states.iter().enumerate().filter(|(_, state)| **state == JobState::Failed);
    assert!(failed.map(|(n, _)| n).eq((0..JOBS).step_by(10)), "in the order in which they were added");
}

pub(super) async fn a_batch_of_no_jobs_has_succeeded(subject: &dyn Subject) {
    let client = subject.client();
    let none: [Act; 0] = [];
    client.enqueue_batch(none).id("batch").on_success(act("say success")).await.expect("created");
    assert_eq!(over(subject, "batch").await.state, JobState::Succeeded);
    assert_eq!(counts(&batch(subject, "batch").await), [0; 4]);
    assert_eq!(members(subject, "batch", 10).await, []);
    let journal = started(subject).await;
    eventually("the callback", || async { (journal.words() == ["say success"]).then_some(()) }).await;
}
