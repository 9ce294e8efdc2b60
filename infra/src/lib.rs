//! Derives the infrastructure template from functions and definitions.
//!
//! Functions, job definitions and schedules say all that AWS must know: how long a job may take, how often it is
//! tried, what carries it, when it starts. From that comes a [`Deployment`], plain data with every derived number and
//! every contradiction found; and from the deployment a [`Template`].
//!
//! ```
//! let template = lamplighter_infra::template()?;
//! let webhooks = &template.to_json()["Resources"]["WebhooksQueue"]["Properties"];
//! // Six times the function's timeout, which is that of its slowest job and five seconds.
//! assert_eq!(webhooks["VisibilityTimeout"], 6 * (30 + 5));
//! # Ok::<(), lamplighter_infra::Problems>(())
//! ```

mod committed;
pub mod cost;
mod deployment;
pub mod doctor;
mod node;
mod problems;
mod rules;
mod sam;
mod yaml;

use lamplighter::Function;

pub use self::{
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

/// The functions of this deployment.
#[must_use]
pub fn functions() -> Vec<Function> {
    vec![images::function(), maintenance::function(), reports::function(), webhooks::function()]
}

/// What this deployment consists of.
///
/// # Errors
/// When definitions contradict each other.
pub fn deployment() -> Result<Deployment, Problems> {
    let schedules = [lamplighter_jobs::schedules(), maintenance::schedules()].concat();
    Deployment::derive(&functions(), &lamplighter_jobs::definitions(), &schedules)
}

/// What a stack of this deployment should be.
///
/// # Errors
/// When definitions contradict each other.
pub fn expected() -> Result<doctor::Expected, Problems> {
    Ok(doctor::Expected::new(&functions(), deployment()?))
}

/// The template of this deployment.
///
/// # Errors
/// When definitions contradict each other.
pub fn template() -> Result<Template, Problems> {
    Ok(Template::new(&deployment()?))
}
