//! Redriving dead letters: what is sent, in which order, and what stays.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::support::clients;
use async_trait::async_trait;
use lamplighter::{
    Cancellation, JobId, JobState, ListQuery, Record, Timestamp,
    backend::{
        Claim, ClaimRequest, Completion, CompletionResult, DeadLetterCount, DeadLetterFilter, DeadLetterKey,
        DeadLetterQuery, JobData, LeaseStatus, Operator, Redrive, RedriveMethod, RedriveProgress, RedriveResult,
        RenewRequest, Store, StoreError, StoreErrorKind, Token,
    },
    env::Env,
    host::Stop,
    record::{Count, LogLine, Page},
};
use lamplighter_aws::AwsOperator;
use lamplighter_fakes::{FakeDeployment, FakeMessage, Fault};
use serde_json::json;

const DEAD: &str = "shop-work-dlq";
const LIVE: &str = "shop-work";

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

fn body(job: &str, id: &str) -> String {
    json!({"job": job, "id": id}).to_string()
}

/// Puts a message of a job into the dead-letter queue, as a function does.
fn dead_letter(fake: &FakeDeployment, job: &str, id: &str) -> String {
    dead_letter_at(fake, job, id, now())
}

fn dead_letter_at(fake: &FakeDeployment, job: &str, id: &str, sent: i64) -> String {
    let attributes = [("lamplighter.reason", "failed"), ("lamplighter.message-id", "live"), ("tenant", "blue")];
    fake.sqs.put(DEAD, &FakeMessage { body: &body(job, id), attributes: &attributes, sent, group: None })
}

fn operator(fake: &FakeDeployment) -> AwsOperator {
    AwsOperator::new(clients(fake), fake.queue_map().parse().unwrap(), Env::system())
}

async fn redrive(fake: &FakeDeployment, redrive: &Redrive) -> RedriveResult {
    operator(fake).redrive("work", redrive, &Stop::new(), &|_| {}).await.unwrap()
}

/// With records of jobs, so that the dead letters are moved one by one.
async fn redrive_with(fake: &FakeDeployment, records: Arc<Records>) -> RedriveResult {
    let operator = operator(fake).with_store(records);
    let result = operator.redrive("work", &Redrive::all(), &Stop::new(), &|_| {}).await.unwrap();
    assert_eq!(result.method, RedriveMethod::Manual);
    result
}

async fn redrive_manually(fake: &FakeDeployment) -> RedriveResult {
    redrive_with(fake, Arc::default()).await
}

fn of_job(job: &str) -> DeadLetterFilter {
    DeadLetterFilter::all().with_job(job)
}

fn counts(result: &RedriveResult) -> (u64, u64, u64, u64) {
    let RedriveProgress { moved, obsolete, left, .. } = result.progress;
    (moved, obsolete, left, result.failed)
}

#[tokio::test]
async fn dead_letters_are_sent_unchanged_before_they_are_deleted() {
    let fake = FakeDeployment::start().await.unwrap();
    for n in 0..23 {
        dead_letter(&fake, "act.out", &format!("job-{n:02}"));
    }
    let redriven = redrive_manually(&fake).await;
    assert_eq!((counts(&redriven), redriven.progress.total), ((23, 0, 0, 0), 23));
    assert!(redriven.error.is_none() && !redriven.stopped);
    assert_eq!(fake.sqs.messages(DEAD).len(), 0);
    let mut bodies = fake.sqs.messages(LIVE);
    bodies.sort_unstable();
    assert_eq!(bodies, (0..23).map(|n| body("act.out", &format!("job-{n:02}"))).collect::<Vec<_>>());

    // Receipts identify their messages here: for each message, the send comes before the delete.
    let calls = fake.calls();
    let sent_at = |text: &str| {
        let sends =
            calls.iter().position(|call| call.action == "SendMessageBatch" && call.body.to_string().contains(text));
        sends.unwrap()
    };
    let deletes = calls.iter().enumerate().filter(|(_, call)| call.action == "DeleteMessageBatch");
    let mut deleted = 0;
    for (at, call) in deletes {
        for entry in call.body["Entries"].as_array().unwrap() {
            let number: usize = entry["ReceiptHandle"].as_str().unwrap()["message-".len()..]
                .split('/')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert!(sent_at(&format!("job-{:02}", number - 1)) < at);
            deleted += 1;
        }
    }
    assert_eq!(deleted, 23);
    for call in fake.bodies("SendMessageBatch") {
        assert!(call["Entries"].as_array().unwrap().len() <= 10);
        for entry in call["Entries"].as_array().unwrap() {
            let attributes = entry["MessageAttributes"].as_object().unwrap();
            assert_eq!(attributes.keys().collect::<Vec<_>>(), ["tenant"], "ours are dropped, the sender's are kept");
            assert!(entry.get("MessageDeduplicationId").is_none() && entry.get("DelaySeconds").is_none());
        }
    }
}

