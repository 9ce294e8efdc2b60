//! Operating queues: pausing them, reading their state, and their dead letters.

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
};

use lamplighter::{
    Job, JobId, JobState, Record,
    backend::{
        Consumer, ConsumerState, DeadLetter, DeadLetterCount, DeadLetterFilter, DeadLetterQuery, QueueStatus, Redrive,
        RedriveMethod, RedriveProgress, RedriveResult, StoreErrorKind,
    },
    host::Stop,
    message::Message,
    secs,
};

use super::{
    Subject,
    jobs::{Act, CHAIN, Hasty, Journal, Link, PLAIN, ended, enqueue, eventually, started},
    lease::MILLISECOND,
};

async fn state(subject: &dyn Subject, id: &str) -> JobState {
    record(subject, id).await.state
}

async fn record(subject: &dyn Subject, id: &str) -> Record {
    let id = JobId::new(id).expect("a good id");
    subject.client().get(&id).await.expect("readable").expect("a record")
}

async fn status(subject: &dyn Subject, queue: &str) -> QueueStatus {
    let all = subject.operator().await.queues().await.expect("readable");
    all.into_iter().find(|status| status.queue == queue).expect("the queue")
}

async fn consumer(subject: &dyn Subject) -> ConsumerState {
    let Consumer { state, .. } = subject.operator().await.consumer(PLAIN.name()).await.expect("readable");
    state
}

/// Waits until another queue has run a job, by when the first would have run its own.
async fn another_queue_runs(subject: &dyn Subject, id: &str) {
    let link = Link { what: "sleep 1500".into() };
    subject.client().enqueue(link).id(id).group(id).await.expect("enqueued");
    ended(subject, id).await;
}

/// Waits until the standard queue has this many dead letters.
async fn dead_letters(subject: &dyn Subject, count: usize) {
    eventually("dead letters", || async { (subject.dead_letters(PLAIN).await.len() == count).then_some(()) }).await;
}

/// Lets jobs with these ids fail for good, and waits for their dead letters.
async fn fail(subject: &dyn Subject, ids: &[&str]) -> Journal {
    let journal = started(subject).await;
    for id in ids {
        enqueue(subject, id, "fail for now").await;
    }
    for id in ids {
        ended(subject, id).await;
    }
    dead_letters(subject, ids.len()).await;
    journal
}

async fn list(subject: &dyn Subject, query: DeadLetterQuery) -> Vec<DeadLetter> {
    let operator = subject.operator().await;
    operator.dead_letters(PLAIN.name(), &query, &Stop::new()).await.expect("readable").dead_letters
}

async fn listed(subject: &dyn Subject, filter: DeadLetterFilter) -> BTreeSet<String> {
    let all = list(subject, DeadLetterQuery::new(100).with_filter(filter)).await;
    all.into_iter().map(|dead_letter| dead_letter.id).collect()
}

async fn counted(subject: &dyn Subject, filter: &DeadLetterFilter) -> Vec<DeadLetterCount> {
    let operator = subject.operator().await;
    let counts = operator.count_dead_letters(PLAIN.name(), filter, &Stop::new()).await.expect("readable");
    assert_eq!(counts.uncounted, 0);
    counts.counts
}

async fn redrive(subject: &dyn Subject, redrive: &Redrive) -> RedriveResult {
    redrive_until(subject, redrive, &Stop::new()).await
}

async fn redrive_until(subject: &dyn Subject, redrive: &Redrive, stop: &Stop) -> RedriveResult {
    let steps = Mutex::new(Vec::new());
    let step = |far: RedriveProgress| steps.lock().unwrap_or_else(PoisonError::into_inner).push(far);
    let operator = subject.operator().await;
    let result = operator.redrive(PLAIN.name(), redrive, stop, &step).await.expect("begun");
    assert!(result.error.is_none() && (result.failed, result.twice) == (0, 0), "{result:?}");
    // Dead letters that are selected, or whose jobs have records, are never moved by the queue itself.
    assert!(matches!(result.method, RedriveMethod::Transactions | RedriveMethod::Manual), "{result:?}");
    let steps = steps.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(steps.is_sorted_by_key(|far| far.moved), "{steps:?}");
    let last = steps.last().copied().unwrap_or_default();
    assert_eq!(
        (last.moved, last.obsolete),
        (result.progress.moved, result.progress.obsolete),
        "the last step tells all"
    );
    result
}

