//! Error groups: what they count, how they are listed, and how their jobs are found.

use std::collections::{BTreeMap, BTreeSet};

use lamplighter::{
    JobState, ListQuery,
    backend::{DeadLetterReason, Decision, Token},
    record::{AttemptOutcome, ErrorGroup, ErrorNote, ErrorQuery, ErrorSample, ErrorText, Fingerprint},
    secs,
};

use super::{
    Subject,
    jobs::{CHAIN, Link, PLAIN, ended, enqueue, eventually, started},
    lease::{Asker, LEASE, is_applied, soon, succeeded},
};

/// All groups, this many a page.
async fn all(subject: &dyn Subject, query: ErrorQuery) -> Vec<ErrorGroup> {
    let (mut query, mut groups) = (query, Vec::new());
    loop {
        let page = subject.client().error_groups(&query).await.expect("a page");
        assert!(page.groups.len() <= query.limit.max(1));
        assert!(page.groups.is_sorted_by_key(|group| std::cmp::Reverse(group.last_seen)), "{page:?}");
        groups.extend(page.groups);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return groups,
        }
    }
}

/// Waits until so many failures are counted, and returns their groups by title: a backend may count them later.
async fn counted(subject: &dyn Subject, failures: u64) -> BTreeMap<String, ErrorGroup> {
    let store = subject.backend().store.expect("a store");
    let groups = eventually("all failures counted", || async {
        // What could not be counted goes with the next settlements.
        store.settle(Vec::new(), soon()).await;
        let groups = all(subject, ErrorQuery { limit: 100, ..ErrorQuery::default() }).await;
        let sum: u64 = groups.iter().map(|group| group.failures).sum();
        assert!(sum <= failures, "{groups:?}");
        (sum == failures).then_some(groups)
    });
    groups.await.into_iter().map(|group| (group.title.clone(), group)).collect()
}

fn retry(error: ErrorText) -> Decision {
    Decision::Retry { outcome: AttemptOutcome::Error, error, delay: secs(0) }
}

fn fail(error: &str) -> Decision {
    let (outcome, reason, error) = (AttemptOutcome::Error, DeadLetterReason::Failed, ErrorText::new(error));
    Decision::Failed { outcome, reason, error, retention: secs(3600) }
}

/// The jobs whose last attempt has failed in this way, this many a page.
async fn jobs(subject: &dyn Subject, query: ListQuery) -> BTreeSet<String> {
    let (mut query, mut ids) = (query, BTreeSet::new());
    loop {
        let page = subject.client().list(&query).await.expect("a page");
        assert!(page.records.len() <= query.limit.max(1));
        for record in page.records {
            assert!(ids.insert(record.id.to_string()), "{} is on two pages", record.id);
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return ids,
        }
    }
}