#[tokio::test]
async fn unmatched_dead_letters_are_visible_again_immediately() {
    let fake = FakeDeployment::start().await.unwrap();
    for n in 0..30 {
        dead_letter(&fake, if n % 3 == 0 { "act.out" } else { "other" }, &format!("job-{n}"));
    }
    let redriven = redrive(&fake, &Redrive::all().with_filter(of_job("act.out"))).await;
    assert_eq!(counts(&redriven), (10, 0, 20, 0));
    assert_eq!(
        (fake.sqs.messages(LIVE).len(), fake.sqs.messages(DEAD).len(), fake.sqs.visible(DEAD).len()),
        (10, 20, 20)
    );
    assert!(fake.sqs.messages(LIVE).iter().all(|body| body.contains("act.out")));
}

#[tokio::test]
async fn dead_letters_are_filtered_by_age() {
    let fake = FakeDeployment::start().await.unwrap();
    let hour = 3_600_000;
    dead_letter_at(&fake, "act.out", "yesterday", now() - 24 * hour);
    dead_letter_at(&fake, "act.out", "just-now", now() - 1000);
    // A job that fails again during the redrive has a new dead letter, which must not be redriven again.
    dead_letter_at(&fake, "act.out", "meanwhile", now() + hour);
    let since = Timestamp::from_millisecond(now() - hour).unwrap();
    let filter = DeadLetterFilter::all().with_since(since);
    let redriven = redrive(&fake, &Redrive::all().with_filter(filter)).await;
    assert_eq!(counts(&redriven), (1, 0, 2, 0));
    assert_eq!(fake.sqs.messages(LIVE), [body("act.out", "just-now")]);
    assert_eq!(fake.sqs.visible(DEAD).len(), 2);
    let redriven = redrive(&fake, &Redrive::all().with_filter(DeadLetterFilter::all().with_before(since))).await;
    assert_eq!(counts(&redriven), (1, 0, 1, 0));
    assert_eq!(fake.sqs.messages(LIVE)[1], body("act.out", "yesterday"));
}

#[tokio::test]
async fn one_dead_letter_is_chosen_by_its_key() {
    let fake = FakeDeployment::start().await.unwrap();
    let keys: Vec<_> = (0..15).map(|n| dead_letter(&fake, "act.out", &format!("job-{n}"))).collect();
    let only = DeadLetterFilter::all().with_key(DeadLetterKey::MessageId(keys[12].clone()));
    let query = DeadLetterQuery::new(5).with_filter(only.clone());
    let found = operator(&fake).dead_letters("work", &query, &Stop::new()).await.unwrap().dead_letters;
    assert_eq!(found.iter().map(|dead_letter| &*dead_letter.id).collect::<Vec<_>>(), ["job-12"]);
    let redriven = redrive(&fake, &Redrive::all().with_filter(only)).await;
    assert_eq!(counts(&redriven), (1, 0, 14, 0));
    assert_eq!(fake.sqs.messages(LIVE), [body("act.out", "job-12")]);
    let of_a_file = DeadLetterFilter::all().with_key(DeadLetterKey::Number(1));
    assert_eq!(counts(&redrive(&fake, &Redrive::all().with_filter(of_a_file)).await), (0, 0, 14, 0));
}