fn ids<const N: usize>(ids: [&str; N]) -> BTreeSet<String> {
    ids.into_iter().map(str::to_owned).collect()
}

pub(super) async fn a_paused_queue_runs_nothing_and_a_resumed_one_goes_on(subject: &dyn Subject) {
    let operator = subject.operator().await;
    assert_eq!(consumer(subject).await, ConsumerState::Active);
    operator.pause(PLAIN.name()).await.expect("paused");
    operator.pause(PLAIN.name()).await.expect("paused already");
    let journal = started(subject).await;
    enqueue(subject, "a", "say hello").await;
    another_queue_runs(subject, "beside").await;
    assert_eq!((state(subject, "a").await, journal.words()), (JobState::Queued, vec!["sleep 1500".to_owned()]));
    assert_eq!(consumer(subject).await, ConsumerState::Paused);
    assert_eq!(status(subject, PLAIN.name()).await.consumer.state, ConsumerState::Paused);
    assert_eq!(status(subject, CHAIN.name()).await.consumer.state, ConsumerState::Active);
    operator.resume(PLAIN.name()).await.expect("resumed");
    assert_eq!(consumer(subject).await, ConsumerState::Active);
    assert_eq!(ended(subject, "a").await.state, JobState::Succeeded);
}

pub(super) async fn a_running_job_ends_after_its_queue_is_paused(subject: &dyn Subject) {
    let operator = subject.operator().await;
    let journal = started(subject).await;
    enqueue(subject, "a", "until-released").await;
    eventually("its run", || async { (journal.runs().len() == 1).then_some(()) }).await;
    operator.pause(PLAIN.name()).await.expect("paused");
    enqueue(subject, "b", "say hello").await;
    journal.release();
    assert_eq!(ended(subject, "a").await.state, JobState::Succeeded);
    another_queue_runs(subject, "beside").await;
    assert_eq!(state(subject, "b").await, JobState::Queued);
    operator.resume(PLAIN.name()).await.expect("resumed");
    assert_eq!(ended(subject, "b").await.state, JobState::Succeeded);
    assert_eq!(journal.words(), ["until-released", "sleep 1500", "say hello"]);
}

pub(super) async fn queues_report_waiting_delayed_and_running_jobs(subject: &dyn Subject) {
    let client = subject.client();
    let depth = async |queue: &str, expected: (u64, u64, u64)| {
        eventually("the depth", || async {
            let status = status(subject, queue).await;
            ((status.waiting, status.in_flight, status.delayed) == expected).then_some(status)
        })
        .await
    };
    enqueue(subject, "a", "until-released").await;
    enqueue(subject, "b", "until-released").await;
    client.enqueue(Act { what: "say later".into() }).id("later").delay(secs(900)).await.expect("enqueued");
    client.enqueue(Link { what: "say hi".into() }).group("one").await.expect("enqueued");
    let plain = depth(PLAIN.name(), (2, 0, 1)).await;
    assert_eq!((plain.fifo, plain.dead_letters), (false, Some(0)));
    assert!(depth(CHAIN.name(), (1, 0, 0)).await.fifo);
    let names = subject.operator().await.known_names().await.expect("readable");
    assert!(names.queues.is_sorted() && [PLAIN, CHAIN].iter().all(|queue| names.has_queue(queue.name())), "{names:?}");
    let journal = started(subject).await;
    eventually("both to run", || async { (journal.words().len() >= 2).then_some(()) }).await;
    depth(PLAIN.name(), (0, 2, 1)).await;
    journal.release();
    depth(PLAIN.name(), (0, 0, 1)).await;
    depth(CHAIN.name(), (0, 0, 0)).await;
}

