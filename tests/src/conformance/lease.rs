//! Leases and fencing, through the store's port alone.

use std::{sync::Arc, time::Duration};

use lamplighter::{
    Cancellation, JobId, JobState, Queue, Record, Timestamp,
    backend::{
        Claim, ClaimRequest, Completion, CompletionResult, DeadLetterReason, Decision, JobData, LeaseStatus,
        LimitRequest, RenewRequest, Store, Token,
    },
    message::Message,
    record::{AttemptOutcome, ErrorText, Progress},
    secs,
};

use tokio::time::Instant;

use super::{
    Subject,
    jobs::{CHAIN, PLAIN, enqueue},
};

/// A worker's view of one job.
pub(super) struct Asker<'a> {
    subject: &'a dyn Subject,
    pub(super) store: Arc<dyn Store>,
    pub(super) id: JobId,
    message: Arc<Message>,
    /// The limits within which it runs.
    limits: Vec<LimitRequest>,
    queue: Queue,
}

impl<'a> Asker<'a> {
    /// Creates a job, and a view of it.
    pub(super) async fn of(subject: &'a dyn Subject, text: &str) -> Self {
        let id = enqueue(subject, text, "say hi").await;
        Self::unannounced(subject, id)
    }

    fn unannounced(subject: &'a dyn Subject, id: JobId) -> Self {
        let mut message: Message = r#"{"job":"conformance.act","args":{"what":"say hi"}}"#.parse().expect("a message");
        message.id = Some(id.clone());
        let store = subject.backend().store.expect("a store");
        Self { subject, store, id, message: Arc::new(message), limits: Vec::new(), queue: PLAIN }
    }

    /// Returns a view of a job of that name on that queue, enqueued elsewhere.
    pub(super) fn of_job(subject: &'a dyn Subject, id: &str, job: &str, queue: Queue) -> Self {
        Self::unannounced(subject, JobId::new(id).expect("a good id")).posing_as(job, queue)
    }

    /// Returns the view of a message of another job, or on another queue, under the same id.
    pub(super) fn posing_as(&self, job: &str, queue: Queue) -> Self {
        let mut message = (*self.message).clone();
        job.clone_into(&mut message.job);
        let (store, id, limits) = (self.store.clone(), self.id.clone(), self.limits.clone());
        Self { subject: self.subject, store, id, message: Arc::new(message), limits, queue }
    }

    /// Adds a limit within which it runs.
    pub(super) fn within(mut self, limit: LimitRequest) -> Self {
        self.limits.push(limit);
        self
    }

    fn keys(&self) -> Vec<String> {
        self.limits.iter().map(|limit| limit.key.clone()).collect()
    }

    pub(super) fn request(&self, owner: u64, lease: Duration) -> ClaimRequest {
        let until = self.subject.env().now() + lease;
        let mut request = ClaimRequest::new(self.id.clone(), self.queue.name(), self.message.clone(), owner, until);
        request.host = "conformance".into();
        request.max_attempts = 3;
        request.limits = self.limits.clone();
        request
    }

    pub(super) async fn claim(&self, owner: u64, lease: Duration) -> Claim {
        self.store.claim(vec![self.request(owner, lease)], soon()).await.remove(0).expect("an answer")
    }

    /// Claims, and asserts the attempt's number.
    pub(super) async fn run(&self, owner: u64, lease: Duration, expected: u32) -> Token {
        match self.claim(owner, lease).await {
            Claim::Run { attempt, .. } if attempt == expected => Token { attempt, owner },
            other => std::panic::panic_any(format!("attempt {expected} expected, not {other:?}")),
        }
    }

    /// Renews the lease of an attempt.
    pub(super) async fn renew(&self, token: Token, lease: Duration) -> LeaseStatus {
        let mut request = RenewRequest::new(self.id.clone(), token, self.now() + lease);
        request.limits = self.keys();
        self.store.renew(vec![request], soon()).await.remove(0).expect("an answer")
    }

    pub(super) async fn settle(&self, token: Token, decision: Decision) -> CompletionResult {
        self.store.settle(vec![self.settlement(token, decision)], soon()).await.remove(0).expect("an answer")
    }

    pub(super) fn settlement(&self, token: Token, decision: Decision) -> Completion {
        let now = self.subject.env().now();
        let mut completion = Completion::new(self.id.clone(), self.queue.name(), token, (now, now), decision);
        completion.host = "conformance".into();
        completion.limits = self.keys();
        completion
    }

    pub(super) async fn record(&self) -> Record {
        self.store.get(&self.id).await.expect("readable").expect("a record")
    }

    pub(super) fn now(&self) -> Timestamp {
        self.subject.env().now()
    }
}

