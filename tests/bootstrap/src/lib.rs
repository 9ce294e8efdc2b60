//! A function for the end-to-end tests: its jobs follow their arguments, and record their runs.

mod jobs;
mod ledger;

use std::time::Duration;

use lamplighter::{
    Context, EventTrigger, Function, JobError, ScheduledJob, Setting, mins,
    schedule::{Schedule, ScheduleError},
};

pub use self::{
    jobs::{ACTS, Act, Behaviour, EVENT_SOURCE, Ordered, PATIENTS, Patient, RETRY_DELAY, SHOP, TICK_SCHEDULE, Tick},
    ledger::{LEDGER, REPAIRED, Run, read, write as write_run},
};

/// The function.
#[must_use]
pub fn function() -> Function {
    with(|function| function)
}

/// Returns the function with the jobs that run on workers only.
#[must_use]
pub fn workers() -> Function {
    with(|function| function.job(patient))
}

fn with(jobs: impl FnOnce(Function<()>) -> Function<()>) -> Function {
    let function = Function::new("e2e")
        .description("Does what its jobs say")
        .setting(Setting::text(LEDGER, "The file that runs are written to"))
        // None of its jobs does; this is declared to test the rights of its role.
        .schedules()
        .on_event(EventTrigger::new::<Act>().source(EVENT_SOURCE))
        .on_event(EventTrigger::new::<Act>().source(SHOP).arg("label", "$.detail.order.name"))
        .job(act)
        .job(ordered)
        .job(tick);
    jobs(function).with_state(())
}

/// Returns the schedules.
///
/// # Errors
/// When one is invalid.
pub fn schedules() -> Result<Vec<ScheduledJob>, ScheduleError> {
    Ok(vec![Schedule::rate(TICK_SCHEDULE, mins(1))?.starts(&Tick { label: "tick".into() })?])
}

async fn act(job: Act, ctx: Context) -> Result<String, JobError> {
    behave(job.label, &job.behaviour, &ctx).await
}

async fn ordered(job: Ordered, ctx: Context) -> Result<String, JobError> {
    behave(job.label, &job.behaviour, &ctx).await
}

async fn patient(job: Patient, ctx: Context) -> Result<String, JobError> {
    behave(job.label, &job.behaviour, &ctx).await
}

async fn tick(job: Tick, ctx: Context) -> Result<String, JobError> {
    behave(job.label, &Behaviour::Succeed, &ctx).await
}

#[expect(clippy::panic, reason = "a job was asked for that panics")]
async fn behave(label: String, behaviour: &Behaviour, ctx: &Context) -> Result<String, JobError> {
    ledger::write(&label, ctx)?;
    match behaviour {
        Behaviour::Succeed => {}
        Behaviour::Fail => return Err(JobError::retry(format!("{label} was told to fail"))),
        Behaviour::FailUntilRepaired if !ledger::is_repaired()? => {
            return Err(JobError::retry(format!("{label} was told to fail until it is repaired")));
        }
        Behaviour::FailUntilRepaired => {}
        Behaviour::GiveUp => return Err(JobError::fail(format!("{label} was told to give up"))),
        Behaviour::Panic => panic!("{label} was told to panic"),
        Behaviour::SleepAtFirst | Behaviour::BlockAtFirst if !ledger::is_first(ctx)? => {}
        Behaviour::BlockAtFirst => std::thread::sleep(Duration::from_secs(3600)),
        Behaviour::Sleep | Behaviour::SleepAtFirst => tokio::time::sleep(Duration::from_secs(3600)).await,
        Behaviour::FailUntil { attempt } if ctx.attempt() < *attempt => {
            return Err(JobError::retry(format!("{label} was told to fail until attempt {attempt}")));
        }
        Behaviour::FailUntil { .. } => {}
    }
    Ok(label)
}
