//! Locks that one job at a time may hold, through the store's port alone.

use std::time::Duration;

use lamplighter::{
    Cancellation, JobState, Timestamp,
    backend::{Claim, DeadLetterReason, Decision, LeaseStatus, OnBusy},
    record::{AttemptOutcome, ErrorText},
    secs,
};

use super::{
    Subject,
    lease::{Asker, LEASE, is_applied, retry, soon, succeeded},
};

const KEY: &str = "schedule:nightly";

async fn waiting<'a>(subject: &'a dyn Subject, id: &str) -> Asker<'a> {
    Asker::of(subject, id).await.alone(KEY, OnBusy::Wait)
}

async fn skipping<'a>(subject: &'a dyn Subject, id: &str) -> Asker<'a> {
    Asker::of(subject, id).await.alone(KEY, OnBusy::Cancel { reason: "the other still runs".into() })
}

/// Asserts that a job has to wait, and returns the moment of its next claim.
async fn waits(asker: &Asker<'_>) -> Timestamp {
    match asker.claim(99, secs(60)).await {
        Claim::Locked(until) => until,
        other => std::panic::panic_any(format!("to wait, not {other:?}")),
    }
}

pub(super) async fn a_job_waits_for_a_lock_that_another_holds(subject: &dyn Subject) {
    let (a, b) = (waiting(subject, "a").await, waiting(subject, "b").await);
    let token = a.run(1, secs(60), 1).await;
    let lease_end = a.record().await.lease_until.expect("a lease");
    let until = waits(&b).await;
    assert!(until > b.now() && until <= lease_end, "asked again at {until}, the lease ends at {lease_end}");
    let record = b.record().await;
    assert_eq!((record.state, record.attempt, record.attempts.len()), (JobState::Queued, 0, 0));
    assert!(is_applied(a.settle(token, succeeded()).await));
    b.run(2, secs(60), 1).await;
}

pub(super) async fn one_job_of_a_batch_gets_a_lock(subject: &dyn Subject) {
    let mut requests = Vec::new();
    for n in 0..5 {
        requests.push(waiting(subject, &format!("job-{n}")).await.request(n, secs(60)));
    }
    let store = subject.backend().store.expect("a store");
    let answers: Vec<_> =
        store.claim(requests, soon()).await.into_iter().map(|answer| answer.expect("an answer")).collect();
    let running = answers.iter().filter(|answer| matches!(answer, Claim::Run { .. })).count();
    let waiting = answers.iter().filter(|answer| matches!(answer, Claim::Locked(_))).count();
    assert_eq!((running, waiting), (1, 4), "{answers:?}");
}

pub(super) async fn jobs_without_a_lock_run_concurrently(subject: &dyn Subject) {
    waiting(subject, "a").await.run(1, secs(60), 1).await;
    Asker::of(subject, "b").await.run(2, secs(60), 1).await;
    Asker::of(subject, "c").await.alone("schedule:hourly", OnBusy::Wait).run(3, secs(60), 1).await;
}

pub(super) async fn every_end_of_an_attempt_releases_its_lock(subject: &dyn Subject) {
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

pub(super) async fn the_lock_of_a_dead_host_ends_with_its_lease(subject: &dyn Subject) {
    let (a, b, c) = (waiting(subject, "a").await, waiting(subject, "b").await, waiting(subject, "c").await);
    let lost = a.run(1, LEASE, 1).await;
    assert!(waits(&b).await <= a.record().await.lease_until.expect("a lease"));
    subject.pass(LEASE + secs(1)).await;
    let token = b.run(2, secs(60), 1).await;
    // The lost one is delivered again, and waits too: its attempt is counted when its next claim is granted.
    waits(&a).await;
    assert_eq!(a.record().await.attempts.len(), 0);
    // Its late settlement must not free a lock that it no longer holds.
    a.settle(lost, retry(Duration::ZERO)).await;
    waits(&c).await;
    assert!(is_applied(b.settle(token, succeeded()).await));
    a.run(3, secs(60), 2).await;
    assert_eq!(a.record().await.attempts.len(), 1);
}

pub(super) async fn a_renewed_lease_keeps_its_lock(subject: &dyn Subject) {
    let (a, b) = (waiting(subject, "a").await, waiting(subject, "b").await);
    let token = a.run(1, LEASE, 1).await;
    assert_eq!(a.renew(token, LEASE * 10).await, LeaseStatus::Held);
    subject.pass(LEASE + secs(1)).await;
    waits(&b).await;
    assert!(is_applied(a.settle(token, succeeded()).await));
    b.run(2, secs(60), 1).await;
}

pub(super) async fn a_lost_last_attempt_releases_its_lock(subject: &dyn Subject) {
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

pub(super) async fn a_repeated_settlement_releases_the_lock(subject: &dyn Subject) {
    let (one, other) = (waiting(subject, "one").await, waiting(subject, "other").await);
    let token = one.run(1, secs(60), 1).await;
    waits(&other).await;
    // The first time it was interrupted before the lock was freed.
    let settlement = one.settlement(token, succeeded());
    let mut cut_off = settlement.clone();
    cut_off.lock = None;
    for settlement in [cut_off, settlement] {
        let answer = one.store.settle(vec![settlement], soon()).await.remove(0);
        assert!(is_applied(answer.expect("an answer")));
    }
    other.run(2, secs(60), 1).await;
    assert_eq!(one.record().await.attempts.len(), 1);
}