fn of(error: Fingerprint) -> ListQuery {
    ListQuery { error: Some(error), limit: 1, ..ListQuery::default() }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

pub(super) async fn failures_of_one_cause_are_one_group(subject: &dyn Subject) {
    let before = subject.env().now();
    for (id, what) in [
        ("one", "fail order 17 of \"ada\" not found"),
        ("two", "fail order 4 of \"grace\" not found"),
        ("other", "fail customer 4 not found"),
        ("good", "say order 4 not found"),
    ] {
        enqueue(subject, id, what).await;
    }
    started(subject).await;
    for id in ["one", "two", "other", "good"] {
        ended(subject, id).await;
    }
    let groups = counted(subject, 3).await;
    assert_eq!(groups.len(), 2, "{groups:?}");
    let group = &groups["order <n> of <value> not found"];
    assert_eq!((group.failures, group.outcome, &*group.queue), (2, AttemptOutcome::Error, PLAIN.name()));
    assert!(group.jobs.is_none_or(|jobs| jobs == 2), "{group:?}");
    assert!(group.first_seen >= before && group.first_seen <= group.last_seen, "{group:?}");
    let record = ended(subject, group.sample.id.as_str()).await;
    assert_eq!(record.attempts[0].error.as_ref().expect("an error").message, group.sample.message);
    assert_eq!(record.attempts[0].fingerprint, Some(group.fingerprint));
    assert_eq!(record.attempts[0].ended_at, group.last_seen);
    assert_eq!(
        group.fingerprint,
        Fingerprint::of(&group.job, group.outcome, &ErrorText::new("order 1 of '' not found"))
    );
    assert_eq!(groups["customer <n> not found"].failures, 1);
    assert_eq!(ended(subject, "good").await.attempts[0].fingerprint, None);
    let client = subject.client();
    assert_eq!(client.error_group(group.fingerprint).await.expect("readable").as_ref(), Some(group));
    assert_eq!(client.error_group(Fingerprint::from_bits(1)).await.expect("readable"), None);
}

pub(super) async fn every_attempt_that_fails_counts_in_its_group(subject: &dyn Subject) {
    let job = Asker::of(subject, "a").await;
    let first = job.run(1, secs(60), 1).await;
    assert!(is_applied(job.settle(first, retry(ErrorText::new("row 1"))).await));
    job.run(2, LEASE, 2).await;
    subject.pass(LEASE + secs(1)).await;
    let third = job.run(3, secs(60), 3).await;
    assert!(is_applied(job.settle(third, fail("row 3")).await));
    let groups = counted(subject, 3).await;
    let (rows, lost) = (&groups["row <n>"], &groups["its host ended without a word"]);
    assert_eq!((rows.failures, lost.failures), (2, 1));
    assert_eq!((rows.outcome, lost.outcome), (AttemptOutcome::Error, AttemptOutcome::Lost));
    assert!([rows, lost].into_iter().all(|group| group.jobs.is_none_or(|jobs| jobs == 1)), "{groups:?}");
    let known: Vec<_> = job.record().await.attempts.iter().map(|attempt| attempt.fingerprint).collect();
    let (rows, lost) = (Some(rows.fingerprint), Some(lost.fingerprint));
    assert_eq!(known, [rows, lost, rows]);
}

pub(super) async fn only_attempts_that_fail_count(subject: &dyn Subject) {
    let job = Asker::of(subject, "a").await;
    let released = job.run(1, secs(60), 1).await;
    job.settle(released, Decision::Released { delay: secs(0) }).await;
    let late = Some(ErrorText::new("took longer than its timeout"));
    let token = job.run(2, secs(60), 1).await;
    let on = Decision::Continued { outcome: AttemptOutcome::TimedOut, error: late, checkpoint: None };
    assert!(is_applied(job.settle(token, on).await), "it goes on from its checkpoint");
    let token = job.run(3, secs(60), 1).await;
    assert!(is_applied(job.settle(token, succeeded()).await));
    let cancelled = Asker::of(subject, "b").await;
    cancelled.run(4, secs(60), 1).await;
    let client = subject.client();
    assert_eq!(client.cancel(&cancelled.id).await.expect("cancelled"), Some(JobState::Cancelled));
    // One that counts, so that there would have been time for the others.
    let failing = Asker::of(subject, "c").await;
    let token = failing.run(5, secs(60), 1).await;
    assert!(is_applied(failing.settle(token, fail("no")).await));
    let groups = counted(subject, 1).await;
    assert_eq!(groups.keys().collect::<Vec<_>>(), ["no"]);
}

pub(super) async fn a_failure_that_is_settled_again_counts_once(subject: &dyn Subject) {
    let job = Asker::of(subject, "a").await;
    let token = job.run(1, secs(60), 1).await;
    let settlement = job.settlement(token, retry(ErrorText::new("row 1")));
    for _ in 0..3 {
        let answers = job.store.settle(vec![settlement.clone(), settlement.clone()], soon()).await;
        assert!(answers.into_iter().all(|answer| is_applied(answer.expect("an answer"))));
    }
    job.settle(Token { owner: 7, ..token }, fail("a zombie's")).await;
    let other = Asker::of(subject, "b").await;
    let token = other.run(2, secs(60), 1).await;
    assert!(is_applied(other.settle(token, fail("row 2")).await));
    let groups = counted(subject, 2).await;
    assert_eq!(groups["row <n>"].failures, 2, "{groups:?}");
}

pub(super) async fn groups_are_listed_by_job_queue_and_time(subject: &dyn Subject) {
    let words = ["amber", "beige", "coral", "denim"];
    let mut middle = subject.env().now();
    for (owner, word) in (1..).zip(words) {
        if word == "coral" {
            subject.pass(secs(2)).await;
            middle = subject.env().now();
        }
        let job = Asker::of(subject, word).await;
        let token = job.run(owner, secs(60), 1).await;
        assert!(is_applied(job.settle(token, fail(word)).await));
    }
    let link = Link { what: "say hi".into() };
    subject.client().enqueue(link).id("link").await.expect("enqueued");
    let link = Asker::of_job(subject, "link", "conformance.link", CHAIN);
    let token = link.run(9, secs(60), 1).await;
    assert!(is_applied(link.settle(token, fail("amber")).await));
    counted(subject, 5).await;
    let titles = |query: ErrorQuery| async move {
        let found = all(subject, ErrorQuery { limit: 2, ..query }).await;
        let titles: BTreeSet<_> = found.iter().map(|group| format!("{} {}", group.job, group.title)).collect();
        assert_eq!(titles.len(), found.len(), "each once: {found:?}");
        titles
    };
    let any = ErrorQuery::default;
    let act = |words: &[&str]| words.iter().map(|word| format!("conformance.act {word}")).collect::<BTreeSet<_>>();
    let link = || BTreeSet::from(["conformance.link amber".to_owned()]);
    assert_eq!(titles(any()).await, &act(&words) | &link());
    assert_eq!(titles(ErrorQuery { job: Some("conformance.act".into()), ..any() }).await, act(&words));
    assert_eq!(titles(ErrorQuery { queue: Some(CHAIN.name().into()), ..any() }).await, link());
    assert_eq!(titles(ErrorQuery { job: Some("nobody".into()), ..any() }).await, act(&[]));
    assert_eq!(titles(ErrorQuery { since: Some(middle), ..any() }).await, &act(&["coral", "denim"]) | &link());
    let young = ErrorQuery { since: Some(middle), queue: Some(PLAIN.name().into()), ..any() };
    assert_eq!(titles(young).await, act(&["coral", "denim"]));
    let wrong = ErrorQuery { cursor: Some("no cursor of ours".into()), ..any() };
    assert!(subject.client().error_groups(&wrong).await.is_err());
}

pub(super) async fn jobs_are_found_by_their_last_error(subject: &dyn Subject) {
    let settled = async |id: &str, owner, decisions: Vec<Decision>| {
        let job = Asker::of(subject, id).await;
        for (attempt, decision) in (1..).zip(decisions) {
            let token = job.run(owner + u64::from(attempt), secs(60), attempt).await;
            assert!(is_applied(job.settle(token, decision).await), "{id}");
        }
    };
    let row = |n: u32| retry(ErrorText::new(format!("row {n}")));
    settled("retrying", 10, vec![row(1)]).await;
    settled("failed", 20, vec![row(1), fail("row 2")]).await;
    settled("second", 30, vec![fail("row 3")]).await;
    settled("otherwise", 40, vec![row(1), fail("never")]).await;
    settled("recovered", 50, vec![row(1), succeeded()]).await;
    let error = counted(subject, 7).await["row <n>"].fingerprint;
    assert_eq!(jobs(subject, of(error)).await, set(&["retrying", "failed", "second"]));
    let in_state = |state| ListQuery { states: vec![state], ..of(error) };
    assert_eq!(jobs(subject, in_state(JobState::Failed)).await, set(&["failed", "second"]));
    assert_eq!(jobs(subject, in_state(JobState::Retrying)).await, set(&["retrying"]));
    assert_eq!(jobs(subject, in_state(JobState::Succeeded)).await, set(&[]));
    assert_eq!(jobs(subject, ListQuery { queues: vec![CHAIN.name().into()], ..of(error) }).await, set(&[]));
    assert_eq!(jobs(subject, of(Fingerprint::from_bits(1))).await, set(&[]));
    // One that runs again is found by the error that it had, until it ends otherwise.
    let again = subject.client().retry(&"failed".parse().expect("a good id")).await.expect("retried");
    assert_eq!(again, Some(JobState::Queued));
    assert_eq!(jobs(subject, in_state(JobState::Failed)).await, set(&["second"]));
    assert_eq!(jobs(subject, in_state(JobState::Queued)).await, set(&["failed"]));
}

pub(super) async fn a_hostile_error_has_a_short_title(subject: &dyn Subject) {
    let hostile = ErrorText {
        message: format!("\u{1b}[31m\u{202e}{}\n\0{}", "7".repeat(100_000), "\"".repeat(1000)),
        chain: vec!["ü' \\\"".repeat(5000); 16],
    };
    let job = Asker::of(subject, "a").await;
    let token = job.run(1, secs(60), 1).await;
    assert!(is_applied(job.settle(token, retry(hostile)).await));
    let token = job.run(2, secs(60), 2).await;
    assert!(is_applied(job.settle(token, retry(ErrorText::new(""))).await));
    let groups = counted(subject, 2).await;
    assert_eq!((groups.len(), groups[""].failures), (2, 1));
    for group in groups.values() {
        assert!(group.title.len() <= ErrorText::MAX_TITLE && !group.title.contains(char::is_control), "{group:?}");
        assert!(group.sample.message.len() <= ErrorSample::MAX_MESSAGE, "{group:?}");
        assert_eq!(jobs(subject, of(group.fingerprint)).await.len(), usize::from(group.title.is_empty()));
    }
}

pub(super) async fn a_group_has_the_note_that_was_written_last(subject: &dyn Subject) {
    enqueue(subject, "one", "fail no route to the printer").await;
    enqueue(subject, "two", "fail out of paper").await;
    started(subject).await;
    for id in ["one", "two"] {
        ended(subject, id).await;
    }
    let groups = counted(subject, 2).await;
    let fingerprint = groups["no route to the printer"].fingerprint;
    let (client, now) = (subject.client(), subject.env().now());
    let note = async || client.error_group(fingerprint).await.expect("readable").expect("a group").note;
    assert_eq!(note().await, None);
    let first = ErrorNote::new("ada", now).with_note("the printer is being replaced");
    assert!(client.annotate_error(fingerprint, first.clone()).await.expect("written"));
    assert_eq!(note().await, Some(first.clone()));
    let muted = first.with_mute(now + secs(7200));
    assert!(client.annotate_error(fingerprint, muted.clone()).await.expect("written"));
    assert_eq!(note().await, Some(muted.clone()));
    let listed = all(subject, ErrorQuery { limit: 10, ..ErrorQuery::default() }).await;
    let notes: Vec<_> = listed.iter().filter_map(|group| group.note.as_ref()).collect();
    assert_eq!((listed.len(), notes), (2, vec![&muted]), "a group that is muted is listed");
    let long = ErrorNote::new("ada", now).with_note("x".repeat(2 * ErrorNote::MAX_CHARS));
    assert!(client.annotate_error(fingerprint, long).await.expect("written"));
    let kept = note().await.expect("a note").note.expect("a text");
    assert_eq!(kept.len(), ErrorNote::MAX_CHARS);
    assert!(client.annotate_error(fingerprint, ErrorNote::new("ada", now)).await.expect("written"));
    assert_eq!(note().await, None);
    let unknown = Fingerprint::from_bits(1);
    assert!(!client.annotate_error(unknown, muted).await.expect("answered"), "there is no such group");
}
