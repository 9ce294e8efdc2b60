//! `report.daily` over real records: the embedded engine runs the jobs, and then the report on them.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use jiff::civil::date;
use lamplighter::{Function, Job, JobError, JobState, Options, Queue, Retry, env::Env, secs};
use lamplighter_embedded::{Engine, SqliteBackend};
use lamplighter_jobs::DailyReport;
use lamplighter_objects::{Key, Objects};
use reports::{Settings, function_with};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Divide {
    by: u32,
}

impl Job for Divide {
    const NAME: &'static str = "number.divide";
    const QUEUE: Queue = Queue::standard("numbers");

    fn options() -> Options {
        Options::new().retry(Retry::fixed(std::time::Duration::from_millis(20)).attempts(2))
    }
}

async fn divide(job: Divide) -> Result<u32, JobError> {
    100u32.checked_div(job.by).ok_or_else(|| JobError::retry(format!("division by {}", job.by)))
}

#[tokio::test]
async fn the_engine_runs_jobs_and_reports_on_them() {
    // Noon of a fixed day, so that midnight is far.
    let embedded = SqliteBackend::memory(Env::driven("2026-11-23T12:00:00Z".parse().unwrap(), 7)).unwrap();
    let objects = Objects::from_url("memory:///").unwrap();
    let engine = Engine::builder(&embedded)
        .function(Function::new("numbers").job(divide))
        .function(function_with(Settings::new(objects.clone())))
        .start()
        .await
        .unwrap();
    let client = embedded.client();
    for (by, state) in [(1, JobState::Succeeded), (0, JobState::Failed), (5, JobState::Succeeded)] {
        let enqueued = client.enqueue(Divide { by }).await.unwrap();
        let record = client.wait(enqueued.id(), secs(600)).await;
        if record.is_err() {
            panic!("{by}: {:#?}", client.get(enqueued.id()).await);
        }
        assert_eq!(record.unwrap().state, state);
    }
    let enqueued = client.enqueue(DailyReport { day: Some(date(2026, 11, 23)) }).await.unwrap();
    let record = client.wait(enqueued.id(), secs(600)).await.unwrap();
    assert_eq!(record.state, JobState::Succeeded, "{record:?}");

    let csv = objects.get(&Key::new("reports/2026-11-23.csv").unwrap(), 1 << 20).await.unwrap();
    let csv = String::from_utf8(csv.to_vec()).unwrap();
    let line = csv.lines().find(|line| line.contains("number.divide")).unwrap();
    let line = line.replace('"', "");
    assert!(line.starts_with("2026-11-23,number.divide,3,0,0,0,0,0,2,1,0,4,2,"), "{csv}");
    assert!(line.ends_with(",division by 0"), "{csv}");
    // The report is a job of the same day, and was running while it was written.
    assert!(csv.replace('"', "").contains("\n2026-11-23,report.daily,1,0,0,0,1,"), "{csv}");
    engine.drain(secs(5)).await;
}
