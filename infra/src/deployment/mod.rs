//! The deployment as plain data: derived from functions, definitions and schedules, and written as a template by other
//! modules. It contains the rules of AWS, and nothing of a template's language.

mod environment;
mod functions;
mod limits;
mod names;
mod queues;
mod reach;
mod schedules;
mod triggers;
pub mod variables;
mod workers;

use lamplighter::{Definition, Function, QueueHost, ScheduledJob};

pub(crate) use self::{functions::derive as derive_functions, queues::consumers, workers::WORKERS};
pub use self::{
    functions::{DeployedFunction, DeployedSetting, EventPattern},
    names::{
        MAX_FUNCTION_NAME, MAX_QUEUE_NAME, MAX_SCHEDULE_NAME, MAX_STACK_NAME, UNDELIVERED_QUEUE, is_taken_queue,
        logical_name,
    },
    queues::DeployedQueue,
    schedules::{DeployedSchedule, Target, Timing},
};
use crate::problems::Problems;

/// A deployment. All lists are sorted by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The functions.
    pub functions: Vec<DeployedFunction>,
    /// The queues, each with a dead-letter queue.
    pub queues: Vec<DeployedQueue>,
    /// The schedules that start jobs.
    pub schedules: Vec<DeployedSchedule>,
    /// The workers: all functions with a queue of [`QueueHost::Worker`], merged as one process runs them.
    pub workers: Option<DeployedFunction>,
}

impl Deployment {
    /// Derives a deployment. `definitions` are the jobs that others enqueue: each must be performed by a function.
    ///
    /// # Errors
    /// Every contradiction, not only the first.
    pub fn derive(
        functions: &[Function],
        definitions: &[Definition],
        schedules: &[ScheduledJob],
    ) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let deployed = functions::derive(functions, definitions, &mut problems);
        let schedules = schedules::derive(functions, schedules, &mut problems);
        let queues = queues::derive(functions, &mut problems);
        let workers = workers::merge(&deployed, &queues);
        let mut deployment = Self { functions: deployed, queues, schedules, workers };
        let on_lambda: Vec<_> =
            deployment.functions.iter().map(|one| workers::is_on_lambda(&deployment, one)).collect();
        let mut on_lambda = on_lambda.into_iter();
        deployment.functions.retain(|_| on_lambda.next().unwrap_or(true));
        names::check(&deployment, &mut problems);
        environment::check(&deployment, &mut problems);
        problems.or(deployment)
    }

    /// Returns the queue of that name.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&DeployedQueue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// Returns the queues that trigger that function, or that the workers poll.
    pub fn queues_of<'a>(&'a self, function: &'a DeployedFunction) -> impl Iterator<Item = &'a DeployedQueue> {
        self.queues.iter().filter(move |queue| workers::takes_from(function, queue))
    }

    /// Returns the consumers of queues: the functions on Lambda, and the workers.
    pub fn consumers(&self) -> impl Iterator<Item = &DeployedFunction> {
        self.functions.iter().chain(&self.workers)
    }

    /// Returns the schedules that start jobs on that target.
    pub fn schedules_of(&self, target: &Target) -> impl Iterator<Item = &DeployedSchedule> {
        self.schedules.iter().filter(move |schedule| schedule.target == *target)
    }

    /// Returns whether any function keeps records, so that there is a table.
    #[must_use]
    pub fn keeps_records(&self) -> bool {
        self.consumers().any(|function| function.tracked)
    }

    /// Returns whether that function delays jobs with one-time schedules. The others use the table, from which the
    /// maintenance function sends due jobs; without a table, only schedules are left.
    #[must_use]
    pub fn delays_by_schedules(&self, function: &DeployedFunction) -> bool {
        let maintenance = self.functions.iter().any(|function| function.maintenance);
        function.schedules || function.manages_jobs || (function.tracked && !maintenance)
    }

    /// Returns the queues that a function sends to, in the order of their names: those that its handlers enqueue on;
    /// its own, if it keeps records, for settlements and late attempts; all, if its handlers start any job.
    pub fn sent_to_by<'a>(&'a self, function: &'a DeployedFunction) -> impl Iterator<Item = &'a DeployedQueue> {
        let all = function.schedules || function.manages_jobs || function.maintenance;
        self.queues.iter().filter(move |queue| {
            let own = function.tracked && workers::takes_from(function, queue);
            all || own || function.enqueues_to.contains(&queue.name)
        })
    }

    /// Returns whether any function reads and writes objects, so that there is a bucket for them.
    #[must_use]
    pub fn has_objects(&self) -> bool {
        self.consumers().any(|function| function.objects)
    }

    /// Returns the number of alarms that compare metrics which functions write, where they write any: one for each job that
    /// a function runs.
    #[must_use]
    pub fn job_alarms(&self) -> usize {
        let queues = self.queues.iter().filter(|queue| queue.host != QueueHost::Worker);
        queues.map(|queue| queue.jobs.len()).sum()
    }

    /// Returns the number of all other alarms: two per queue, three per function, and one for undelivered events.
    #[must_use]
    pub fn alarms(&self) -> usize {
        2 * self.queues.len() + 3 * self.functions.len() + 1
    }

    /// Returns the number of rules on the default event bus: one per schedule that is a rule, and one per function that
    /// events call.
    #[must_use]
    pub fn rules(&self) -> usize {
        let schedules = self.schedules.iter().filter(|schedule| matches!(schedule.timing, Timing::Rule { .. }));
        schedules.count() + self.functions.iter().filter(|function| !function.events.is_empty()).count()
    }

    /// Returns whether EventBridge calls that function directly, without a queue.
    #[must_use]
    pub fn is_called_by_events(&self, function: &DeployedFunction) -> bool {
        !function.events.is_empty() || self.schedules_of(&Target::Function(function.name.clone())).next().is_some()
    }
}
