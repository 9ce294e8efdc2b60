//! Unique keys.

use futures_util::future::join_all;
use lamplighter::{EnqueueError, Enqueued, JobId, JobState, NewJob, Unique, hours, mins, secs};

use super::{
    Subject,
    jobs::{Act, Link, PATIENCE, ended, enqueue, eventually, started},
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

fn replacing(what: &str) -> NewJob {
    NewJob::from(Act { what: what.into() }).unique(Unique::key("k").or_replace())
}

async fn enqueue_job(subject: &dyn Subject, job: NewJob) -> Result<Enqueued, EnqueueError> {
    subject.client().enqueue_all([job]).await.remove(0)
}

pub(super) async fn a_job_that_waits_gets_the_arguments_and_the_time_of_the_next_one(subject: &dyn Subject) {
    let first = enqueue_job(subject, replacing("say one").id("first")).await;
    assert_eq!(first.expect("enqueued"), Enqueued::New(id("first")));
    // Longer arguments, of which a record may keep more than one piece.
    let long = format!("say {}", "long ".repeat(200));
    for (what, delay) in [("say two", hours(2)), (&long, mins(1)), ("say three", hours(1)), ("say four", mins(20))] {
        let answer = enqueue_job(subject, replacing(what).delay(delay).id("another")).await;
        assert_eq!(answer.expect("answered"), Enqueued::Replaced(id("first")));
        let record = subject.client().get(&id("first")).await.expect("readable").expect("a record");
        assert_eq!((record.state, record.message.id.as_ref()), (JobState::Scheduled, Some(&id("first"))));
        assert!(record.message.args.get().contains(what), "the new arguments");
        let due = subject.env().until(record.due_at);
        assert!(due <= delay && due + mins(1) > delay, "{due:?}");
    }
    assert!(subject.client().get(&id("another")).await.expect("readable").is_none(), "nothing was enqueued");
    // Now, and with an expiry of its own.
    let answer = enqueue_job(subject, replacing("say last").expires_in(hours(1))).await;
    assert_eq!(answer.expect("answered"), Enqueued::Replaced(id("first")));
    let journal = started(subject).await;
    assert_eq!(ended(subject, "first").await.state, JobState::Succeeded);
    enqueue(subject, "other", "say other").await;
    ended(subject, "other").await;
    assert_eq!(journal.words().iter().filter(|word| *word != "say other").count(), 1, "{:?}", journal.words());
    assert!(journal.words().contains(&"say last".into()));
    // It has ended, and the key is free.
    let next = enqueue_job(subject, replacing("say next").id("next")).await;
    assert_eq!(next.expect("enqueued"), Enqueued::New(id("next")));
    ended(subject, "next").await;
    let refused = enqueue_job(subject, replacing("say so").after(id("next"))).await.expect_err("refused");
    assert!(refused.to_string().contains("cannot wait for others"), "{refused}");
}

pub(super) async fn the_last_of_many_delayed_jobs_runs_once_at_its_time(subject: &dyn Subject) {
    let journal = started(subject).await;
    let mut job = None;
    for n in 1..=10 {
        if n == 10 {
            subject.pass(mins(30)).await;
        }
        let answer = enqueue_job(subject, replacing(&format!("say {n}")).delay(hours(1))).await.expect("answered");
        assert_eq!(matches!(answer, Enqueued::New(_)), n == 1, "{n}: {answer:?}");
        assert!(job.as_ref().is_none_or(|job| job == answer.id()), "{n}: {answer:?}");
        job = Some(answer.id().clone());
    }
    let job = job.expect("ten of them");
    // The time of the first nine is over, and that of the last one is not.
    subject.pass(mins(40)).await;
    subject.sweep().await;
    enqueue(subject, "other", "say other").await;
    ended(subject, "other").await;
    assert_eq!(journal.words(), ["say other"]);
    subject.pass(mins(30)).await;
    subject.sweep().await;
    let record = subject.client().wait(&job, PATIENCE).await.expect("its end");
    assert_eq!((record.state, record.output.expect("an output").get()), (JobState::Succeeded, "\"10\""));
    enqueue(subject, "another", "say another").await;
    ended(subject, "another").await;
    assert_eq!(journal.words(), ["say other", "say 10", "say another"]);
}

pub(super) async fn a_job_that_has_begun_is_not_replaced(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue_job(subject, replacing("until-released").id("first")).await.expect("enqueued");
    eventually("it runs", || async { journal.runs().iter().any(|run| run.id == "first").then_some(()) }).await;
    let running = enqueue_job(subject, replacing("say new").id("second")).await;
    assert_eq!(existing(running, "first"), Some(JobState::Running));
    assert!(subject.client().get(&id("second")).await.expect("readable").is_none());
    let record = subject.client().get(&id("first")).await.expect("readable").expect("a record");
    assert!(record.message.args.get().contains("until-released"));
    journal.release();
    ended(subject, "first").await;
    // One that has failed an attempt has begun, too.
    enqueue_job(subject, replacing("later-once").id("retried")).await.expect("enqueued");
    let retrying = || async {
        let record = subject.client().get(&id("retried")).await.expect("readable").expect("a record");
        (record.state == JobState::Retrying).then_some(())
    };
    eventually("its first attempt", retrying).await;
    assert_eq!(existing(enqueue_job(subject, replacing("say new")).await, "retried"), Some(JobState::Retrying));
    assert_eq!(ended(subject, "retried").await.state, JobState::Succeeded);
    assert!(!journal.words().contains(&"say new".into()));
}

pub(super) async fn replacing_and_claiming_at_once_runs_the_one_or_the_other(subject: &dyn Subject) {
    let journal = started(subject).await;
    for round in 0..10 {
        let name = format!("job-{round}");
        let key = || Unique::key(format!("k-{round}")).or_replace();
        let job = |what: &str| NewJob::from(Act { what: format!("say {what} {round}") }).unique(key());
        enqueue_job(subject, job("old").id(&name)).await.expect("enqueued");
        let all =
            join_all((0..3).map(async |_| enqueue_job(subject, job("new").id(format!("new-{round}"))).await)).await;
        let mut replaced = false;
        for answer in all {
            match answer.expect("answered") {
                Enqueued::Replaced(replaced_id) => {
                    assert_eq!(replaced_id, id(&name));
                    replaced = true;
                }
                // It was too late: it runs, or has ended, and the key was free.
                Enqueued::Existing(existing, _) => {
                    assert!(existing == id(&name) || existing == id(&format!("new-{round}")));
                }
                Enqueued::New(new) | Enqueued::Duplicate(new, _) => assert_eq!(new, id(&format!("new-{round}"))),
            }
        }
        let record = ended(subject, &name).await;
        let expected = if replaced { format!("\"new {round}\"") } else { format!("\"old {round}\"") };
        assert_eq!(record.output.expect("an output").get(), expected);
    }
    let mut ids: Vec<_> = journal.runs().into_iter().map(|run| run.id).filter(|id| id.starts_with("job-")).collect();
    ids.sort_unstable();
    let runs = ids.len();
    ids.dedup();
    assert_eq!((runs, ids.len()), (10, 10), "each ran once");
}

pub(super) async fn a_job_that_waits_for_others_is_replaced(subject: &dyn Subject) {
    enqueue(subject, "parent", "say first").await;
    let child = replacing("say old").id("child").after(lamplighter::After::from(&id("parent")));
    let refused = enqueue_job(subject, child).await.expect_err("refused");
    assert!(refused.to_string().contains("cannot wait for others"), "{refused}");
    let child = NewJob::from(Act { what: "say old".into() }).id("child").after(id("parent")).unique("k");
    enqueue_job(subject, child).await.expect("enqueued");
    let replaced = enqueue_job(subject, replacing("say new")).await.expect("answered");
    assert_eq!(replaced, Enqueued::Replaced(id("child")));
    let record = subject.client().get(&id("child")).await.expect("readable").expect("a record");
    assert_eq!((record.state, record.message.after.len()), (JobState::Waiting, 1));
    let journal = started(subject).await;
    assert_eq!(ended(subject, "child").await.state, JobState::Succeeded);
    assert_eq!(journal.words(), ["say first", "say new"]);
}
