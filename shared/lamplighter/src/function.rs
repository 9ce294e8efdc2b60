//! A function: a router of handlers, and what the platform must know about it.

use std::{
    collections::BTreeMap,
    fmt,
    marker::PhantomData,
    sync::{Arc, OnceLock},
    time::Duration,
};

use schemars::Schema;
use serde_json::value::RawValue;

use crate::{
    dashboard::DashboardFunction,
    error::JobError,
    event::EventTrigger,
    handler::{ErasedHandler, Handler, erase},
    job::{Job, schema_of},
    layer::{self, ErasedLayer, Execution, HandlerService, Layer, Layers, Output, Service},
    limit::Limit,
    message::is_job_name,
    options::{Options, Overlap},
    queue::{Queue, QueueHost},
    redaction::{Redaction, Redactor},
    setting::Setting,
    worker::SETTLE_JOB,
};

/// A function: handlers, and the queues that trigger it. On AWS it is a Lambda function; embedded, a pool of workers.
///
/// ```
/// # use lamplighter::{Context, Function, Job, JobError, Queue, State};
/// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Greet { pub name: String }
/// # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
/// async fn greet(job: Greet, ctx: Context, State(greeting): State<String>) -> Result<String, JobError> {
///     Ok(format!("{greeting}, {}! (attempt {})", job.name, ctx.attempt()))
/// }
///
/// pub fn function() -> Function {
///     Function::new("greetings").memory_mb(128).job(greet).with_state("Hello".to_owned())
/// }
/// # assert!(function().problems().is_empty());
/// ```
pub struct Function<S = ()> {
    spec: FunctionSpec,
    routes: BTreeMap<&'static str, Arc<Route>>,
    pending: Vec<(&'static str, Bind<S>)>,
    duplicates: Vec<&'static str>,
    /// Layers that were added before any job.
    layers_of_nothing: usize,
    state: PhantomData<fn(S)>,
}

/// What a [`Function`] says about itself: what hosts and infrastructure read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FunctionSpec {
    /// Its name: 1–40 of `[A-Za-z0-9-]`.
    pub name: &'static str,
    /// One sentence for people; may be empty.
    pub description: &'static str,
    /// Memory in MB.
    pub memory_mb: u16,
    /// How many jobs of one batch run at the same time, where the function sets it.
    pub concurrency: Option<usize>,
    /// Environment variables with fixed values.
    pub environment: Vec<(&'static str, &'static str)>,
    /// Values that are chosen at deployment.
    pub settings: Vec<Setting>,
    /// Whether its handlers read and write objects.
    pub uses_objects: bool,
    /// Whether it keeps no records, even where there is a table.
    pub stateless: bool,
    /// Whether it maintains the whole deployment.
    pub maintenance: bool,
    /// Whether it is the dashboard of the whole deployment, and performs no job.
    pub dashboard: bool,
    /// The jobs that its handlers enqueue, by name, each with its queue.
    pub enqueues: BTreeMap<&'static str, Queue>,
    /// The queues on which its handlers enqueue any job.
    pub enqueues_to: Vec<Queue>,
    /// Whether its handlers make and change schedules.
    pub schedules: bool,
    /// Whether its handlers cancel jobs and run ended ones again.
    pub manages_jobs: bool,
    /// The EventBridge events that it turns into jobs.
    pub events: Vec<EventTrigger>,
}

type Bind<S> = Box<dyn FnOnce(S) -> ErasedHandler + Send + Sync>;

/// One job that a function performs.
#[derive(Clone)]
pub struct Route {
    /// The job's name.
    pub job: &'static str,
    /// The queue that carries it.
    pub queue: Queue,
    /// Its options.
    pub options: Arc<Options>,
    schema: fn() -> Schema,
    pub(crate) handler: Option<ErasedHandler>,
    /// To be put around the handler, the first one innermost.
    layers: Vec<ErasedLayer>,
    /// Made from the schema when an attempt has failed.
    redaction: OnceLock<Option<Arc<Redaction>>>,
}

impl Route {
    /// The JSON Schema of the job's arguments.
    #[must_use]
    pub fn schema(&self) -> Schema {
        (self.schema)()
    }

    /// What removes the job's sensitive arguments from texts; `None` where it has none.
    pub(crate) fn redactor(&self, args: &RawValue) -> Option<Redactor> {
        let redaction = self.redaction.get_or_init(|| Redaction::of(self.schema()).map(Arc::new));
        redaction.as_ref().map(|redaction| redaction.redactor(args))
    }