pub(super) fn succeeded() -> Decision {
    Decision::Succeeded { output: None, retention: secs(3600) }
}

pub(super) fn retry(delay: Duration) -> Decision {
    Decision::Retry { outcome: AttemptOutcome::Error, error: ErrorText::new("no luck"), delay }
}

pub(super) fn is_applied(settled: CompletionResult) -> bool {
    matches!(settled, CompletionResult::Applied { .. })
}

/// Returns a deadline for an answer that nothing delays.
pub(super) fn soon() -> Instant {
    Instant::now() + secs(60)
}

/// Longer than anything takes that must happen before its end: tests advance the clock past it.
pub(super) const LEASE: Duration = Duration::from_secs(30);
pub(super) const MILLISECOND: Duration = Duration::from_millis(1);

pub(super) async fn a_claim_gives_the_lease_to_one(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let token = asker.run(1, secs(60), 1).await;
    let record = asker.record().await;
    assert_eq!((record.state, record.attempt), (JobState::Running, 1));
    let until = record.lease_until.expect("a lease");
    assert!(matches!(asker.claim(2, LEASE).await, Claim::Busy(moment) if moment == until));
    let racing = (10..20).map(|owner| asker.request(owner, LEASE)).collect();
    for answer in asker.store.claim(racing, soon()).await {
        assert!(matches!(answer, Ok(Claim::Busy(_))), "{answer:?}");
    }
    assert!(is_applied(asker.settle(token, succeeded()).await));
    let record = asker.record().await;
    assert_eq!((record.state, record.lease_until, record.attempts.len()), (JobState::Succeeded, None, 1));
    assert_eq!(record.attempts[0].outcome, AttemptOutcome::Succeeded);
}

pub(super) async fn an_ended_lease_is_counted_as_lost_and_given_on(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let lost = asker.run(1, LEASE, 1).await;
    let lease_end = asker.record().await.lease_until.expect("a lease");
    asker.subject.pass(LEASE + secs(1)).await;
    let token = asker.run(2, secs(60), 2).await;
    let record = asker.record().await;
    assert_eq!(record.attempts.len(), 1);
    assert_eq!((record.attempts[0].number, record.attempts[0].outcome), (lost.attempt, AttemptOutcome::Lost));
    assert_eq!(record.attempts[0].ended_at, lease_end);
    assert!(is_applied(asker.settle(token, succeeded()).await));
}

pub(super) async fn a_job_whose_last_attempt_is_lost_has_failed(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    for attempt in 1..=3 {
        asker.run(attempt.into(), LEASE, attempt).await;
        asker.subject.pass(LEASE + secs(1)).await;
    }
    assert!(matches!(asker.claim(4, LEASE).await, Claim::Exhausted { attempts: 3 }));
    let record = asker.record().await;
    assert_eq!(record.state, JobState::Failed);
    assert!(record.attempts.iter().all(|attempt| attempt.outcome == AttemptOutcome::Lost));
    assert_eq!(record.attempts.len(), 3);
    assert!(matches!(asker.claim(5, LEASE).await, Claim::Ended(JobState::Failed)));
}

pub(super) async fn a_claim_that_comes_again_after_its_settlement_gets_nothing(subject: &dyn Subject) {
    let on = Decision::Continued { outcome: AttemptOutcome::Continued, error: None, checkpoint: None };
    for (id, decision) in [("released", Decision::Released { delay: secs(0) }), ("continued", on)] {
        let asker = Asker::of(subject, id).await;
        let first = asker.run(1, secs(60), 1).await;
        assert!(is_applied(asker.settle(first, decision.clone()).await));
        for _ in 0..2 {
            let late = asker.claim(1, secs(60)).await;
            assert!(matches!(late, Claim::Busy(_)), "nobody would run it: {late:?}");
        }
        assert_eq!(asker.record().await.state, JobState::Queued);
        let token = asker.run(2, secs(60), 1).await;
        assert!(is_applied(asker.settle(token, succeeded()).await));
    }
}

