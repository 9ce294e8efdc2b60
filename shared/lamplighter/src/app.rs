//! An app: what a deployment consists of.

use std::{fmt, sync::Arc};

use crate::{client::NewJob, function::Function, job::Definition, scheduled::ScheduledJob, variables::Variables};

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
    functions: Vec<MakeFunction>,
}

/// Functions are made anew for each that runs them: making one may make clients.
type MakeFunction = Arc<dyn Fn(&Variables) -> Function + Send + Sync>;

impl App {
    /// An app of this name, with nothing in it yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, definitions: Vec::new(), schedules: Vec::new(), examples: Vec::new(), functions: Vec::new() }
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

    /// Makes all functions, in the order in which they were added, with settings from these variables.
    #[must_use]
    pub fn functions(&self, variables: &Variables) -> Vec<Function> {
        self.functions.iter().map(|make| make(variables)).collect()
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