pub(super) async fn dead_letters_have_their_job_reason_and_error(subject: &dyn Subject) {
    let before = subject.env().now();
    started(subject).await;
    enqueue(subject, "a", "fail gone for good").await;
    ended(subject, "a").await;
    subject.inject(PLAIN, "no JSON").await;
    dead_letters(subject, 2).await;
    // Twice: listing them removes none, and hides none.
    for _ in 0..2 {
        let all = list(subject, DeadLetterQuery::new(100)).await;
        assert_eq!(all.len(), 2, "{all:?}");
        let find = |id: &str| all.iter().find(|dead_letter| dead_letter.body.contains(id)).expect("it");
        let failed = find("\"a\"");
        assert_eq!((&*failed.queue, &*failed.id, &*failed.job), (PLAIN.name(), "a", Act::NAME));
        assert_eq!((&*failed.reason, &*failed.error), ("failed", "gone for good"));
        assert!(failed.body.parse::<Message>().is_ok_and(|message| message.job == Act::NAME), "the message itself");
        assert!(failed.receive_count >= 1 && failed.dead_since + MILLISECOND > before, "{failed:?}");
        let bad = find("no JSON");
        assert_eq!((&*bad.job, &*bad.reason, &*bad.body), ("", "bad-message", "no JSON"));
        assert!(!bad.error.is_empty() && bad.key != failed.key, "{bad:?}");
        let only = DeadLetterQuery::new(100).with_filter(DeadLetterFilter::all().with_key(bad.key.clone()));
        let only: Vec<_> = list(subject, only).await.into_iter().map(|dead_letter| dead_letter.key).collect();
        assert_eq!(only, std::slice::from_ref(&bad.key));
    }
    assert_eq!(list(subject, DeadLetterQuery::new(1)).await.len(), 1);
}

/// Act `early` fails; seconds later Act `late` and Hasty `other` fail. The moment is that at which `late` failed.
async fn of_two_jobs(subject: &dyn Subject) -> (Journal, DeadLetter) {
    let journal = fail(subject, &["early"]).await;
    let client = subject.client();
    client.enqueue(Act { what: "fail for now".into() }).id("late").delay(secs(2)).await.expect("enqueued");
    ended(subject, "late").await;
    client.enqueue(Hasty { what: "fail for now".into() }).id("other").await.expect("enqueued");
    ended(subject, "other").await;
    dead_letters(subject, 3).await;
    let all = list(subject, DeadLetterQuery::new(100)).await;
    let late = all.into_iter().find(|dead_letter| dead_letter.id == "late").expect("it");
    (journal, late)
}

pub(super) async fn dead_letters_are_counted_and_listed_by_job_reason_and_time(subject: &dyn Subject) {
    let (_, late) = of_two_jobs(subject).await;
    subject.inject(PLAIN, "no JSON").await;
    dead_letters(subject, 4).await;
    let all = DeadLetterFilter::all;
    let count = DeadLetterCount::new;
    let everything = [count("", "bad-message", 1), count(Act::NAME, "failed", 2), count(Hasty::NAME, "failed", 1)];
    // Twice: counting removes none, and hides none.
    for _ in 0..2 {
        assert_eq!(counted(subject, &all()).await, everything);
    }
    let acts = all().with_job(Act::NAME);
    assert_eq!(counted(subject, &acts).await, [count(Act::NAME, "failed", 2)]);
    assert_eq!(listed(subject, acts.clone()).await, ids(["early", "late"]));
    let since = acts.clone().with_since(late.dead_since);
    assert_eq!(counted(subject, &since).await, [count(Act::NAME, "failed", 1)]);
    assert_eq!(listed(subject, since).await, ids(["late"]));
    let before = acts.with_before(late.dead_since);
    assert_eq!(listed(subject, before).await, ids(["early"]));
    let bad = all().with_reason("bad-message");
    assert_eq!(counted(subject, &bad).await, [count("", "bad-message", 1)]);
    assert_eq!(list(subject, DeadLetterQuery::new(100).with_filter(bad)).await.len(), 1);
    assert_eq!(counted(subject, &all().with_job("conformance.unknown")).await, []);
}

