//! Finding records: by sets of states and names, by the beginning of an id, and by queries.

use std::collections::BTreeSet;

use lamplighter::{
    EnqueueError, Job, JobState, ListQuery, NewJob, Record,
    query::{Coverage, MatchCount, Query, Search},
    secs,
};

use super::{
    Subject,
    jobs::{Act, CHAIN, Link, PLAIN, ended, enqueue, started},
};

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn query(text: &str) -> Query {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The records of a listing, this many a page, none of them twice.
async fn listed(subject: &dyn Subject, query: ListQuery) -> BTreeSet<String> {
    let (mut query, mut ids) = (query, BTreeSet::new());
    loop {
        let page = subject.client().list(&query).await.expect("a page");
        assert!(page.records.len() <= query.limit.max(1), "{query:?}");
        for record in page.records {
            assert!(ids.insert(record.id.to_string()), "{} is on two pages of {query:?}", record.id);
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return ids,
        }
    }
}

/// The records that fit, this many a page, none of them twice, newest first.
async fn found(subject: &dyn Subject, text: &str, limit: usize) -> BTreeSet<String> {
    let mut search = Search::new(query(text)).with_limit(limit);
    let mut records: Vec<Record> = Vec::new();
    loop {
        let page = subject.client().search(&search).await.expect("a page");
        assert!(page.records.len() <= limit, "{text}");
        assert_eq!(page.coverage, Coverage::Exact, "{text}: there are few");
        records.extend(page.records);
        match page.next {
            Some(next) => search = search.with_cursor(Some(next)),
            None => break,
        }
    }
    assert!(records.is_sorted_by(|a, b| a.created_at >= b.created_at), "{text}");
    let ids: BTreeSet<_> = records.iter().map(|record| record.id.to_string()).collect();
    assert_eq!(ids.len(), records.len(), "{text}");
    ids
}

/// Two jobs that have failed, one that has succeeded, one that waits for its time, and one on another queue.
async fn some_jobs(subject: &dyn Subject) {
    for (id, what) in [("fail-1", "fail order 17"), ("fail-2", "fail customer"), ("good-1", "say hi")] {
        enqueue(subject, id, what).await;
    }
    started(subject).await;
    for id in ["fail-1", "fail-2", "good-1"] {
        ended(subject, id).await;
    }
    subject.stop(secs(1)).await;
    let client = subject.client();
    client.enqueue(Act { what: "say later".into() }).id("later-1").delay(secs(800)).await.expect("enqueued");
    client.enqueue(Link { what: "say link".into() }).id("link-1").await.expect("enqueued");
}

pub(super) async fn records_are_listed_by_several_states_jobs_and_queues(subject: &dyn Subject) {
    some_jobs(subject).await;
    let all = set(&["fail-1", "fail-2", "good-1", "later-1", "link-1"]);
    for limit in [1, 2, 100] {
        let any = || ListQuery { limit, ..ListQuery::default() };
        let in_states = |states: &[JobState]| listed(subject, ListQuery { states: states.to_vec(), ..any() });
        let failed_or_later = in_states(&[JobState::Failed, JobState::Scheduled]).await;
        assert_eq!(failed_or_later, set(&["fail-1", "fail-2", "later-1"]));
        let others = in_states(&[JobState::Queued, JobState::Succeeded, JobState::Running]).await;
        assert_eq!(others, set(&["good-1", "link-1"]));
        assert_eq!(in_states(&JobState::ALL).await, all);
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let jobs = |jobs: &[&str]| listed(subject, ListQuery { jobs: names(jobs), ..any() });
        assert_eq!(jobs(&[Act::NAME, Link::NAME]).await, all);
        assert_eq!(jobs(&["conformance.*"]).await, all);
        assert_eq!(jobs(&["*.link", "nothing"]).await, set(&["link-1"]));
        assert_eq!(jobs(&["conformance"]).await, set(&[]));
        let without = ListQuery { without_jobs: names(&[Act::NAME]), ..any() };
        assert_eq!(listed(subject, without).await, set(&["link-1"]));
        let queues = ListQuery { queues: names(&[PLAIN.name(), CHAIN.name()]), ..any() };
        assert_eq!(listed(subject, queues).await, all);
        let without = ListQuery {
            queues: names(&["conformance*"]),
            without_queues: names(&[PLAIN.name()]),
            states: vec![JobState::Queued, JobState::Failed],
            ..any()
        };
        assert_eq!(listed(subject, without).await, set(&["link-1"]));
    }
}

pub(super) async fn records_are_found_by_the_beginning_of_their_id(subject: &dyn Subject) {
    some_jobs(subject).await;
    for limit in [1, 2, 100] {
        let any = || ListQuery { limit, ..ListQuery::default() };
        let begins = |start: &str| ListQuery { id_prefix: Some(start.into()), ..any() };
        assert_eq!(listed(subject, begins("fail-")).await, set(&["fail-1", "fail-2"]));
        assert_eq!(listed(subject, begins("fail-1")).await, set(&["fail-1"]));
        assert_eq!(listed(subject, begins("l")).await, set(&["later-1", "link-1"]));
        assert_eq!(listed(subject, begins("ail")).await, set(&[]));
        assert_eq!(listed(subject, begins("fail_1")).await, set(&[]));
        let queued = ListQuery { states: vec![JobState::Queued, JobState::Failed], ..begins("l") };
        assert_eq!(listed(subject, queued).await, set(&["link-1"]));
        let text = |text: &str| ListQuery { text: Some(text.into()), ..any() };
        assert_eq!(listed(subject, text("fail")).await, set(&["fail-1", "fail-2"]));
        assert_eq!(listed(subject, text(Link::NAME)).await, set(&["link-1"]));
        assert_eq!(listed(subject, text("*.link")).await, set(&["link-1"]));
    }
    // An id may begin like a job's name.
    enqueue(subject, &format!("{}-2", Link::NAME), "say hi").await;
    let both = found(subject, Link::NAME, 1).await;
    assert_eq!(both, set(&["link-1", "conformance.link-2"]));
}

pub(super) async fn jobs_of_one_moment_are_all_on_some_page(subject: &dyn Subject) {
    let jobs = (0..15).map(|n| NewJob::from(Act { what: "say hi".into() }).id(format!("job-{n:02}")).delay(secs(800)));
    for answer in subject.client().enqueue_all(jobs).await {
        answer.expect("enqueued");
    }
    let all: BTreeSet<_> = (0..15).map(|n| format!("job-{n:02}")).collect();
    let in_states = |states: &[JobState], limit| ListQuery { states: states.to_vec(), limit, ..ListQuery::default() };
    for limit in [1, 4, 15] {
        assert_eq!(listed(subject, in_states(&[JobState::Scheduled, JobState::Failed], limit)).await, all);
        assert_eq!(found(subject, "job- attempt:0", limit).await, all);
    }
}

pub(super) async fn a_query_finds_the_jobs_that_fit(subject: &dyn Subject) {
    let client = subject.client();
    some_jobs(subject).await;
    for (id, tag) in [("old", "green"), ("new", "blue")] {
        let job = client.enqueue(Act { what: format!("say {id}") }).id(id).tag(tag).tag("customer:7");
        job.schedule("daily").delay(secs(800)).await.expect("enqueued");
    }
    let group = client.get(&"fail-1".parse().expect("an id")).await.expect("readable").expect("a record");
    let fingerprint = group.attempts.last().and_then(|last| last.fingerprint).expect("a fingerprint").to_string();
    for (text, ids) in [
        ("state:failed", &["fail-1", "fail-2"][..]),
        ("state:failed,succeeded -job:nothing", &["fail-1", "fail-2", "good-1"]),
        ("-state:failed,scheduled", &["good-1", "link-1"]),
        ("-state:failed,scheduled -queue:conformance", &["link-1"]),
        ("job:*.act state:scheduled", &["old", "new", "later-1"]),
        ("error:\"ORDER 17\"", &["fail-1"]),
        ("error:order,customer attempt:>=1", &["fail-1", "fail-2"]),
        (&format!("fp:{fingerprint}"), &["fail-1"]),
        (&format!("fp:{}", &fingerprint[..8]), &["fail-1"]),
        ("tag:blue", &["new"]),
        ("tag:blue,green", &["old", "new"]),
        ("tag:blue tag:customer:7 schedule:daily", &["new"]),
        ("tag:blue tag:green", &[]),
        ("args.what:\"say old\",\"say link\"", &["old", "link-1"]),
        ("id:fail-1,good-1", &["fail-1", "good-1"]),
        ("id:fail-* attempt:1", &["fail-1", "fail-2"]),
        ("fail-", &["fail-1", "fail-2"]),
        ("conformance.link", &["link-1"]),
        ("since:1h attempt:<1 -job:conformance.act", &["link-1"]),
        ("before:1h", &[]),
        ("state:failed -state:failed", &[]),
        ("parent:order-1", &[]),
    ] {
        for limit in [1, 2, 50] {
            assert_eq!(found(subject, text, limit).await, set(ids), "{text}");
        }
        let count = client.count_matches(&query(text), 100).await.expect("counted");
        assert_eq!(count, MatchCount { jobs: ids.len() as u64, is_complete: true }, "{text}");
        for record in client.search(&Search::new(query(text))).await.expect("a page").records {
            assert!(query(text).pinned(subject.env().now()).fits(&record), "{text}: {record:?}");
        }
    }
    let wrong = Search::new(query("attempt:1")).with_cursor(Some("no cursor of ours".into()));
    assert!(client.search(&wrong).await.is_err());
}

pub(super) async fn a_count_ends_where_it_is_told_to(subject: &dyn Subject) {
    for n in 0..5 {
        enqueue(subject, &format!("job-{n}"), "say hi").await;
    }
    let client = subject.client();
    for text in ["", "state:queued", "attempt:0", "job-", "job:*.act"] {
        let complete = client.count_matches(&query(text), 5).await.expect("counted");
        assert_eq!(complete, MatchCount { jobs: 5, is_complete: true }, "{text}");
    }
    for text in ["attempt:0", "job-", "job:*.act"] {
        let count = client.count_matches(&query(text), 3).await.expect("counted");
        assert_eq!(count, MatchCount { jobs: 3, is_complete: false }, "{text}");
    }
}

pub(super) async fn tags_are_kept_with_the_job(subject: &dyn Subject) {
    let client = subject.client();
    let answer =
        client.enqueue(Act { what: "say hi".into() }).id("tagged").tag("blue").tag("team:a@b").tag("blue").await;
    answer.expect("enqueued");
    subject
        .inject(PLAIN, r#"{"job":"conformance.act","id":"foreign","args":{"what":"say hi"},"tags":["green"]}"#)
        .await;
    started(subject).await;
    for (id, tags) in [("tagged", &["blue", "team:a@b"][..]), ("foreign", &["green"])] {
        let record = ended(subject, id).await;
        assert_eq!(record.message.tags.iter().collect::<Vec<_>>(), tags, "{id}");
    }
    let eleven = (0..11).fold(client.enqueue(Act { what: "say hi".into() }), |job, n| job.tag(n.to_string()));
    assert!(matches!(eleven.await, Err(EnqueueError::Refused { .. })));
    let answer = client.enqueue(Act { what: "say hi".into() }).tag("a b").await;
    assert!(matches!(answer, Err(EnqueueError::Refused { .. })), "{answer:?}");
}
