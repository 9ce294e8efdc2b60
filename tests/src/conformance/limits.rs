//! Limits that jobs share: through the store's port alone, and in whole runs.

use std::time::Duration;

use lamplighter::{
    Cancellation, JobState, NewJob, Timestamp,
    backend::{Claim, DeadLetterReason, Decision, LeaseStatus, LimitRequest, OnFull, Rate},
    record::{AttemptOutcome, ErrorText},
    secs,
};

use super::{
    Subject,
    jobs::{Alone, Few, PATIENCE, PLAIN, Paced, ended, eventually, started},
    lease::{Asker, LEASE, is_applied, retry, soon, succeeded},
};

const KEY: &str = "schedule:nightly";

async fn waiting<'a>(subject: &'a dyn Subject, id: &str) -> Asker<'a> {
    Asker::of(subject, id).await.within(LimitRequest::mutex(KEY))
}

async fn skipping<'a>(subject: &'a dyn Subject, id: &str) -> Asker<'a> {
    let on_full = OnFull::Cancel { reason: "the other still runs".into() };
    Asker::of(subject, id).await.within(LimitRequest::mutex(KEY).on_full(on_full))
}

/// Asserts that a job has to wait, and returns the moment of its next claim.
async fn waits(asker: &Asker<'_>) -> Timestamp {
    match asker.claim(99, secs(60)).await {
        Claim::Limited { until, .. } => until,
        other => std::panic::panic_any(format!("to wait, not {other:?}")),
    }
}

pub(super) async fn a_job_waits_for_a_place_that_another_has(subject: &dyn Subject) {
    let (a, b) = (waiting(subject, "a").await, waiting(subject, "b").await);
    let token = a.run(1, secs(60), 1).await;
    let until = waits(&b).await;
    assert!(until > b.now(), "asked again at {until}");
    let record = b.record().await;
    assert_eq!((record.state, record.attempt, record.attempts.len()), (JobState::Queued, 0, 0));
    assert!(is_applied(a.settle(token, succeeded()).await));
    b.run(2, secs(60), 1).await;
}

pub(super) async fn one_of_several_jobs_gets_the_only_place(subject: &dyn Subject) {
    let mut requests = Vec::new();
    for n in 0..5 {
        requests.push(waiting(subject, &format!("job-{n}")).await.request(n, secs(60)));
    }
    let store = subject.backend().store.expect("a store");
    let answers: Vec<_> =
        store.claim(requests, soon()).await.into_iter().map(|answer| answer.expect("an answer")).collect();
    let running = answers.iter().filter(|answer| matches!(answer, Claim::Run { .. })).count();
    let waiting = answers.iter().filter(|answer| matches!(answer, Claim::Limited { .. })).count();
    assert_eq!((running, waiting), (1, 4), "{answers:?}");
}

pub(super) async fn jobs_of_other_limits_run_concurrently(subject: &dyn Subject) {
    waiting(subject, "a").await.run(1, secs(60), 1).await;
    Asker::of(subject, "b").await.run(2, secs(60), 1).await;
    Asker::of(subject, "c").await.within(LimitRequest::mutex("schedule:hourly")).run(3, secs(60), 1).await;
}

pub(super) async fn every_end_of_an_attempt_frees_its_place(subject: &dyn Subject) {
    let other = waiting(subject, "other").await;
    let failed = || Decision::Failed {
        outcome: AttemptOutcome::Error,
        reason: DeadLetterReason::Failed,
        error: ErrorText::new("no"),
        retention: secs(3600),
    };
    let put_back = || Decision::Released { delay: Duration::ZERO };
    for (owner, decision) in (1..).zip([succeeded(), retry(secs(30)), put_back(), failed()]) {
        let asker = waiting(subject, &format!("job-{owner}")).await;
        let token = asker.run(owner, secs(60), 1).await;
        waits(&other).await;
        let what = format!("{decision:?}");
        assert!(is_applied(asker.settle(token, decision).await), "{what}");
        let token = other.run(100 + owner, secs(60), 1).await;
        assert!(is_applied(other.settle(token, put_back()).await), "after {what}");
    }
    let cancelled = waiting(subject, "cancelled").await;
    cancelled.run(50, secs(60), 1).await;
    waits(&other).await;
    cancelled.store.cancel(&cancelled.id, &Cancellation::new()).await.expect("cancelled");
    other.run(51, secs(60), 1).await;
}

pub(super) async fn the_place_of_a_dead_host_ends_with_its_lease(subject: &dyn Subject) {
    let (a, b, c) = (waiting(subject, "a").await, waiting(subject, "b").await, waiting(subject, "c").await);
    let lost = a.run(1, LEASE, 1).await;
    waits(&b).await;
    subject.pass(LEASE + secs(1)).await;
    let token = b.run(2, secs(60), 1).await;
    // The lost one is delivered again, and waits too: its attempt is counted when its next claim is granted.
    waits(&a).await;
    assert_eq!(a.record().await.attempts.len(), 0);
    // Its late settlement must not free a place that it no longer has.
    a.settle(lost, retry(Duration::ZERO)).await;
    waits(&c).await;
    assert!(is_applied(b.settle(token, succeeded()).await));
    a.run(3, secs(60), 2).await;
    assert_eq!(a.record().await.attempts.len(), 1);
}

