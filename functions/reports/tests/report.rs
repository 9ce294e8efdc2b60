//! `report.daily` over a store of records made up for the test.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::{Timestamp, civil::date};
use lamplighter::{
    Cancellation, JobId, JobState, ListQuery, Record,
    backend::{
        Claim, ClaimRequest, Completion, CompletionResult, DeadLetterReason, JobData, LeaseStatus, RenewRequest, Store,
        StoreError, StoreErrorKind, Token,
    },
    host::{JobResult, MessageAction},
    record::{Attempt, AttemptOutcome, Count, ErrorText, LogLine, Page},
    secs,
    testing::TestRun,
};
use lamplighter_jobs::DailyReport;
use lamplighter_objects::{Key, Objects};
use reports::{Settings, function_with};
use serde_json::Value;
use tokio::time::Instant;

/// Records, newest first, and the queries that were made of them.
#[derive(Default)]
struct Records {
    all: Vec<Record>,
    queries: Mutex<Vec<ListQuery>>,
    failure: Option<StoreErrorKind>,
}

#[async_trait]
impl Store for Records {
    async fn claim(&self, requests: Vec<ClaimRequest>, _: Instant) -> Vec<Result<Claim, StoreError>> {
        requests
            .iter()
            .map(|_| Ok(Claim::Run { attempt: 1, checkpoint: None, claim_hint: None, message: None }))
            .collect()
    }

    async fn settle(&self, requests: Vec<Completion>, _: Instant) -> Vec<Result<CompletionResult, StoreError>> {
        requests.iter().map(|_| Ok(CompletionResult::Applied { message_done: false })).collect()
    }

    async fn save_job_data(&self, _: &JobId, _: Token, _: JobData) -> Result<LeaseStatus, StoreError> {
        Ok(LeaseStatus::Held)
    }

    async fn renew(&self, requests: Vec<RenewRequest>, _: Instant) -> Vec<Result<LeaseStatus, StoreError>> {
        requests.iter().map(|_| Ok(LeaseStatus::Held)).collect()
    }

    async fn get(&self, _: &JobId) -> Result<Option<Record>, StoreError> {
        Ok(None)
    }

    async fn log(&self, _: &JobId) -> Result<Vec<LogLine>, StoreError> {
        Ok(Vec::new())
    }

    async fn log_operation(&self, _: &JobId, _: &JobId, _: LogLine) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        if let Some(kind) = self.failure {
            return Err(StoreError::new(kind, "the table is unavailable"));
        }
        self.queries.lock().unwrap().push(query.clone());
        let fits = |record: &&Record| {
            query.since.is_none_or(|since| record.created_at >= since)
                && query.before.is_none_or(|before| record.created_at < before)
        };
        let from: usize = query.cursor.as_deref().map_or(0, |cursor| cursor.parse().unwrap());
        let mut records: Vec<_> = self.all.iter().filter(fits).skip(from).take(query.limit + 1).cloned().collect();
        let next = (records.len() > query.limit).then(|| (from + query.limit).to_string());
        records.truncate(query.limit);
        Ok(Page { records, next })
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

