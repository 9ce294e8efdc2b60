//! The demo of an app without a demo of its own: its examples.

use async_trait::async_trait;
use lamplighter::NewJob;

use super::{Demo, DemoEnv, DemoError, Setup, Watched};
use crate::{catalog::Catalog, error::Error};

/// Enqueues the examples of an app.
pub(crate) struct Examples {
    app: &'static str,
    jobs: Vec<NewJob>,
}

impl Examples {
    /// Returns the examples of this app. There may be none if other jobs are shown.
    pub(crate) fn of(catalog: &Catalog, others: bool) -> Result<Self, Error> {
        let app = catalog.app();
        if app.examples.is_empty() && !others {
            return Err(Error::Usage(format!(
                "the app {} has no examples to show; add one with `App::example`, or name a job with --job",
                app.name
            )));
        }
        for job in &app.examples {
            let tracked = catalog.definition(job.job_name())?.options.is_tracked();
            if !tracked {
                return Err(Error::Usage(format!(
                    "{} is an example of the app {} and keeps no record, so the demo cannot tell its outcome; \
                     `lamp dev` runs it",
                    job.job_name(),
                    app.name
                )));
            }
        }
        Ok(Self { app: app.name, jobs: app.examples.clone() })
    }
}

#[async_trait]
impl Demo for Examples {
    async fn set_up(&mut self, env: &DemoEnv) -> Result<Setup, DemoError> {
        Ok(Setup::new(env.variables(), format!("examples of {}", self.app)))
    }

    async fn enqueue(&mut self, env: &DemoEnv) -> Result<Vec<Watched>, DemoError> {
        let answers = env.client().enqueue_all(self.jobs.iter().cloned()).await;
        let mut watched = Vec::with_capacity(answers.len());
        for (job, answer) in self.jobs.iter().zip(answers) {
            watched.push(Watched::new(answer?.id().clone(), job.job_name()));
        }
        Ok(watched)
    }
}