    /// Whether this argument is sensitive.
    pub(crate) fn is_sensitive(&self, argument: &str) -> bool {
        let redaction = self.redaction.get_or_init(|| Redaction::of(self.schema()).map(Arc::new));
        redaction.as_ref().is_some_and(|redaction| redaction.is_sensitive(argument))
    }
}

impl Function {
    /// The memory of a function that names none, in MB.
    pub const DEFAULT_MEMORY_MB: u16 = 128;
    /// How many jobs of one batch run at the same time in a function that says nothing of it. A batch may have 10,000
    /// jobs, and a process on Lambda 1,024 open files and sockets (AWS Lambda Developer Guide, "Lambda quotas"): with
    /// this, each job may have three at a time, and the calls to AWS keep enough for themselves.
    pub const DEFAULT_CONCURRENCY: usize = 256;
    /// Lambda's longest function timeout (AWS Lambda Developer Guide, "Lambda quotas").
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(900);
    /// The longest timeout of a job on a queue with [`QueueHost::Worker`]: SQS hides a message for twelve hours at most,
    /// whatever is extended (Amazon SQS Developer Guide, "Amazon SQS visibility timeout"), and an hour is kept for its
    /// retries.
    pub const MAX_WORKER_TIMEOUT: Duration = Duration::from_secs(11 * 3600);
    /// What a function's timeout has above its slowest job: time to settle, and for the margin below the deadline.
    pub const TIMEOUT_MARGIN: Duration = Duration::from_secs(5);
    /// The highest [receive limit](Function::receive_limit) (Amazon SQS API Reference, SetQueueAttributes:
    /// `maxReceiveCount`).
    pub const MAX_RECEIVES: u32 = 1000;
    /// Receives beyond the attempts of a queue's jobs: a job that is released (throttled, unknown during a deployment) is
    /// received again without having been run. At least five receives are AWS's advice (AWS Lambda Developer Guide,
    /// "Creating and configuring an Amazon SQS event source mapping").
    pub const SPARE_RECEIVES: u32 = 5;
}

