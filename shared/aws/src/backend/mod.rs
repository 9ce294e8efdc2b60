//! The backend: queues on SQS, and the other parts of a deployment.

#[cfg(feature = "dynamodb")]
mod batches;
#[cfg(feature = "dynamodb")]
mod continuations;
mod delayed_sender;
#[cfg(feature = "dynamodb")]
mod limits;
#[cfg(feature = "dynamodb")]
mod manage;
#[cfg(feature = "dynamodb")]
mod records;
mod sender;
mod settings;

use std::{fmt, sync::Arc};

use lamplighter::{
    Client,
    backend::{Backend, Events, Payloads, Rollups, Schedules},
    env::Env,
    meter::Meter,
};

pub(crate) use self::delayed_sender::DelayedSender;
#[cfg(feature = "schedules")]
pub(crate) use self::delayed_sender::{DELAY, RETRY};
use self::sender::Sender;
pub use self::settings::Settings;
#[cfg(feature = "operator")]
pub(crate) use self::settings::names;
use crate::{queues::QueueMapError, sdk::AwsClients, sqs::Sqs};

/// A deployment on AWS, for programs that enqueue, run or manage jobs. Cloning is cheap; all clients are created at
/// first use.
///
/// A part is used only if the deployment has it and this program was built for it: without the feature `dynamodb`, or
/// without a table, no records are kept.
#[derive(Clone)]
pub struct AwsBackend {
    delayed_sender: DelayedSender,
    backend: Backend,
}

impl AwsBackend {
    /// The deployment described by environment variables, as in a Lambda function.
    ///
    /// # Errors
    /// When the map of queues is not valid.
    pub fn from_env() -> Result<Self, QueueMapError> {
        Ok(Self::new(AwsClients::environment(), Settings::from_env()?, Env::system()))
    }

    /// A deployment with these settings.
    #[must_use]
    pub fn new(sdk: AwsClients, settings: Settings, env: Env) -> Self {
        let (events, payloads) = (events(&sdk, &settings), payloads(&settings, &env));
        let sqs = Sqs::with_env(sdk.clone(), settings.queues.clone(), env.clone());
        let schedules = schedules(&sdk, &settings, &sqs, &env);
        let rollups = rollups(&sdk, &settings, &env);
        let delayed_sender = DelayedSender {
            sqs,
            #[cfg(feature = "schedules")]
            schedules: group(&settings).map(|group| crate::OneTime::new(sdk.clone(), group)),
            #[cfg(feature = "dynamodb")]
            table: settings.table.as_ref().map(|table| crate::dynamo::Dynamo::new(sdk, table.as_str(), env.clone())),
            env,
        };
        let mut backend = backend(&delayed_sender);
        (backend.events, backend.payloads, backend.schedules) = (events, payloads, schedules);
        backend.rollups = rollups;
        Self { delayed_sender, backend }
    }

    /// The same with a meter for the workers on it.
    #[must_use]
    pub fn with_meter(mut self, meter: Arc<dyn Meter>) -> Self {
        self.backend.meter = Some(meter);
        self
    }

    /// Its parts as the core's backend.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend.clone()
    }

    /// A client that enqueues and reads jobs.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.backend(), self.env().clone())
    }

    /// The same without records: attempts are counted by receives.
    #[must_use]
    pub fn stateless(&self) -> Self {
        let delayed_sender = DelayedSender {
            #[cfg(feature = "dynamodb")]
            table: None,
            ..self.delayed_sender.clone()
        };
        let mut backend = backend(&delayed_sender);
        backend.events = self.backend.events.clone();
        backend.payloads = self.backend.payloads.clone();
        backend.schedules = self.backend.schedules.clone();
        backend.meter = self.backend.meter.clone();
        backend.rollups = self.backend.rollups.clone();
        Self { delayed_sender, backend }
    }

    /// An operator for its queues: see [`AwsOperator`](crate::AwsOperator).
    #[cfg(feature = "operator")]
    #[must_use]
    pub fn operator(&self) -> Arc<dyn lamplighter::backend::Operator> {
        Arc::new(crate::AwsOperator::of(self.sqs().clone(), self.backend.store.clone()))
    }

    /// Its queues.
    #[must_use]
    pub fn sqs(&self) -> &Sqs {
        &self.delayed_sender.sqs
    }

    /// The clock and the randomness.
    #[must_use]
    pub fn env(&self) -> &Env {
        &self.delayed_sender.env
    }

    pub(crate) fn delayed_sender(&self) -> &DelayedSender {
        &self.delayed_sender
    }
}

