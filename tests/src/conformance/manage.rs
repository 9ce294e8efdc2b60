//! Deleting records, and giving jobs another time.

use lamplighter::{
    Job, JobId, JobState, ListQuery, Record,
    backend::{Decision, StoreErrorKind},
    record::{AttemptOutcome, ErrorText},
    secs,
};

use super::{
    Subject,
    jobs::{Act, Link, ended, enqueue, started},
    lease::{Asker, LEASE, MILLISECOND, is_applied, soon},
    schedules::SOON,
};

fn id(text: &str) -> JobId {
    JobId::new(text).expect("a good id")
}

async fn record(subject: &dyn Subject, text: &str) -> Record {
    subject.client().get(&id(text)).await.expect("readable").expect("a record")
}

async fn later(subject: &dyn Subject, text: &str) {
    let act = Act { what: format!("say {text}") };
    subject.client().enqueue(act).id(text).delay(secs(3600)).await.expect("enqueued");
}

pub(super) async fn a_deleted_record_is_gone_with_its_log(subject: &dyn Subject) {
    let client = subject.client();
    for (text, what) in [("logs", "log 2"), ("fails", "fail for good"), ("stays", "say stays")] {
        enqueue(subject, text, what).await;
    }
    started(subject).await;
    for text in ["logs", "fails", "stays"] {
        ended(subject, text).await;
    }
    assert!(!client.log(&id("logs")).await.expect("readable").is_empty());
    for (text, state) in [("logs", JobState::Succeeded), ("fails", JobState::Failed)] {
        assert_eq!(client.delete(&id(text)).await.expect("deleted"), Some(state));
        assert!(client.get(&id(text)).await.expect("readable").is_none());
        assert_eq!(client.delete(&id(text)).await.expect("answered"), None, "it is gone");
        assert_eq!(client.retry(&id(text)).await.expect("answered"), None);
        assert_eq!(client.cancel(&id(text)).await.expect("answered"), None);
        assert_eq!(client.reschedule(&id(text), subject.env().now()).await.expect("answered"), None);
    }
    assert!(client.log(&id("logs")).await.expect("readable").is_empty());
    let listed = client.list(&ListQuery::default()).await.expect("listed").records;
    assert_eq!(listed.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["stays"]);
    assert_eq!(client.delete(&id("unknown")).await.expect("answered"), None);
}

pub(super) async fn a_job_that_has_not_ended_is_not_deleted(subject: &dyn Subject) {
    let client = subject.client();
    later(subject, "a").await;
    assert_eq!(client.delete(&id("a")).await.expect("answered"), Some(JobState::Scheduled));
    assert_eq!(record(subject, "a").await.state, JobState::Scheduled);
    let job = Asker::of(subject, "b").await;
    job.run(1, LEASE, 1).await;
    assert_eq!(client.delete(&job.id).await.expect("answered"), Some(JobState::Running));
    let batch = client.enqueue_batch([Act { what: "say one".into() }]).id("all").await;
    let batch = batch.expect("enqueued").id().clone();
    let refused = client.delete(&batch).await.expect_err("a batch");
    assert_eq!(refused.kind(), StoreErrorKind::Invalid, "{refused}");
    assert!(client.get(&batch).await.expect("readable").is_some());
}

pub(super) async fn a_delayed_job_runs_at_once_when_it_is_told_to(subject: &dyn Subject) {
    let journal = started(subject).await;
    later(subject, "a").await;
    let due_at = record(subject, "a").await.due_at;
    let client = subject.client();
    assert_eq!(client.reschedule(&id("a"), subject.env().now()).await.expect("rescheduled"), Some(JobState::Queued));
    let record = ended(subject, "a").await;
    assert_eq!((record.state, record.attempts.len()), (JobState::Succeeded, 1));
    assert!(journal.runs()[0].at < due_at && record.due_at < due_at, "{record:?}");
    assert_eq!(client.reschedule(&id("a"), due_at).await.expect("answered"), Some(JobState::Succeeded), "it has ended");
    assert_eq!(client.reschedule(&id("unknown"), due_at).await.expect("answered"), None);
}