impl<S: Clone + Send + Sync + 'static> Function<S> {
    /// A function named `name`: 1–40 of `[A-Za-z0-9-]`.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            spec: FunctionSpec {
                name,
                description: "",
                memory_mb: Function::DEFAULT_MEMORY_MB,
                concurrency: None,
                environment: Vec::new(),
                settings: Vec::new(),
                uses_objects: false,
                stateless: false,
                maintenance: false,
                dashboard: false,
                enqueues: BTreeMap::new(),
                enqueues_to: Vec::new(),
                schedules: false,
                manages_jobs: false,
                events: Vec::new(),
            },
            routes: BTreeMap::new(),
            pending: Vec::new(),
            duplicates: Vec::new(),
            layers_of_nothing: 0,
            state: PhantomData,
        }
    }

    /// One sentence for people, shown where functions are listed.
    #[must_use]
    pub fn description(mut self, text: &'static str) -> Self {
        self.spec.description = text;
        self
    }

    /// Memory in MB, 128–10,240; Lambda's share of CPU grows with it. Default 128.
    #[must_use]
    pub fn memory_mb(mut self, mb: u16) -> Self {
        self.spec.memory_mb = mb;
        self
    }

    /// How many jobs of one batch run at the same time, FIFO groups counting as one. Default
    /// [`Function::DEFAULT_CONCURRENCY`].
    #[must_use]
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.spec.concurrency = Some(jobs.max(1));
        self
    }

    /// An environment variable that the deployed function shall have.
    #[must_use]
    pub fn environment(mut self, name: &'static str, value: &'static str) -> Self {
        self.spec.environment.push((name, value));
        self
    }

    /// A value that is chosen at deployment.
    #[must_use]
    pub fn setting(mut self, setting: Setting) -> Self {
        self.spec.settings.push(setting);
        self
    }

    /// The handlers read and write objects: the deployed function gets `LAMPLIGHTER_OBJECTS`, the URL of the
    /// deployment's object store, and the right to use it.
    #[must_use]
    pub fn uses_objects(mut self) -> Self {
        self.spec.uses_objects = true;
        self
    }

    /// Keeps no records, even where there is a table: no table in its environment, no permission for it. Attempts are
    /// then counted by receives, and a batch that succeeds makes no call. Functions keep records unless they say this.
    #[must_use]
    pub fn stateless(mut self) -> Self {
        self.spec.stateless = true;
        self
    }

    /// Looks after the whole deployment: the deployed function may read how much is in every queue and dead-letter
    /// queue, which no other function may. For the one that sends again what got lost. It needs records.
    #[must_use]
    pub fn maintenance(mut self) -> Self {
        self.spec.maintenance = true;
        self
    }

    /// Is the dashboard of the whole deployment, behind a function URL: it performs no job, and may operate every queue.
    pub(crate) fn serves_dashboard(mut self) -> Self {
        self.spec.dashboard = true;
        self
    }

    /// The handlers enqueue jobs of this type. The deployed function may send to the job's queue; a handler that enqueues
    /// what its function does not declare gets [`EnqueueError::Undeclared`](crate::EnqueueError::Undeclared), on every
    /// backend. The function's own jobs are no exception.
    #[must_use]
    pub fn enqueues<J: Job>(mut self) -> Self {
        self.spec.enqueues.insert(J::NAME, J::QUEUE);
        self
    }

    /// The handlers enqueue jobs on this queue of which only the names are known, with
    /// [`Client::enqueue_raw`](crate::Client::enqueue_raw). Where the types are known, [`enqueues`](Self::enqueues) says
    /// more.
    #[must_use]
    pub fn enqueues_to(mut self, queue: Queue) -> Self {
        self.spec.enqueues_to.push(queue);
        self
    }

    /// The handlers make, list, pause, trigger or remove schedules. A schedule starts a job on any queue, so the deployed
    /// function may send to every queue of the deployment, and pass on the role by which its schedules send.
    #[must_use]
    pub fn schedules(mut self) -> Self {
        self.spec.schedules = true;
        self
    }

    /// The handlers cancel jobs and run ended ones again, whatever their function: [`Client::cancel`](crate::Client::cancel)
    /// and [`Client::retry`](crate::Client::retry). The deployed function may send to every queue of the deployment.
    /// It needs records.
    #[must_use]
    pub fn manages_jobs(mut self) -> Self {
        self.spec.manages_jobs = true;
        self
    }

    /// Adds a handler. Which job it performs is seen from its first argument.
    #[must_use]
    pub fn job<J, Form, H>(mut self, handler: H) -> Self
    where
        J: Job,
        H: Handler<J, S, Form>,
        Form: 'static,
    {
        let (queue, options) = (J::QUEUE, Arc::new(J::options()));
        let route = Route {
            job: J::NAME,
            queue,
            options,
            schema: schema_of::<J>,
            handler: None,
            layers: Vec::new(),
            redaction: OnceLock::new(),
        };
        if self.routes.insert(J::NAME, Arc::new(route)).is_some() {
            self.duplicates.push(J::NAME);
        }
        self.pending.push((J::NAME, Box::new(move |state| erase::<J, S, Form, H>(handler, state))));
        self
    }

    /// Puts a tower layer around the handlers that have been added so far, as axum's `Router::layer` does: each layer goes
    /// around those added before it, so the last one sees an execution first and its outcome last. A handler that is added
    /// after a layer is outside of it. See [`layer`](crate::layer).
    ///
    /// ```
    /// # use lamplighter::{Context, Function, Job, JobError, Queue};
    /// # #[derive(Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    /// # pub struct Greet { pub name: String }
    /// # impl Job for Greet { const NAME: &'static str = "greeting.say"; const QUEUE: Queue = Queue::standard("greetings"); }
    /// # async fn greet(job: Greet) -> Result<String, JobError> { Ok(format!("Hello, {}!", job.name)) }
    /// use lamplighter::layer::{CircuitBreaker, Metrics};
    ///
    /// pub fn function() -> Function {
    ///     // An execution passes the metrics, then the circuit breaker, and then reaches the handler.
    ///     Function::new("greetings").job(greet).layer(CircuitBreaker::new()).layer(Metrics::new())
    /// }
    /// # assert!(function().problems().is_empty());
    /// ```
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
        self.layers_of_nothing += usize::from(self.routes.is_empty());
        self.layers(&Layers::new().layer(layer))
    }

    /// Puts several layers around the handlers that have been added so far.
    #[must_use]
    pub fn layers(mut self, layers: &Layers) -> Self {
        for route in self.routes.values_mut().filter(|_| !layers.all().is_empty()) {
            Arc::make_mut(route).layers.extend_from_slice(layers.all());
        }
        self
    }

    /// Turns EventBridge events that reach this function directly into jobs.
    #[must_use]
    pub fn on_event(mut self, trigger: EventTrigger) -> Self {
        self.spec.events.push(trigger);
        self
    }

    /// Gives the handlers their state. It is cloned for each job, so share what is big.
    #[must_use]
    pub fn with_state(mut self, state: S) -> Function {
        self.bind(&state);
        Function {
            spec: self.spec,
            routes: self.routes,
            pending: Vec::new(),
            duplicates: self.duplicates,
            layers_of_nothing: self.layers_of_nothing,
            state: PhantomData,
        }
    }

    fn bind(&mut self, state: &S) {
        for (job, bind) in self.pending.drain(..) {
            if let Some(route) = self.routes.get_mut(job) {
                Arc::make_mut(route).handler = Some(bind(state.clone()));
            }
        }
    }
}

