//! The app of this repository: the one list of its functions, jobs and schedules. Its binary is the command `lamp`.

mod demo;

use lamplighter::{App, DashboardFunction};

pub use self::demo::OwnDemo;

/// Returns all functions, definitions and schedules.
#[must_use]
pub fn app() -> App {
    App::new("lamplighter")
        .function_with(images::function_from)
        .function_with(imports::function_from)
        .function_with(reports::function_from)
        .function_with(webhooks::function_from)
        .definitions(lamplighter_jobs::definitions())
        .schedules(lamplighter_jobs::schedules())
        .dashboard(DashboardFunction::new())
}