pub(super) async fn a_redrive_moves_what_fits_and_the_rest_stays(subject: &dyn Subject) {
    let (journal, late) = of_two_jobs(subject).await;
    subject.stop(secs(5)).await;
    let acts = DeadLetterFilter::all().with_job(Act::NAME);
    let late = redrive(subject, &Redrive::all().with_filter(acts.clone().with_since(late.dead_since))).await;
    assert_eq!((late.progress.moved, late.progress.obsolete), (1, 0));
    assert_eq!((state(subject, "late").await, state(subject, "early").await), (JobState::Queued, JobState::Failed));
    assert_eq!(listed(subject, DeadLetterFilter::all()).await, ids(["early", "other"]), "they can be seen at once");
    let rest = redrive(subject, &Redrive::all().with_filter(acts)).await;
    assert_eq!(rest.progress.moved, 1);
    assert_eq!(listed(subject, DeadLetterFilter::all()).await, ids(["other"]));
    assert_eq!(journal.runs().len(), 3);

    let journal = started(subject).await;
    for id in ["early", "late"] {
        let record = ended(subject, id).await;
        assert_eq!((record.attempt, record.attempts.len()), (1, 2), "its history is kept, its attempts count anew");
    }
    assert_eq!(journal.runs().into_iter().map(|run| run.id).collect::<BTreeSet<_>>(), ids(["early", "late"]));
}

pub(super) async fn a_redrive_moves_no_more_than_its_limit(subject: &dyn Subject) {
    fail(subject, &["a", "b", "c", "d", "e"]).await;
    subject.stop(secs(5)).await;
    let some = redrive(subject, &Redrive::all().with_limit(2)).await.progress;
    assert_eq!((some.moved, some.obsolete, some.total), (2, 0, 2));
    let left = listed(subject, DeadLetterFilter::all()).await;
    assert_eq!(left.len(), 3);
    let rest = redrive(subject, &Redrive::all().with_limit(10)).await.progress;
    assert_eq!((rest.moved, rest.total), (3, 3));
    let none = redrive(subject, &Redrive::all().with_limit(0)).await.progress;
    assert_eq!(none.moved, 0);
    let journal = started(subject).await;
    for id in ["a", "b", "c", "d", "e"] {
        assert_eq!(ended(subject, id).await.attempts.len(), 2);
    }
    assert_eq!(journal.runs().len(), 5, "each once");
}

pub(super) async fn a_second_redrive_moves_nothing_again(subject: &dyn Subject) {
    fail(subject, &["a", "b"]).await;
    subject.stop(secs(5)).await;
    assert_eq!(redrive(subject, &Redrive::all()).await.progress.moved, 2);
    assert_eq!(redrive(subject, &Redrive::all()).await.progress.moved, 0);
    assert_eq!(counted(subject, &DeadLetterFilter::all()).await, []);
    let journal = started(subject).await;
    for id in ["a", "b"] {
        assert_eq!(ended(subject, id).await.attempts.len(), 2);
    }
    assert_eq!(journal.runs().len(), 2, "each once");
}

pub(super) async fn a_redrive_ends_while_jobs_fail_again(subject: &dyn Subject) {
    let journal = fail(subject, &["a", "b", "c"]).await;
    assert_eq!(redrive(subject, &Redrive::all()).await.progress.moved, 3);
    eventually("each to run again", || async { (journal.runs().len() == 6).then_some(()) }).await;
    dead_letters(subject, 3).await;
    for id in ["a", "b", "c"] {
        assert_eq!(ended(subject, id).await.attempts.len(), 2);
    }
}

pub(super) async fn a_stopped_redrive_leaves_the_rest_for_another(subject: &dyn Subject) {
    fail(subject, &["a", "b"]).await;
    subject.stop(secs(5)).await;
    let stop = Stop::new();
    stop.drain();
    let stopped = redrive_until(subject, &Redrive::all(), &stop).await;
    assert_eq!((stopped.stopped, stopped.progress.moved), (true, 0));
    let rest = redrive(subject, &Redrive::all()).await;
    assert_eq!((rest.stopped, rest.progress.moved), (false, 2));
}

