//! Derives the infrastructure template from an app.
//!
//! An app's functions, job definitions and schedules contain everything that AWS needs to know: the timeout of a job,
//! its number of attempts, its queue, and its schedule. From these follows a [`Deployment`], plain data with every
//! derived number and every contradiction found; and from the deployment a [`Template`].
//!
//! ```
//! # use lamplighter::{App, Context, Definition, Function, Job, JobError, Options, Queue, secs};
//! # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! # struct SendMail {}
//! # impl Job for SendMail {
//! #     const NAME: &'static str = "mail.send";
//! #     const QUEUE: Queue = Queue::standard("mails");
//! #     fn options() -> Options { Options::new().timeout(secs(30)) }
//! # }
//! # async fn send(_: SendMail, _: Context) -> Result<(), JobError> { Ok(()) }
//! # fn mail() -> Function { Function::new("mail").job(send).with_state(()) }
//! let app = App::new("shop").function(mail).definitions([Definition::of::<SendMail>()]);
//! let template = lamplighter_infra::template(&app)?;
//! let mails = &template.to_json()["Resources"]["MailsQueue"]["Properties"];
//! // Six times the function's timeout, which is that of its slowest job and five seconds.
//! assert_eq!(mails["VisibilityTimeout"], 6 * (30 + 5));
//! # Ok::<(), lamplighter_infra::Problems>(())
//! ```

mod azure;
mod committed;
pub mod cost;
mod deployment;
pub mod doctor;
mod json;
pub mod limits;
mod node;
mod problems;
mod rules;
mod sam;
#[cfg(test)]
mod test_app;
mod yaml;

use lamplighter::{App, DashboardFunction, Function, ScheduledJob, Variables};
use lamplighter_aws::maintenance;

pub use self::{
    azure::{AZURE_FOLDER, AZURE_HANDLER, AzureFiles, FileState},
    committed::{CheckError, Freshness, TEMPLATE_PATH, check, check_against},
    deployment::{
        DeployedFunction, DeployedQueue, DeployedSchedule, DeployedSetting, Deployment, EventPattern,
        MAX_FUNCTION_NAME, MAX_QUEUE_NAME, MAX_SCHEDULE_NAME, MAX_STACK_NAME, Target, Timing, UNDELIVERED_QUEUE,
        is_taken_queue, logical_name, variables,
    },
    node::{Map, Node},
    problems::Problems,
    rules::examine,
    sam::Template,
};

/// Returns the functions of a deployment of this app: the app's own, [the dashboard](lamplighter::DashboardFunction) if the app
/// has one, and the library's [maintenance function](maintenance) if any of them keeps records and the app has no such
/// function itself.
#[must_use]
pub fn functions(app: &App) -> Vec<Function> {
    parts(app).0
}

/// Derives the deployment of this app.
///
/// # Errors
/// When definitions contradict each other.
pub fn deployment(app: &App) -> Result<Deployment, Problems> {
    let (functions, schedules) = parts(app);
    Deployment::derive(&functions, &app.definitions, &schedules)
}

/// Derives the expected stack of this app.
///
/// # Errors
/// When definitions contradict each other.
pub fn expected(app: &App) -> Result<doctor::Expected, Problems> {
    Ok(doctor::Expected::new(&functions(app), deployment(app)?))
}

/// Derives the template of this app.
///
/// # Errors
/// When definitions contradict each other.
pub fn template(app: &App) -> Result<Template, Problems> {
    Ok(Template::new(&deployment(app)?))
}

/// Returns the functions and schedules of an app, with those that the library adds.
fn parts(app: &App) -> (Vec<Function>, Vec<ScheduledJob>) {
    let mut functions = app.functions(&Variables::none());
    functions.extend(app.dashboard.map(DashboardFunction::function));
    let mut schedules = app.schedules.clone();
    let has_its_own = functions.iter().any(|function| function.spec().maintenance);
    if !has_its_own && functions.iter().any(|function| !function.spec().stateless) {
        functions.push(maintenance::function());
        schedules.extend(maintenance::schedules());
    }
    (functions, schedules)
}
