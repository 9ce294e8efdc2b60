//! What there is: the deployment's definitions, functions and schedules, and `lamp.ping` beside them.

use lamplighter::{Definition, Function, Queue, ScheduledJob};
use lamplighter_objects::Objects;

use crate::{
    error::{Error, nearest},
    ping,
};

/// Every job that can be enqueued here, by name.
pub(crate) fn definitions() -> Vec<Definition> {
    let mut all = lamplighter_jobs::definitions();
    all.push(ping::definition());
    all.sort_by_key(|definition| definition.name);
    all
}

/// The job of that name.
pub(crate) fn definition(name: &str) -> Result<Definition, Error> {
    let all = definitions();
    let near = nearest(name, all.iter().map(|definition| definition.name));
    let found = all.into_iter().find(|definition| definition.name == name);
    found.ok_or_else(|| Error::UnknownJob { name: name.into(), near })
}

/// Every function that runs on one machine. Some get these objects, and the webhooks settings of their own; all others are
/// as they are deployed. The one that keeps house stays away: it looks after AWS.
pub(crate) fn functions(webhooks: Function, objects: Objects) -> Vec<Function> {
    let mut all = vec![
        webhooks,
        images::function_with(images::Settings::new(objects.clone())),
        reports::function_with(reports::Settings::new(objects)),
        ping::function(),
    ];
    for deployed in lamplighter_infra::functions() {
        if !deployed.spec().maintenance && all.iter().all(|there| there.name() != deployed.name()) {
            all.push(deployed);
        }
    }
    all
}

/// Every schedule.
pub(crate) fn schedules() -> Vec<ScheduledJob> {
    lamplighter_jobs::schedules()
}

/// The names of all queues.
pub(crate) fn queues() -> Vec<&'static str> {
    let mut names: Vec<_> = definitions().iter().map(|definition| definition.queue.name()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The queue of that name.
pub(crate) fn queue(name: &str) -> Option<Queue> {
    definitions().into_iter().map(|definition| definition.queue).find(|queue| queue.name() == name)
}

/// Whether any job of that queue keeps a record. One that is not defined here may.
pub(crate) fn keeps_records(queue: &str) -> bool {
    let all = definitions();
    let mut jobs = all.iter().filter(|definition| definition.queue.name() == queue).peekable();
    jobs.peek().is_none() || jobs.any(|definition| definition.options.is_tracked())
}