impl fmt::Debug for AwsBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("backend", &self.backend).finish_non_exhaustive()
    }
}

fn backend(delayed_sender: &DelayedSender) -> Backend {
    let backend = Backend::new(Arc::new(Sender(delayed_sender.clone())));
    #[cfg(feature = "dynamodb")]
    if let Some(dynamo) = &delayed_sender.table {
        let (dynamo, delayed_sender) = (dynamo.clone(), delayed_sender.clone());
        let batches = batches::AwsBatches { dynamo: dynamo.clone(), delayed_sender: delayed_sender.clone() };
        let records = Arc::new(records::Records { dynamo, delayed_sender });
        return backend
            .with_store(records.clone())
            .with_errors(records.clone())
            .with_operations(records)
            .with_batches(Arc::new(batches));
    }
    backend
}

/// The publisher of lifecycle events.
#[cfg(feature = "events")]
fn events(sdk: &AwsClients, settings: &Settings) -> Option<Arc<dyn Events>> {
    let bus = settings.event_bus.as_deref()?;
    Some(Arc::new(crate::events::Bus::new(sdk.clone(), bus)))
}

#[cfg(not(feature = "events"))]
fn events(_: &AwsClients, _: &Settings) -> Option<Arc<dyn Events>> {
    None
}

/// The store for large arguments.
#[cfg(feature = "claim-check")]
fn payloads(settings: &Settings, env: &Env) -> Option<Arc<dyn Payloads>> {
    let bucket = settings.payloads.as_deref()?;
    match lamplighter_objects::Objects::from_url(&format!("s3://{bucket}")) {
        Ok(objects) => Some(Arc::new(lamplighter_objects::ClaimChecks::new(objects, env.clone()))),
        Err(error) => {
            tracing::error!(%error, "claim checks are not available: large arguments are refused");
            None
        }
    }
}

#[cfg(not(feature = "claim-check"))]
fn payloads(_: &Settings, _: &Env) -> Option<Arc<dyn Payloads>> {
    None
}

/// The schedules made at run time.
#[cfg(feature = "schedules")]
fn schedules(sdk: &AwsClients, settings: &Settings, sqs: &Sqs, env: &Env) -> Option<Arc<dyn Schedules>> {
    Some(Arc::new(crate::AwsSchedules::new(sdk.clone(), group(settings)?, sqs.clone(), env.clone())))
}

#[cfg(not(feature = "schedules"))]
fn schedules(_: &AwsClients, _: &Settings, _: &Sqs, _: &Env) -> Option<Arc<dyn Schedules>> {
    None
}

/// What its functions have measured.
#[cfg(feature = "rollups")]
fn rollups(sdk: &AwsClients, settings: &Settings, env: &Env) -> Option<Arc<dyn Rollups>> {
    Some(Arc::new(crate::rollups::CloudWatch::new(sdk.clone(), settings.functions.clone(), env.clone())))
}

#[cfg(not(feature = "rollups"))]
fn rollups(_: &AwsClients, _: &Settings, _: &Env) -> Option<Arc<dyn Rollups>> {
    None
}

/// The group of the deployment's schedules, if it has one.
#[cfg(feature = "schedules")]
fn group(settings: &Settings) -> Option<crate::ScheduleSettings> {
    let (group, role) = (settings.schedule_group.as_ref()?, settings.scheduler_role.as_ref()?);
    let made = crate::ScheduleSettings::new(group, role).and_then(|made| match &settings.undelivered {
        Some(queue) => made.undelivered(queue),
        None => Ok(made),
    });
    made.inspect_err(|error| {
        tracing::error!(%error, "schedules are not available: long delays use the table, or are refused");
    })
    .ok()
}