    async fn mark_queued(&self, _: &JobId) -> Result<Option<JobState>, StoreError> {
        Ok(None)
    }
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A record whose attempts took this many milliseconds; those with a text failed with it.
fn record(id: &str, job: &str, state: JobState, created: &str, attempts: &[(u64, Option<&str>)]) -> Record {
    let created_at = at(created);
    let attempt = |(number, (ms, error)): (u32, &(u64, Option<&str>))| {
        let ran = (created_at, created_at + std::time::Duration::from_millis(*ms));
        let outcome = if error.is_some() { AttemptOutcome::Error } else { AttemptOutcome::Succeeded };
        Attempt::new(number, "test", ran, outcome).with_error(error.map(|text| ErrorText::new(text.to_owned())))
    };
    let message = format!(r#"{{"job":"{job}","id":"{id}"}}"#);
    let mut record: Record = serde_json::from_value(serde_json::json!({
        "id": id,
        "queue": "q",
        "state": state,
        "message": serde_json::from_str::<Value>(&message).unwrap(),
        "created_at": created_at,
        "due_at": created_at,
        "attempt": attempts.len(),
        "attempts": [],
    }))
    .unwrap();
    record.attempts = (1..).zip(attempts).map(attempt).collect();
    record
}

async fn run(records: Arc<Records>, objects: &Objects, settings: impl FnOnce(&mut Settings)) -> JobResult {
    let mut made = Settings::new(objects.clone());
    settings(&mut made);
    let job = DailyReport { day: Some(date(2026, 11, 23)) };
    TestRun::of(function_with(made)).store(records).run(&job).await
}

fn memory() -> Objects {
    Objects::from_url("memory:///").unwrap()
}

async fn text(objects: &Objects, key: &str) -> String {
    String::from_utf8(objects.get(&Key::new(key).unwrap(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

fn a_day() -> Records {
    use JobState::{Cancelled, Failed, Retrying, Succeeded};
    let hook = "webhook.deliver";
    Records {
        all: vec![
            record("tomorrow", hook, Succeeded, "2026-11-24T00:00:00Z", &[(1, None)]),
            record("last", hook, Succeeded, "2026-11-23T23:59:59.9Z", &[(40, None)]),
            record("slow", hook, Succeeded, "2026-11-23T12:30:00Z", &[(9, Some("answered 503")), (75_000, None)]),
            record(
                "gone",
                hook,
                Failed,
                "2026-11-23T12:10:00Z",
                &[(20, Some("answered 410 <b>Gone</b> & \"unavailable\""))],
            ),
            record(
                "hurt",
                hook,
                Retrying,
                "2026-11-23T12:00:00Z",
                &[(9, Some("answered 502")), (9, Some("answered 503"))],
            ),
            record("formula", "=cmd", Failed, "2026-11-23T01:00:00Z", &[(5, Some("=HYPERLINK(\"http://evil\")"))]),
            record("never", "image.thumbnail", Cancelled, "2026-11-23T00:00:00Z", &[]),
            record("yesterday", hook, Failed, "2026-11-22T23:59:59.9Z", &[(1, Some("old"))]),
        ],
        ..Records::default()
    }
}

#[tokio::test]
async fn a_day_is_summed_up() {
    let (objects, records) = (memory(), Arc::new(a_day()));
    let result = run(records, &objects, |_| {}).await;
    assert_eq!(result.action, MessageAction::Ack, "{:?}", result.error);
    let output: Value = serde_json::from_str(result.output.unwrap().get()).unwrap();
    assert_eq!(
        output,
        serde_json::json!({
            "day": "2026-11-23",
            "jobs": 6,
            "complete": true,
            "html": "reports/2026-11-23.html",
            "csv": "reports/2026-11-23.csv",
        })
    );

    let quoted = |cells: &str| cells.split(',').map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",");
    let lines = [
        quoted(
            "day,job,total,waiting,scheduled,queued,running,retrying,succeeded,failed,cancelled,attempts,failed_attempts,\
             p50_ms,p95_ms,max_ms,most_frequent_error",
        ),
        quoted("2026-11-23,'=cmd,1,0,0,0,0,0,0,1,0,1,1,5,5,5,'=HYPERLINK(\"\"http://evil\"\")"),
        quoted("2026-11-23,image.thumbnail,1,0,0,0,0,0,0,0,1,0,0,,,,"),
        quoted("2026-11-23,webhook.deliver,4,0,0,0,0,1,2,1,0,6,4,9,75000,75000,answered 503"),
    ];
    let csv = text(&objects, "reports/2026-11-23.csv").await;
    assert_eq!(csv.lines().collect::<Vec<_>>(), lines, "every cell is in quotes, and none is a formula");

    let html = text(&objects, "reports/2026-11-23.html").await;
    for part in [
        "<h1>Monday, 23 November 2026</h1>",
        "answered 410 &#60;b&#62;Gone&#60;/b&#62; &#38; &#34;unavailable&#34;",
        "1 min 15 s",
        "12:00: 3 jobs, 1 failed",
        "<code>slow</code>",
        "33.3 %",
    ] {
        assert!(html.contains(part), "{part} is not in\n{html}");
    }
    assert!(!html.contains("<b>") && !html.contains("more jobs on this day"), "{html}");
    assert!(
        html.contains(r#".text { text-align: left; mso-number-format: "\@"; }"#),
        "a spreadsheet would run formulas"
    );
    assert!(
        !html.contains("src=") && !html.contains("href=") && !html.contains("<script"),
        "the page is not self-contained"
    );
}

#[tokio::test]
async fn a_quiet_day_has_a_report_too() {
    let objects = memory();
    let result = run(Arc::default(), &objects, |_| {}).await;
    assert_eq!(result.action, MessageAction::Ack, "{:?}", result.error);
    assert!(text(&objects, "reports/2026-11-23.html").await.contains("No jobs were created on this day."));
    assert_eq!(text(&objects, "reports/2026-11-23.csv").await.lines().count(), 1);
}

#[tokio::test]
async fn records_are_read_page_by_page_up_to_the_limit() {
    let many = |count: u32| {
        let record = |n| record(&format!("job-{n}"), "a.b", JobState::Succeeded, "2026-11-23T10:00:00Z", &[(10, None)]);
        Arc::new(Records { all: (0..count).map(record).collect(), ..Records::default() })
    };
    for (count, most, jobs, complete, limits) in [
        (2500, 10_000, 2500, true, vec![1000, 1000, 1000]),
        (2500, 1500, 1500, false, vec![1000, 500]),
        (1500, 1500, 1500, true, vec![1000, 500]),
    ] {
        let (objects, records) = (memory(), many(count));
        let result = run(records.clone(), &objects, |settings| settings.max_records = most).await;
        let output: Value = serde_json::from_str(result.output.unwrap().get()).unwrap();
        assert_eq!((&output["jobs"], &output["complete"]), (&jobs.into(), &complete.into()), "{count} of {most}");
        let queries = records.queries.lock().unwrap().clone();
        assert_eq!(queries.iter().map(|query| query.limit).collect::<Vec<_>>(), limits);
        assert!(
            queries.iter().all(|query| query.since == Some(at("2026-11-23T00:00:00Z"))
                && query.before == Some(at("2026-11-24T00:00:00Z")))
        );
        let html = text(&objects, "reports/2026-11-23.html").await;
        assert_eq!(html.contains("more jobs on this day"), !complete);
    }
}

#[tokio::test]
async fn a_repeated_report_replaces_the_old_one() {
    let objects = memory();
    for _ in 0..2 {
        run(Arc::new(a_day()), &objects, |_| {}).await;
        assert_eq!(objects.list(None, 10).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn without_a_store_the_report_fails_for_good() {
    let result = TestRun::of(function_with(Settings::new(memory()))).run(&DailyReport::default()).await;
    assert!(matches!(&result.action, MessageAction::DeadLetter(cause) if cause.reason == DeadLetterReason::Failed));
    assert!(result.error.unwrap().message.contains("this worker has no store"));
}

#[tokio::test]
async fn an_unavailable_table_is_tried_again() {
    let unavailable = Records { failure: Some(StoreErrorKind::Unavailable), ..Records::default() };
    let result = run(Arc::new(unavailable), &memory(), |_| {}).await;
    assert!(matches!(result.action, MessageAction::Retry(delay) if delay <= secs(30)), "{:?}", result.action);
    let error = result.error.unwrap().to_string();
    assert_eq!(error, "the records of 2026-11-23 cannot be read: the table is unavailable");

    let broken = Records { failure: Some(StoreErrorKind::Invalid), ..Records::default() };
    let result = run(Arc::new(broken), &memory(), |_| {}).await;
    assert!(matches!(result.action, MessageAction::DeadLetter(_)), "{:?}", result.action);
}

#[tokio::test]
async fn the_function_has_no_problems() {
    assert_eq!(reports::function().problems(), Vec::<String>::new());
}
