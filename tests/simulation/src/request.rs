//! What the plan says, as requests to a client.

use std::time::Duration;

use lamplighter::{After, Client, EnqueueBatch, Job, JobId, NewJob, message::Outcome};

use crate::{
    jobs::{Alone, Link, Step},
    plan::{BatchPlan, JobPlan},
};

impl JobPlan {
    /// The name of the job.
    pub(crate) fn job_name(&self) -> &'static str {
        match self.group {
            Some(_) => Link::NAME,
            None if self.alone => Alone::NAME,
            None => Step::NAME,
        }
    }

    /// The job of this number; `None` as long as the one that it waits for is not known by `id_of`.
    pub(crate) fn new_job(&self, number: usize, id_of: impl FnOnce(usize) -> Option<JobId>) -> Option<NewJob> {
        let mut new = match self.group {
            Some(group) => NewJob::from(Link { n: number }).group(format!("group-{group}")),
            None if self.alone => NewJob::from(Alone { n: number }),
            None => NewJob::from(Step { n: number }),
        };
        if self.delay > 0 {
            new = new.delay(Duration::from_millis(self.delay));
        }
        if let Some((other, outcome)) = self.after {
            let id = id_of(other)?;
            new = new.after(match outcome {
                Outcome::Success => After::success(id),
                Outcome::Failure => After::failure(id),
                Outcome::End => After::end(id),
            });
        }
        Some(new)
    }
}

impl BatchPlan {
    /// The batch, under this id.
    pub(crate) fn new_batch<'a>(&self, client: &'a Client, id: &str) -> EnqueueBatch<'a> {
        let new = client.enqueue_batch(self.jobs.iter().map(|n| Step { n: *n })).id(id);
        match self.then {
            Some((then, Outcome::Success)) => new.on_success(Step { n: then }),
            Some((then, Outcome::Failure)) => new.on_failure(Step { n: then }),
            Some((then, Outcome::End)) => new.on_end(Step { n: then }),
            None => new,
        }
    }
}
