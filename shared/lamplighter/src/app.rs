//! An app: what a deployment consists of.

use std::{fmt, sync::Arc};

use crate::{
    client::NewJob,
    dashboard::DashboardFunction,
    error::JobError,
    function::Function,
    job::Definition,
    layer::{Execution, HandlerService, Layer, Layers, Output, Service},
    scheduled::ScheduledJob,
    variables::Variables,
};

/// What a deployment consists of: functions, definitions and schedules, in one list. The command `lamp`, the template, the
/// check of a deployed stack and the embedded engine all read it.
///
/// ```
/// # use lamplighter::{App, Context, Definition, Function, Job, JobError, Queue, Variables};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Greet { pub name: String }
/// # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
/// # async fn greet(job: Greet, _: Context) -> Result<String, JobError> { Ok(format!("Hello, {}!", job.name)) }
/// fn greetings() -> Function {
///     Function::new("greetings").job(greet)
/// }
///
/// let app = App::new("shop")
///     .function(greetings)
///     .definitions([Definition::of::<Greet>()])
///     .example(Greet { name: "Ada".into() });
/// assert_eq!(app.functions(&Variables::system())[0].name(), "greetings");
/// assert_eq!(app.definitions[0].name, "greeting.say");
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct App {
    /// Its name, for people.
    pub name: &'static str,
    /// The jobs that others enqueue.
    pub definitions: Vec<Definition>,
    /// What starts jobs by itself.
    pub schedules: Vec<ScheduledJob>,
    /// Jobs that show the app at work.
    pub examples: Vec<NewJob>,
    /// The dashboard, if it is deployed as a function.
    pub dashboard: Option<DashboardFunction>,
    functions: Vec<MakeFunction>,
    layers: Layers,
}

/// Functions are made anew for each that runs them: making one may make clients.
type MakeFunction = Arc<dyn Fn(&Variables) -> Function + Send + Sync>;

impl App {
    /// An app of this name, with nothing in it yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            definitions: Vec::new(),
            schedules: Vec::new(),
            examples: Vec::new(),
            dashboard: None,
            functions: Vec::new(),
            layers: Layers::new(),
        }
    }

    /// Adds a function, by what makes it: `.function(greetings::function)`.
    #[must_use]
    pub fn function(self, make: impl Fn() -> Function + Send + Sync + 'static) -> Self {
        self.function_with(move |_| make())
    }

    /// Adds a function that reads its settings from variables, so that a development machine can give it others than the
    /// process has.
    #[must_use]
    pub fn function_with(mut self, make: impl Fn(&Variables) -> Function + Send + Sync + 'static) -> Self {
        self.functions.push(Arc::new(make));
        self
    }

    /// Adds definitions: the jobs that others enqueue.
    #[must_use]
    pub fn definitions(mut self, definitions: impl IntoIterator<Item = Definition>) -> Self {
        self.definitions.extend(definitions);
        self
    }

    /// Adds schedules.
    #[must_use]
    pub fn schedules(mut self, schedules: impl IntoIterator<Item = ScheduledJob>) -> Self {
        self.schedules.extend(schedules);
        self
    }

    /// Adds a job that shows the app at work: `lamp demo` enqueues it and waits for its end.
    #[must_use]
    pub fn example(mut self, job: impl Into<NewJob>) -> Self {
        self.examples.push(job.into());
        self
    }

    /// Deploys the dashboard with the app, as a function behind a function URL. Its crate is only a bootstrap, of this name.
    ///
    /// ```
    /// # use lamplighter::{App, DashboardFunction};
    /// let app = App::new("shop").dashboard(DashboardFunction::new());
    /// # assert!(app.dashboard.is_some());
    /// ```
    #[must_use]
    pub fn dashboard(mut self, dashboard: DashboardFunction) -> Self {
        self.dashboard = Some(dashboard);
        self
    }

    /// Puts a tower layer around the handlers of all functions, outside of the functions' own layers and of those added
    /// here before. See [`layer`](crate::layer).
    ///
    /// A Lambda bootstrap runs its function without an app, so it has to add such layers itself: keep them as
    /// [`Layers`] where both find them, and use [`layers`](Self::layers) here and [`Function::layers`] there.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<HandlerService> + Send + Sync + 'static,
        L::Service: Service<Execution, Response = Output, Error: Into<JobError>, Future: Send + 'static>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        self.layers = self.layers.layer(layer);
        self
    }

    /// Puts several layers around the handlers of all functions.
    #[must_use]
    pub fn layers(mut self, layers: &Layers) -> Self {
        self.layers.extend(layers);
        self
    }

    /// Makes all functions, in the order in which they were added, with settings from these variables.
    #[must_use]
    pub fn functions(&self, variables: &Variables) -> Vec<Function> {
        self.functions.iter().map(|make| make(variables).layers(&self.layers)).collect()
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("name", &self.name)
            .field("functions", &self.functions.len())
            .field("definitions", &self.definitions.iter().map(|definition| definition.name).collect::<Vec<_>>())
            .field("schedules", &self.schedules.iter().map(|scheduled| &scheduled.schedule.name).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