#[tokio::test]
async fn a_limit_is_kept_and_what_is_removed_counts_too() {
    let fake = FakeDeployment::start().await.unwrap();
    // Move tasks are there, and know no limit.
    fake.sqs.move_tasks(vec![json!({"Status": "COMPLETED"})]);
    for n in 0..30 {
        dead_letter(&fake, if n % 2 == 0 { "act.out" } else { "other" }, &format!("job-{n}"));
    }
    let redriven = redrive(&fake, &Redrive::all().with_limit(13)).await;
    assert_eq!((counts(&redriven), redriven.progress.total), ((13, 0, 0, 0), 13));
    assert_eq!((redriven.method, fake.sqs.visible(DEAD).len()), (RedriveMethod::Manual, 17));
    let chosen = redrive(&fake, &Redrive::all().with_limit(3).with_filter(of_job("other"))).await;
    assert_eq!((chosen.progress.moved, fake.sqs.visible(DEAD).len()), (3, 14));

    let records = Arc::new(Records::default());
    for n in 0..30 {
        records.set(&format!("job-{n}"), Some(JobState::Succeeded));
    }
    let operator = operator(&fake).with_store(records);
    let limited = Redrive::all().with_limit(4).with_filter(of_job("act.out"));
    let RedriveResult { progress, .. } = operator.redrive("work", &limited, &Stop::new(), &|_| {}).await.unwrap();
    assert_eq!((progress.moved, progress.obsolete, fake.sqs.visible(DEAD).len()), (0, 4, 10));
}

#[tokio::test]
async fn a_dead_letter_that_sqs_refuses_stays() {
    let fake = FakeDeployment::start().await.unwrap();
    for n in 0..5 {
        dead_letter(&fake, "act.out", &format!("job-{n}"));
    }
    fake.fail("SendMessageBatch", Fault::Entries(vec![1, 3], true));
    let redriven = redrive_manually(&fake).await;
    assert_eq!(counts(&redriven), (3, 0, 0, 2));
    assert!(redriven.error.unwrap().to_string().contains("SQS says Injected"));
    assert_eq!(
        (fake.sqs.messages(LIVE).len(), fake.sqs.visible(DEAD).len()),
        (3, 2),
        "none is lost, none is there twice"
    );
}

#[tokio::test]
async fn nothing_is_deleted_if_nothing_was_sent() {
    let fake = FakeDeployment::start().await.unwrap();
    dead_letter(&fake, "act.out", "a");
    fake.fail("SendMessageBatch", Fault::Refused(403, "AccessDenied", "not yours"));
    let redriven = redrive_manually(&fake).await;
    assert_eq!(counts(&redriven), (0, 0, 0, 1));
    let error = redriven.error.unwrap().to_string();
    assert!(error.contains("cannot send to") && error.contains("needs the permission"), "{error}");
    assert!(!fake.actions().contains(&"DeleteMessageBatch".to_owned()));
    assert_eq!(fake.sqs.visible(DEAD).len(), 1);
}

#[tokio::test]
async fn undeleted_dead_letters_are_reported() {
    let fake = FakeDeployment::start().await.unwrap();
    dead_letter(&fake, "act.out", "a");
    dead_letter(&fake, "act.out", "b");
    fake.fail("DeleteMessageBatch", Fault::Entries(vec![0], false));
    let redriven = redrive_manually(&fake).await;
    assert_eq!((counts(&redriven), redriven.twice), ((2, 0, 0, 0), 0), "it was tried again");
    assert_eq!(fake.sqs.messages(DEAD).len(), 0);

    dead_letter(&fake, "act.out", "c");
    for _ in 0..4 {
        fake.fail("DeleteMessageBatch", Fault::Entries(vec![0], false));
    }
    let redriven = redrive_manually(&fake).await;
    assert_eq!((counts(&redriven), redriven.twice), ((1, 0, 0, 0), 1));
    assert!(redriven.error.is_some());
}

