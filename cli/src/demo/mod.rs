//! The content of `lamp demo`: the examples of an app, or a [`Demo`] of its own.
//!
//! The library creates a folder, opens an embedded file in it, starts the engine with all functions of the app, watches
//! the jobs, and ends with a table and the checks. A [`Demo`] adds the rest: the environment that the jobs need, the
//! jobs themselves, and the checks.

mod env;
mod examples;
mod extra_job;
pub(crate) mod summary;
mod watch;

use std::error::Error as StdError;

use async_trait::async_trait;
use lamplighter::{JobId, Record, ScheduledJob, Variables};

pub use self::env::DemoEnv;
pub(crate) use self::{examples::Examples, extra_job::ExtraJob, watch::Watch};
use crate::error::Error;

/// Why a demo cannot go on: a sentence for people.
pub type DemoError = Box<dyn StdError + Send + Sync>;

/// The result of a check: what was found, or what is wrong.
pub type Check = Result<String, String>;

/// A demonstration of an app, in place of its examples.
#[async_trait]
pub trait Demo: Send + Sync {
    /// Creates what the jobs need, before the engine starts.
    async fn set_up(&mut self, env: &DemoEnv) -> Result<Setup, DemoError>;

    /// Enqueues the jobs, once the engine runs.
    async fn enqueue(&mut self, env: &DemoEnv) -> Result<Vec<Watched>, DemoError>;

    /// Returns jobs that schedules or other jobs have started by now. It is called repeatedly, and may return the same
    /// ones each time.
    async fn started(&mut self, _env: &DemoEnv) -> Result<Vec<Watched>, DemoError> {
        Ok(Vec::new())
    }

    /// Returns whether the demo may end. Called when all known jobs have ended.
    fn is_complete(&self, _records: &[Record]) -> bool {
        true
    }

    /// Returns a job's output in a few words, if this demo has words for it.
    fn output(&self, _record: &Record) -> Option<String> {
        None
    }

    /// Checks the results of the jobs. The library itself checks that all of them have succeeded.
    fn checks(&self, _env: &DemoEnv, _records: &[Record]) -> Vec<Check> {
        Vec::new()
    }

    /// Returns where the results of the jobs are: a name of at most nine letters, and the place.
    fn results(&self, _env: &DemoEnv) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// The settings of a demo's engine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Setup {
    /// The variables from which the functions read their settings.
    pub variables: Variables,
    /// The title: "real jobs on real input".
    pub about: String,
    /// The schedules. Those of the app are left out.
    pub schedules: Vec<ScheduledJob>,
    /// The environment of the jobs: a name of at most nine letters, what it is, and a remark.
    pub notes: Vec<(String, String, String)>,
}

impl Setup {
    /// Functions with settings from these variables, under this title.
    #[must_use]
    pub fn new(variables: Variables, about: impl Into<String>) -> Self {
        Self { variables, about: about.into(), schedules: Vec::new(), notes: Vec::new() }
    }

    /// Adds a schedule.
    #[must_use]
    pub fn schedule(mut self, schedule: ScheduledJob) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// Adds a line that is shown first: a name of at most nine letters, what it is, and a remark.
    #[must_use]
    pub fn note(mut self, name: impl Into<String>, what: impl Into<String>, remark: impl Into<String>) -> Self {
        self.notes.push((name.into(), what.into(), remark.into()));
        self
    }
}

/// A job that is shown.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Watched {
    /// Its id.
    pub id: JobId,
    /// A short description.
    pub label: String,
}

impl Watched {
    /// The job with this id, under a short description.
    #[must_use]
    pub fn new(id: JobId, label: impl Into<String>) -> Self {
        Self { id, label: label.into() }
    }
}

pub(crate) fn failed(error: DemoError) -> Error {
    Error::failed(error)
}
