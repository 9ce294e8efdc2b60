//! Unique keys.

use futures_util::future::join_all;
use lamplighter::{EnqueueError, Enqueued, JobId, JobState, Unique, secs};

use super::{
    Subject,
    jobs::{Act, Link, ended, enqueue, eventually, started},
};

fn id(id: &str) -> JobId {
    JobId::new(id).expect("a good id")
}

async fn enqueue_unique(
    subject: &dyn Subject,
    name: &str,
    what: &str,
    unique: impl Into<Unique>,
) -> Result<Enqueued, EnqueueError> {
    subject.client().enqueue(Act { what: what.into() }).id(name).unique(unique).await
}

/// The state of the job that has the key.
fn existing(answer: Result<Enqueued, EnqueueError>, name: &str) -> Option<JobState> {
    match answer {
        Ok(Enqueued::Existing(existing, state)) if existing.as_str() == name => state,
        other => std::panic::panic_any(format!("not {name} but {other:?}")),
    }
}

pub(super) async fn a_unique_job_is_the_only_one_until_it_has_ended(subject: &dyn Subject) {
    let first = enqueue_unique(subject, "first", "until-released", "k").await;
    assert_eq!(first.expect("enqueued"), Enqueued::New(id("first")));
    let again = enqueue_unique(subject, "second", "say so", "k").await;
    assert_eq!(existing(again, "first"), Some(JobState::Queued));
    assert!(subject.client().get(&id("second")).await.expect("readable").is_none(), "nothing was enqueued");
    // The same id is the same job; another key, and another job's key, are free.
    let same = enqueue_unique(subject, "first", "until-released", "k").await.expect("answered");
    assert_eq!(same, Enqueued::Duplicate(id("first"), JobState::Queued));
    assert!(!enqueue_unique(subject, "other", "say so", "other").await.expect("enqueued").is_duplicate());
    let link = Link { what: "say so".into() };
    assert!(!subject.client().enqueue(link).unique("k").await.expect("enqueued").is_duplicate());

    let journal = started(subject).await;
    eventually("it runs", || async { journal.runs().iter().any(|run| run.id == "first").then_some(()) }).await;
    assert_eq!(existing(enqueue_unique(subject, "second", "say so", "k").await, "first"), Some(JobState::Running));
    journal.release();
    ended(subject, "first").await;
    let second = enqueue_unique(subject, "second", "say so", "k").await;
    assert_eq!(second.expect("enqueued"), Enqueued::New(id("second")));
    assert_eq!(ended(subject, "second").await.state, JobState::Succeeded);
}

pub(super) async fn a_key_is_free_again_when_its_job_has_started(subject: &dyn Subject) {
    let key = || Unique::key("k").until_started();
    assert!(!enqueue_unique(subject, "first", "until-released", key()).await.expect("enqueued").is_duplicate());
    assert_eq!(existing(enqueue_unique(subject, "second", "say so", key()).await, "first"), Some(JobState::Queued));
    let journal = started(subject).await;
    eventually("it runs", || async { journal.runs().iter().any(|run| run.id == "first").then_some(()) }).await;
    assert!(!enqueue_unique(subject, "second", "say so", key()).await.expect("enqueued").is_duplicate());
    journal.release();
    for name in ["first", "second"] {
        assert_eq!(ended(subject, name).await.state, JobState::Succeeded);
    }
}

pub(super) async fn a_key_is_kept_for_its_time(subject: &dyn Subject) {
    started(subject).await;
    let key = || Unique::key("k").for_time(secs(3));
    assert!(!enqueue_unique(subject, "first", "say so", key()).await.expect("enqueued").is_duplicate());
    ended(subject, "first").await;
    // It has ended, and the time has not.
    assert_eq!(existing(enqueue_unique(subject, "second", "say so", key()).await, "first"), Some(JobState::Succeeded));
    subject.pass(secs(4)).await;
    assert!(!enqueue_unique(subject, "second", "say so", key()).await.expect("enqueued").is_duplicate());
}

pub(super) async fn one_of_many_racing_for_a_key_is_new(subject: &dyn Subject) {
    let all =
        join_all((0..20).map(async |n| enqueue_unique(subject, &format!("racer-{n}"), "say so", "k").await)).await;
    let all: Vec<_> = all.into_iter().map(|answer| answer.expect("answered")).collect();
    let new: Vec<_> = all.iter().filter(|answer| !answer.is_duplicate()).collect();
    assert_eq!(new.len(), 1, "{all:?}");
    assert!(all.iter().all(|answer| answer.id() == new[0].id()), "{all:?}");
    // Also in one call.
    let jobs = (0..5).map(|_| lamplighter::NewJob::from(Act { what: "say so".into() }).unique("batch"));
    let all = subject.client().enqueue_all(jobs).await;
    assert_eq!(all.into_iter().filter(|answer| !answer.as_ref().expect("answered").is_duplicate()).count(), 1);
}

pub(super) async fn a_key_that_is_taken_can_be_an_error(subject: &dyn Subject) {
    enqueue_unique(subject, "first", "say so", "k").await.expect("enqueued");
    let refused = enqueue_unique(subject, "second", "say so", Unique::key("k").or_error()).await.expect_err("refused");
    assert!(
        matches!(&refused, EnqueueError::NotUnique { key, existing, .. } if key == "k" && existing.as_str() == "first")
    );
    for (key, says) in [(String::new(), "has 0 bytes"), ("x".repeat(257), "must have 1 to 256")] {
        let error = enqueue_unique(subject, "third", "say so", key).await.expect_err("refused").to_string();
        assert!(error.contains(says), "{error}");
    }
}

pub(super) async fn a_job_that_waits_has_its_key(subject: &dyn Subject) {
    enqueue(subject, "parent", "say first").await;
    let client = subject.client();
    let child = || client.enqueue(Act { what: "say so".into() }).after(id("parent")).unique("k");
    assert!(!child().id("child").await.expect("enqueued").is_duplicate());
    assert_eq!(existing(child().id("another").await, "child"), Some(JobState::Waiting));
    started(subject).await;
    assert_eq!(ended(subject, "child").await.state, JobState::Succeeded);
    assert!(!child().id("another").await.expect("enqueued").is_duplicate());
    assert_eq!(ended(subject, "another").await.state, JobState::Succeeded);
}
