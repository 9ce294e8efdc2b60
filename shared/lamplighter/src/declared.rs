//! What a function says its handlers do, beside performing jobs: the deployed function may do that and no more, and a
//! handler's client refuses the rest on every backend, so that a development machine finds it.

use std::collections::BTreeMap;

use crate::{
    id::JobId,
    ports::{EnqueueError, SchedulingError, StoreError, StoreErrorKind},
    queue::Queue,
};

/// What a function's handlers do with the deployment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    /// Jobs that they enqueue, by name, each with its queue.
    pub(crate) jobs: BTreeMap<&'static str, Queue>,
    /// Queues on which they enqueue any job.
    pub(crate) queues: Vec<Queue>,
    /// Whether they make, change and trigger schedules.
    pub(crate) schedules: bool,
    /// Whether they cancel jobs and run ended ones again.
    pub(crate) manages_jobs: bool,
}

/// Holds a handler's client to what its function declares.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) function: &'static str,
    pub(crate) declared: Declared,
}

impl Declared {
    fn enqueues(&self, job: &str, queue: &str) -> bool {
        self.jobs.get(job).is_some_and(|declared| declared.name() == queue)
            || self.queues.iter().any(|declared| declared.name() == queue)
    }
}

impl Limits {
    pub(crate) fn check_enqueue(&self, job: &str, queue: &str) -> Result<(), EnqueueError> {
        if self.declared.enqueues(job, queue) {
            return Ok(());
        }
        Err(EnqueueError::Undeclared { job: job.into(), queue: queue.into(), function: self.function.into() })
    }

    pub(crate) fn check_schedules(&self) -> Result<(), SchedulingError> {
        match self.declared.schedules {
            true => Ok(()),
            false => Err(SchedulingError::Undeclared(self.function.into())),
        }
    }

    /// `done` is what was to be done to the job: "cancelled".
    pub(crate) fn check_manages(&self, id: &JobId, done: &str) -> Result<(), StoreError> {
        if self.declared.manages_jobs {
            return Ok(());
        }
        let text = format_args!(
            "job {id} was not {done}: function {:?} does not say that its handlers do this; add .manages_jobs() to it",
            self.function
        );
        Err(StoreError::new(StoreErrorKind::Invalid, text))
    }
}
