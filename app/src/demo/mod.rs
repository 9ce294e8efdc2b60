//! `lamp demo` of this repository, on real input: webhooks go to a receiver that refuses the first tries
//! ([`receiver`]), pictures become thumbnails, a CSV is imported by a batch ([`import`]), and a schedule starts a report every
//! three seconds ([`jobs`]). At the end each promise is checked from outside ([`checks`]).

mod checks;
mod import;
mod jobs;
mod receiver;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{Timestamp, civil::Date};
use lamplighter::{JobState, Record, schedule::Schedule, secs};
use lamplighter_cli::demo::{Check, Demo, DemoEnv, DemoError, Setup, Watched};
use lamplighter_jobs::DailyReport;

use self::{jobs::DemoJobs, receiver::Receiver};

/// The secret that signs the webhooks. It signs only the demo's own webhooks.
const SECRET: &str = "whsec_bGFtcGxpZ2h0ZXItZGVtby1zZWNyZXQtMDEyMzQ=";
/// The number of scheduled reports that are shown.
const REPORTS: usize = 2;

/// The demo of this repository.
#[derive(Debug, Default)]
pub struct OwnDemo {
    prepared: Option<Prepared>,
    jobs: DemoJobs,
}

/// The environment of the jobs.
#[derive(Debug)]
struct Prepared {
    receiver: Receiver,
    /// The day of the reports.
    day: Date,
}

impl OwnDemo {
    fn prepared(&self) -> Result<&Prepared, DemoError> {
        self.prepared.as_ref().ok_or_else(|| "the demo was not set up; call set_up first".into())
    }
}

#[async_trait]
impl Demo for OwnDemo {
    async fn set_up(&mut self, env: &DemoEnv) -> Result<Setup, DemoError> {
        let day = jiff::tz::Offset::UTC.to_datetime(just_within_a_day().await).date();
        let receiver = Receiver::start(SECRET).await.map_err(|error| {
            format!("cannot listen on 127.0.0.1: {error}; allow it, the demo needs a receiver of webhooks")
        })?;
        let variables = env
            .variables()
            .with("LAMPLIGHTER_WEBHOOK_SECRET", SECRET)
            .with("LAMPLIGHTER_WEBHOOK_SECRETS", "")
            .with("LAMPLIGHTER_WEBHOOK_SECRET_ARNS", "")
            // The receiver is on this machine, where webhooks may be sent only if this variable allows it.
            .with("LAMPLIGHTER_WEBHOOK_ALLOW_PRIVATE", "127.0.0.1");
        let report = Schedule::rate("demo-report", secs(3))?.starts(&DailyReport { day: Some(day) })?;
        let setup = Setup::new(variables, "real jobs on real input")
            .schedule(report)
            .note("receiver", receiver.url("/"), "refuses the first tries, believes no wrong signature")
            .note(
                "objects",
                env.objects_folder().display().to_string(),
                "pictures and a CSV, in the object store, here a folder",
            );
        self.prepared = Some(Prepared { receiver, day });
        Ok(setup)
    }

    async fn enqueue(&mut self, env: &DemoEnv) -> Result<Vec<Watched>, DemoError> {
        let (jobs, watched) = DemoJobs::enqueue(env, &self.prepared()?.receiver).await?;
        self.jobs = jobs;
        Ok(watched)
    }

    async fn started(&mut self, env: &DemoEnv) -> Result<Vec<Watched>, DemoError> {
        let reports = jobs::scheduled_reports(env.client()).await?;
        let reports = reports.iter().map(|report| Watched::new(report.id.clone(), jobs::report_label(report)));
        Ok(reports.chain(import::started(env).await?).collect())
    }

    fn is_complete(&self, records: &[Record]) -> bool {
        made_reports(records) >= REPORTS && import::is_complete(records)
    }

    fn output(&self, record: &Record) -> Option<String> {
        jobs::output(record)
    }

    fn checks(&self, env: &DemoEnv, records: &[Record]) -> Vec<Check> {
        match self.prepared() {
            Ok(prepared) => checks::all(env, prepared, &self.jobs, records),
            Err(error) => vec![Err(error.to_string())],
        }
    }

    fn results(&self, env: &DemoEnv) -> Vec<(String, String)> {
        let place = |path: PathBuf| path.display().to_string();
        vec![
            ("thumbnails".into(), place(env.objects_folder().join("thumbnails"))),
            ("reports".into(), place(reports_folder(env))),
            ("import".into(), place(import::folder(env))),
        ]
    }
}

/// Returns how many scheduled reports have succeeded.
fn made_reports(records: &[Record]) -> usize {
    let scheduled = records.iter().filter(|record| jobs::is_scheduled_report(record));
    scheduled.filter(|record| record.state == JobState::Succeeded).count()
}

/// Writes an object into the object store, which is a folder here.
fn put(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    let write = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)
    };
    write()
        .map_err(|error| format!("cannot write {}: {error}; make room or name another --output", path.display()).into())
}

/// Returns the folder of the reports.
fn reports_folder(env: &DemoEnv) -> PathBuf {
    env.objects_folder().join("reports")
}

/// Returns the current moment; in the last seconds of a day, waits for the next day. The reports cover the day on which
/// the jobs are enqueued, and the day must not change in between.
async fn just_within_a_day() -> Timestamp {
    const SECONDS_A_DAY: i64 = 86_400;
    let now = Timestamp::now();
    let left = SECONDS_A_DAY - now.as_second().rem_euclid(SECONDS_A_DAY);
    if left > 5 {
        return now;
    }
    tokio::time::sleep(Duration::from_secs(left.unsigned_abs())).await;
    Timestamp::now()
}