impl Function {
    /// Gives handlers that have none their state, and puts their layers around them, for good.
    pub(crate) fn bound(mut self) -> Self {
        self.bind(&());
        let limits: BTreeMap<_, _> =
            self.queues().iter().map(|queue| (queue.name(), self.receive_limit(queue.name()))).collect();
        for route in self.routes.values_mut().filter(|route| !route.layers.is_empty()) {
            let route = Arc::make_mut(route);
            let (job, limit) = (route.job, limits.get(route.queue.name()).copied().unwrap_or(0));
            let layers = std::mem::take(&mut route.layers);
            route.handler = route.handler.take().map(|handler| layer::apply(&layers, handler, job, limit));
        }
        self
    }
}

impl<S> Function<S> {
    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.spec.name
    }

    /// What the function says about itself.
    #[must_use]
    pub fn spec(&self) -> &FunctionSpec {
        &self.spec
    }

    /// The jobs it performs, by name.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.values().map(|route| &**route)
    }

    /// The job of that name.
    #[must_use]
    pub fn route(&self, job: &str) -> Option<&Route> {
        self.routes.get(job).map(|route| &**route)
    }

    pub(crate) fn shared_route(&self, job: &str) -> Option<&Arc<Route>> {
        self.routes.get(job)
    }

    /// The queues that trigger it: those of its jobs, each once, by name.
    #[must_use]
    pub fn queues(&self) -> Vec<Queue> {
        let by_name: BTreeMap<_, _> = self.routes.values().map(|route| (route.queue.name(), route.queue)).collect();
        by_name.into_values().collect()
    }

    /// How many jobs of that queue run at the same time on one machine, where the queue
    /// ([`Queue::max_concurrency`] times [`Queue::batch_size`]) or the function ([`concurrency`](Self::concurrency)) says
    /// it.
    #[must_use]
    pub fn jobs_at_once(&self, queue: &Queue) -> Option<usize> {
        let of_queue =
            queue.max_concurrency.map(|invocations| usize::from(invocations) * usize::from(queue.batch_size));
        of_queue.into_iter().chain(self.spec.concurrency).min().map(|jobs| jobs.max(1))
    }

    /// After how many receives that queue gives a message up and moves it to its dead-letter queue by itself: SQS's
    /// `maxReceiveCount`. It is higher than what workers count, as the backstop for jobs that take their whole environment down.
    ///
    /// Where receives count nothing, it is [as high as it can be](Function::MAX_RECEIVES): where all of the queue's jobs
    /// have records, receives go on while the store is away; and a job that waits for another of its schedule, or for a
    /// secret, is received each time it asks. Otherwise, it is the most attempts of the queue's jobs and
    /// [some](Function::SPARE_RECEIVES) for deliveries that are released without having run.
    #[must_use]
    pub fn receive_limit(&self, queue: &str) -> u32 {
        let routes = || self.routes.values().filter(|route| route.queue.name() == queue);
        let FunctionSpec { stateless, ref settings, .. } = self.spec;
        let reads_secrets = settings.iter().any(Setting::names_secrets) && !stateless;
        let waits = reads_secrets || routes().any(|route| route.options.may_wait());
        let counted = !stateless && routes().next().is_some() && routes().all(|route| route.options.is_tracked());
        if waits || counted {
            return Function::MAX_RECEIVES;
        }
        let attempts = routes().map(|route| route.options.retry.max_attempts()).max().unwrap_or(1);
        attempts.saturating_add(Function::SPARE_RECEIVES).min(Function::MAX_RECEIVES)
    }

    /// Returns whether a job may have to wait for others here: by a [limit](crate::Limit), or by its overlap policy.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.routes.values().any(|route| route.options.may_wait())
    }

    /// How long an invocation may take: as long as its slowest job on Lambda, and [`Function::TIMEOUT_MARGIN`], in whole
    /// seconds, at most [`Function::MAX_TIMEOUT`]. The dashboard has [its own](DashboardFunction::TIMEOUT).
    #[must_use]
    pub fn timeout(&self) -> Duration {
        if self.spec.dashboard {
            return DashboardFunction::TIMEOUT;
        }
        let on_lambda = self.routes.values().filter(|route| route.queue.host == QueueHost::Lambda);
        slowest(on_lambda).min(Function::MAX_TIMEOUT)
    }

    /// How long a batch of that queue may take: as long as its slowest job, and [`Function::TIMEOUT_MARGIN`], in whole
    /// seconds.
    #[must_use]
    pub fn timeout_on(&self, queue: &str) -> Duration {
        slowest(self.routes.values().filter(|route| route.queue.name() == queue))
    }

    /// What does not fit together in this function, each as one sentence; empty when all is well.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let FunctionSpec { name, memory_mb, stateless, maintenance, dashboard, manages_jobs, ref events, .. } =
            self.spec;
        let mut problem = |text: String| problems.push(format!("function {name:?}: {text}"));
        let name_fits = (1..=40).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !name_fits {
            problem("a name is 1 to 40 characters of A-Z a-z 0-9 -".into());
        }
        if !(128..=10_240).contains(&memory_mb) {
            problem(format!("memory is 128 to 10240 MB, not {memory_mb}"));
        }
        if self.routes.is_empty() && !dashboard {
            problem("it performs no job; add one with .job(handler)".into());
        }
        if stateless && maintenance {
            problem(
                "it is the maintenance function, which needs records, and is stateless; remove one of the two".into(),
            );
        }
        if stateless && manages_jobs {
            problem("it manages jobs, which needs records, and is stateless; remove one of the two".into());
        }
        for job in &self.duplicates {
            problem(format!("two handlers perform {job}; keep one"));
        }
        if self.layers_of_nothing > 0 {
            problem("a layer is added before any job, so it is around none; add it after the jobs".into());
        }
        for trigger in events {
            if !self.routes.contains_key(trigger.job()) {
                problem(format!("an event starts {}, which no handler here performs", trigger.job()));
            }
        }
        let mut queues: BTreeMap<&str, (Queue, &str)> = BTreeMap::new();
        for route in self.routes.values() {
            let (first, by) = *queues.entry(route.queue.name()).or_insert((route.queue, route.job));
            if first != route.queue {
                problem(format!(
                    "{by} and {} declare queue {:?} differently; share one constant",
                    route.job,
                    route.queue.name()
                ));
            }
            if !is_job_name(route.job) || route.job == SETTLE_JOB {
                problem(format!("{:?} cannot name a job: 1 to 128 characters of A-Z a-z 0-9 . _ -", route.job));
            }
            if !route.options.is_tracked() && route.options.overlap != Overlap::Allow {
                problem(format!(
                    "{} is untracked and has an overlap policy, for which records are needed; remove one of the two",
                    route.job
                ));
            }
            let limits = &route.options.limits;
            if !limits.is_empty() && (!route.options.is_tracked() || stateless) {
                problem(format!("{} has a limit, for which records are needed; remove one of the two", route.job));
            }
            if limits.len() > Limit::MAX_OF_JOB {
                problem(format!("{} has {} limits, and may have {}", route.job, limits.len(), Limit::MAX_OF_JOB));
            }
            for text in limits.iter().flat_map(Limit::problems) {
                problem(format!("{}: {text}", route.job));
            }
            let timeout = route.options.timeout;
            let (place, most) = match route.queue.host {
                QueueHost::Lambda => ("on Lambda", Function::MAX_TIMEOUT - Function::TIMEOUT_MARGIN),
                QueueHost::Worker => ("on a worker", Function::MAX_WORKER_TIMEOUT),
            };
            if timeout.is_zero() || timeout > most {
                let hint = match timeout <= Function::MAX_WORKER_TIMEOUT && !timeout.is_zero() {
                    true => "; give its queue .host(QueueHost::Worker), and run it with `lamp work`",
                    false => "",
                };
                problem(format!(
                    "{} has a timeout of {timeout:?}; {place} it is above zero and at most {most:?}{hint}",
                    route.job
                ));
            }
        }
        for (queue, _) in queues.into_values() {
            problems.extend(queue.problems().into_iter().map(|text| format!("function {name:?}: {text}")));
        }
        problems
    }
}

/// The timeout of the slowest of these, and the margin, in whole seconds.
fn slowest<'a>(routes: impl Iterator<Item = &'a Arc<Route>>) -> Duration {
    let slowest = routes.map(|route| route.options.timeout).max().unwrap_or_default();
    let seconds = slowest.as_secs().saturating_add(u64::from(slowest.subsec_nanos() > 0));
    Duration::from_secs(seconds.saturating_add(Function::TIMEOUT_MARGIN.as_secs()))
}

impl<S> fmt::Debug for Function<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function")
            .field("name", &self.spec.name)
            .field("jobs", &self.routes.keys())
            .finish_non_exhaustive()
    }
}