pub(super) async fn a_zombie_changes_nothing(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let zombie = asker.run(1, LEASE, 1).await;
    asker.subject.pass(LEASE + secs(1)).await;
    let heir = asker.run(2, secs(60), 2).await;
    let before = format!("{:?}", asker.record().await);
    for decision in [
        succeeded(),
        retry(secs(1)),
        Decision::Released { delay: Duration::ZERO },
        continued(),
        Decision::Failed {
            outcome: AttemptOutcome::Error,
            reason: DeadLetterReason::Failed,
            error: ErrorText::new("no"),
            retention: secs(1),
        },
    ] {
        assert_eq!(asker.settle(zombie, decision).await, CompletionResult::Fenced(Some(JobState::Running)));
    }
    // The right attempt with the wrong owner is refused too.
    let forged = Token { owner: 1, ..heir };
    assert_eq!(asker.settle(forged, succeeded()).await, CompletionResult::Fenced(Some(JobState::Running)));
    let note = JobData::progress(Progress { done: 1, total: 2 });
    assert_eq!(asker.store.save_job_data(&asker.id, zombie, note).await.expect("an answer"), LeaseStatus::Lost);
    assert_eq!(format!("{:?}", asker.record().await), before);
    assert!(is_applied(asker.settle(heir, succeeded()).await));
    assert_eq!(asker.settle(zombie, retry(secs(1))).await, CompletionResult::Fenced(Some(JobState::Succeeded)));
}

pub(super) async fn a_settlement_applied_twice_is_applied_once(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let token = asker.run(1, secs(60), 1).await;
    let settlement = asker.settlement(token, succeeded());
    let answers = asker.store.settle(vec![settlement.clone(), settlement.clone()], soon()).await;
    assert!(answers.into_iter().all(|answer| is_applied(answer.expect("an answer"))), "it is known again");
    assert_eq!(asker.record().await.attempts.len(), 1);
    // A second settlement of the same attempt is too late.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(asker.settle(token, retry(secs(1))).await, CompletionResult::Fenced(Some(JobState::Succeeded)));
    let unknown = Asker::unannounced(subject, JobId::new("unknown").expect("a good id"));
    assert_eq!(unknown.settle(token, succeeded()).await, CompletionResult::Fenced(None));
}

pub(super) async fn cancelling_takes_the_lease_away(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let token = asker.run(1, secs(60), 1).await;
    assert_eq!(
        asker.store.cancel(&asker.id, &Cancellation::new()).await.expect("cancelled"),
        Some(JobState::Cancelled)
    );
    assert_eq!(
        asker.store.save_job_data(&asker.id, token, JobData::default()).await.expect("an answer"),
        LeaseStatus::Lost
    );
    assert_eq!(asker.settle(token, succeeded()).await, CompletionResult::Fenced(Some(JobState::Cancelled)));
    assert!(matches!(asker.claim(2, LEASE).await, Claim::Ended(JobState::Cancelled)));
}

pub(super) async fn a_job_that_is_cancelled_while_it_runs_says_so_in_its_history(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let first = asker.run(1, secs(60), 1).await;
    asker.settle(first, retry(Duration::ZERO)).await;
    let began = asker.now();
    let token = asker.run(2, secs(60), 2).await;
    let why = Cancellation::new().reason("no longer wanted").by("ada");
    assert_eq!(asker.store.cancel(&asker.id, &why).await.expect("cancelled"), Some(JobState::Cancelled));
    assert_eq!(asker.settle(token, succeeded()).await, CompletionResult::Fenced(Some(JobState::Cancelled)));
    let record = asker.record().await;
    assert_eq!((record.state, record.attempts.len()), (JobState::Cancelled, 2));
    let attempt = &record.attempts[1];
    assert_eq!((attempt.number, attempt.outcome, &*attempt.host), (2, AttemptOutcome::Cancelled, "conformance"));
    assert!(attempt.started_at >= began && attempt.ended_at >= attempt.started_at && attempt.ended_at <= asker.now());
    let error = attempt.error.as_ref().expect("a reason").to_string();
    assert!(error.contains("cancelled") && error.contains("keeps its place"), "{error}");
    assert!(error.ends_with(": no longer wanted (by ada)"), "{error}");

    let unbegun = Asker::of(subject, "b").await;
    unbegun.store.cancel(&unbegun.id, &Cancellation::new()).await.expect("cancelled");
    assert!(unbegun.record().await.attempts.is_empty(), "it never ran");
}

pub(super) async fn an_ended_job_is_not_claimed_again(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let token = asker.run(1, secs(60), 1).await;
    asker.settle(token, succeeded()).await;
    assert!(matches!(asker.claim(2, LEASE).await, Claim::Ended(JobState::Succeeded)));
}

pub(super) async fn a_released_attempt_does_not_count(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    for owner in 1..=5 {
        let token = asker.run(owner, secs(60), 1).await;
        assert!(is_applied(asker.settle(token, Decision::Released { delay: Duration::ZERO }).await));
    }
    let token = asker.run(6, secs(60), 1).await;
    let before = asker.now();
    assert!(is_applied(asker.settle(token, retry(secs(30))).await));
    let after = asker.now();
    let record = asker.record().await;
    assert_eq!((record.state, record.attempt, record.attempts.len()), (JobState::Retrying, 1, 1));
    let settled = record.due_at - secs(30);
    // Timestamps are stored in milliseconds.
    assert!(
        settled + MILLISECOND > before && settled <= after,
        "due {}, settled between {before} and {after}",
        record.due_at
    );
}

