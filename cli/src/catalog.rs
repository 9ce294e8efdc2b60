//! An app's definitions, functions and schedules, and `lamp.ping`.

use lamplighter::{App, Definition, Function, Queue, ScheduledJob, Variables};

use crate::{
    error::{Error, nearest},
    ping,
};

/// An app as commands see it.
#[derive(Debug)]
pub(crate) struct Catalog {
    app: App,
}

impl Catalog {
    /// Creates the catalog of this app.
    pub(crate) fn new(app: App) -> Self {
        Self { app }
    }

    /// The app as it is deployed.
    pub(crate) fn app(&self) -> &App {
        &self.app
    }

    /// Every job that can be enqueued here, by name.
    pub(crate) fn definitions(&self) -> Vec<Definition> {
        let mut all = self.app.definitions.clone();
        all.push(ping::definition());
        all.sort_by_key(|definition| definition.name);
        all
    }

    /// Returns the job of that name.
    pub(crate) fn definition(&self, name: &str) -> Result<Definition, Error> {
        let all = self.definitions();
        let near = nearest(name, all.iter().map(|definition| definition.name));
        let found = all.into_iter().find(|definition| definition.name == name);
        found.ok_or_else(|| Error::UnknownJob { name: name.into(), near })
    }

    /// Returns every function that runs on one machine, with settings from these variables. The maintenance function is
    /// left out: it maintains AWS resources.
    pub(crate) fn functions(&self, variables: &Variables) -> Vec<Function> {
        let deployed = self.app.functions(variables).into_iter().filter(|function| !function.spec().maintenance);
        deployed.chain([ping::function()]).collect()
    }

    /// Every schedule.
    pub(crate) fn schedules(&self) -> &[ScheduledJob] {
        &self.app.schedules
    }

    /// The names of all queues.
    pub(crate) fn queues(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.definitions().iter().map(|definition| definition.queue.name()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the queue of that name.
    pub(crate) fn queue(&self, name: &str) -> Option<Queue> {
        self.definitions().into_iter().map(|definition| definition.queue).find(|queue| queue.name() == name)
    }

    /// Returns whether any job of that queue keeps a record; one that is not defined here may.
    pub(crate) fn keeps_records(&self, queue: &str) -> bool {
        let all = self.definitions();
        let mut jobs = all.iter().filter(|definition| definition.queue.name() == queue).peekable();
        jobs.peek().is_none() || jobs.any(|definition| definition.options.is_tracked())
    }
}
