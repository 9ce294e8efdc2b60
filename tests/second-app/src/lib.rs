//! A harbour: an app that shares only the library with this repository's own.

mod jobs;

use lamplighter::{App, Context, Definition, Function, JobError, Setting, State, Variables};

pub use self::jobs::{CallPilot, ReadTide, schedules};

/// The variable with the harbour's name.
pub const PLACE: &str = "HARBOUR_PLACE";

/// Returns the app.
#[must_use]
pub fn app() -> App {
    App::new("harbour")
        .function(pilots)
        .function_with(tides_from)
        .definitions([Definition::of::<CallPilot>(), Definition::of::<ReadTide>()])
        .schedules(schedules())
        .example(ReadTide { gauge: "north".into() })
}

/// Returns the function that calls pilots, and keeps no records.
#[must_use]
pub fn pilots() -> Function {
    Function::new("pilots").description("Calls pilots").stateless().job(call).with_state(())
}

/// Returns the function that reads tides, with settings from the environment.
#[must_use]
pub fn tides() -> Function {
    tides_from(&Variables::system())
}

/// Returns the function that reads tides, with settings from these variables.
#[must_use]
pub fn tides_from(variables: &Variables) -> Function {
    let place = variables.get(PLACE).filter(|place| !place.is_empty()).unwrap_or_else(|| "nowhere".into());
    Function::new("tides")
        .description("Reads the tides")
        .setting(Setting::text(PLACE, "The harbour's name"))
        .job(read)
        .with_state(place)
}

async fn call(job: CallPilot, _: Context) -> Result<String, JobError> {
    Ok(job.ship)
}

async fn read(job: ReadTide, _: Context, State(place): State<String>) -> Result<String, JobError> {
    Ok(format!("{} at {place}", job.gauge))
}
