//! What a function declares its handlers to do besides performing jobs. The deployed function may do that and no more;
//! a handler's client refuses the rest on every backend, so that a missing declaration shows up in development.

use std::collections::BTreeMap;

use crate::{
    function::FunctionSpec,
    id::JobId,
    ports::{EnqueueError, SchedulingError, StoreError, StoreErrorKind},
    queue::Queue,
};

/// Limits a handler's client to what its function declares.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) function: &'static str,
    enqueues: BTreeMap<&'static str, Queue>,
    enqueues_to: Vec<Queue>,
    schedules: bool,
    manages_jobs: bool,
}

impl Limits {
    pub(crate) fn of(spec: &FunctionSpec) -> Self {
        Self {
            function: spec.name,
            enqueues: spec.enqueues.clone(),
            enqueues_to: spec.enqueues_to.clone(),
            schedules: spec.schedules,
            manages_jobs: spec.manages_jobs,
        }
    }

    fn enqueues(&self, job: &str, queue: &str) -> bool {
        self.enqueues.get(job).is_some_and(|declared| declared.name() == queue)
            || self.enqueues_to.iter().any(|declared| declared.name() == queue)
    }

    pub(crate) fn check_enqueue(&self, job: &str, queue: &str) -> Result<(), EnqueueError> {
        if self.enqueues(job, queue) {
            return Ok(());
        }
        Err(EnqueueError::Undeclared { job: job.into(), queue: queue.into(), function: self.function.into() })
    }

    pub(crate) fn check_schedules(&self) -> Result<(), SchedulingError> {
        match self.schedules {
            true => Ok(()),
            false => Err(SchedulingError::Undeclared(self.function.into())),
        }
    }

    /// `done` completes "job … was not …": "cancelled".
    pub(crate) fn check_manages(&self, id: &JobId, done: &str) -> Result<(), StoreError> {
        if self.manages_jobs {
            return Ok(());
        }
        let text = format_args!(
            "job {id} was not {done}: function {:?} does not say that its handlers do this; add .manages_jobs() to it",
            self.function
        );
        Err(StoreError::new(StoreErrorKind::Invalid, text))
    }
}
