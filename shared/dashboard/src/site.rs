//! What a dashboard shows.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use lamplighter::{
    App, Client, Definition, ScheduledJob,
    backend::{Backend, Operator, StoreError},
    env::Env,
    operation::{CheckArguments, CheckByType},
    redaction::Redactions,
};

use crate::view::{Fact, FindingView, HostView};

/// What a dashboard shows: a backend, and the app whose jobs it carries.
#[derive(Clone)]
pub struct Site {
    pub(crate) app: &'static str,
    pub(crate) definitions: Arc<[Definition]>,
    pub(crate) schedules: Arc<[ScheduledJob]>,
    pub(crate) redactions: Arc<Redactions>,
    pub(crate) backend: Backend,
    pub(crate) client: Client,
    pub(crate) operator: Arc<dyn Operator>,
    pub(crate) env: Env,
    pub(crate) environment: Option<String>,
    pub(crate) command: Vec<String>,
    pub(crate) health: Option<Arc<dyn HealthSource>>,
    pub(crate) check: Arc<dyn CheckArguments>,
}

impl Site {
    /// The app on a backend. `operator` operates the queues of the same backend.
    #[must_use]
    pub fn new(app: &App, backend: Backend, env: Env, operator: Arc<dyn Operator>) -> Self {
        Self {
            app: app.name,
            definitions: app.definitions.clone().into(),
            schedules: app.schedules.clone().into(),
            redactions: Arc::new(Redactions::of(&app.definitions)),
            client: Client::new(backend.clone(), env.clone()),
            backend,
            operator,
            env,
            environment: None,
            command: vec!["lamp".into()],
            health: None,
            check: Arc::new(CheckByType),
        }
    }

    /// Which environment this is, as each page says: `production`.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.environment = Some(name.into());
        self
    }

    /// The command that operates the same place, and the options that say which: `("lamp", ["--stack", "shop"])`. Each action
    /// is shown as a command too.
    #[must_use]
    pub fn command<O: Into<String>>(
        mut self,
        program: impl Into<String>,
        options: impl IntoIterator<Item = O>,
    ) -> Self {
        self.command = std::iter::once(program.into()).chain(options.into_iter().map(Into::into)).collect();
        self
    }

    /// What examines the place.
    #[must_use]
    pub fn health(mut self, source: Arc<dyn HealthSource>) -> Self {
        self.health = Some(source);
        self
    }

    /// What checks arguments of jobs that are enqueued here; by default the job's [type](CheckByType).
    #[must_use]
    pub fn check(mut self, check: Arc<dyn CheckArguments>) -> Self {
        self.check = check;
        self
    }

    /// The definition of a job.
    pub(crate) fn definition(&self, job: &str) -> Option<&Definition> {
        self.definitions.iter().find(|definition| definition.name == job)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("app", &self.app).field("environment", &self.environment).finish_non_exhaustive()
    }
}

/// Examines a place: what is wrong with it, what is known about it, what runs jobs there.
#[async_trait]
pub trait HealthSource: Send + Sync + 'static {
    /// Examines it. The dashboard asks when somebody looks, and at most once in a while.
    async fn examine(&self) -> Result<Examination, StoreError>;
}

/// What an examination found.
#[derive(Debug, Clone, Default)]
pub struct Examination {
    /// What is wrong.
    pub findings: Vec<FindingView>,
    /// What is known.
    pub facts: Vec<Fact>,
    /// What runs jobs.
    pub hosts: Vec<HostView>,
}
