//! An app for the tests of Azure Functions: its jobs follow their arguments, and record their runs.

mod jobs;

use std::time::Duration;

use e2e_function::write_run;
use lamplighter::{
    App, Context, Function, JobError, ScheduledJob,
    schedule::{Schedule, ScheduleError},
};

pub use self::jobs::{Act, Behaviour, Hold, RETRY_DELAY, TICK_SCHEDULE, Tick};

/// The environment variable with the path of the file of records; without it there are no records.
pub const RECORDS: &str = "LAMPLIGHTER_E2E_RECORDS";

/// The app.
///
/// # Errors
/// When its schedule is invalid.
pub fn app() -> Result<App, ScheduleError> {
    let acts = || Function::new("acts").job(act).job(tick).with_state(());
    let holds = || Function::new("holds").job(hold).with_state(());
    Ok(App::new("e2e-azure").function(acts).function(holds).schedules([schedule()?]))
}

fn schedule() -> Result<ScheduledJob, ScheduleError> {
    Schedule::cron(TICK_SCHEDULE, "0 * * * *")?.starts(&Tick {})
}

async fn act(job: Act, ctx: Context) -> Result<String, JobError> {
    behave(job.label, &job.behaviour, &ctx).await
}

async fn hold(job: Hold, ctx: Context) -> Result<String, JobError> {
    behave(job.label, &job.behaviour, &ctx).await
}

async fn tick(_: Tick, ctx: Context) -> Result<(), JobError> {
    write_run("tick", &ctx)
}

async fn behave(label: String, behaviour: &Behaviour, ctx: &Context) -> Result<String, JobError> {
    write_run(&label, ctx)?;
    match behaviour {
        Behaviour::Succeed => {}
        Behaviour::Fail => return Err(JobError::retry(format!("{label} was told to fail"))),
        Behaviour::FailUntil { attempt } if ctx.attempt() < *attempt => {
            return Err(JobError::retry(format!("{label} was told to fail until attempt {attempt}")));
        }
        Behaviour::SleepUntil { attempt } if ctx.attempt() < *attempt => sleep().await,
        Behaviour::FailUntil { .. } | Behaviour::SleepUntil { .. } => {}
        Behaviour::Sleep => sleep().await,
        Behaviour::Block => std::thread::sleep(LONG),
        Behaviour::EndTheProcess => std::process::abort(),
    }
    Ok(label)
}

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

async fn sleep() {
    tokio::time::sleep(LONG).await;
}
