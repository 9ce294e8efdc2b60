//! Jobs that are enqueued in transactions of the caller's own.

use futures_util::future::join;
use lamplighter::{Enqueued, JobId, JobState, ListQuery, NewJob, Tracking, Unique, mins, outbox::OutboxEntry};
use serde_json::value::to_raw_value;

use super::{
    CHAIN, Subject,
    jobs::{Act, Link, ended, enqueue, eventually, started},
};

fn id(id: &str) -> JobId {
    JobId::new(id).expect("a good id")
}

fn act(what: &str) -> NewJob {
    NewJob::from(Act { what: what.into() })
}

fn entry(subject: &dyn Subject, job: impl Into<NewJob>) -> OutboxEntry {
    subject.client().outbox_entry(job).expect("an entry")
}

async fn exists(subject: &dyn Subject, name: &str) -> bool {
    subject.client().get(&id(name)).await.expect("readable").is_some()
}

pub(super) async fn an_entry_becomes_a_job_once_its_transaction_is_committed(subject: &dyn Subject) {
    subject.write_entry(&entry(subject, act("say so").id("kept")), true).await;
    subject.write_entry(&entry(subject, act("say so").id("rolled-back")), false).await;
    assert!(!exists(subject, "kept").await, "it is not enqueued before the outbox is swept");
    subject.sweep().await;
    assert!(exists(subject, "kept").await && !exists(subject, "rolled-back").await);
    let journal = started(subject).await;
    assert_eq!(ended(subject, "kept").await.state, JobState::Succeeded);
    subject.sweep().await;
    assert!(!exists(subject, "rolled-back").await);
    assert_eq!(journal.words(), ["say so"]);
    assert_eq!(subject.failed_entries().await, []);
}

pub(super) async fn an_entry_that_is_swept_twice_is_one_job(subject: &dyn Subject) {
    let entries: Vec<_> = (0..20).map(|n| entry(subject, act("say so").id(format!("job-{n}")))).collect();
    for entry in &entries {
        subject.write_entry(entry, true).await;
    }
    // A sweeper that died after it had enqueued them, and before it could delete them.
    let answers = subject.client().enqueue_entries(entries.clone()).await;
    assert!(answers.into_iter().all(|answer| matches!(answer, Ok(Enqueued::New(_)))));
    let journal = started(subject).await;
    join(subject.sweep(), subject.sweep()).await;
    for n in 0..20 {
        assert_eq!(ended(subject, &format!("job-{n}")).await.state, JobState::Succeeded);
    }
    // Nor does it run again when its job has ended.
    let again = subject.client().enqueue_entries([entries[7].clone()]).await.remove(0).expect("answered");
    assert_eq!(again, Enqueued::Duplicate(id("job-7"), JobState::Succeeded));
    subject.sweep().await;
    enqueue(subject, "last", "say last").await;
    ended(subject, "last").await;
    assert_eq!(journal.runs().len(), 21);
    let page = subject.client().list(&ListQuery { limit: 100, ..ListQuery::default() }).await.expect("listed");
    assert_eq!(page.records.len(), 21);
}

pub(super) async fn an_entry_that_cannot_be_enqueued_blocks_no_other(subject: &dyn Subject) {
    enqueue(subject, "taken", "say taken").await;
    let foreign = NewJob::from(Link { what: "say so".into() }).id("taken");
    subject.write_entry(&entry(subject, foreign), true).await;
    let another_id = entry(subject, act("say so").id("another")).to_json();
    let secret = r#"{"queue":"conformance","message":{"job":"conformance.act","args":"S3CRET"}}"#;
    for (name, text) in [("empty", ""), ("secret", secret), ("unknown", r#"{"S3CRET":1}"#), ("mine", &another_id)] {
        subject.write_text(&id(name), text).await;
    }
    subject.write_entry(&entry(subject, act("say so").id("good")), true).await;
    subject.sweep().await;
    subject.sweep().await;
    let mut failed = subject.failed_entries().await;
    failed.sort();
    let names: Vec<_> = failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["empty", "mine", "secret", "taken", "unknown"]);
    assert!(failed.iter().all(|(_, error)| !error.contains("S3CRET")), "{failed:?}");
    assert!(failed[3].1.contains("its id taken belongs to conformance.act"), "{failed:?}");
    assert!(failed[1].1.contains("another id"), "{failed:?}");
    let journal = started(subject).await;
    assert_eq!(ended(subject, "good").await.state, JobState::Succeeded);
    ended(subject, "taken").await;
    assert_eq!(journal.runs().len(), 2);
}

pub(super) async fn an_entry_keeps_the_options_of_its_job(subject: &dyn Subject) {
    let write = async |job: NewJob| subject.write_entry(&entry(subject, job), true).await;
    write(act("say parent").id("parent")).await;
    // Only the entries of one group are in order.
    subject.sweep().await;
    write(act("say child").id("child").after(id("parent"))).await;
    write(act("say later").id("later").delay(mins(30))).await;
    write(act("say one").id("first").unique("k")).await;
    write(act("say two").id("second").unique("k")).await;
    write(act("say three").id("third").unique(Unique::key("k").or_error())).await;
    write(NewJob::from(Link { what: "say linked".into() }).id("link").group("blue")).await;
    let untracked = to_raw_value(&Act { what: "say untracked".into() }).expect("JSON");
    write(NewJob::raw("conformance.act", "conformance", Tracking::Untracked, untracked).id("untracked")).await;
    subject.sweep().await;
    let failed = subject.failed_entries().await;
    assert!(failed.iter().any(|(name, error)| name == "third" && error.contains("has its unique key")), "{failed:?}");
    let later = subject.client().get(&id("later")).await.expect("readable").expect("a record");
    assert_eq!(later.state, JobState::Scheduled);
    assert!(!(exists(subject, "first").await && exists(subject, "second").await), "one of them has the key");
    let journal = started(subject).await;
    let linked = ended(subject, "link").await;
    assert_eq!((linked.state, linked.queue.as_str()), (JobState::Succeeded, CHAIN.name()));
    assert_eq!(ended(subject, "parent").await.state, JobState::Succeeded);
    let ran = || async { journal.words().contains(&"say untracked".into()).then_some(()) };
    eventually("the untracked job", ran).await;
    assert_eq!(ended(subject, "child").await.state, JobState::Succeeded);
    assert!(!journal.words().contains(&"say later".into()));
}

pub(super) async fn many_entries_are_swept_in_steps(subject: &dyn Subject) {
    // More than a step of either backend.
    const ENTRIES: usize = 520;
    let entries: Vec<_> = (0..ENTRIES).map(|_| entry(subject, act("say so"))).collect();
    subject.write_entries(&entries).await;
    let query = ListQuery { limit: 1000, ..ListQuery::default() };
    let all = || async {
        // A sweep may end before all is done, and the next one goes on.
        subject.sweep().await;
        let page = subject.client().list(&query).await.expect("listed");
        (page.records.len() == ENTRIES).then_some(())
    };
    eventually("all of them", all).await;
    assert_eq!(subject.failed_entries().await, []);
    subject.sweep().await;
    let page = subject.client().list(&query).await.expect("listed");
    assert_eq!(page.records.len(), ENTRIES);
}