pub(super) async fn a_rescheduled_job_runs_at_its_new_time(subject: &dyn Subject) {
    let client = subject.client();
    enqueue(subject, "soon", "say soon").await;
    enqueue(subject, "far", "say far").await;
    later(subject, "earlier").await;
    let now = subject.env().now();
    let (soon, far) = (now + SOON, now + secs(40 * 86_400));
    for (text, at) in [("soon", soon), ("far", far), ("earlier", soon)] {
        assert_eq!(client.reschedule(&id(text), at).await.expect("rescheduled"), Some(JobState::Scheduled));
        let due_at = record(subject, text).await.due_at;
        assert!(due_at <= at && due_at + MILLISECOND > at, "{due_at}, not {at}");
    }
    // Again, as by a caller that got no answer.
    assert_eq!(client.reschedule(&id("soon"), soon).await.expect("rescheduled"), Some(JobState::Scheduled));
    let journal = started(subject).await;
    for text in ["soon", "earlier"] {
        let record = ended(subject, text).await;
        assert_eq!((record.state, record.attempts.len()), (JobState::Succeeded, 1));
    }
    let runs = journal.runs();
    assert_eq!(runs.len(), 2, "{runs:?}");
    // A job may run two seconds before its time: clocks differ.
    assert!(runs.iter().all(|run| run.at + secs(2) >= soon), "{soon}: {runs:?}");
    assert_eq!(record(subject, "far").await.state, JobState::Scheduled);
}

pub(super) async fn the_next_attempt_can_be_moved(subject: &dyn Subject) {
    let client = subject.client();
    let job = Asker::of(subject, "a").await;
    let first = job.run(1, LEASE, 1).await;
    let now = subject.env().now();
    assert_eq!(client.reschedule(&job.id, now).await.expect("answered"), Some(JobState::Running), "it runs");
    let retry = Decision::Retry { outcome: AttemptOutcome::Error, error: ErrorText::new("no"), delay: secs(3600) };
    let outcome = job.settlement(first, retry);
    let settle = async || job.store.settle(vec![outcome.clone()], soon()).await.remove(0).expect("an answer");
    assert!(is_applied(settle().await));
    for (at, due_by) in [(now + secs(7200), now + secs(7201)), (now, now + secs(60))] {
        assert_eq!(client.reschedule(&job.id, at).await.expect("rescheduled"), Some(JobState::Retrying));
        let due_at = record(subject, "a").await.due_at;
        assert!(due_at + MILLISECOND > at && due_at < due_by, "{due_at}, not {at}");
    }
    let second = job.run(2, LEASE, 2).await;
    // The outcome of the first attempt is known, however often it comes.
    assert!(is_applied(settle().await));
    assert!(is_applied(job.settle(second, Decision::Succeeded { output: None, retention: secs(3600) }).await));
    let record = ended(subject, "a").await;
    assert_eq!(record.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
}

pub(super) async fn a_job_of_an_ordered_group_is_not_delayed(subject: &dyn Subject) {
    let client = subject.client();
    for text in ["one", "two"] {
        let link = Link { what: format!("say {text}") };
        client.enqueue(link).id(text).group("g").await.expect("enqueued");
    }
    let at = subject.env().now() + secs(600);
    let refused = client.reschedule(&id("one"), at).await.expect_err("its group would wait");
    assert_eq!(refused.kind(), StoreErrorKind::Invalid, "{refused}");
    assert_eq!(client.reschedule(&id("two"), subject.env().now()).await.expect("answered"), Some(JobState::Queued));
    let journal = started(subject).await;
    ended(subject, "two").await;
    assert_eq!(journal.words(), ["say one", "say two"], "{} keeps their order", Link::NAME);
}
