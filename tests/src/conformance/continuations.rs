//! Jobs that wait for others to end.

use lamplighter::{After, EnqueueError, Enqueued, JobId, JobState, ListQuery, NewJob, Record, hours, message::Outcome};

use super::{
    Subject,
    jobs::{Act, CHAIN, Link, ended, enqueue, eventually, started},
};

fn id(id: &str) -> JobId {
    JobId::new(id).expect("a good id")
}

/// Enqueues an [`Act`] under an id, to run after others.
async fn enqueue_after(
    subject: &dyn Subject,
    name: &str,
    what: &str,
    after: impl IntoIterator<Item = After>,
) -> Result<Enqueued, EnqueueError> {
    let client = subject.client();
    let job = client.enqueue(Act { what: what.into() }).id(name);
    after.into_iter().fold(job, |job, one| job.after(one)).await
}

async fn record(subject: &dyn Subject, name: &str) -> Record {
    subject.client().get(&id(name)).await.expect("readable").expect("a record")
}

async fn state(subject: &dyn Subject, name: &str) -> JobState {
    record(subject, name).await.state
}

pub(super) async fn a_continuation_runs_when_its_parent_has_succeeded(subject: &dyn Subject) {
    enqueue(subject, "parent", "say one").await;
    let answer = enqueue_after(subject, "child", "say two", [After::success(id("parent"))]).await;
    assert_eq!(answer.expect("enqueued"), Enqueued::New(id("child")));
    assert_eq!(state(subject, "child").await, JobState::Waiting);
    let again = enqueue_after(subject, "child", "say two", [After::success(id("parent"))]).await;
    assert_eq!(again.expect("answered"), Enqueued::Duplicate(id("child"), JobState::Waiting));
    let waiting = ListQuery { states: vec![JobState::Waiting], ..ListQuery::default() };
    let page = subject.client().list(&waiting).await.expect("listed");
    assert_eq!(page.records.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["child"]);

    let journal = started(subject).await;
    assert_eq!(ended(subject, "child").await.state, JobState::Succeeded);
    assert_eq!(journal.words(), ["say one", "say two"]);
    assert_eq!(record(subject, "child").await.message.after, [After::success(id("parent"))]);
    // It has ended already.
    enqueue_after(subject, "late", "say three", [After::success(id("parent"))]).await.expect("enqueued");
    assert_eq!(ended(subject, "late").await.state, JobState::Succeeded);
}

pub(super) async fn a_continuation_runs_after_the_outcome_that_it_waits_for(subject: &dyn Subject) {
    let journal = started(subject).await;
    for (parent, what) in [("good", "say hello"), ("bad", "fail for good")] {
        enqueue(subject, parent, what).await;
        for on in [Outcome::Success, Outcome::Failure, Outcome::End] {
            let mut after = After::success(id(parent));
            after.on = on;
            enqueue_after(subject, &format!("{parent}-{on:?}"), "say so", [after]).await.expect("enqueued");
        }
    }
    for (child, state) in [
        ("good-Success", JobState::Succeeded),
        ("good-Failure", JobState::Cancelled),
        ("good-End", JobState::Succeeded),
        ("bad-Success", JobState::Cancelled),
        ("bad-Failure", JobState::Succeeded),
        ("bad-End", JobState::Succeeded),
    ] {
        let record = ended(subject, child).await;
        assert_eq!(record.state, state, "{child}");
        let parent = child.split('-').next().unwrap_or_default();
        let says = record.reason.is_some_and(|reason| reason.contains(&format!("job {parent}, ")));
        assert_eq!(says, state == JobState::Cancelled, "{child}");
    }
    assert_eq!(journal.runs().len(), 6);
    // Of a parent that has ended already, the same is known at once.
    enqueue_after(subject, "late", "say so", [After::failure(id("good"))]).await.expect("enqueued");
    assert_eq!(ended(subject, "late").await.state, JobState::Cancelled);
}

pub(super) async fn a_job_waits_for_all_of_its_parents_and_gets_their_outputs(subject: &dyn Subject) {
    enqueue(subject, "first", "say one").await;
    enqueue(subject, "second", "say two").await;
    enqueue(subject, "third", "fail three").await;
    let after = [After::success(id("first")).output_as("what"), After::success(id("second")), After::end(id("third"))];
    enqueue_after(subject, "child", "", after).await.expect("enqueued");
    let journal = started(subject).await;
    assert_eq!(ended(subject, "child").await.state, JobState::Succeeded);
    let words = journal.words();
    assert_eq!(words.len(), 4);
    assert_eq!(words.last().map(String::as_str), Some("one"), "the output of the first: {words:?}");

    // One that ends otherwise is enough.
    enqueue_after(subject, "never", "say so", [After::success(id("third")), After::success(id("first"))])
        .await
        .expect("enqueued");
    assert_eq!(ended(subject, "never").await.state, JobState::Cancelled);
}