pub(super) async fn a_renewed_lease_keeps_its_place(subject: &dyn Subject) {
    let (a, b) = (waiting(subject, "a").await, waiting(subject, "b").await);
    let token = a.run(1, LEASE, 1).await;
    assert_eq!(a.renew(token, LEASE * 10).await, LeaseStatus::Held);
    subject.pass(LEASE + secs(1)).await;
    waits(&b).await;
    assert!(is_applied(a.settle(token, succeeded()).await));
    b.run(2, secs(60), 1).await;
}

pub(super) async fn a_lost_last_attempt_frees_its_place(subject: &dyn Subject) {
    let (a, b) = (waiting(subject, "a").await, waiting(subject, "b").await);
    for attempt in 1..=3 {
        a.run(attempt.into(), LEASE, attempt).await;
        subject.pass(LEASE + secs(1)).await;
    }
    assert!(matches!(a.claim(4, LEASE).await, Claim::Exhausted { attempts: 3 }));
    b.run(5, secs(60), 1).await;
}

pub(super) async fn a_job_that_must_not_wait_is_cancelled(subject: &dyn Subject) {
    let (a, b, c) = (skipping(subject, "a").await, skipping(subject, "b").await, skipping(subject, "c").await);
    let token = a.run(1, secs(60), 1).await;
    assert!(matches!(b.claim(2, secs(60)).await, Claim::Skipped));
    let record = b.record().await;
    assert_eq!((record.state, record.attempt, record.attempts.len()), (JobState::Cancelled, 0, 0));
    assert_eq!(record.reason.as_deref(), Some("the other still runs"));
    assert!(matches!(b.claim(3, secs(60)).await, Claim::Ended(JobState::Cancelled)));
    // A job that has begun is not dropped.
    assert!(is_applied(a.settle(token, retry(Duration::ZERO)).await));
    let token = c.run(4, secs(60), 1).await;
    waits(&a).await;
    assert!(is_applied(c.settle(token, succeeded()).await));
    a.run(5, secs(60), 2).await;
}

pub(super) async fn a_repeated_settlement_frees_the_place(subject: &dyn Subject) {
    let (one, other) = (waiting(subject, "one").await, waiting(subject, "other").await);
    let token = one.run(1, secs(60), 1).await;
    waits(&other).await;
    // The first time it was interrupted before the place was freed.
    let settlement = one.settlement(token, succeeded());
    let mut cut_off = settlement.clone();
    cut_off.limits.clear();
    for settlement in [cut_off, settlement] {
        let answer = one.store.settle(vec![settlement], soon()).await.remove(0);
        assert!(is_applied(answer.expect("an answer")));
    }
    other.run(2, secs(60), 1).await;
    assert_eq!(one.record().await.attempts.len(), 1);
}

pub(super) async fn a_limit_has_as_many_places_as_it_says(subject: &dyn Subject) {
    let mut askers = Vec::new();
    for n in 0..4 {
        let mut limit = LimitRequest::new("three");
        limit.at_once = Some(3);
        askers.push(Asker::of(subject, &format!("job-{n}")).await.within(limit));
    }
    let first = askers[0].run(10, secs(60), 1).await;
    askers[1].run(11, secs(60), 1).await;
    askers[2].run(12, secs(60), 1).await;
    waits(&askers[3]).await;
    // A claim whose answer was lost is asked again, and takes no second place.
    askers[1].run(11, secs(60), 1).await;
    waits(&askers[3]).await;
    assert!(is_applied(askers[0].settle(first, succeeded()).await));
    askers[3].run(13, secs(60), 1).await;
}

pub(super) async fn a_job_needs_a_place_in_each_of_its_limits(subject: &dyn Subject) {
    let within = async |id: &str, keys: &[&str]| {
        let asker = Asker::of(subject, id).await;
        keys.iter().fold(asker, |asker, key| asker.within(LimitRequest::mutex(*key)))
    };
    let (left, both, right) =
        (within("left", &["l"]).await, within("both", &["l", "r"]).await, within("right", &["r"]).await);
    let token = right.run(1, secs(60), 1).await;
    waits(&both).await;
    // It has not kept the place that was free.
    let of_left = left.run(2, secs(60), 1).await;
    assert!(is_applied(right.settle(token, succeeded()).await));
    waits(&both).await;
    assert!(is_applied(left.settle(of_left, succeeded()).await));
    let token = both.run(3, secs(60), 1).await;
    let (l, r) = (within("l2", &["l"]).await, within("r2", &["r"]).await);
    waits(&l).await;
    waits(&r).await;
    assert!(is_applied(both.settle(token, succeeded()).await));
    l.run(4, secs(60), 1).await;
    r.run(5, secs(60), 1).await;
}