pub(super) async fn a_redrive_keeps_its_rate(subject: &dyn Subject) {
    fail(subject, &["a", "b", "c"]).await;
    subject.stop(secs(5)).await;
    let began = subject.env().now();
    let two = NonZeroU32::new(2).expect("not zero");
    assert_eq!(redrive(subject, &Redrive::all().with_rate(two)).await.progress.moved, 3);
    let took = subject.env().now().duration_since(began);
    assert!(took >= jiff::SignedDuration::from_millis(990), "three at two a second, in {took:?}");
}

pub(super) async fn a_retried_job_is_not_run_again_by_a_redrive(subject: &dyn Subject) {
    let journal = started(subject).await;
    enqueue(subject, "a", "fail-first-run").await;
    assert_eq!(ended(subject, "a").await.state, JobState::Failed);
    dead_letters(subject, 1).await;
    let id = JobId::new("a").expect("a good id");
    assert_eq!(subject.client().retry(&id).await.expect("answered"), Some(JobState::Queued));
    eventually("its second run", || async { (record(subject, "a").await.attempts.len() == 2).then_some(()) }).await;
    assert_eq!(state(subject, "a").await, JobState::Succeeded);

    // In some backends the retry has removed the dead letter, in others the redrive removes it.
    assert_eq!(redrive(subject, &Redrive::all()).await.progress.moved, 0);
    assert_eq!(counted(subject, &DeadLetterFilter::all()).await, []);
    another_queue_runs(subject, "beside").await;
    assert_eq!(journal.words(), ["fail-first-run", "fail-first-run", "sleep 1500"]);
    assert_eq!(state(subject, "a").await, JobState::Succeeded);
}

pub(super) async fn a_job_that_is_retried_and_redriven_runs_once(subject: &dyn Subject) {
    fail(subject, &["a"]).await;
    subject.stop(secs(5)).await;
    let id = JobId::new("a").expect("a good id");
    assert_eq!(subject.client().retry(&id).await.expect("answered"), Some(JobState::Queued));
    redrive(subject, &Redrive::all()).await;
    assert_eq!(counted(subject, &DeadLetterFilter::all()).await, []);
    let journal = started(subject).await;
    assert_eq!(ended(subject, "a").await.attempts.len(), 2);
    another_queue_runs(subject, "beside").await;
    assert_eq!(journal.words(), ["fail for now", "sleep 1500"]);
    assert_eq!(ended(subject, "a").await.attempts.len(), 2);
}

pub(super) async fn a_redriven_fifo_group_runs_in_order(subject: &dyn Subject) {
    let client = subject.client();
    for id in ["x1", "x2", "x3"] {
        client.enqueue(Link { what: "fail for now".into() }).id(id).group("x").await.expect("enqueued");
    }
    started(subject).await;
    for id in ["x1", "x2", "x3"] {
        ended(subject, id).await;
    }
    let dead = async || subject.dead_letters(CHAIN).await.len();
    eventually("three dead letters", || async { (dead().await == 3).then_some(()) }).await;
    subject.stop(secs(5)).await;
    assert_eq!(subject.redrive(CHAIN).await, 3);
    let journal = started(subject).await;
    for id in ["x1", "x2", "x3"] {
        assert_eq!(ended(subject, id).await.attempts.len(), 2);
    }
    assert_eq!(journal.runs().into_iter().map(|run| run.id).collect::<Vec<_>>(), ["x1", "x2", "x3"]);
}

pub(super) async fn a_queue_that_is_not_there_is_refused(subject: &dyn Subject) {
    let operator = subject.operator().await;
    let (stop, query, filter) = (Stop::new(), DeadLetterQuery::new(1), DeadLetterFilter::all());
    let errors = [
        operator.consumer("nowhere").await.expect_err("there is none"),
        operator.pause("nowhere").await.expect_err("there is none"),
        operator.resume("nowhere").await.expect_err("there is none"),
        operator.dead_letters("nowhere", &query, &stop).await.expect_err("there is none"),
        operator.count_dead_letters("nowhere", &filter, &stop).await.expect_err("there is none"),
        operator.redrive("nowhere", &Redrive::all(), &stop, &|_| {}).await.expect_err("there is none"),
    ];
    for error in errors {
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains("no queue \"nowhere\""), "{error}");
    }
}