pub(super) async fn a_renewed_lease_outlasts_its_first_end(subject: &dyn Subject) {
    let job = Asker::of(subject, "renewed").await;
    let token = job.run(1, LEASE, 1).await;
    assert_eq!(job.renew(token, LEASE * 10).await, LeaseStatus::Held);
    subject.pass(LEASE + secs(1)).await;
    assert!(matches!(job.claim(2, LEASE).await, Claim::Busy(until) if until > job.now()));
    assert!(is_applied(job.settle(token, succeeded()).await));
    let record = job.record().await;
    assert_eq!((record.state, record.attempts.len()), (JobState::Succeeded, 1), "{record:?}");
}

pub(super) async fn a_lease_that_is_lost_cannot_be_renewed(subject: &dyn Subject) {
    let job = Asker::of(subject, "lost").await;
    let lost = job.run(1, LEASE, 1).await;
    subject.pass(LEASE + secs(1)).await;
    let token = job.run(2, secs(60), 2).await;
    assert_eq!(job.renew(lost, secs(600)).await, LeaseStatus::Lost);
    assert_eq!(job.renew(token, secs(60)).await, LeaseStatus::Held, "the owner's goes on");
    // The same for a job that has ended, was cancelled, or never existed.
    assert!(is_applied(job.settle(token, succeeded()).await));
    assert_eq!(job.renew(token, secs(60)).await, LeaseStatus::Lost);
    let cancelled = Asker::of(subject, "cancelled").await;
    let token = cancelled.run(3, secs(60), 1).await;
    cancelled.store.cancel(&cancelled.id, &Cancellation::new()).await.expect("cancelled");
    assert_eq!(cancelled.renew(token, secs(60)).await, LeaseStatus::Lost);
    let nobody = Asker::of_job(subject, "nobody", "conformance.act", PLAIN);
    assert_eq!(nobody.renew(token, secs(60)).await, LeaseStatus::Lost);
}

pub(super) async fn progress_and_checkpoints_are_kept_under_the_lease_only(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let token = asker.run(1, secs(60), 1).await;
    let progress = Progress { done: 3, total: 8 };
    let checkpoint = || serde_json::value::to_raw_value(&[1, 2, 3]).expect("JSON");
    let mut note = JobData::progress(progress);
    note.checkpoint = Some(checkpoint());
    assert_eq!(asker.store.save_job_data(&asker.id, token, note).await.expect("an answer"), LeaseStatus::Held);
    let record = asker.record().await;
    assert_eq!(record.progress, Some(progress));
    asker.settle(token, retry(Duration::ZERO)).await;
    assert!(
        matches!(asker.claim(2, LEASE).await, Claim::Run { attempt: 2, checkpoint: Some(kept), .. } if kept.get() == "[1,2,3]")
    );
    let late = JobData::checkpoint(checkpoint());
    assert_eq!(asker.store.save_job_data(&asker.id, token, late).await.expect("an answer"), LeaseStatus::Lost);
}

fn continued() -> Decision {
    let checkpoint = serde_json::value::to_raw_value("half").expect("JSON");
    Decision::Continued { outcome: AttemptOutcome::Continued, error: None, checkpoint: Some(checkpoint) }
}

pub(super) async fn a_continued_job_counts_its_attempts_anew(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    // One attempt fails, and the next one goes on.
    let token = asker.run(1, secs(60), 1).await;
    assert!(is_applied(asker.settle(token, retry(Duration::ZERO)).await));
    let token = asker.run(2, secs(60), 2).await;
    let settlement = asker.settlement(token, continued());
    for _ in 0..2 {
        let answer = asker.store.settle(vec![settlement.clone()], soon()).await.remove(0);
        assert!(is_applied(answer.expect("an answer")), "it is known again");
    }
    let record = asker.record().await;
    assert_eq!((record.state, record.attempt, record.attempts.len()), (JobState::Queued, 0, 2));
    assert_eq!(record.attempts[1].outcome, AttemptOutcome::Continued);
    let claim = asker.claim(3, secs(60)).await;
    assert!(
        matches!(&claim, Claim::Run { attempt: 1, checkpoint: Some(kept), .. } if kept.get() == "\"half\""),
        "{claim:?}"
    );
    // Known again also now that the job goes on.
    let answer = asker.store.settle(vec![settlement], soon()).await.remove(0);
    assert!(is_applied(answer.expect("an answer")));
    assert_eq!(asker.record().await.state, JobState::Running);
}