#[tokio::test]
async fn fifo_redrives_keep_groups_and_lose_nothing() {
    let fake = FakeDeployment::start().await.unwrap();
    let mut ids = Vec::new();
    for n in 0..12 {
        let group = if n % 2 == 0 { "even" } else { "odd" };
        let letter = FakeMessage {
            body: &body("step", &format!("step-{n:02}")),
            attributes: &[],
            sent: now(),
            group: Some(group),
        };
        ids.push(fake.sqs.put("shop-steps-dlq.fifo", &letter));
    }
    // Move tasks exist, but not for FIFO queues.
    fake.sqs.move_tasks(vec![json!({"Status": "COMPLETED"})]);
    let redriven = operator(&fake).redrive("steps", &Redrive::all(), &Stop::new(), &|_| {}).await.unwrap();
    assert_eq!(counts(&redriven), (12, 0, 0, 0));
    let sent: Vec<_> = fake
        .bodies("SendMessageBatch")
        .into_iter()
        .flat_map(|call| call["Entries"].as_array().unwrap().clone())
        .collect();
    let groups: Vec<_> = sent.iter().map(|entry| entry["MessageGroupId"].as_str().unwrap()).collect();
    assert_eq!(groups, ["even", "odd"].repeat(6));
    let deduplication: Vec<_> = sent.iter().map(|entry| entry["MessageDeduplicationId"].as_str().unwrap()).collect();
    assert_eq!(deduplication, ids.iter().map(|id| format!("redrive-{id}")).collect::<Vec<_>>());
    assert_eq!(
        fake.sqs.messages("shop-steps.fifo"),
        (0..12).map(|n| body("step", &format!("step-{n:02}"))).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn the_rate_limit_holds() {
    let fake = FakeDeployment::start().await.unwrap();
    for n in 0..30 {
        dead_letter(&fake, "act.out", &format!("job-{n}"));
    }
    let began = Instant::now();
    let reports = Mutex::new(Vec::<RedriveProgress>::new());
    let by_twenties = Redrive::all().with_rate(NonZeroU32::new(20).unwrap());
    let report = |moved| reports.lock().unwrap().push(moved);
    let redriven = operator(&fake).redrive("work", &by_twenties, &Stop::new(), &report).await.unwrap();
    assert_eq!(redriven.progress.moved, 30);
    assert!(began.elapsed() >= Duration::from_secs(1), "twenty in the first second, ten in the second one");
    let reports: Vec<_> = reports.into_inner().unwrap().iter().map(|far| (far.moved, far.total)).collect();
    assert_eq!(reports[..3], [(10, 30), (20, 30), (30, 30)]);
    assert!(!fake.actions().contains(&"StartMessageMoveTask".to_owned()));
}

#[tokio::test]
async fn a_stop_finishes_calls_and_starts_no_more() {
    let fake = FakeDeployment::start().await.unwrap();
    for n in 0..30 {
        dead_letter(&fake, "act.out", &format!("job-{n}"));
    }
    let stop = Stop::new();
    let slowly = Redrive::all().with_rate(NonZeroU32::new(10).unwrap());
    let redriven = operator(&fake).redrive("work", &slowly, &stop, &|_| stop.drain()).await.unwrap();
    assert!(redriven.stopped);
    assert_eq!(counts(&redriven), (10, 0, 0, 0));
    assert_eq!((fake.sqs.messages(LIVE).len(), fake.sqs.visible(DEAD).len()), (10, 20));
}

#[tokio::test]
async fn sqs_moves_all_dead_letters_itself_if_it_can() {
    let fake = FakeDeployment::start().await.unwrap();
    dead_letter(&fake, "act.out", "a");
    let look = |status: &str, moved: u64| {
        json!({"TaskHandle": "task-1", "Status": status, "ApproximateNumberOfMessagesMoved": moved,
               "ApproximateNumberOfMessagesToMove": 3, "StartedTimestamp": 0})
    };
    fake.sqs.move_tasks(vec![look("RUNNING", 1), look("COMPLETED", 3)]);
    let reports = Mutex::new(Vec::new());
    let report = |far: RedriveProgress| reports.lock().unwrap().push((far.moved, far.total));
    let redriven = operator(&fake).redrive("work", &Redrive::all(), &Stop::new(), &report).await.unwrap();
    assert_eq!((counts(&redriven), redriven.stopped), ((3, 0, 0, 0), false));
    assert_eq!(redriven.method, RedriveMethod::MoveTask);
    assert_eq!(reports.into_inner().unwrap(), [(1, 3), (3, 3)]);
    let arn = "arn:aws:sqs:us-east-1:123456789012:shop-work";
    let start = json!({"SourceArn": format!("{arn}-dlq"), "DestinationArn": arn});
    assert_eq!(fake.bodies("StartMessageMoveTask"), [start]);
    assert!(!fake.actions().contains(&"ReceiveMessage".to_owned()));
}

#[tokio::test]
async fn a_task_is_cancelled_by_a_stop() {
    let fake = FakeDeployment::start().await.unwrap();
    let look = |status: &str| json!({"TaskHandle": "task-1", "Status": status, "ApproximateNumberOfMessagesMoved": 7});
    fake.sqs.move_tasks(vec![look("RUNNING"), look("CANCELLING"), look("CANCELLED")]);
    let stop = Stop::new();
    let redriven = operator(&fake).redrive("work", &Redrive::all(), &stop, &|_| stop.drain()).await.unwrap();
    assert_eq!((redriven.progress.moved, redriven.stopped), (7, true));
    assert_eq!(fake.bodies("CancelMessageMoveTask"), [json!({"TaskHandle": "task-1"})]);
}

#[tokio::test]
async fn without_move_tasks_the_manual_route_is_used() {
    for unsupported in [None, Some("UnsupportedOperation"), Some("AWS.SimpleQueueService.UnsupportedOperation")] {
        let fake = FakeDeployment::start().await.unwrap();
        dead_letter(&fake, "act.out", "a");
        if let Some(code) = unsupported {
            fake.sqs.move_tasks(vec![json!({"Status": "RUNNING"})]);
            fake.fail("StartMessageMoveTask", Fault::Refused(400, code, "not here"));
        }
        let redriven = redrive(&fake, &Redrive::all()).await;
        assert_eq!(counts(&redriven), (1, 0, 0, 0), "{unsupported:?}");
        assert_eq!((fake.sqs.messages(LIVE).len(), fake.sqs.messages(DEAD).len()), (1, 0), "{unsupported:?}");
    }
}

#[tokio::test]
async fn a_stuck_task_continues_on_the_manual_route() {
    let fake = FakeDeployment::start().await.unwrap();
    dead_letter(&fake, "act.out", "a");
    let reason = "CouldNotDetermineMessageSource";
    let stuck = json!({"Status": "FAILED", "FailureReason": reason, "ApproximateNumberOfMessagesMoved": 4});
    fake.sqs.move_tasks(vec![stuck]);
    let redriven = redrive(&fake, &Redrive::all()).await;
    assert_eq!(counts(&redriven), (5, 0, 0, 0));
    assert_eq!(fake.sqs.messages(DEAD).len(), 0);
}

#[tokio::test]
async fn a_foreign_task_is_not_touched() {
    let fake = FakeDeployment::start().await.unwrap();
    fake.sqs.move_tasks(vec![json!({"Status": "RUNNING", "ApproximateNumberOfMessagesMoved": 9})]);
    fake.sqs.task_is_under_way();
    let error = operator(&fake).redrive("work", &Redrive::all(), &Stop::new(), &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("is moving messages of") && error.contains("9 so far"), "{error}");
    assert!(!fake.actions().contains(&"StartMessageMoveTask".to_owned()));
}

#[tokio::test]
async fn records_are_queued_before_their_messages_are_sent() {
    let fake = FakeDeployment::start().await.unwrap();
    let records = Arc::new(Records::default());
    let states = [
        ("failed", Some(JobState::Failed)),
        ("queued", Some(JobState::Queued)),
        ("succeeded", Some(JobState::Succeeded)),
        ("running", Some(JobState::Running)),
        ("unknown", None),
    ];
    for (id, state) in states {
        dead_letter(&fake, "act.out", id);
        records.set(id, state);
    }
    let redriven = redrive_with(&fake, records.clone()).await;
    assert_eq!(counts(&redriven), (3, 2, 0, 0));
    let mut sent = fake.sqs.messages(LIVE);
    sent.sort_unstable();
    assert_eq!(sent, ["failed", "queued", "unknown"].map(|id| body("act.out", id)));
    assert_eq!(fake.sqs.messages(DEAD).len(), 0, "dead letters of jobs that do not need them are gone too");
    assert_eq!(records.marked_queued(), ["failed"]);
}

#[tokio::test]
async fn nothing_is_sent_without_the_store() {
    let fake = FakeDeployment::start().await.unwrap();
    let records = Arc::new(Records { away: true, ..Records::default() });
    for id in ["a", "b"] {
        dead_letter(&fake, "act.out", id);
    }
    let redriven = redrive_with(&fake, records).await;
    assert_eq!(counts(&redriven), (0, 0, 0, 2));
    assert!(redriven.error.unwrap().to_string().contains("the table is away"));
    assert_eq!((fake.sqs.messages(LIVE).len(), fake.sqs.visible(DEAD).len()), (0, 2));
}

#[tokio::test]
async fn counting_moves_and_hides_nothing() {
    let fake = FakeDeployment::start().await.unwrap();
    for n in 0..25 {
        dead_letter(&fake, if n < 5 { "other" } else { "act.out" }, &format!("job-{n}"));
    }
    fake.sqs.put(DEAD, &FakeMessage { body: "no JSON", attributes: &[], sent: now(), group: None });
    let operator = operator(&fake);
    let counted = async |filter: DeadLetterFilter| {
        let counts = operator.count_dead_letters("work", &filter, &Stop::new()).await.unwrap();
        (counts.counts, counts.uncounted)
    };
    let count = DeadLetterCount::new;
    let all = vec![count("", "max-receive-count", 1), count("act.out", "failed", 20), count("other", "failed", 5)];
    assert_eq!(counted(DeadLetterFilter::all()).await, (all, 0));
    assert_eq!(counted(of_job("other")).await, (vec![count("other", "failed", 5)], 0), "all of them were looked at");
    assert_eq!((fake.sqs.visible(DEAD).len(), fake.sqs.messages(LIVE).len()), (26, 0));
    assert!(!fake.actions().iter().any(|action| action == "SendMessageBatch" || action == "DeleteMessageBatch"));
}

#[tokio::test]
async fn some_dead_letters_are_listed_oldest_first() {
    let fake = FakeDeployment::start().await.unwrap();
    dead_letter_at(&fake, "act.out", "new", now());
    dead_letter_at(&fake, "act.out", "old", now() - 1_000_000);
    for n in 0..20 {
        dead_letter_at(&fake, "act.out", &format!("job-{n}"), now() - 1000);
    }
    let page = operator(&fake).dead_letters("work", &DeadLetterQuery::new(12), &Stop::new()).await.unwrap();
    assert_eq!((page.next, page.sample), (None, true), "SQS has no pages");
    let letters = page.dead_letters;
    assert_eq!(letters.len(), 12);
    assert_eq!((&*letters[0].id, &*letters[0].job, &*letters[0].reason), ("old", "act.out", "failed"));
    assert_eq!(letters[11].id, "new");
    assert_eq!(fake.sqs.visible(DEAD).len(), 22);

    // What does not fit is looked at, and not counted.
    dead_letter(&fake, "other", "last");
    let query = DeadLetterQuery::new(1).with_filter(of_job("other"));
    let found = operator(&fake).dead_letters("work", &query, &Stop::new()).await.unwrap().dead_letters;
    assert_eq!((found.len(), &*found[0].id, fake.sqs.visible(DEAD).len()), (1, "last", 23));
    let error = operator(&fake).dead_letters("work", &query.with_cursor("1"), &Stop::new()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
}

/// The operator of a deployment knows the store of its records.
#[tokio::test]
async fn a_redrive_of_jobs_without_records_is_left_to_sqs() {
    for (redrive, method) in [
        (Redrive::all(), RedriveMethod::Manual),
        (Redrive::all().without_records(), RedriveMethod::MoveTask),
        (Redrive::all().without_records().with_filter(of_job("act.out")), RedriveMethod::Manual),
        (Redrive::all().without_records().with_rate(NonZeroU32::MAX), RedriveMethod::Manual),
    ] {
        let fake = FakeDeployment::start().await.unwrap();
        dead_letter(&fake, "act.out", "a");
        fake.sqs.move_tasks(vec![json!({"Status": "COMPLETED", "ApproximateNumberOfMessagesMoved": 1})]);
        let operator = operator(&fake).with_store(Arc::new(Records::default()));
        let result = operator.redrive("work", &redrive, &Stop::new(), &|_| {}).await.unwrap();
        assert_eq!((result.method, result.progress.moved), (method, 1), "{redrive:?}");
    }
}

#[tokio::test]
async fn an_unknown_queue_is_explained() {
    let fake = FakeDeployment::start().await.unwrap();
    let error = operator(&fake).redrive("wrok", &Redrive::all(), &Stop::new(), &|_| {}).await.unwrap_err();
    assert!(error.to_string().contains("no queue \"wrok\" here; there are steps, work"), "{error}");
}

/// A store of which only the states matter.
#[derive(Default)]
struct Records {
    states: Mutex<BTreeMap<String, Option<JobState>>>,
    marked_queued: Mutex<Vec<String>>,
    away: bool,
}

impl Records {
    fn set(&self, id: &str, state: Option<JobState>) {
        self.states.lock().unwrap().insert(id.into(), state);
    }

    fn marked_queued(&self) -> Vec<String> {
        self.marked_queued.lock().unwrap().clone()
    }
}

fn record(id: &JobId, state: JobState) -> Record {
    serde_json::from_value(json!({
        "id": id, "queue": "work", "state": state, "message": {"job": "act.out", "id": id}, "attempt": 1, "attempts": [],
        "created_at": "2026-11-23T12:00:00Z", "due_at": "2026-11-23T12:00:00Z",
    }))
    .unwrap()
}

#[async_trait]
impl Store for Records {
    async fn claim(&self, _: Vec<ClaimRequest>, _: tokio::time::Instant) -> Vec<Result<Claim, StoreError>> {
        Vec::new()
    }

    async fn settle(&self, _: Vec<Completion>, _: tokio::time::Instant) -> Vec<Result<CompletionResult, StoreError>> {
        Vec::new()
    }

    async fn save_job_data(&self, _: &JobId, _: Token, _: JobData) -> Result<LeaseStatus, StoreError> {
        Ok(LeaseStatus::Lost)
    }

    async fn renew(&self, _: Vec<RenewRequest>, _: tokio::time::Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        Vec::new()
    }

    async fn get(&self, id: &JobId) -> Result<Option<Record>, StoreError> {
        if self.away {
            return Err(StoreError::unavailable("the table is away"));
        }
        let state = self.states.lock().unwrap().get(id.as_str()).copied().flatten();
        Ok(state.map(|state| record(id, state)))
    }

    async fn log(&self, _: &JobId) -> Result<Vec<LogLine>, StoreError> {
        Ok(Vec::new())
    }

    async fn log_operation(&self, _: &JobId, _: &JobId, _: LogLine) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&self, _: &ListQuery) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    async fn counts(&self) -> Result<Vec<Count>, StoreError> {
        Ok(Vec::new())
    }

    async fn cancel(&self, _: &JobId, _: &Cancellation) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }

    async fn retry(&self, _: &JobId) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }

    async fn delete(&self, _: &JobId) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }

    async fn reschedule(&self, _: &JobId, _: Timestamp) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }

    async fn mark_queued(&self, id: &JobId) -> Result<Option<JobState>, StoreError> {
        self.marked_queued.lock().unwrap().push(id.to_string());
        self.set(id.as_str(), Some(JobState::Queued));
        Ok(Some(JobState::Queued))
    }
}
