//! What is to be deployed, as plain data: derived from functions, definitions and schedules, and written as a template
//! by others. It knows what AWS offers, and nothing of any template's language.

mod environment;
mod functions;
mod names;
mod queues;
mod reach;
mod schedules;
mod triggers;
pub mod variables;
mod workers;

use lamplighter::{Definition, Function, ScheduledJob};

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

/// What is to be deployed. Everything stands in the order of its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The functions.
    pub functions: Vec<DeployedFunction>,
    /// The queues, each with a dead-letter queue.
    pub queues: Vec<DeployedQueue>,
    /// What starts jobs by itself.
    pub schedules: Vec<DeployedSchedule>,
    /// What the workers are: all functions with a queue of [`QueueHost::Worker`], as one process runs them.
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

    /// The queue of that name.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&DeployedQueue> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// The queues that trigger that function, or that the workers poll.
    pub fn queues_of<'a>(&'a self, function: &'a DeployedFunction) -> impl Iterator<Item = &'a DeployedQueue> {
        self.queues.iter().filter(move |queue| workers::takes_from(function, queue))
    }

    /// What takes jobs from queues: the functions on Lambda, and the workers.
    pub fn consumers(&self) -> impl Iterator<Item = &DeployedFunction> {
        self.functions.iter().chain(&self.workers)
    }

    /// The schedules that start jobs on that target.
    pub fn schedules_of(&self, target: &Target) -> impl Iterator<Item = &DeployedSchedule> {
        self.schedules.iter().filter(move |schedule| schedule.target == *target)
    }

    /// Whether any function keeps records, so that there is a table.
    #[must_use]
    pub fn keeps_records(&self) -> bool {
        self.consumers().any(|function| function.tracked)
    }

    /// Whether that function delays jobs by one-time schedules. The others do so by the table, from which the function
    /// for maintenance sends what is due; without one, only schedules are left.
    #[must_use]
    pub fn delays_by_schedules(&self, function: &DeployedFunction) -> bool {
        let maintenance = self.functions.iter().any(|function| function.maintenance);
        function.schedules || function.manages_jobs || (function.tracked && !maintenance)
    }

    /// The queues that a function sends to, in the order of their names: those that its handlers enqueue on; its own,
    /// where it keeps records, for settlements and attempts that are far away; all, where its handlers start any job.
    pub fn sent_to_by<'a>(&'a self, function: &'a DeployedFunction) -> impl Iterator<Item = &'a DeployedQueue> {
        let all = function.schedules || function.manages_jobs || function.maintenance;
        self.queues.iter().filter(move |queue| {
            let own = function.tracked && workers::takes_from(function, queue);
            all || own || function.enqueues_to.contains(&queue.name)
        })
    }

    /// Whether any function reads and writes objects, so that there is a bucket for them.
    #[must_use]
    pub fn has_objects(&self) -> bool {
        self.consumers().any(|function| function.objects)
    }

    /// How many alarms there are: two a queue, three a function, and one for what was not delivered.
    #[must_use]
    pub fn alarms(&self) -> usize {
        2 * self.queues.len() + 3 * self.functions.len() + 1
    }

    /// Whether EventBridge calls that function itself, past all queues.
    #[must_use]
    pub fn is_called_by_events(&self, function: &DeployedFunction) -> bool {
        !function.events.is_empty() || self.schedules_of(&Target::Function(function.name.clone())).next().is_some()
    }
}
