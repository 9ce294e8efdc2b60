//! What `lamp demo` shows: the examples of an app, or a [`Demo`] of its own.
//!
//! The library makes a folder, opens an embedded file in it, starts the engine with all functions of the app, watches the
//! jobs, and ends with a table and the checks. What a [`Demo`] brings is the rest: what the jobs need around them, the jobs
//! themselves, and what is to be checked.

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

/// What was checked: what was found, or what is wrong.
pub type Check = Result<String, String>;

/// A demonstration of an app, in place of its examples.
#[async_trait]
pub trait Demo: Send + Sync {
    /// Makes what the jobs need, before the engine starts.
    async fn set_up(&mut self, env: &DemoEnv) -> Result<Setup, DemoError>;

    /// Enqueues the jobs, once the engine runs.
    async fn enqueue(&mut self, env: &DemoEnv) -> Result<Vec<Watched>, DemoError>;

    /// Jobs that something else has started by now: schedules, and other jobs. It is asked again and again, and may return
    /// the same ones each time.
    async fn started(&mut self, _env: &DemoEnv) -> Result<Vec<Watched>, DemoError> {
        Ok(Vec::new())
    }

    /// Whether the demo may end: asked when all jobs that are known have ended.
    fn is_complete(&self, _records: &[Record]) -> bool {
        true
    }

    /// A job's output in a few words, where this demo knows the job.
    fn output(&self, _record: &Record) -> Option<String> {
        None
    }

    /// Checks what the jobs have done. That all of them have succeeded is checked anyway.
    fn checks(&self, _env: &DemoEnv, _records: &[Record]) -> Vec<Check> {
        Vec::new()
    }

    /// Where to look at what the jobs have made: a name of at most nine letters, and the place.
    fn results(&self, _env: &DemoEnv) -> Vec<(String, String)> {
        Vec::new()
    }
}

/// What the engine of a demo runs with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Setup {
    /// What the functions read their settings from.
    pub variables: Variables,
    /// What is shown first: "real jobs on real input".
    pub about: String,
    /// Schedules. Those of the app stay away.
    pub schedules: Vec<ScheduledJob>,
    /// What stands around the jobs: a name of at most nine letters, what it is, and a remark.
    pub notes: Vec<(String, String, String)>,
}

impl Setup {
    /// Functions with settings from these variables, shown under these words.
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
    /// A few words that say what it is.
    pub label: String,
}

impl Watched {
    /// The job with this id, under a few words that say what it is.
    #[must_use]
    pub fn new(id: JobId, label: impl Into<String>) -> Self {
        Self { id, label: label.into() }
    }
}

pub(crate) fn failed(error: DemoError) -> Error {
    Error::failed(error)
}
