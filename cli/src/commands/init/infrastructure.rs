//! The infrastructure template of a new workspace.
//!
//! The workspace's own command, which derives the template from its app, is not built yet. So the template is derived
//! from a sample app of the same shape in this program, and the names are replaced.

use jiff::Timestamp;
use lamplighter::{
    App, Definition, Function, Job, JobError, Options, Queue, Retry,
    schedule::{Schedule, ScheduleError},
    secs,
};
use lamplighter_infra::{DeployedFunction, Deployment, Target, Template, examine};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::names::Names;
use crate::{commands::new::job::TIMEOUT, error::Error};

/// The name of the sample app, its function, its queue and its schedule.
const FIRST: &str = "first";

/// The sample's job, with the options of a new job's definition.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
struct First {}

impl Job for First {
    const NAME: &'static str = "first.run";
    const QUEUE: Queue = Queue::standard(FIRST);

    fn options() -> Options {
        Options::new().timeout(secs(TIMEOUT)).retry(Retry::exponential(secs(5)).attempts(8))
    }
}

async fn run(_: First) -> Result<(), JobError> {
    Ok(())
}

fn app() -> Result<App, ScheduleError> {
    Ok(App::new(FIRST)
        .function(|| Function::new(FIRST).job(run))
        .definitions([Definition::of::<First>()])
        .schedules([Schedule::cron(FIRST, "0 6 * * *")?.starts(&First::default())?]))
}

/// The template as YAML.
pub(super) fn template(names: &Names) -> Result<String, Error> {
    let app = app().map_err(Error::failed)?;
    let mut deployment = lamplighter_infra::deployment(&app).map_err(Error::failed)?;
    rename(&mut deployment, names);
    let template = Template::new(&deployment);
    examine(&template.to_json(), Timestamp::now()).map_err(Error::failed)?;
    Ok(template.to_yaml())
}

fn rename(deployment: &mut Deployment, names: &Names) {
    for function in deployment.functions.iter_mut().filter(|function| function.name == FIRST) {
        function.name.clone_from(&names.function);
        function.description = format!("Performs {}", names.job.name);
    }
    for queue in deployment.queues.iter_mut().filter(|queue| queue.name == FIRST) {
        queue.name.clone_from(&names.function);
        queue.function.clone_from(&names.function);
        queue.jobs = vec![names.job.name.clone()];
    }
    for schedule in deployment.schedules.iter_mut().filter(|schedule| schedule.name == FIRST) {
        schedule.name = names.schedule();
        schedule.job.clone_from(&names.job.name);
        schedule.target = Target::Queue(names.function.clone());
    }
    deployment.functions.sort_by(|one, other| one.name.cmp(&other.name));
    deployment.queues.sort_by(|one, other| one.name.cmp(&other.name));
    deployment.schedules.sort_by(|one, other| one.name.cmp(&other.name));
}

/// The library's maintenance function.
pub(super) fn maintenance() -> Result<DeployedFunction, Error> {
    let app = app().map_err(Error::failed)?;
    let deployment = lamplighter_infra::deployment(&app).map_err(Error::failed)?;
    let found = deployment.functions.into_iter().find(|function| function.name != FIRST);
    found.ok_or_else(|| Error::failed("an app with records has no maintenance function"))
}