pub(super) async fn history_is_bounded(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    for owner in 1..=60 {
        let mut request = asker.request(owner, secs(60));
        request.max_attempts = 100;
        let claim = asker.store.claim(vec![request], soon()).await.remove(0);
        let Ok(Claim::Run { attempt, .. }) = claim else { std::panic::panic_any(format!("{claim:?}")) };
        assert!(is_applied(asker.settle(Token { attempt, owner }, retry(Duration::ZERO)).await));
    }
    let record = asker.record().await;
    assert_eq!((record.attempt, record.attempts.len()), (60, Record::MAX_HISTORY));
    assert_eq!(record.attempts.last().map(|attempt| attempt.number), Some(60), "the oldest go first");
}

pub(super) async fn a_job_that_nobody_announced_gets_a_record(subject: &dyn Subject) {
    let asker = Asker::unannounced(subject, JobId::new("raw").expect("a good id"));
    let token = asker.run(1, secs(60), 1).await;
    let record = asker.record().await;
    assert_eq!(
        (record.state, &*record.queue, &*record.message.job),
        (JobState::Running, PLAIN.name(), "conformance.act")
    );
    assert!(is_applied(asker.settle(token, succeeded()).await));
    assert_eq!(asker.record().await.state, JobState::Succeeded);
}

pub(super) async fn an_expired_job_is_cancelled_instead_of_claimed(subject: &dyn Subject) {
    let mut asker = Asker::unannounced(subject, JobId::new("old").expect("a good id"));
    let mut message = (*asker.message).clone();
    message.expires_at = Some(asker.now());
    asker.message = Arc::new(message);
    assert!(matches!(asker.claim(1, LEASE).await, Claim::Ended(JobState::Cancelled)));
    let record = asker.record().await;
    assert_eq!((record.state, record.attempt), (JobState::Cancelled, 0));
    assert!(record.reason.expect("a reason").contains("expired"));
}

pub(super) async fn a_settlement_is_known_again_however_late_it_comes(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let first = asker.run(1, secs(60), 1).await;
    let failed = asker.settlement(first, retry(Duration::ZERO));
    let send = async |settlement: &Completion| {
        asker.store.settle(vec![settlement.clone()], soon()).await.remove(0).expect("an answer")
    };
    assert!(is_applied(send(&failed).await));
    let second = asker.run(2, secs(60), 2).await;
    assert!(is_applied(send(&failed).await), "while the next attempt runs");
    assert_eq!((asker.record().await.state, asker.record().await.attempts.len()), (JobState::Running, 1));
    let decision = Decision::Failed {
        outcome: AttemptOutcome::Error,
        reason: DeadLetterReason::Failed,
        error: ErrorText::new("no"),
        retention: secs(3600),
    };
    let ended = asker.settlement(second, decision);
    for _ in 0..3 {
        assert!(is_applied(send(&ended).await), "a job that is to be dead-lettered is still to be");
        assert!(is_applied(send(&failed).await), "after the job has ended");
    }
    let record = asker.record().await;
    assert_eq!((record.state, record.attempts.len()), (JobState::Failed, 2));
}

pub(super) async fn a_message_under_another_jobs_id_claims_nothing(subject: &dyn Subject) {
    let asker = Asker::of(subject, "a").await;
    let claims_nothing = async |when: &str| {
        for (job, queue) in [("conformance.link", PLAIN), ("conformance.act", CHAIN)] {
            match asker.posing_as(job, queue).claim(9, secs(60)).await {
                Claim::Foreign(owner) => assert!(owner.is("conformance.act", PLAIN.name()), "{when}: {owner:?}"),
                other => std::panic::panic_any(format!("{when}: foreign, not {other:?}")),
            }
        }
    };
    claims_nothing("queued").await;
    let lost = asker.run(1, LEASE, 1).await;
    claims_nothing("running").await;
    asker.subject.pass(LEASE + secs(1)).await;
    claims_nothing("lost").await;
    assert_eq!(asker.record().await.attempts.len(), 0, "{lost:?}");
    let token = asker.run(2, secs(60), 2).await;
    assert!(is_applied(asker.settle(token, succeeded()).await));
    claims_nothing("succeeded").await;
    // Nor does one that must hold a lock.
    let alone = asker.posing_as("conformance.link", PLAIN).within(LimitRequest::mutex("schedule:x"));
    assert!(matches!(alone.claim(9, secs(60)).await, Claim::Foreign(_)));
    assert_eq!(asker.record().await.state, JobState::Succeeded);
}