pub(super) async fn a_job_that_waits_is_cancelled_with_those_behind_it(subject: &dyn Subject) {
    enqueue(subject, "0", "say so").await;
    for n in 1..=4 {
        enqueue_after(subject, &n.to_string(), "say so", [After::success(id(&(n - 1).to_string()))])
            .await
            .expect("enqueued");
    }
    enqueue_after(subject, "anyway", "say anyway", [After::end(id("4"))]).await.expect("enqueued");
    let cancelled = subject.client().cancel(&id("2")).await.expect("answered");
    assert_eq!(cancelled, Some(JobState::Cancelled));
    for n in 3..=4 {
        let record = ended(subject, &n.to_string()).await;
        assert_eq!(record.state, JobState::Cancelled);
        assert!(record.reason.expect("a reason").contains("cancelled"), "{n}");
    }
    let journal = started(subject).await;
    assert_eq!(ended(subject, "1").await.state, JobState::Succeeded);
    assert_eq!(ended(subject, "anyway").await.state, JobState::Succeeded);
    assert_eq!(journal.runs().len(), 3);
}

pub(super) async fn a_long_chain_of_continuations_runs_to_its_end(subject: &dyn Subject) {
    const LENGTH: usize = 120;
    enqueue(subject, "0", "say so").await;
    for n in 1..LENGTH {
        enqueue_after(subject, &n.to_string(), "say so", [After::success(id(&(n - 1).to_string()))])
            .await
            .expect("enqueued");
    }
    let journal = started(subject).await;
    let last = ended(subject, &(LENGTH - 1).to_string()).await;
    assert_eq!(last.state, JobState::Succeeded);
    assert_eq!(last.message.hops, 0, "a chain of continuations is no chain of jobs that enqueue each other");
    let order: Vec<_> = journal.runs().iter().map(|run| run.id.clone()).collect();
    assert_eq!(order, (0..LENGTH).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub(super) async fn a_job_with_many_continuations_starts_them_all(subject: &dyn Subject) {
    // Several pages of them.
    const CHILDREN: usize = 230;
    enqueue(subject, "parent", "say so").await;
    let child = |n: usize| NewJob::from(Act { what: "say so".into() }).id(format!("child-{n}")).after(id("parent"));
    let answers = subject.client().enqueue_all((0..CHILDREN).map(child)).await;
    assert!(answers.into_iter().all(|answer| !answer.expect("enqueued").is_duplicate()));
    let journal = started(subject).await;
    for n in 0..CHILDREN {
        assert_eq!(ended(subject, &format!("child-{n}")).await.state, JobState::Succeeded);
    }
    assert_eq!(journal.runs().len(), CHILDREN + 1);
}

pub(super) async fn a_continuation_is_delayed_and_joins_its_group(subject: &dyn Subject) {
    let client = subject.client();
    let parent = client.enqueue(Act { what: "say first".into() }).id("parent").await.expect("enqueued");
    client
        .enqueue(Act { what: "say later".into() })
        .id("later")
        .after(&parent)
        .delay(hours(1))
        .await
        .expect("enqueued");
    for n in 1..=2 {
        let link = Link { what: format!("say {n}") };
        client.enqueue(link).id(format!("link-{n}")).group("g").after(&parent).await.expect("enqueued");
    }
    assert_eq!(record(subject, "link-1").await.queue, CHAIN.name());
    started(subject).await;
    for link in ["link-1", "link-2"] {
        assert_eq!(ended(subject, link).await.state, JobState::Succeeded);
    }
    eventually("the delay", || async { (state(subject, "later").await == JobState::Scheduled).then_some(()) }).await;
    assert_eq!(subject.client().cancel(&id("later")).await.expect("answered"), Some(JobState::Cancelled));
}

pub(super) async fn a_message_of_a_job_that_waits_does_not_run_it(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "parent", "until-released").await;
    enqueue_after(subject, "child", "say so", [After::success(id("parent"))]).await.expect("enqueued");
    let body = record(subject, "child").await.message.to_json();
    subject.inject(super::PLAIN, &body).await;
    enqueue(subject, "other", "say other").await;
    ended(subject, "other").await;
    assert_eq!(state(subject, "child").await, JobState::Waiting);
    journal.release();
    assert_eq!(ended(subject, "child").await.state, JobState::Succeeded);
    assert_eq!(journal.runs().iter().filter(|run| run.id == "child").count(), 1);
}

pub(super) async fn a_job_that_cannot_wait_is_refused(subject: &dyn Subject) {
    let refused = async |name: &str, after: Vec<After>, says: &str| {
        let error = enqueue_after(subject, name, "say so", after).await.expect_err("refused").to_string();
        assert!(error.contains(says), "{error}");
    };
    refused("a", vec![After::success(id("nobody"))], "there is no record of job nobody").await;
    refused("a", vec![After::success(id("a"))], "wait for itself").await;
    let many = (0..=After::MAX).map(|n| After::success(id(&n.to_string()))).collect();
    refused("a", many, "the limit is 20").await;
    assert!(subject.client().get(&id("a")).await.expect("readable").is_none());
}
