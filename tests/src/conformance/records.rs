//! Records: enqueueing, listing, cancelling, retrying.

use std::collections::BTreeSet;

use lamplighter::{
    After, Cancellation, EnqueueError, Enqueued, Job, JobId, JobState, ListQuery, NewJob, Record, mins, secs,
};

use super::{
    Subject,
    jobs::{Act, CHAIN, Link, PLAIN, ended, enqueue, started},
    lease::MILLISECOND,
};

fn id(text: &str) -> JobId {
    JobId::new(text).expect("a good id")
}

async fn record(subject: &dyn Subject, text: &str) -> Record {
    subject.client().get(&id(text)).await.expect("readable").expect("a record")
}

pub(super) async fn an_enqueued_job_has_a_record(subject: &dyn Subject) {
    let before = subject.env().now();
    enqueue(subject, "a", "say hello").await;
    let client = subject.client();
    client.enqueue(Act { what: "say later".into() }).id("b").delay(secs(3600)).await.expect("enqueued");
    let after = subject.env().now();
    let now = record(subject, "a").await;
    assert_eq!((now.state, now.attempt, &*now.queue), (JobState::Queued, 0, PLAIN.name()));
    assert_eq!(now.message.job, Act::NAME);
    assert_eq!(now.message.args.get(), r#"{"what":"say hello"}"#);
    assert!(now.created_at >= before && now.created_at <= after);
    let later = record(subject, "b").await;
    assert_eq!(later.state, JobState::Scheduled);
    let due = later.due_at - secs(3600);
    // Timestamps are stored in milliseconds.
    assert!(due + MILLISECOND > before && due <= after, "due {}", later.due_at);
    assert!(client.get(&id("c")).await.expect("readable").is_none());
}

pub(super) async fn an_id_names_one_job(subject: &dyn Subject) {
    let client = subject.client();
    let first = client.enqueue(Act { what: "say one".into() }).id("a").await.expect("enqueued");
    let second = client.enqueue(Act { what: "say two".into() }).id("a").await.expect("answered");
    assert_eq!(first, Enqueued::New(id("a")));
    assert_eq!(second, Enqueued::Duplicate(id("a"), JobState::Queued));
    let journal = started(subject).await;
    assert_eq!(ended(subject, "a").await.output.expect("output").get(), "\"one\"");
    let third = client.enqueue(Act { what: "say three".into() }).id("a").await.expect("answered");
    assert_eq!(third, Enqueued::Duplicate(id("a"), JobState::Succeeded));
    assert_eq!(journal.words(), ["say one"]);
}

pub(super) async fn one_of_many_racing_for_an_id_is_new(subject: &dyn Subject) {
    let racers = (0..16).map(|n| {
        let client = subject.client();
        async move { client.enqueue(Act { what: format!("say {n}") }).id("race").await.expect("answered") }
    });
    let answers = futures_util::future::join_all(racers).await;
    assert_eq!(answers.iter().filter(|answer| !answer.is_duplicate()).count(), 1, "{answers:?}");
}

pub(super) async fn many_jobs_are_enqueued_at_once_and_answered_in_order(subject: &dyn Subject) {
    let jobs = (0..137).map(|n| Act { what: format!("say {n}") });
    let answers = subject.client().enqueue_all(jobs).await;
    assert_eq!(answers.len(), 137);
    for (n, answer) in answers.into_iter().enumerate() {
        let record = subject.client().get(answer.expect("enqueued").id()).await.expect("readable").expect("a record");
        assert_eq!(record.message.args.get(), format!(r#"{{"what":"say {n}"}}"#));
    }
}

pub(super) async fn each_of_many_has_its_own_id_delay_and_group(subject: &dyn Subject) {
    let act = |what: &str| NewJob::from(Act { what: what.into() });
    let jobs = [
        act("say plain"),
        act("say named").id("named"),
        act("say later").id("later").delay(secs(600)).group("tenant"),
        act("say wrong").id("no id"),
        act("say again").id("named"),
        Link { what: "say other".into() }.into(),
    ];
    let mut answers = subject.client().enqueue_all(jobs).await;
    assert!(matches!(answers[3], Err(EnqueueError::Id(_))), "{answers:?}");
    // One of the two is the job of that id, and the other is reported as a duplicate.
    let named = [answers.remove(4), answers.remove(1)].map(|answer| answer.expect("answered"));
    assert_eq!(named.iter().filter(|answer| answer.is_duplicate()).count(), 1, "{named:?}");
    assert!(named.iter().all(|answer| *answer.id() == id("named")), "{named:?}");
    let later = record(subject, "later").await;
    assert_eq!(later.state, JobState::Scheduled);
    assert!(later.due_at >= subject.env().now() + secs(500), "{later:?}");
    assert_eq!(record(subject, "named").await.state, JobState::Queued);
    let [plain, other] = [0, 3].map(|n| answers[n].as_ref().expect("enqueued").id().clone());
    assert_eq!(record(subject, plain.as_str()).await.message.args.get(), r#"{"what":"say plain"}"#);
    let other = record(subject, other.as_str()).await;
    assert_eq!((&*other.queue, &*other.message.job), (CHAIN.name(), Link::NAME));
}

async fn all_pages(subject: &dyn Subject, query: ListQuery) -> Vec<String> {
    let (mut query, mut ids) = (query, Vec::new());
    loop {
        let page = subject.client().list(&query).await.expect("a page");
        assert!(page.records.len() <= query.limit.max(1));
        ids.extend(page.records.iter().map(|record| record.id.to_string()));
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return ids,
        }
    }
}

pub(super) async fn records_are_listed_newest_first_a_page_at_a_time(subject: &dyn Subject) {
    for n in 0..23 {
        enqueue(subject, &format!("job-{n:02}"), "say hi").await;
        // Two jobs of the same moment have no order between them.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let newest_first: Vec<_> = (0..23).rev().map(|n| format!("job-{n:02}")).collect();
    for limit in [1, 5, 23, 100] {
        assert_eq!(all_pages(subject, ListQuery { limit, ..ListQuery::default() }).await, newest_first);
    }
    let wrong = ListQuery { cursor: Some("no cursor of ours".into()), ..ListQuery::default() };
    assert!(subject.client().list(&wrong).await.is_err());
}

pub(super) async fn records_are_listed_by_state_job_queue_and_time(subject: &dyn Subject) {
    let client = subject.client();
    enqueue(subject, "early", "say hi").await;
    subject.pass(secs(1)).await;
    let middle = subject.env().now();
    enqueue(subject, "late", "say hi").await;
    client.enqueue(Act { what: "say hi".into() }).id("delayed").delay(secs(900)).await.expect("enqueued");
    client.enqueue(Link { what: "say hi".into() }).id("link").await.expect("enqueued");
    let listed = |query: ListQuery| async move {
        all_pages(subject, ListQuery { limit: 2, ..query }).await.into_iter().collect::<BTreeSet<_>>()
    };
    let set = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let any = ListQuery::default;
    assert_eq!(listed(ListQuery { states: vec![JobState::Scheduled], ..any() }).await, set(&["delayed"]));
    assert_eq!(listed(ListQuery { states: vec![JobState::Queued], ..any() }).await, set(&["early", "late", "link"]));
    assert_eq!(listed(ListQuery { states: vec![JobState::Failed], ..any() }).await, set(&[]));
    assert_eq!(listed(ListQuery { jobs: vec![Act::NAME.into()], ..any() }).await, set(&["early", "late", "delayed"]));
    assert_eq!(listed(ListQuery { queues: vec![CHAIN.name().into()], ..any() }).await, set(&["link"]));
    assert_eq!(listed(ListQuery { since: Some(middle), ..any() }).await, set(&["late", "delayed", "link"]));
    assert_eq!(listed(ListQuery { before: Some(middle), ..any() }).await, set(&["early"]));
    let all = ListQuery {
        states: vec![JobState::Queued],
        jobs: vec![Act::NAME.into()],
        queues: vec![PLAIN.name().into()],
        since: Some(middle),
        ..any()
    };
    assert_eq!(listed(all).await, set(&["late"]));
}

pub(super) async fn counts_agree_with_the_records(subject: &dyn Subject) {
    let client = subject.client();
    for n in 0..5 {
        enqueue(subject, &format!("good-{n}"), "say hi").await;
    }
    enqueue(subject, "bad", "fail no").await;
    client.enqueue(Act { what: "say hi".into() }).id("delayed").delay(secs(900)).await.expect("enqueued");
    let count = |queue: &'static str, state: JobState| async move {
        let counts = subject.backend().store.expect("a store").counts().await.expect("counts");
        counts.iter().filter(|count| count.queue == queue && count.state == state).map(|count| count.jobs).sum::<u64>()
    };
    subject.sweep().await;
    assert_eq!(count(PLAIN.name(), JobState::Queued).await, 6);
    assert_eq!(count(PLAIN.name(), JobState::Scheduled).await, 1);
    started(subject).await;
    for n in 0..5 {
        ended(subject, &format!("good-{n}")).await;
    }
    ended(subject, "bad").await;
    subject.stop(secs(10)).await;
    // Where records are counted some of the time, that is at most this long ago.
    subject.pass(mins(11)).await;
    subject.sweep().await;
    assert_eq!(count(PLAIN.name(), JobState::Queued).await, 0);
    assert_eq!(count(PLAIN.name(), JobState::Running).await, 0);
    assert_eq!(count(PLAIN.name(), JobState::Succeeded).await, 5);
    assert_eq!(count(PLAIN.name(), JobState::Failed).await, 1);
    assert_eq!(count(CHAIN.name(), JobState::Queued).await, 0);
}

pub(super) async fn a_cancelled_job_does_not_run(subject: &dyn Subject) {
    let client = subject.client();
    enqueue(subject, "a", "say never").await;
    client.enqueue(Act { what: "say never".into() }).id("b").delay(secs(2)).await.expect("enqueued");
    for name in ["a", "b"] {
        assert_eq!(client.cancel(&id(name)).await.expect("cancelled"), Some(JobState::Cancelled));
        let record = record(subject, name).await;
        assert_eq!((record.state, record.attempt), (JobState::Cancelled, 0));
        assert!(record.finished_at.is_some());
    }
    assert_eq!(client.cancel(&id("unknown")).await.expect("answered"), None);
    let journal = started(subject).await;
    enqueue(subject, "c", "sleep 2500").await;
    ended(subject, "c").await;
    assert_eq!(journal.words(), ["sleep 2500"]);
}

pub(super) async fn an_ended_job_cannot_be_cancelled(subject: &dyn Subject) {
    enqueue(subject, "a", "say hi").await;
    started(subject).await;
    ended(subject, "a").await;
    assert_eq!(subject.client().cancel(&id("a")).await.expect("answered"), Some(JobState::Succeeded));
    assert_eq!(record(subject, "a").await.state, JobState::Succeeded);
}

pub(super) async fn a_cancelled_job_says_why_and_by_whom(subject: &dyn Subject) {
    let client = subject.client();
    enqueue(subject, "a", "say never").await;
    let state = client.cancel(&id("a")).reason("a duplicate").by("ada").await.expect("answered");
    assert_eq!(state, Some(JobState::Cancelled));
    assert_eq!(record(subject, "a").await.reason.as_deref(), Some("a duplicate (by ada)"));
    // The second does not change what the first has said.
    client.cancel(&id("a")).reason("another").await.expect("answered");
    assert_eq!(record(subject, "a").await.reason.as_deref(), Some("a duplicate (by ada)"));
    client.retry(&id("a")).await.expect("queued again");
    assert_eq!(record(subject, "a").await.reason, None);
    client.cancel(&id("a")).await.expect("answered");
    assert_eq!(record(subject, "a").await.reason, None, "nothing was said");
}

pub(super) async fn all_open_jobs_that_match_are_cancelled(subject: &dyn Subject) {
    let client = subject.client();
    enqueue(subject, "ended", "say hi").await;
    client.cancel(&id("ended")).reason("before").await.expect("cancelled");
    for n in 0..20 {
        enqueue(subject, &format!("due-{n}"), "say never").await;
    }
    let act = || Act { what: "say never".into() };
    client.enqueue(act()).id("later").delay(secs(900)).await.expect("enqueued");
    client.enqueue(act()).id("waits").after(After::end(id("later"))).await.expect("enqueued");
    client.enqueue(Link { what: "say other".into() }).id("other").await.expect("enqueued");

    let query = ListQuery { jobs: vec![Act::NAME.into()], ..ListQuery::default() };
    let delayed = ListQuery { states: vec![JobState::Scheduled], ..query.clone() };
    let why = Cancellation::new().reason("no longer wanted").by("ada");
    let mut turns = Vec::new();
    let all = client.cancel_all(&delayed, &why, |done, of| turns.push((done, of))).await.expect("cancelled");
    assert_eq!((all.cancelled, all.ended, all.failed.len(), &*turns), (1, 0, 0, &[(1, 1)][..]));
    // It has waited for the end of a job, which has come.
    assert_eq!(record(subject, "waits").await.state, JobState::Queued);

    let all = client.cancel_all(&query, &why, |_, _| {}).await.expect("cancelled");
    assert_eq!((all.cancelled, all.ended, all.failed.len()), (21, 0, 0));
    for name in ["due-0", "due-19", "later", "waits"] {
        let record = record(subject, name).await;
        assert_eq!((record.state, record.reason.as_deref()), (JobState::Cancelled, Some("no longer wanted (by ada)")));
    }
    assert_eq!(record(subject, "ended").await.reason.as_deref(), Some("before"));
    assert_eq!(record(subject, "other").await.state, JobState::Queued);
    let none = client.cancel_all(&query, &why, |_, _| {}).await.expect("answered");
    assert_eq!((none.cancelled, none.ended), (0, 0));
}

pub(super) async fn a_failed_job_runs_again_by_hand_with_its_history(subject: &dyn Subject) {
    let client = subject.client();
    enqueue(subject, "a", "fail for now").await;
    started(subject).await;
    assert_eq!(ended(subject, "a").await.state, JobState::Failed);
    assert_eq!(client.retry(&id("a")).await.expect("requeued"), Some(JobState::Queued));
    let again = super::jobs::eventually("the second run's end", || async {
        let record = record(subject, "a").await;
        (record.attempts.len() == 2 && record.state.is_final()).then_some(record)
    })
    .await;
    assert_eq!((again.state, again.attempt), (JobState::Failed, 1));
    assert_eq!(again.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(client.retry(&id("unknown")).await.expect("answered"), None);
    client.enqueue(Act { what: "say hi".into() }).id("b").delay(secs(900)).await.expect("enqueued");
    assert_eq!(client.retry(&id("b")).await.expect("answered"), Some(JobState::Scheduled), "it has not ended");
}

pub(super) async fn a_job_marked_queued_runs_when_its_message_arrives(subject: &dyn Subject) {
    let store = subject.backend().store.expect("a store");
    enqueue(subject, "a", "fail for now").await;
    let journal = started(subject).await;
    assert_eq!(ended(subject, "a").await.state, JobState::Failed);
    assert_eq!(store.mark_queued(&id("a")).await.expect("marked as queued"), Some(JobState::Queued));
    assert_eq!(
        store.mark_queued(&id("a")).await.expect("answered"),
        Some(JobState::Queued),
        "it has not ended any more"
    );
    enqueue(subject, "b", "sleep 1500").await;
    ended(subject, "b").await;
    assert_eq!(journal.words(), ["fail for now", "sleep 1500"], "nobody has sent it");

    subject.inject(PLAIN, r#"{"job":"conformance.act","id":"a","args":{"what":"fail for now"}}"#).await;
    let again = ended(subject, "a").await;
    assert_eq!((again.state, again.attempt, again.attempts.len()), (JobState::Failed, 1, 2));
    assert_eq!(store.mark_queued(&id("unknown")).await.expect("answered"), None);
}

pub(super) async fn an_id_of_another_job_is_refused(subject: &dyn Subject) {
    enqueue(subject, "order-42", "say first").await;
    let client = subject.client();
    let taken = client.enqueue(Link { what: "say second".into() }).id("order-42").await;
    match taken {
        Err(EnqueueError::IdTaken { job, queue, id, owner }) => {
            assert_eq!((&*job, &*queue, id.as_str()), (Link::NAME, CHAIN.name(), "order-42"));
            assert!(owner.is(Act::NAME, PLAIN.name()), "{owner:?}");
        }
        other => std::panic::panic_any(format!("refused, not {other:?}")),
    }
    let again = client.enqueue(Act { what: "say again".into() }).id("order-42").await.expect("an answer");
    assert_eq!(again, Enqueued::Duplicate(id("order-42"), JobState::Queued));
    assert_eq!(record(subject, "order-42").await.message.args.get(), r#"{"what":"say first"}"#);
}