pub(super) async fn jobs_begin_at_the_rate_of_their_limit(subject: &dyn Subject) {
    let mut askers = Vec::new();
    for n in 0..4 {
        let mut limit = LimitRequest::new("paced");
        limit.rate = Some(Rate { jobs: 2, per: LEASE * 2 });
        askers.push(Asker::of(subject, &format!("job-{n}")).await.within(limit));
    }
    askers[0].run(1, secs(600), 1).await;
    askers[1].run(2, secs(600), 1).await;
    let (third, fourth) = (waits(&askers[2]).await, waits(&askers[3]).await);
    assert!(third > askers[2].now() && fourth > askers[3].now());
    subject.pass(LEASE + secs(1)).await;
    askers[2].run(3, secs(600), 1).await;
    waits(&askers[3]).await;
    subject.pass(LEASE + secs(1)).await;
    askers[3].run(4, secs(600), 1).await;
}

pub(super) async fn jobs_of_a_mutex_run_one_after_the_other(subject: &dyn Subject) {
    let journal = started(subject).await;
    let jobs: Vec<_> = (0..20).map(|n| NewJob::from(Alone::of("a", 5)).id(format!("a-{n}"))).collect();
    let others: Vec<_> = (0..3).map(|n| NewJob::from(Alone::of("b", 5)).id(format!("b-{n}"))).collect();
    for answer in subject.client().enqueue_all(jobs.into_iter().chain(others)).await {
        answer.expect("enqueued");
    }
    for n in 0..20 {
        let record = ended(subject, &format!("a-{n}")).await;
        assert_eq!((record.state, record.attempt, record.attempts.len()), (JobState::Succeeded, 1, 1));
    }
    for n in 0..3 {
        assert_eq!(ended(subject, &format!("b-{n}")).await.state, JobState::Succeeded);
    }
    assert_eq!((journal.most_at_once("a"), journal.most_at_once("b")), (1, 1));
    assert_eq!(journal.runs().len(), 23);
    assert!(subject.dead_letters(PLAIN).await.is_empty());
}

pub(super) async fn as_many_jobs_run_at_once_as_their_limit_allows(subject: &dyn Subject) {
    let journal = started(subject).await;
    let jobs: Vec<_> = (0..12).map(|n| NewJob::from(Few::of("few", 40)).id(format!("few-{n}"))).collect();
    for answer in subject.client().enqueue_all(jobs).await {
        answer.expect("enqueued");
    }
    for n in 0..12 {
        assert_eq!(ended(subject, &format!("few-{n}")).await.state, JobState::Succeeded);
    }
    assert!((1..=3).contains(&journal.most_at_once("few")), "{}", journal.most_at_once("few"));
    assert_eq!(journal.runs().len(), 12);
}

pub(super) async fn a_crowd_of_jobs_begins_at_the_rate_of_its_limit(subject: &dyn Subject) {
    let journal = started(subject).await;
    let jobs: Vec<_> = (0..9).map(|n| NewJob::from(Paced::of("paced", 0)).id(format!("paced-{n}"))).collect();
    let before = subject.env().now();
    for answer in subject.client().enqueue_all(jobs).await {
        answer.expect("enqueued");
    }
    for n in 0..9 {
        assert_eq!(ended(subject, &format!("paced-{n}")).await.state, JobState::Succeeded);
    }
    let runs = journal.runs();
    assert_eq!(runs.len(), 9);
    // Three at once, and then one a second, by their claims. A handler begins after its claim, however much later: so the
    // last one is measured from before the first claim.
    let took = runs.iter().map(|run| run.at).max().expect("runs").duration_since(before);
    assert!(took >= jiff::SignedDuration::from_millis(5000), "{took:?}");
}

pub(super) async fn a_job_says_for_which_limit_it_waits(subject: &dyn Subject) {
    let journal = started(subject).await;
    let client = subject.client();
    client.enqueue(Alone { what: "until-released".into(), of: "a".into() }).id("first").await.expect("enqueued");
    eventually("the first runs", || async { (!journal.runs().is_empty()).then_some(()) }).await;
    client.enqueue(Alone::of("a", 0)).id("cancelled").await.expect("enqueued");
    client.enqueue(Alone::of("a", 0)).id("last").await.expect("enqueued");
    for id in ["cancelled", "last"] {
        let id = lamplighter::JobId::new(id).expect("a good id");
        let limit = eventually("it waits", || async {
            client.get(&id).await.expect("readable").and_then(|record| record.limit)
        });
        assert_eq!(limit.await, "alone:a");
    }
    let id = lamplighter::JobId::new("cancelled").expect("a good id");
    assert_eq!(client.cancel(&id).await.expect("an answer"), Some(JobState::Cancelled));
    assert_eq!(client.get(&id).await.expect("readable").expect("a record").limit, None);
    journal.release();
    // Nothing is kept for the one that was cancelled: the last one is woken.
    let last = lamplighter::JobId::new("last").expect("a good id");
    let record = client.wait(&last, PATIENCE).await.expect("its end");
    assert_eq!((record.state, record.limit), (JobState::Succeeded, None));
    assert_eq!(journal.runs().len(), 2);
}
